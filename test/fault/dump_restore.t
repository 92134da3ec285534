# A database that was dumped and restored is the same, row by row: in its own cluster, in another with
# the master key file, and, but for what is sealed, in another without it.
use strict;
use warnings;

use AccountTest;
use File::Copy qw(copy);
use PostgreSQL::Test::Utils qw(run_log);
use Test::More;

my $node = new_node();
my $team = '00000000-0000-7000-8000-00000000000a';
sql($node, 'CREATE ROLE backend LOGIN; CREATE ROLE front LOGIN; CREATE ROLE operator LOGIN');
sql($node, 'SELECT account.grant_service($$backend$$), account.grant_usage($$front$$), account.grant_operator($$operator$$)');
person($node, $_) foreach qw(maria olga pete);
my (%id, %key);
foreach my $name (qw(current rotated revoked disabled))
{
	($id{$name}, $key{$name}) = new_key($node, 'maria');
}
my $old = $key{rotated};
$key{rotated} = sql($node, as_person('maria', "SELECT key FROM account.rotate_api_key('$id{rotated}', '1 day')"));
sql($node, as_person('maria', "SELECT account.revoke_api_key('$id{revoked}'); SELECT account.disable_api_key('$id{disabled}')"));
sql($node, as_person('pete', q(SELECT account.update_team_settings('{"api_key_reveal": false}'))));
$key{once} = (new_key($node, 'pete'))[1];
sql($node, <<"SQL");
INSERT INTO account_data.workspaces (id, kind, slug, name, region) VALUES ('$team', 'team', 'acme', 'Acme', 'us');
INSERT INTO account_data.members (workspace_id, user_id, role)
	SELECT '$team', id, CASE username WHEN 'olga' THEN 'owner' ELSE 'viewer' END::account.role FROM account_data.users;
UPDATE account_data.members SET role = 'editor'
	FROM account_data.users u WHERE u.id = user_id AND username = 'pete' AND workspace_id = '$team';
INSERT INTO account_data.reserved_names VALUES ('acme-corp', true), ('pricing', false);
CREATE TABLE projects (id integer PRIMARY KEY, user_id uuid REFERENCES account_data.users (id),
	workspace_id uuid REFERENCES account_data.workspaces (id));
INSERT INTO projects SELECT 1, id, '$team' FROM account_data.users WHERE username = 'pete';
ALTER TABLE projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY members ON projects USING (account.has_role(workspace_id, 'viewer'));
GRANT SELECT ON projects TO front;
BEGIN;
SELECT account.act_as(id, '$team') FROM account_data.users WHERE username = 'olga' \\g /dev/null
CREATE TABLE service (account uuid);
INSERT INTO service SELECT account.create_service_account('ci', 'editor');
COMMIT;
SQL
$key{service} = sql($node, <<"SQL");
BEGIN;
SELECT account.act_as(id, '$team') FROM account_data.users WHERE username = 'olga' \\g /dev/null
SELECT key FROM service, account.create_api_key('ci', scopes => '{a:*}', allowed_ips => '{10.0.0.0/8}', service_account_id => account);
COMMIT;
SQL
sql($node, as_person('maria', q(SELECT account.add_payment_method('stripe', 'pm_1', 'visa', '4242', 12, 2030),
	account.set_billing_address('{"city": "Lyon"}'), account.set_auto_top_up(true, 30000000))));
