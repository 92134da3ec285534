# A hot standby proves keys and sessions, serves views and policies, writes nothing, and learns of a
# revocation or a change of role by replaying it.
use strict;
use warnings;

use AccountTest;
use Test::More;

my $primary = new_node(allows_streaming => 1, conf => 'log_statement = none');
my $team = '00000000-0000-7000-8000-00000000000a';
person($primary, $_) foreach qw(maria olga);
sql($primary, <<"SQL");
INSERT INTO account_data.workspaces (id, kind, slug, name, region) VALUES ('$team', 'team', 'acme', 'Acme', 'us');
INSERT INTO account_data.members (workspace_id, user_id, role)
	SELECT '$team', id, CASE username WHEN 'olga' THEN 'owner' ELSE 'editor' END::account.role FROM account_data.users;
SQL
my ($id, $key) = new_key($primary, 'maria');
my $team_key = sql($primary, <<"SQL");
BEGIN;
SELECT account.act_as(id, '$team') FROM account_data.users WHERE username = 'maria' \\g /dev/null
SELECT key FROM account.create_api_key('of the team');
COMMIT;
SQL
my $token = sql($primary, "SELECT token FROM account_data.users u, account.open_session(u.id) WHERE username = 'maria'");

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
chmod oct 600, $standby->data_dir . '/account.key';    # the test's own copy of the backup loosens it
$standby->start;

# Replays all that was committed.
sub catch_up { $primary->wait_for_catchup($standby, 'replay'); return; }
catch_up();

# Proofs

is(holds($standby, $key), 'owner', 'a key is verified');
is(sql($standby, "SELECT code FROM account.admit('$key')"), 'VALID', 'and admitted');
is(sql($standby, "SELECT account.locate_api_key('$key')"), 'us', 'and located');
is(sql($standby, "BEGIN; SELECT account.authenticate('$key') \\g /dev/null\nSELECT name FROM account.api_keys; COMMIT"),
	'key of maria', 'views show what who acts by a key may see');
is(sql($standby, "BEGIN; SELECT account.resume_session('$token') \\g /dev/null\nSELECT name FROM account.api_keys; COMMIT"),
	'key of maria', 'or by a session');
is(sql($standby, as_person('maria', 'SELECT name FROM account.api_keys')), 'key of maria', 'or by a trusted backend');
like(error_of($standby, "SELECT account.authenticate('${key}0')"), qr/^28000: invalid API key/, 'a bad key fails');
like(error_of($standby, 'SELECT * FROM account.api_keys'), qr/^28000: not signed in/, 'views need somebody who acts');
like(health($standby, 'master_key'), qr/^t/, 'health() finds the master key');
is(sql($primary, 'SELECT count(*) FROM account_data.credential_uses WHERE last_used_at IS NOT NULL'),
	0, 'no use on the standby is written');

# Writes

foreach my $call (
	"create_api_key('new')", "revoke_api_key('$id')", "rotate_api_key('$id')", "reveal_api_key('$id')",
	"disable_api_key('$id')", "create_service_account('ci')", "update_team_settings('{\"api_key_creation\": false}')")
{
	like(error_of($standby, as_person('maria', "SELECT account.$call")), qr/^25006/, "$call is refused");
}
like(error_of($standby, "SELECT account.sign_up('abcd', 'x\@example.com', 'us')"), qr/^25006/, 'sign_up is refused');
like(error_of($standby, 'SELECT account.rotate_master_key()'), qr/^25006/, 'rotate_master_key is refused');
is(scalar(split /\n/, PostgreSQL::Test::Utils::slurp_file($standby->data_dir . '/account.key')),
	1, 'and adds nothing to the file');

# What changes on the primary, for who acts on the standby

my $roles = "SELECT account.has_role('$team', 'editor'), '$team' = ANY (account.workspace_ids('editor'))";
my %level = map { $_ => $standby->background_psql('postgres') } 'READ COMMITTED', 'REPEATABLE READ';
my $by_key = $standby->background_psql('postgres');
$by_key->query_safe("SELECT account.authenticate('$team_key', false)");
is($by_key->query_safe('SELECT role FROM account.current_principal()'), 'editor', 'a key acts for a session');
foreach my $level (sort keys %level)
{
	$level{$level}->query_safe("BEGIN ISOLATION LEVEL $level");
	$level{$level}->query_safe("SELECT account.resume_session('$token', false)");
	is($level{$level}->query_safe($roles), 't|t', "$level: an editor of the team");
}
sql($primary, "UPDATE account_data.members SET role = 'viewer' WHERE role = 'editor'");
catch_up();
is($level{$_}->query_safe($roles), 'f|f', "$_: a change of role is there at the next statement") foreach sort keys %level;
is($by_key->query_safe('SELECT role FROM account.current_principal()'), 'viewer', 'and in who acts by a key');
is(holds($standby, $team_key), 'viewer', 'and in the key');
sql($primary, "DELETE FROM account_data.members WHERE role = 'viewer'");
catch_up();
is($by_key->query_safe('SELECT role FROM account.current_principal()'), '', 'a removal ends who acts by a key');
is(holds($standby, $team_key), '', 'and the key');

$by_key->query_safe("SELECT account.authenticate('$key', false)");
sql($primary, as_person('maria', "SELECT account.revoke_api_key('$id')"));
catch_up();
is(holds($standby, $key), '', 'a revocation ends a key');
is($by_key->query_safe('SELECT role FROM account.current_principal()'), '', 'and who acts by it');
like(error_of($standby, "SELECT account.authenticate('$key')"), qr/^28000/, 'and nobody acts by it again');
sql($primary, 'DELETE FROM account_data.sessions');
catch_up();
foreach my $level (sort keys %level)
{
	is($level{$level}->query_safe('SELECT role FROM account.current_principal()'), '', "$level: a session ends");
	$level{$level}->query_safe('COMMIT');
	$level{$level}->quit;
}
$by_key->quit;

# Promoted

($id, $key) = new_key($primary, 'maria');
catch_up();
$primary->stop;
$standby->promote;
is(sql($standby, as_person('maria', "SELECT account.reveal_api_key('$id')")), $key, 'promoted, it shows keys again');
is(holds($standby, (new_key($standby, 'olga'))[1]), 'owner', 'and makes them');
is(sql($standby, "SELECT role FROM account.authenticate('$key')"), 'owner', 'and lets them act');
is(sql($standby, "SELECT last_used_at IS NOT NULL FROM account_data.credential_uses WHERE credential_id = '$id'"),
	't', 'and writes the use');

done_testing();
