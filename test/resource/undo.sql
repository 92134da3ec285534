-- What account.undo takes, and that nobody can make it take anything else.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

CREATE TABLE projects (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, a int, b int, code int UNIQUE);
CREATE TABLE of_settings (id int PRIMARY KEY, workspace_id uuid NOT NULL);
SELECT account.register_resource('projects', 'project');
INSERT INTO projects VALUES (1, :'team', 'one', 1, 1, 1), (2, :'team', 'two', 2, 2, 2), (3, :'eva_home', 'hers', 3, 3, 3);
CREATE FUNCTION last_event() RETURNS uuid LANGUAGE sql AS 'SELECT id FROM account.activity ORDER BY id DESC LIMIT 1';

-- whose events are believed
SELECT account.act_as(:'eva', :'team');
SELECT account.log_event('project', 'updated', '1', 'one', NULL, '{"a": ["99", "1"]}');
SELECT is((SELECT undoable_until FROM account.activity WHERE id = last_event()), NULL, 'an update of a resource that was only logged is not offered for undo');
SELECT throws_ok('SELECT account.undo(last_event())', '55000', NULL, 'and there is none');
SELECT account.log_event('settings', 'updated', NULL, NULL, NULL, '{"api_key_min_role": ["viewer", "admin"]}');
SELECT account.act_as(:'ann', :'team');
SELECT is((SELECT undoable_until FROM account.activity WHERE id = last_event()), NULL, 'nor one of settings');
SELECT throws_ok('SELECT account.undo(last_event())', '55000', NULL, 'not to an owner either');
SELECT account.act_as(:'eva', :'team');

SELECT throws_ok('SELECT account.register_resource(''of_settings'', ''settings'')', '23505', 'kind "settings" already exists', 'an editor''s update of a row is never taken for one of settings: no table is registered under that kind');

-- undo of an undo
UPDATE projects SET a = 10 WHERE id = 1;
SELECT account.undo(last_event());
SELECT is((SELECT a FROM projects WHERE id = 1), 1, 'an update is undone');
SELECT account.undo(last_event());
SELECT is((SELECT a FROM projects WHERE id = 1), 10, 'and so is the undoing');

-- columns that another update changed stay
UPDATE projects SET a = 20 WHERE id = 2;
SELECT last_event() AS first_of_two \gset
UPDATE projects SET b = 20 WHERE id = 2;
SELECT account.undo(:'first_of_two');
SELECT results_eq('SELECT a, b FROM projects WHERE id = 2', 'VALUES (2, 20)', 'a later change of another column is no conflict and stays');

-- what cannot be put back
UPDATE projects SET code = 20 WHERE id = 2;
SELECT last_event() AS code \gset
INSERT INTO projects VALUES (4, :'team', 'four', 4, 4, 2);
SELECT throws_ok(format('SELECT account.undo(%L)', :'code'), '23505', NULL, 'constraints hold for an undo');
SELECT isnt((SELECT undoable_until FROM account.activity WHERE id = :'code'), NULL, 'one that failed can be tried again');
UPDATE projects SET a = 40 WHERE id = 4;
SELECT last_event() AS gone \gset
DELETE FROM projects WHERE id = 4;
SELECT throws_ok(format('SELECT account.undo(%L)', :'gone'), '55000', NULL, 'a row in the trash is not undone');
SELECT lives_ok(format('SELECT account.undo(%L)', :'code'), 'once the way is free it works');
SELECT throws_ok(format('SELECT account.undo(%L)', (SELECT id FROM account.activity WHERE action = 'trashed' ORDER BY id DESC LIMIT 1)), '55000', NULL, 'a deletion is restored, not undone');

-- a statement above the limit is one event
SET LOCAL account.activity_row_limit = 1;
UPDATE projects SET b = 7 WHERE workspace_id = :'team';
SELECT is((SELECT metadata FROM account.activity WHERE id = last_event()), '{"rows": 2}', 'a statement above the limit is one event');
SELECT is((SELECT undoable_until FROM account.activity WHERE id = last_event()), NULL, 'which the feed does not offer to undo');
SELECT is((SELECT undoable_until FROM account.activity_page(page_size => 1)), NULL, 'nor does a page');
SELECT throws_ok('SELECT account.undo(last_event())', '55000', NULL, 'and which is not undone');
RESET account.activity_row_limit;

-- another workspace
UPDATE projects SET workspace_id = :'team' WHERE id = 3;
SELECT last_event() AS moved \gset
SELECT account.act_as(:'ben', :'team');
SELECT throws_ok(format('SELECT account.undo(%L)', :'moved'), '42501', NULL, 'nobody undoes a row into a workspace where they may not write');
SELECT account.act_as(:'eva', :'team');
SELECT lives_ok(format('SELECT account.undo(%L)', :'moved'), 'who may write in both does');
SELECT is((SELECT workspace_id FROM projects WHERE id = 3), :'eva_home'::uuid, 'and it is back');
UPDATE projects SET a = 50 WHERE id = 1;
SELECT last_event() AS theirs \gset
SELECT account.act_as(:'zoe');
SELECT throws_ok(format('SELECT account.undo(%L)', :'theirs'), 'P0002', NULL, 'an event of another workspace does not exist');
SELECT account.act_as(:'vic', :'team');
SELECT throws_ok(format('SELECT account.undo(%L)', :'theirs'), '42501', NULL, 'a viewer undoes nothing');

-- settings
SELECT account.act_as(:'ben', :'team');
SELECT account.update_team_settings('{"api_key_min_role": "admin"}');
SELECT last_event() AS setting \gset
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok(format('SELECT account.undo(%L)', :'setting'), '42501', NULL, 'settings are an admin''s to undo');
SELECT account.act_as(:'ann', :'team');
SELECT account.update_team_settings('{"api_key_min_role": "owner"}');
SELECT throws_ok(format('SELECT account.undo(%L)', :'setting'), '55000', NULL, 'not when they changed since');
SELECT account.undo(last_event());
SELECT lives_ok(format('SELECT account.undo(%L)', :'setting'), 'but when they are back');
SELECT throws_ok(format('SELECT account.undo(%L)', :'setting'), '55000', 'event has been undone already', 'once');

SELECT * FROM finish();
ROLLBACK;
