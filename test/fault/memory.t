# A backend does not grow: a million verifications and hundreds of thousands of principals, in one
# statement, one transaction and many, take no more memory than the first few thousand.
use strict;
use warnings;

use AccountTest;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

# The smallest allocation leaked at every call would be more than this.
my $allowed = 2 * 1024 * 1024;

# A server that empties its caches (./dev strict) is slow, and touches pages of the catalogs late.
my $share = 1;
($share, $allowed) = (20, 4 * $allowed) if $ENV{TEMP_CONFIG};

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

-- Teams of hers whose plan is over
INSERT INTO account_data.workspaces (id, kind, slug, name, region)
SELECT gen_random_uuid(), 'team', 'team-' || n, 'Team ' || n, 'us' FROM generate_series(1, 3000) n;
INSERT INTO account_data.members (workspace_id, user_id, role)
SELECT w.id, u.id, 'owner' FROM account_data.workspaces w, account_data.users u WHERE w.kind = 'team';
INSERT INTO account_data.subscriptions (workspace_id, period_ends_at, is_licence, plan, cycle, seats, started_at,
	period_started_at, anchored_at, periods)
SELECT id, now() - interval '1 day' + interval '1 second' * n, false, 'pro', 'monthly', CASE WHEN n IN (1000, 3000) THEN 2 ELSE 1 END, now() - interval '32 days', now() - interval '32 days',
	now() - interval '32 days', 1
	FROM account_data.workspaces, LATERAL (SELECT split_part(slug, '-', 2)::integer) x (n) WHERE kind = 'team';
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
	$times /= $share;
	my $session = $node->background_psql('postgres');
	memory($session);
	$session->query_safe(sprintf $query, $times / 100) foreach 1 .. 2;
	my %before = memory($session);
	$session->query_safe(sprintf $query, $times);
	my %after = memory($session);
	$session->quit;
	cmp_ok($after{$_} - $before{$_}, '<', $allowed, "$name: no growth: $_") foreach sort keys %before;
}

# A call that goes through many rows: what it holds at the first thousand and at the last row.
sql($node, <<'SQL');
CREATE TABLE held (bytes bigint);
CREATE FUNCTION note_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.held SELECT sum(total_bytes) FROM pg_backend_memory_contexts;
	RETURN NULL;
END $$;
CREATE TRIGGER note_held AFTER UPDATE ON account_data.subscriptions
	FOR EACH ROW WHEN (new.seats = 2) EXECUTE FUNCTION note_held();
SELECT account_data.maintain_subscriptions(3000);
SQL
my ($at_first, $at_last) = split /\n/, sql($node, 'SELECT bytes FROM held ORDER BY ctid');
cmp_ok($at_last - $at_first, '<', $allowed, 'maintenance of two thousand subscriptions more takes no more memory');

done_testing();
