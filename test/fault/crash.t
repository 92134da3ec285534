# Backends and postmasters are killed while keys are made, rotated and revoked. What was acknowledged is
# there afterwards, and nothing is there by half.
use strict;
use warnings;

use AccountTest;
use IPC::Run qw(start);
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;
use Time::HiRes qw(usleep);

my $clients = 4;
my $acknowledged = 40;    # by each client before the kill

my $node = new_node(conf => "log_statement = none\nrestart_after_crash = on\nmax_connections = 30\nfsync = on");
person($node, "user$_") foreach 1 .. $clients;
sql($node, <<'SQL');
-- One transaction: something done to a user's youngest key, and the secret it has then.
CREATE FUNCTION work(who text, what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	person uuid := (SELECT id FROM account_data.users WHERE username = who);
	youngest uuid := (SELECT id FROM account_data.api_keys
		WHERE user_id = person AND revoked_at IS NULL ORDER BY id DESC LIMIT 1);
BEGIN
	PERFORM account.act_as(person);
	CASE what
		WHEN 'make' THEN RETURN 'make ' || key FROM account.create_api_key('job');
		WHEN 'rotate' THEN RETURN 'rotate ' || key FROM account.rotate_api_key(youngest);
		WHEN 'revoke' THEN PERFORM account.revoke_api_key(youngest); RETURN 'revoke';
	END CASE;
END $$;
SQL
foreach my $client (1 .. $clients)
{
	my @cycle = map { "SELECT work('user$client', '$_');\n" } qw(make rotate make rotate revoke);
	append_to_file($node->basedir . "/user$client.sql", join '', (@cycle) x 2000);
}

my (%live, %dead);

# Takes what a client saw: the secrets that must hold and those that must not. What its last key is like,
# if the next thing was done to it unacknowledged, nobody knows.
sub take
{
	my ($last);
	foreach my $line (split /\n/, shift)
	{
		my ($what, $key) = split / /, $line;
		if ($what ne 'make' && defined $last)
		{
			delete $live{$last};
			$dead{$last} = 1;
		}
		$last = $key;
		$live{$key} = 1 if defined $key;
	}
	delete $live{$last} if defined $last;
	return;
}

# Lets clients work until each has been acknowledged enough, and kills then.
sub work_until_killed
{
	my ($kill) = @_;
	my @runs;
	foreach my $client (1 .. $clients)
	{
		my ($out, $err) = ('', '');
		my $run = start(
			[
				'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
				'-f', $node->basedir . "/user$client.sql"
			],
			'<', \'', '>', \$out, '2>', \$err, IPC::Run::timeout(60));
		push @runs, { run => $run, out => \$out };
	}
	foreach my $client (@runs)
	{
		$client->{run}->pump until ${ $client->{out} } =~ tr/\n// >= $acknowledged;
	}
	$kill->();
	foreach my $client (@runs)
	{
		$client->{run}->finish;
		my ($whole) = ${ $client->{out} } =~ /\A(.*\n)/s;
		take($whole);
	}
	return;
}

# Looks at everything after recovery.
sub check
{
	my ($what) = @_;
	is( sql($node, q(SELECT count(*) FROM account_data.api_keys k WHERE 1 <>
			(SELECT count(*) FROM account_data.api_key_secrets s
			  WHERE (s.workspace_id, s.api_key_id) = (k.workspace_id, k.id) AND s.expires_at IS NULL))),
		0, "$what: each key has one current secret");
	my $columns = 'workspace_id, api_key_id, secret_id, valid_until, role, region, is_disabled, digest, user_id,'
	  . ' service_account_id, scopes, allowed_ips';
	my $answers = "SELECT $columns FROM account_data.api_key_answers WHERE valid_until > statement_timestamp()";
	my $digests = "SELECT $columns FROM account_data.api_key_digests";
	is(sql($node, "SELECT count(*) FROM ($answers EXCEPT $digests) x"), 0, "$what: the directory has every secret");
	is(sql($node, "SELECT count(*) FROM ($digests EXCEPT $answers) x"), 0, "$what: and no other");
	is( sql($node, 'SELECT count(*) FROM account_data.api_keys k FULL JOIN account_data.credential_uses c
			ON c.credential_id = k.id WHERE k.id IS NULL OR c.credential_id IS NULL'),
		0, "$what: each key has its row for the last use");
	is( sql($node, q(SELECT count(*) FROM account_data.api_keys k FULL JOIN account_data.events e
			ON e.resource_id = k.id::text AND e.action = 'created' WHERE (k.id IS NULL AND e.action = 'created'
			AND e.resource_type = 'api_key') OR e.id IS NULL)),
		0, "$what: each key has its event");
	foreach ([ \%live, 'holds', scalar keys %live ], [ \%dead, 'does not hold', 0 ])
	{
		my ($keys, $how, $count) = @$_;
		my $list = join ',', map { "'$_'" } sort keys %$keys;
		is(sql($node, "SELECT count(v.role) FROM unnest(ARRAY[$list]) key, LATERAL account.verify_api_key(key) v"),
			$count, "$what: what was acknowledged $how: " . keys %$keys);
	}
	my $shown = 0;
	foreach my $client (1 .. $clients)
	{
		$shown += sql($node, as_person("user$client", q(SELECT count((account.verify_api_key(account.reveal_api_key(id))).role)
			FROM account.api_keys WHERE status = 'active')));
	}
	is($shown, sql($node, 'SELECT count(*) FROM account_data.api_keys WHERE revoked_at IS NULL'),
		"$what: every key is shown again and holds");
	return;
}

foreach my $round (1 .. 2)
{
	my @children;
	work_until_killed(sub {
		kill9_backend($node, sql($node, q(SELECT pid FROM pg_stat_activity WHERE query ~ '^SELECT work' LIMIT 1)));
	});
	check("backend killed, round $round");

	work_until_killed(sub {
		@children = split /\n/, sql($node, 'SELECT pid FROM pg_stat_activity');
		$node->kill9;
	});
	usleep(10_000) while kill 0 => @children;    # they notice; until then no other server may start
	$node->start;
	check("postmaster killed, round $round");
}

done_testing();
