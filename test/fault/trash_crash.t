# A server killed in the middle of a delete, a restore or a purge leaves the rows live or in the
# trash, all of them, and never both; the chain of events holds. pg_cron purges what has expired.
use strict;
use warnings;

use AccountTest;
use IPC::Run qw(start);
use Test::More;

my $rows = 20000;
my $node = new_node(conf => <<'CONF');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
fsync = on
CONF
sql($node, <<"SQL");
SELECT account.sign_up('crash-owner', 'owner\@crash.test', 'us');
CREATE TABLE datasets (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text);
CREATE TABLE images (id int PRIMARY KEY, dataset_id int NOT NULL REFERENCES datasets ON DELETE CASCADE, path text);
CREATE INDEX ON images (dataset_id);
SELECT account.register_resource('datasets', 'dataset', policies => false);
INSERT INTO datasets SELECT 1, personal_workspace_id, 'big' FROM account_data.users;
INSERT INTO images SELECT n, 1, md5(n::text) FROM generate_series(1, $rows) n;
SQL
my $act = 'SELECT account.act_as(id, is_local => false) FROM account_data.users;';

# Where everything is: live and trash, as counts of datasets and images.
sub state
{
	return sql($node, <<'SQL');
SELECT (SELECT count(*) FROM datasets) || ' ' || (SELECT count(*) FROM images) || ' ' ||
	(SELECT count(*) FROM account_data.trash_items) || ' ' || (SELECT coalesce(sum(row_count), 0) FROM account_data.trash_chunks)
SQL
}

# Leaves the statement open in its transaction, its work done and in the WAL, and kills the server.
sub kill_during
{
	my ($statement) = @_;
	my ($in, $out, $err) = ("$act BEGIN; $statement; SELECT 'working';\n", '', '');
	my $psql = start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], \$in, \$out, \$err, IPC::Run::timeout(60));
	$psql->pump until $out =~ /working/;
	$node->stop('immediate');
	$psql->finish;
	$node->start;
	return;
}

my $live = "1 $rows 0 0";
my $trashed = "0 0 1 $rows";

is(state(), $live, 'the rows are live');
sql($node, "$act UPDATE datasets SET name = 'renamed'");
kill_during('DELETE FROM datasets');
is(state(), $live, 'killed during a delete they still are');
sql($node, "$act DELETE FROM datasets");
is(state(), $trashed, 'deleted they are in the trash');
kill_during('SELECT account.restore(id) FROM account.trash');
is(state(), $trashed, 'killed during a restore they still are');
kill_during('SELECT account.purge(id) FROM account.trash');
is(state(), $trashed, 'and during a purge');
sql($node, "$act SELECT account.restore(id) FROM account.trash");
is(state(), $live, 'restored they are live');
sql($node, "$act DELETE FROM datasets");
$node->stop('immediate');
$node->start;
is(state(), $trashed, 'what was committed survives a crash');
is(sql($node, "SELECT is_intact FROM account_data.workspaces w, account.verify_activity(w.id)"),
	't', 'the chain of events holds');
is(sql($node, "SELECT used FROM account_data.usage_counts WHERE name = 'dataset'"),
	'0', 'the count is right');

# pg_cron
sql($node, <<'SQL');
CREATE EXTENSION pg_cron;
UPDATE account_data.trash_items SET expires_at = now() - interval '1 second';
SELECT cron.schedule('purge', '* * * * *', 'SELECT account.purge_expired()');
SQL
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM account_data.trash_items'),
	'pg_cron purges what has expired');
is(state(), '0 0 0 0', 'all of it');
is(sql($node, "SELECT metadata, redacted_at IS NOT NULL FROM account_data.events WHERE resource_type = 'dataset' AND action = 'updated'"),
	'{"name": null}|t', 'and what the feed said of it');
is(sql($node, "SELECT is_intact FROM account_data.workspaces w, account.verify_activity(w.id)"),
	't', 'the chain of events holds');

# tampering
my $verify = 'SELECT is_intact, problem FROM account_data.workspaces w, account.verify_activity(w.id)';
my @tampering = (
	[ 'an event that was changed', "UPDATE account_data.events SET resource_name = 'other' WHERE action = 'created' AND resource_type = 'dataset'", qr/is not what was written/ ],
	[ 'one that was taken away', "DELETE FROM account_data.events WHERE action = 'trashed'", qr/has 0 events, not 1/ ],
	[ 'one that was added', "INSERT INTO account_data.events SELECT workspace_id, gen_random_uuid(), at, actor_kind, actor_id, database_role, via, credential_id, resource_type, resource_id, resource_name, action, description, metadata, client_addr, gen_random_uuid(), digest FROM account_data.events LIMIT 1", qr/is not what was written|is in no link/ ],
	[ 'a link that was changed', "UPDATE account_data.event_links SET events_digest = sha256('x') WHERE seq = 2", qr/link 2 does not follow|are not those/ ],
	[ 'a link that was taken away', "DELETE FROM account_data.event_links WHERE seq = 2", qr/link 2 is missing/ ]);
foreach my $case (@tampering)
{
	my ($what, $statement, $expected) = @$case;
	like(sql($node, "BEGIN; SET LOCAL session_replication_role = replica; $statement; $verify; ROLLBACK"), $expected, "verify_activity notices $what");
}
is(sql($node, "BEGIN; SET LOCAL session_replication_role = replica; UPDATE account_data.events SET resource_name = NULL, redacted_at = now() WHERE resource_type = 'dataset'; SELECT is_intact FROM account_data.workspaces w, account.verify_activity(w.id); ROLLBACK"),
	't', 'an erasure leaves the chain intact');

$node->stop;
done_testing();
