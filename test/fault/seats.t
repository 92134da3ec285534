# A team of five seats that everybody wants at once: invites, links, joining, removals, cancelled invites
# and transfers by sixteen clients. Whatever snapshot an observer takes, no seat is taken twice, there is
# one owner, an invite was accepted once, and keys prove what the members are.
use strict;
use warnings;

use AccountTest;
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

my $people = 14;
my $clients = 16;

my $node = new_node(conf => <<'CONF');
synchronous_commit = off
log_statement = none
log_min_messages = panic
CONF
sql($node, <<"SQL");
SELECT count(account.sign_up('person-' || n, 'p' || n || '\@seats.test', 'us')) FROM generate_series(1, $people) n;
UPDATE account_data.emails SET verified_at = now();
DELETE FROM account_data.messages;
-- the maker of the link stays, as an admin at least: else nobody could use it any more
CREATE TABLE team (id uuid, maker uuid, link text);
CREATE TABLE tokens (token text, email text);
CREATE TABLE tried (how text, outcome text, token text, isolation text DEFAULT current_setting('transaction_isolation'));
CREATE TABLE seen (seats bigint, owners bigint, stray_keys bigint, keys bigint);

BEGIN;
SELECT FROM account.act_as((SELECT id FROM account_data.users WHERE username = 'person-1'));
INSERT INTO team SELECT account.create_team('seats-team', 'Seats'), account.current_user_id();
SELECT account.start_subscription(id, 'pro', 'monthly', 'evt', seats => 5) FROM team;
SELECT account.switch_workspace(id) FROM team;
UPDATE team SET link = account.create_invite_link('editor', 10000);
SELECT account.update_team_settings('{"recommend_to_domain": true}');
COMMIT;

CREATE FUNCTION anybody() RETURNS account_data.users LANGUAGE sql
	AS 'SELECT u FROM account_data.users u ORDER BY random() LIMIT 1';
CREATE FUNCTION a_member(min_role account.role) RETURNS uuid LANGUAGE sql AS \$\$
	SELECT user_id FROM account_data.members m JOIN team t ON m.workspace_id = t.id
		WHERE role >= min_role ORDER BY random() LIMIT 1 \$\$;
CREATE FUNCTION act_in_team(who uuid) RETURNS void LANGUAGE sql AS 'SELECT account.act_as(who, id) FROM team';

CREATE FUNCTION invite() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM act_in_team(a_member('owner'));
	PERFORM account.invite_member('p' || substr((anybody()).username, 8) || '\@seats.test', 'editor');
	INSERT INTO tokens SELECT payload ->> 'token', recipient FROM account.take_messages(100) WHERE kind = 'invite';
	RETURN NULL;
END \$\$;
CREATE FUNCTION accept() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	t tokens;
BEGIN
	SELECT x.* INTO t FROM (SELECT * FROM tokens ORDER BY ctid DESC LIMIT 5) x ORDER BY random() LIMIT 1;
	PERFORM account.act_as(user_id) FROM account_data.emails WHERE email = t.email;
	PERFORM account.accept_invite(t.token);
	RETURN t.token;
END \$\$;
CREATE FUNCTION use_link() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM account.act_as((anybody()).id);
	PERFORM account.accept_invite(link) FROM team;
	RETURN NULL;
END \$\$;
CREATE FUNCTION join_team() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM account.act_as((anybody()).id);
	PERFORM account.join_team(id) FROM team;
	RETURN NULL;
END \$\$;
CREATE FUNCTION remove() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM act_in_team(a_member('owner'));
	PERFORM account.remove_member((SELECT m.user_id FROM account_data.members m JOIN team t ON m.workspace_id = t.id
		WHERE m.user_id <> t.maker ORDER BY random() LIMIT 1));
	RETURN NULL;
END \$\$;
CREATE FUNCTION cancel() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM act_in_team(a_member('owner'));
	PERFORM account.cancel_invite(coalesce((SELECT id FROM account_data.invites
		WHERE accepted_at IS NULL AND cancelled_at IS NULL ORDER BY random() LIMIT 1), gen_random_uuid()));
	RETURN NULL;
END \$\$;
CREATE FUNCTION transfer() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM act_in_team(a_member('owner'));
	PERFORM account.transfer_ownership(a_member('viewer'));
	RETURN NULL;
