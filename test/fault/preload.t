# The library behaves the same however it gets into a backend: preloaded by the server, by the session,
# with LOAD, or by the first call. A principal planted before it is there is not taken.
use strict;
use warnings;

use AccountTest;
use Test::More;

my $node = new_node(conf => "log_statement = none\nmax_connections = 30");
sql($node, q(CREATE ROLE front LOGIN; SELECT account.grant_usage('front')));
person($node, $_) foreach qw(maria olga);
my ($id, $key) = new_key($node, 'maria');

# What the setting holds while Maria acts: a superuser may read it, nobody may write it.
my $planted = sql($node, as_person('maria', 'SHOW account.principal'));
like($planted, qr/^[0-9a-f]{100,}$/, 'there is a principal to plant');
my $who = 'SELECT user_id IS NOT NULL FROM account.current_principal()';

sql($node, <<'SQL');
CREATE TABLE projects (id integer, workspace_id uuid);
INSERT INTO projects SELECT n, w.id FROM generate_series(1, 20000) n, account_data.workspaces w;
ALTER TABLE projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY members ON projects USING (account.has_role(workspace_id, 'viewer'));
GRANT SELECT ON projects TO front;
ANALYZE projects;
SQL
my $parallel = <<'SQL';
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
SQL

# A query as role front, with its principal planted by the client's options; what it gives or says.
sub planted
{
	my ($role, $query) = @_;
	local $ENV{PGOPTIONS} = "-c account.principal=$planted";
	my ($status, $out, $error) =
	  $node->psql('postgres', $query, extra_params => [ '-U', $role ], on_error_stop => 1);
	return $status == 0 ? $out : $error;
}

sub try_all
{
	my ($how, $first) = @_;
	$first //= '';

	# planted by the client's options
	my $refused = $how eq 'the server';
	my %role = (front => qr/permission denied to set parameter/, postgres => qr/cannot be set directly/);
	foreach my $role (sort keys %role)
	{
		my $said = planted($role, ($role eq 'front' ? '' : $first) . $who);    # LOAD is a superuser's
		if ($refused)
		{
			like($said, $role{$role}, "$how: a connection of $role with a planted principal is refused");
		}
		else
		{
			is($said, 'f', "$how: nobody acts in a connection of $role with a planted principal");
		}
	}

	# planted by a setting of the session, role, database or function
	foreach my $plant (
		"SET account.principal = '$planted'",
		"SELECT set_config('account.principal', '$planted', false) IS NULL",
		"BEGIN; SET LOCAL account.principal = '$planted'",
		"BEGIN; SAVEPOINT a; SET account.principal = '$planted'; SAVEPOINT b; SET LOCAL account.principal = '$planted'")
	{
		foreach my $role (qw(front postgres))
		{
			my $load = $role eq 'front' ? '' : $first;
			my (undef, $out, $error) = $node->psql('postgres', "$plant;\n$load$who",
				extra_params => [ '-U', $role ], on_error_stop => 1);
			ok($out !~ /t$/ && ($error ne '' || $out =~ /f$/), "$how: $role plants nothing by " . $plant =~ s/'\w{100,}'/…/gr)
			  or diag("$out\n$error");
		}
	}

	# proofs
	is(sql($node, $first . "SELECT role FROM account.verify_api_key('$key')"), 'owner', "$how: a key is verified");
	is(sql($node, $first . "BEGIN; SELECT account.authenticate('$key') \\g /dev/null\nSELECT name, status FROM account.api_keys; COMMIT;"),
		'key of maria|active', "$how: who acts by it sees it");
	is(sql($node, $first . as_person('maria', "SELECT account.reveal_api_key('$id')")), $key, "$how: a key is shown again");
	like(error_of($node, $first . 'SELECT * FROM account.api_keys'), qr/^28000: not signed in/, "$how: nobody acts at first");
	like(health($node, $_), qr/^t/, "$how: health() finds the $_") foreach qw(version master_key);

	# parallel workers
	my $as_front = $first . "$parallel BEGIN; SELECT account.authenticate('$key') \\g /dev/null\nSET LOCAL ROLE front;\n";
	like(sql($node, $as_front . "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT id FROM projects; COMMIT;"),
		qr/Workers Launched: [12]/, "$how: parallel workers run a policy");
	is(sql($node, $as_front . 'SELECT count(*) FROM projects; COMMIT;'), 20000, "$how: with the leader's principal");
	is(sql($node, $first . as_person('maria', "$parallel SELECT count(*) FROM projects
		WHERE account.current_user_id() IS NOT NULL AND (account.verify_api_key('$key')).role >= 'viewer'
		AND account.has_role(workspace_id, 'viewer')")), 20000, "$how: which it has in every way");
	is(sql($node, $first . "$parallel SELECT count(*) FROM projects WHERE account.has_role(workspace_id, 'viewer')"),
		0, "$how: or without any");
	return;
}

sub restart_with
{
	my ($setting) = @_;
	$node->adjust_conf('postgresql.conf', $_, undef) foreach qw(shared_preload_libraries session_preload_libraries);
	$node->append_conf('postgresql.conf', $setting);
	$node->restart;
	return;
}

try_all('the first call');
try_all('LOAD', "LOAD 'account';\n");
restart_with("session_preload_libraries = 'account'");
try_all('the session');
restart_with("shared_preload_libraries = 'account'");
try_all('the server');

# kept in the catalog while no library could object
restart_with('');
sql($node, "ALTER ROLE postgres SET account.principal = '$planted'");
sql($node, "ALTER DATABASE postgres SET account.principal = '$planted'");
sql($node, <<"SQL");
CREATE FUNCTION forge() RETURNS boolean LANGUAGE sql SET account.principal = '$planted'
	AS \$\$ SELECT user_id IS NOT NULL FROM account.current_principal() \$\$;
SQL
foreach my $setting ('', "session_preload_libraries = 'account'", "shared_preload_libraries = 'account'")
{
	restart_with($setting);
	is(sql($node, $who), 'f', "a principal kept for a role or database is not taken: $setting");
	my (undef, $out) = $node->psql('postgres', 'SELECT forge()');
	isnt($out, 't', "nor one of a function: $setting");
}

done_testing();
