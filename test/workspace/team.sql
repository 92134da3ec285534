-- Teams: making, joining by domain, deleting; seats and limits.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

-- Making

SELECT throws_ok('SELECT account.create_team(''good-slug'', ''x'')', '28000', 'not signed in', 'nobody makes no team');
SELECT account.act_as(:'zoe');
SELECT throws_ok(format('SELECT account.create_team(%L, ''x'')', slug), '22023', NULL, 'refused: ' || about) FROM (VALUES
    ('abc', 'a slug of 3'), (repeat('x', 33), 'a slug of 33'), ('Team', 'upper case'), ('a--b', 'a doubled hyphen'), ('-team', 'a leading hyphen'),
    ('team-', 'a trailing hyphen'), ('te am', 'a blank'), ('tëam', 'a look-alike'), ('settings', 'a reserved slug')) bad (slug, about);
SELECT throws_ok('SELECT account.create_team(''ok-slug'', ' || name || ')', '22023', NULL, 'refused as a name: ' || name)
  FROM unnest(ARRAY['''''', '''  ''', 'NULL', 'repeat(''x'', 500)']) name;
SELECT throws_ok('SELECT account.create_team(NULL, ''x'')', '22023', NULL, 'a team has a slug');
SELECT throws_ok('SELECT account.create_team(''team-test'', ''x'')', '23505', 'slug "team-test" already exists', 'a slug is one team''s');
SELECT throws_ok('SELECT account.create_team(''ann-test'', ''x'')', '23505', NULL, 'usernames and slugs are one namespace');
SELECT account.create_team('zoes-team', 'Zoë''s team') AS made \gset
SELECT results_eq(format('SELECT kind, slug, name FROM account_data.workspaces WHERE id = %L', :'made'),
    $$VALUES ('team'::account.workspace_kind, 'zoes-team', 'Zoë''s team')$$, 'a team is a workspace');
SELECT results_eq(format('SELECT user_id, role FROM account_data.members WHERE workspace_id = %L', :'made'),
    format('VALUES (%L::uuid, ''owner''::account.role)', :'zoe'), 'who makes a team owns it');
SELECT throws_ok('SELECT account.sign_up(''zoes-team'', ''y@cast.test'', ''us'')', '23505', NULL, 'its slug is no username any more');
SELECT is((account.switch_workspace(:'made')).role, 'owner', 'the owner can go there at once');
SELECT account.create_team('team-no-' || n, 'x') FROM generate_series(2, 5) n;
SELECT throws_ok('SELECT account.create_team(''team-no-6'', ''x'')', 'PT402', NULL, 'a free person owns 5 teams at most');
SELECT is_empty('SELECT FROM account_data.slugs WHERE slug = ''team-no-6''', 'and the slug of the sixth stays free');
SELECT account.start_subscription(:'team', 'pro', 'monthly', 'team-test', seats => 5);
INSERT INTO account_data.members (workspace_id, user_id, role) VALUES (:'team', :'zoe', 'admin');
SELECT account.act_as(:'ann', :'team');
SELECT throws_ok(format('SELECT account.transfer_ownership(%L)', :'zoe'), 'PT402', NULL, 'nor gets a sixth by a transfer');
DELETE FROM account_data.members WHERE workspace_id = :'team' AND user_id = :'zoe';

-- Joining by domain

SELECT account.act_as(:'zoe');
SELECT is_empty('SELECT account.joinable_teams()', 'no team is joinable unless it says so');
SELECT account.act_as(:'ann', :'team');
SELECT account.update_team_settings('{"recommend_to_domain": true}');
SELECT account.act_as(:'zoe');
SELECT is_empty('SELECT account.joinable_teams()', 'nor without verified addresses');
UPDATE account_data.emails SET verified_at = now() WHERE email = 'ann@cast.test';
SELECT is_empty('SELECT account.joinable_teams()', 'on both sides');
SELECT throws_ok(format('SELECT account.join_team(%L)', :'team'), 'P0002', NULL, 'such a team does not seem to exist');
UPDATE account_data.emails SET verified_at = now() WHERE email = 'zoe@cast.test';
SELECT results_eq('SELECT * FROM account.joinable_teams()', format('VALUES (%L::uuid, ''team-test'', ''The team'', 4::bigint)', :'team'),
    'a team that recommends itself to my domain is joinable');
SELECT lives_ok(format('SELECT account.join_team(%L)', :'team'), 'and can be joined');
SELECT is((account.switch_workspace(:'team')).role, 'viewer', 'as a viewer');
SELECT is_empty('SELECT account.joinable_teams()', 'a team one is in is not joinable');
SELECT throws_ok(format('SELECT account.join_team(%L)', :'team'), 'P0002', NULL, 'nor joined twice');
SELECT account.leave_team();
INSERT INTO account_data.consumer_domains (domain) VALUES ('cast.test');
SELECT account.act_as(:'zoe');
SELECT is_empty('SELECT account.joinable_teams()', 'a consumer domain is nobody''s company');
DELETE FROM account_data.consumer_domains;
SELECT account.sign_up('fifth-one', 'fifth@cast.test', 'us') AS fifth \gset
INSERT INTO account_data.members (workspace_id, user_id, role) VALUES (:'team', :'fifth', 'viewer');
SELECT throws_ok(format('SELECT account.join_team(%L)', :'team'), 'PT402', NULL, 'joining needs a free seat');
DELETE FROM account_data.members WHERE workspace_id = :'team' AND user_id = :'fifth';
SELECT throws_ok('SELECT account.join_team(NULL)', '22023', NULL, 'one joins some team');

-- Deleting

SELECT account.act_as(:'ben', :'team');
SELECT throws_ok('SELECT account.delete_team(''DELETE'')', '42501', NULL, 'an admin deletes no team');
SELECT account.act_as(:'ann', :'team');
SELECT throws_ok('SELECT account.delete_team(''delete'')', '22023', NULL, 'the word is DELETE');
SELECT throws_ok('SELECT account.delete_team(NULL)', '22023', NULL, 'and it is said');
SELECT throws_ok('SELECT account.delete_team(''DELETE'')', '55000', NULL, 'a team with other members is not deleted');
SELECT account.remove_member(user_id) FROM account.members WHERE username <> 'ann-test';
SELECT key FROM account.create_api_key('of the team') \gset
SELECT lives_ok('SELECT account.delete_team(''DELETE'')', 'the owner deletes an empty team');
SELECT is(account.current_user_id(), NULL, 'nobody acts there any more');
SELECT is(account.verify_api_key(:'key'), NULL, 'its keys are dead');
SELECT isnt_empty(format('SELECT FROM account_data.events WHERE workspace_id = %L AND resource_type = ''team'' AND action = ''deleted''', :'team'),
    'its history stays');
SELECT account.act_as(:'ann');
SELECT throws_ok('SELECT account.delete_team(''DELETE'')', '42501', NULL, 'a personal workspace is not deleted');
SELECT throws_ok('SELECT account.create_team(''team-test'', ''again'')', '23505', NULL, 'a slug stays taken');

SELECT finish();
ROLLBACK;
