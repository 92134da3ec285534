# A backend does not grow: a million verifications and hundreds of thousands of principals, in one
# statement, one transaction and many, take no more memory than the first few thousand.
use strict;
use warnings;

use AccountTest;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

# The smallest allocation leaked at every call would be more than this.
my $allowed = 2 * 1024 * 1024;

my $node = new_node(conf => "log_statement = none\nshared_buffers = 16MB");
person($node, 'maria');
sql($node, <<'SQL');
CREATE TABLE keys AS SELECT ''::text AS key LIMIT 0;
BEGIN;
SELECT FROM account_data.users u, account.act_as(u.id);
INSERT INTO keys SELECT k.key FROM generate_series(1, 100) n, LATERAL account.create_api_key('key ' || n,
	scopes => CASE WHEN n % 2 = 0 THEN '{a:b,c:*}'::text[] END) k;
COMMIT;
VACUUM ANALYZE;

CREATE PROCEDURE act(times integer, is_local boolean, commits boolean) LANGUAGE plpgsql AS $$
DECLARE
	all_keys text[] := (SELECT array_agg(key) FROM keys);
BEGIN
	FOR i IN 1..times LOOP
		PERFORM account.authenticate(all_keys[i % 100 + 1], is_local);
		IF commits THEN COMMIT; END IF;
	END LOOP;
END $$;

CREATE PROCEDURE act_in_subtransactions(times integer) LANGUAGE plpgsql AS $$
DECLARE
	all_keys text[] := (SELECT array_agg(key) FROM keys);
BEGIN
	FOR i IN 1..times LOOP
		BEGIN
			PERFORM account.authenticate(CASE WHEN i % 3 > 0 THEN all_keys[i % 100 + 1] END);
		EXCEPTION WHEN invalid_authorization_specification THEN NULL;
		END;
	END LOOP;
END $$;
SQL

# Memory contexts, and the process: anonymous pages, and all pages at their peak.
sub memory
{
	my ($session) = @_;
	my ($pid, $contexts) = split /\|/,
	  $session->query_safe('SELECT pg_backend_pid(), sum(total_bytes) FROM pg_backend_memory_contexts');
	my $status = slurp_file("/proc/$pid/status");
	my ($anon) = $status =~ /^RssAnon:\s+(\d+) kB/m;
	my ($peak) = $status =~ /^VmHWM:\s+(\d+) kB/m;
	return (contexts => $contexts, anonymous => $anon * 1024, peak => $peak * 1024);
}

my $cross = 'keys, generate_series(1, %d) n';
my %work = (
	verify => [ "SELECT count((account.verify_api_key(CASE WHEN n > 0 THEN key END)).role) FROM $cross", 10_000 ],
	refuse => [ "SELECT count((account.verify_api_key(key || n)).role) FROM $cross", 2_000 ],
	admit => [ "SELECT count((account.admit(CASE WHEN n > 0 THEN key END, scope => 'c:d')).code) FROM $cross", 2_000 ],
	'authenticate in one statement' => [ "SELECT count((account.authenticate(key)).role) FROM $cross", 2_000 ],
	'authenticate in one transaction' => [ 'BEGIN; CALL act(%d, true, false); COMMIT', 200_000 ],
	'authenticate for the session' => [ 'CALL act(%d, false, false)', 200_000 ],
	'authenticate in many transactions' => [ 'CALL act(%d, true, true)', 100_000 ],
	'authenticate in subtransactions' => [ 'CALL act_in_subtransactions(%d)', 100_000 ],
	'has_role' => [ "BEGIN; SELECT FROM account_data.users u, account.act_as(u.id);
		SELECT count(*) FILTER (WHERE account.has_role(CASE WHEN n > 0 THEN id END, 'viewer'))
		FROM account_data.workspaces, $cross; COMMIT", 2_000 ]);
foreach my $name (sort keys %work)
{
	my ($query, $times) = @{ $work{$name} };
	my $session = $node->background_psql('postgres');
	memory($session);
	$session->query_safe(sprintf $query, $times / 100) foreach 1 .. 2;
	my %before = memory($session);
	$session->query_safe(sprintf $query, $times);
	my %after = memory($session);
	$session->quit;
	cmp_ok($after{$_} - $before{$_}, '<', $allowed, "$name: no growth: $_") foreach sort keys %before;
}

done_testing();
