# Proofs are counted in shared memory and refusals logged: both outlive the rollback that a refusal brings.
use strict;
use warnings;

use AccountTest;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $node = new_node(preload => 1, conf => "max_connections = 30\nlog_statement = none\nrestart_after_crash = on");
person($node, $_) foreach qw(maria olga);
my %id;
my %key;
($id{$_}, $key{$_}) = new_key($node, 'maria') foreach qw(good off old far);
sql($node, as_person('maria', "SELECT account.disable_api_key('$id{off}')"));
my ($scoped_id, $scoped) = split /\|/,
  sql($node, as_person('maria', "SELECT id, key FROM account.create_api_key('s', NULL, '{read}', '{10.0.0.0/8}')"));
sql($node, "UPDATE account_data.api_key_digests SET valid_until = now() - interval '1 s' WHERE api_key_id = '$id{old}'");
my $unknown = 'ul_' . '0' x 40;

# What was counted since the last call, as a text.
my %seen;
sub counted
{
	my @new;
	foreach (split /\n/, sql($node, "SELECT subject || ' ' || outcome, count FROM account.stats ORDER BY 1"))
	{
		my ($name, $count) = split /\|/;
		push @new, "$name " . ($count - ($seen{$name} // 0)) if $count != ($seen{$name} // 0);
		$seen{$name} = $count;
	}
	return join ', ', @new;
}

is(sql($node, "SELECT DISTINCT since <= now() AND since > pg_postmaster_start_time() - interval '1 min' FROM account.stats"),
	't', 'counting starts with the server');
counted();

# one by one
like(error_of($node, "BEGIN; SELECT account.authenticate('$unknown')"), qr/^28000: invalid API key/, 'a key is refused, and its transaction rolled back');
is(counted(), 'api_key not_found 1', 'the refusal is counted all the same');
error_of($node, "SELECT account.authenticate('$key{$_}')") foreach qw(off old);
is(counted(), 'api_key disabled 1, api_key expired 1', 'with its reason');
sql($node, "SELECT account.authenticate('$key{good}')");
sql($node, "SELECT account.verify_api_key('$key{good}'), account.verify_api_key('nonsense'), account.verify_api_key(NULL)");
is(counted(), 'api_key not_found 1, api_key valid 2', 'what holds is counted, and what asks about nothing is not');
sql($node, "SELECT account.admit('$scoped', scope => 'write', ip => '10.1.1.1'), account.admit('$scoped', scope => 'read', ip => '11.1.1.1'),
	account.admit('$scoped', ip => '10.1.1.1'), account.admit(NULL)");
is(counted(), 'api_key insufficient_scope 1, api_key ip_not_allowed 1, api_key not_found 1, api_key valid 1', 'and every verdict');
sql($node, "SELECT account.locate_api_key('$key{good}'), account.locate_api_key('$unknown')");
is(counted(), '', 'to ask for the region of a key proves nothing');
my $token = sql($node, q(SELECT token FROM account.open_session((SELECT id FROM account_data.users WHERE username = 'olga'))));
sql($node, "SELECT account.resume_session('$token')");
error_of($node, "SELECT account.resume_session('$unknown')");
sql($node, as_person('olga', q(SELECT account.add_email('olga@work.example'))));
error_of($node, as_person('olga', q(SELECT account.verify_email('olga@work.example', 'wrong!'))));
error_of($node, "SELECT account.invite_info('$unknown')");
is(counted(), 'email_code invalid 1, invite not_found 1, session invalid 1, session valid 1', 'sessions, codes and invites too');

# at once
my $script = $node->basedir . '/refuse.sql';
open my $file, '>', $script or die $!;
print $file "BEGIN;\nSELECT account.verify_api_key('$unknown'), account.verify_api_key('$key{good}');\nROLLBACK;\n";
close $file or die $!;
$node->command_ok([ 'pgbench', '-n', '-c', 20, '-j', 2, '-t', 100, '-f', $script, 'postgres' ], 'twenty sessions ask two thousand times');
is(counted(), 'api_key not_found 2000, api_key valid 2000', 'and no count is lost');
is(sql($node, <<"SQL"), 1000, 'parallel workers verify a thousand keys');
CREATE TABLE asked AS SELECT n FROM generate_series(1, 1000) n;
ALTER TABLE asked SET (parallel_workers = 2);
SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET parallel_leader_participation = off;
SELECT count(*) FROM asked WHERE (account.verify_api_key('$key{good}' || left(n::text, 0))).role = 'owner';
SQL
is(counted(), 'api_key valid 1000', 'which count where the others do');

# the log
my $log = slurp_file($node->logfile);
like($log, qr/ERROR:  invalid API key\n[^\n]*DETAIL:  No such key\./, 'the log has a refusal');
like($log, qr/ERROR:  invalid API key\n[^\n]*DETAIL:  API key $id{off}: DISABLED\./, 'of which key, and why, which the client is not told');
like($log, qr/LOG:  API key refused from 11\.1\.1\.1\n[^\n]*DETAIL:  API key $scoped_id: IP_NOT_ALLOWED\./, 'and what a gateway was told to turn away');
unlike($log, qr/$_/, 'but no secret') foreach $scoped, $token, values %key;
unlike(error_of($node, "SELECT account.authenticate('$key{off}')"), qr/DISABLED/, 'the client is told nothing more');

# a crash
my $busy = $node->background_psql('postgres');
my $pid = $busy->query_safe('SELECT pg_backend_pid()') =~ s/\s//gr;
kill9_backend($node, $pid);
$busy->{run}->finish;
is(sql($node, 'SELECT sum(count), bool_and(since > pg_postmaster_start_time()) FROM account.stats'), '0|t', 'a crash of the server begins anew');

done_testing();
