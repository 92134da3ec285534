# Seats of one team, wanted by everybody at once: people come by a link, by invites and by domain,
# leave, are removed, and have invites taken back. Whoever looks, whenever, finds no seat too many,
# one owner, and keys that say what the rule says.
use strict;
use warnings;

use AccountTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $people = 12;
my $node = new_node(conf => 'max_connections = 40');
person($node, "person-$_") foreach 1 .. $people;
sql($node, q{
	CREATE TABLE race (team uuid, link text);
	-- In the team as long as they are in it, else at home.
	CREATE FUNCTION act(n integer) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		person uuid := (SELECT id FROM account_data.users WHERE username = 'person-' || n);
	BEGIN
		PERFORM account.act_as(person, team) FROM race;
	EXCEPTION WHEN SQLSTATE 'P0002' THEN
		PERFORM account.act_as(person);
	END $$;
	-- What is refused for a reason of the rules is no fault; everything else ends the client.
	CREATE FUNCTION try(action text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE action;
	EXCEPTION WHEN SQLSTATE '22023' OR SQLSTATE 'PT402' OR SQLSTATE 'P0002' OR SQLSTATE '23505' OR SQLSTATE '42501' OR SQLSTATE '55000' OR SQLSTATE '28000' THEN
		NULL;
	END $$;
	CREATE FUNCTION look() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		ASSERT (SELECT seats <= 5 FROM account_data.seats_used, race WHERE workspace_id = team), 'a seat too many';
		ASSERT (SELECT count(*) = 1 FROM account_data.members, race WHERE workspace_id = team AND role = 'owner'), 'not one owner';
		ASSERT NOT EXISTS (SELECT secret_id, role, valid_until FROM account_data.api_key_digests
			EXCEPT SELECT secret_id, role, valid_until FROM account_data.api_key_answers), 'a key that says what is not so';
	END $$;
	DO $$ BEGIN
		PERFORM account.act_as(id) FROM account_data.users WHERE username = 'person-1';
		INSERT INTO race (team) SELECT account.create_team('race-team', 'Race');
		PERFORM account.start_subscription(team, 'pro', 'monthly', 'evt', seats => 5) FROM race;
		PERFORM account.switch_workspace(team) FROM race;
		PERFORM account.update_team_settings('{"recommend_to_domain": true}');
		UPDATE race SET link = account.create_invite_link('editor', 10000);
	END $$;
});

my %script = (
	'by_link@3' => q{SELECT try(format('SELECT account.accept_invite(%L)', link)) FROM race;},
	'by_domain' => q{SELECT try(format('SELECT account.join_team(%L)', team)) FROM race;},
	'make_key' => q{SELECT try('SELECT account.create_api_key(''raced'')');},
	'leave@2' => q{SELECT try('SELECT account.leave_team()');},
	'invite@2' => q{SELECT try(format('SELECT account.invite_member(%L, ''viewer'')', 'person-' || :other || '@example.com'));},
	'cancel' => q{SELECT try(format('SELECT account.cancel_invite(%L)', id)) FROM account_data.invites WHERE accepted_at IS NULL AND cancelled_at IS NULL LIMIT 1;},
	'remove' => q{SELECT try(format('SELECT account.remove_member(%L)', id)) FROM account_data.users WHERE username = 'person-' || :other;},
	'promote' => q{SELECT try(format('SELECT account.set_member_role(%L, ''admin'')', id)) FROM account_data.users WHERE username = 'person-' || :other;},
	'hand_over' => q{SELECT try(format('SELECT account.transfer_ownership(%L)', id)) FROM account_data.users WHERE username = 'person-' || :other;});
my %file = map {
	$_ => "\\set who random(1, $people)\n\\set other random(1, $people)\nBEGIN;\nSELECT act(:who);\n$script{$_}\nCOMMIT;\n"
} keys %script;
$file{'look@3'} = "SELECT look();\n";
$node->pgbench('--no-vacuum --client=12 --jobs=2 --transactions=250', 0, [qr{processed: 3000/3000}], [qr{^$}],
	'thousands of transactions by a dozen clients, none of them broken', \%file);

sql($node, 'SELECT look()');
cmp_ok(sql($node, q{SELECT count(*) FROM account_data.events WHERE resource_type = 'member' AND action = 'created'}),
	'>', 20, 'people did come');
cmp_ok(sql($node, q{SELECT count(*) FROM account_data.events WHERE resource_type = 'member' AND action IN ('left', 'deleted')}),
	'>', 10, 'and go');
is(sql($node, 'SELECT count(*) FROM account_data.invites WHERE accepted_at IS NOT NULL GROUP BY accepted_by, accepted_at HAVING count(*) > 1'),
	'', 'an invite is accepted once');
done_testing();