END \$\$;
CREATE FUNCTION make_key() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM act_in_team(a_member('editor'));
	PERFORM account.create_api_key('key');
	RETURN NULL;
END \$\$;

CREATE FUNCTION try(what text) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	used text;
BEGIN
	EXECUTE format('SELECT %I()', what) INTO used;
	INSERT INTO tried VALUES (what, 'done', used);
EXCEPTION WHEN OTHERS THEN
	INSERT INTO tried VALUES (what, SQLSTATE);
END \$\$;

-- What one snapshot says. A secret that has ended may be missing from the directory.
CREATE VIEW answers AS SELECT * FROM account_data.api_key_answers WHERE valid_until > statement_timestamp();
CREATE VIEW digests AS SELECT * FROM account_data.api_key_digests WHERE valid_until > statement_timestamp();
CREATE VIEW snapshot AS
	SELECT (SELECT seats FROM account_data.seats_used s WHERE s.workspace_id = t.id) AS seats,
	       (SELECT count(*) FROM account_data.members m WHERE m.workspace_id = t.id AND role = 'owner') AS owners,
	       (SELECT count(*) FROM ((TABLE answers EXCEPT TABLE digests) UNION ALL (TABLE digests EXCEPT TABLE answers)) x) AS stray_keys,
	       (SELECT count(*) FROM digests) AS keys
	  FROM team t;
SQL

my %weight = (invite => 5, accept => 5, use_link => 3, join_team => 2, remove => 6, cancel => 2,
	transfer => 1, make_key => 2);
my @scripts;
foreach my $name (sort keys %weight)
{
	append_to_file($node->basedir . "/$name.sql", "SELECT try('$name');\n");
	push @scripts, '-f', $node->basedir . "/$name.sql\@$weight{$name}";
}
append_to_file($node->basedir . '/observe.sql', "INSERT INTO seen SELECT * FROM snapshot;\n");
push @scripts, '-f', $node->basedir . '/observe.sql@3';

my %each = ('read committed' => 200, 'repeatable read' => 50);
foreach my $isolation (sort keys %each)
{
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation=' . $isolation =~ s/ /\\ /r;
	$node->command_ok(
		[ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $each{$isolation}, '--max-tries=1', @scripts, 'postgres' ],
		"$clients clients race for five seats at $isolation");
}

sub outcomes { return sql($node, "SELECT count(*) FROM tried WHERE $_[0]"); }

foreach my $how (sort keys %weight)
{
	cmp_ok(outcomes("how = '$how' AND outcome = 'done'"), '>', 0, "some get through: $how");
}
foreach my $how (qw(invite use_link join_team))
{
	cmp_ok(outcomes("how = '$how' AND outcome = 'PT402'"), '>', 0, "some find no seat: $how");
}
is(sql($node, q{SELECT DISTINCT isolation, how, outcome FROM tried
		WHERE outcome NOT IN ('done', 'PT402', '23505', '28000', '42501', '55000', 'P0002', '22023')
		AND (isolation, outcome) <> ('repeatable read', '40001')}),
	'', 'all else are told why in the words of the extension');

cmp_ok(sql($node, 'SELECT count(*) FROM seen'), '>', 100, 'an observer looked on');
is(sql($node, 'SELECT max(seats) FROM seen'), 5, 'it saw all five seats taken, and never more');
is(sql($node, 'SELECT min(owners), max(owners) FROM seen'), '1|1', 'exactly one owner');
cmp_ok(sql($node, 'SELECT max(keys) FROM seen'), '>', 0, 'keys');
is(sql($node, 'SELECT max(stray_keys) FROM seen'), 0, 'that prove what their members are');
is(sql($node, 'SELECT seats <= 5, owners, stray_keys FROM snapshot'), 't|1|0', 'and so it is in the end');
is(sql($node, q{SELECT max(n) FROM (SELECT count(*) AS n FROM tried WHERE how = 'accept' AND outcome = 'done' GROUP BY token) x}),
	1, 'no token was accepted twice');
is(sql($node, q{SELECT uses FROM account_data.invite_links}), outcomes(q{how = 'use_link' AND outcome = 'done'}),
	'and the link counts who used it');
is(sql($node, q{SELECT count(*) FROM account_data.invites}), outcomes(q{how = 'invite' AND outcome = 'done'}),
	'every invite is there, once');

done_testing();