sql($node, as_person('maria', q(SELECT account.update_profile('{"display_name": "Maria M.", "bio": "Ten letters\\nor more", "icon": {"initials": "M"},
	"links": {"x": "maria"}, "use_case": "research", "hide_teams": true}'), account.add_use_case('space'), account.remove_use_case('retail'))));
my $token = sql($node, "SELECT token FROM account_data.users u, account.open_session(u.id) WHERE username = 'maria'");
sql($node, "BEGIN; SELECT account.authenticate('$key{current}'); COMMIT");

# Every row of every table of the extension, and what roles may do.
sub contents
{
	my ($of, $database) = @_;
	my @tables = split /\n/, sql($of, q(SELECT oid::regclass FROM pg_class
		WHERE relnamespace = 'account_data'::regnamespace AND relkind = 'r' ORDER BY relname), $database);
	my %rows = map { $_ => sql($of, "SELECT t::text FROM $_ t ORDER BY 1", $database) } @tables;
	$rows{acl} = sql($of, q(WITH acl (name, acl) AS (
		SELECT relnamespace::regnamespace || '.' || relname, relacl FROM pg_class
		UNION ALL SELECT attrelid::regclass || '.' || attname, attacl FROM pg_attribute
		UNION ALL SELECT oid::regprocedure::text, proacl FROM pg_proc
		UNION ALL SELECT oid::regtype::text, typacl FROM pg_type
		UNION ALL SELECT nspname, nspacl FROM pg_namespace)
		SELECT name, grantee::regrole, privilege_type FROM acl, aclexplode(acl)
		 WHERE name ~ '^account' ORDER BY 1, 2, 3), $database);
	return \%rows;
}

my $before = contents($node);
cmp_ok(scalar keys %$before, '>', 15, 'there are tables to compare');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'the database is dumped');

# Restores into a new database and compares.
sub restored
{
	my ($to, $database, $what, @runs) = @_;
	sql($to, "CREATE DATABASE $database");
	$to->command_ok([ 'pg_restore', '--exit-on-error', @$_, '-d', $database, $dump ], "$what: no row collides") foreach @runs;
	is_deeply(contents($to, $database), $before, "$what: every row and grant is as it was");
	is(holds($to, $key{$_}, $database), 'owner', "$what: the key $_ holds") foreach qw(current rotated once);
	is(holds($to, $old, $database), 'owner', "$what: so does the secret before, for its grace");
	is(holds($to, $key{service}, $database), 'editor', "$what: so does a service account's key");
	is(holds($to, $key{$_}, $database), '', "$what: the key $_ does not") foreach qw(revoked disabled);
	is(sql($to, "SELECT code FROM account.admit('$key{service}', scope => 'b:c', ip => '10.1.2.3')", $database),
		'INSUFFICIENT_SCOPE', "$what: a key has its scopes");
	is(sql($to, "SELECT role FROM account.resume_session('$token')", $database), 'owner', "$what: a session goes on");
	is(sql($to, <<"SQL", $database), 1, "$what: policies of the application hold");
BEGIN;
SELECT account.act_as(id, '$team') FROM account_data.users WHERE username = 'pete' \\g /dev/null
SET LOCAL ROLE front;
SELECT id FROM projects;
SQL
	return;
}

# Whether sealing, opening, paying and following a change of role work.
sub lives
{
	my ($on, $database, $what) = @_;
	is(sql($on, as_person('maria', "SELECT account.reveal_api_key('$id{rotated}')"), $database),
		$key{rotated}, "$what: a key is shown again");
	my ($id, $key) = new_key($on, 'maria', $database);
	is(holds($on, $key, $database), 'owner', "$what: a new key holds");
	like(health($on, 'master_key', $database), qr/^t/, "$what: health() is content");
	my $new = sql($on, <<"SQL", $database);
BEGIN;
SELECT account.act_as(id, '$team') FROM account_data.users WHERE username = 'pete' \\g /dev/null
SELECT key FROM account.create_api_key('of pete');
COMMIT;
SQL
	is(holds($on, $new, $database), 'editor', "$what: a key has its maker's role");
	is(sql($on, <<'SQL', $database), 'auto_top_up|t', "$what: what was asked of the processor can be confirmed, and proven");
SELECT type, (SELECT bool_and(ok) FROM account.verify_ledger())
	FROM account.confirm_payment((SELECT id FROM account_data.payments WHERE status = 'pending'), 'pi_1');
SQL
	sql($on, "UPDATE account_data.members SET role = 'viewer' WHERE workspace_id = '$team' AND role = 'editor'", $database);
	is(holds($on, $new, $database), 'viewer', "$what: and follows it");
	sql($on, "DELETE FROM account_data.members WHERE workspace_id = '$team' AND role = 'viewer'", $database);
	is(holds($on, $new, $database), '', "$what: to the end of the membership");
	return;
}

restored($node, 'copy', 'the same cluster', []);
lives($node, 'copy', 'the same cluster');
is_deeply(contents($node), $before, 'the original is left alone');

my $other = new_node(name => 'other', create => 0);
sql($other, 'CREATE ROLE backend; CREATE ROLE front; CREATE ROLE operator');
copy($node->data_dir . '/account.key', $other->data_dir . '/account.key');
chmod oct 600, $other->data_dir . '/account.key';
{
	# An extension's foreign keys exist before its rows are loaded, and several jobs load them in any
	# order. No job knows that a key of the application's waits for those rows: it comes in a run of its own.
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	restored($other, 'copy', 'with the key file', [ '-j', 2, '--section=pre-data', '--section=data' ],
		[ '-j', 2, '--section=post-data' ]);
}
lives($other, 'copy', 'with the key file');

my $bare = new_node(name => 'bare', create => 0);
sql($bare, 'CREATE ROLE backend; CREATE ROLE front; CREATE ROLE operator');
restored($bare, 'copy', 'without the key file', []);
like(health($bare, 'master_key', 'copy'), qr/^f\|.*does not hold the key/, 'without the key file: health() says so at once');
foreach my $query ("SELECT account.reveal_api_key('$id{current}')", "SELECT account.create_api_key('new')")
{
	like(error_of($bare, as_person('maria', $query), 'copy'), qr/^55000: .*not available/, "without the key file: $query fails");
}
copy($node->data_dir . '/account.key', $bare->data_dir . '/account.key');
lives($bare, 'copy', 'once the key file is there');

done_testing();
