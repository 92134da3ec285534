-- What account.undo takes, and that nobody can make it take anything else.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

CREATE TABLE projects (id int PRIMARY KEY, workspace_id uuid, name text, a int, b int, code int UNIQUE);
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
SELECT throws_ok('SELECT account.register_resource(''of_settings'', ''profile'')', '23505', 'kind "profile" already exists', 'nor under that of profiles');

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

UPDATE projects SET a = 22 WHERE id = 2;
SELECT last_event() AS kept \gset
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION keep();
SELECT throws_ok(format('SELECT account.undo(%L)', :'kept'), '55000', NULL, 'what a trigger does not let happen is no undo');
DROP TRIGGER keep ON projects;
SELECT lives_ok(format('SELECT account.undo(%L)', :'kept'), 'and can be tried again without it');

UPDATE projects SET name = repeat('x', 4001) WHERE id = 2;
SELECT throws_ok(format('SELECT account.undo(%L)', last_event()), '55000', 'event cannot be undone: column "name" has no recorded values', 'values too long to be recorded are not put back');
SELECT is((SELECT undoable_until FROM account.activity WHERE id = last_event()), NULL, 'which the feed says');
SELECT is((SELECT undoable_until FROM account.activity_page(page_size => 1)), NULL, 'and a page');

-- keys of several columns
CREATE TABLE pairs (a text, b char(3), workspace_id uuid NOT NULL, name text, size int DEFAULT 5, PRIMARY KEY (a, b));
SELECT account.register_resource('pairs', 'pair', size_column => 'size');
INSERT INTO pairs VALUES ('x,y', 'z', :'team', 'one'), ('x', 'y,z', :'team', 'two'), ('x\', 'y', :'team', 'three');
UPDATE pairs SET name = 'same';
SELECT account.undo(id) FROM (SELECT id FROM account.activity WHERE resource_type = 'pair' AND action = 'updated') e;
SELECT set_eq('SELECT a, b::text, name FROM pairs', $$VALUES ('x,y', 'z', 'one'), ('x', 'y,z', 'two'), ('x\', 'y', 'three')$$, 'no row is taken for another whose key reads alike');
DELETE FROM pairs WHERE name <> 'one';
SELECT set_eq($$SELECT resource_id FROM account.largest_items() WHERE kind = 'pair'$$, $$VALUES ('x\,y,z  '), ('x,y\,z'), ('x\\,y  ')$$, 'nor shown as it');

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
INSERT INTO projects VALUES (5, :'team', 'five');
UPDATE projects SET workspace_id = :'eva_home', name = 'elsewhere' WHERE id = 5;
SELECT results_eq('SELECT action, resource_id, resource_name, metadata, undoable_until FROM account.activity WHERE id = last_event()',
    format('VALUES (%L, %L, %L, %L::jsonb, NULL::timestamptz)', 'updated', '5', 'five', jsonb_build_object('workspace_id', ARRAY[:'team', :'eva_home'])), 'a row that leaves is an event where it was');
UPDATE projects SET workspace_id = NULL WHERE id = 2;
SELECT is((SELECT metadata ->> 'workspace_id' FROM account.activity WHERE id = last_event()), format('["%s", null]', :'team'), 'also when it goes nowhere');
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
SET LOCAL intervalstyle = 'sql_standard';
SELECT account.update_team_settings('{"api_key_max_age": "1 day 2 hours"}');
SELECT account.update_team_settings('{"api_key_max_age": "1 mon"}');
SELECT last_event() AS setting \gset
SELECT is((SELECT metadata FROM account.activity WHERE id = :'setting'), '{"api_key_max_age": ["1 day 02:00:00", "1 mon"]}', 'an interval is recorded the same in every session');
SET LOCAL intervalstyle = 'iso_8601';
SELECT lives_ok(format('SELECT account.undo(%L)', :'setting'), 'so that another session can undo it');
SET LOCAL intervalstyle = 'postgres';
SELECT is((SELECT api_key_max_age FROM account_data.workspaces WHERE id = :'team'), '1 day 02:00', 'as it was');

-- profiles
SELECT account.log_event('profile', 'updated', NULL, NULL, NULL, '{"company": ["Evil", null]}');
SELECT throws_ok('SELECT account.undo(last_event())', '55000', 'event cannot be undone', 'an update of a profile that was only logged is none');
SELECT account.update_profile('{"company": "Acme", "display_name": "New name", "icon": {"colour": "#000000"}, "links": {"x": "team"}}');
SELECT last_event() AS profile \gset
SELECT isnt((SELECT undoable_until FROM account.activity WHERE id = :'profile'), NULL, 'an update of a profile is offered for undo');
SELECT throws_ok(format('SELECT account.act_as(%L, %L); SELECT account.undo(%L)', who, :'team', :'profile'), '42501', 'permission denied for this operation', 'but not to ' || about)
  FROM (VALUES (:'eva', 'an editor'), (:'vic', 'a viewer')) v (who, about);
SELECT throws_ok(format('SELECT account.act_as(%L); SELECT account.undo(%L)', who, :'profile'), 'P0002', NULL, 'nor from another workspace') FROM unnest(ARRAY[:'zoe', :'ann']) who;
SELECT account.act_as(:'ann', :'team');
SELECT key FROM account.create_api_key('k') \gset
SELECT throws_ok(format('SELECT account.authenticate(%L); SELECT account.undo(%L)', :'key', :'profile'), '42501', 'permission denied for this operation', 'nor to a key');
SELECT account.act_as(:'ben', :'team');
SELECT account.update_profile('{"bio": "We see things.", "links": {"github": "team"}}');
SELECT account.undo(:'profile');
SELECT is((SELECT to_jsonb(p) - '{location,use_case,intro}'::text[] FROM account.profile p), '{"username": "team-test", "display_name": "The team", "company": null, "bio": "We see things.", "icon": {}, "links": {"github": "team"},
    "hide_teams": null}', 'another admin undoes all that it changed, and what others changed since stays, also inside an object');
SELECT is((SELECT metadata FROM account.activity WHERE id = last_event()), '{"company": ["Acme", null], "display_name": ["New name", "The team"], "icon_colour": ["#000000", null], "links_x": ["team", null]}', 'the undo is an event');
SELECT throws_ok(format('SELECT account.undo(%L)', :'profile'), '55000', 'event has been undone already', 'it is undone once');
SELECT account.undo(last_event());
SELECT is((SELECT jsonb_build_array(display_name, company, icon, links) FROM account.profile), '["New name", "Acme", {"colour": "#000000"}, {"x": "team", "github": "team"}]', 'and the undoing is undone');
SELECT account.update_profile('{"links": {"x": "other", "github": null}}');
SELECT last_event() AS later \gset
SELECT account.update_profile('{"links": {"x": "third"}}');
CREATE FUNCTION detail_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    GET STACKED DIAGNOSTICS detail = pg_exception_detail;
    RETURN SQLERRM || ': ' || detail;
END
$$;
SELECT is(detail_of(format('SELECT account.undo(%L)', :'later')), 'event cannot be undone: it was changed again: Changed since: links_x.', 'of a field that changed since nothing is undone, and it is named');
SELECT is((SELECT links FROM account.profile), '{"x": "third"}', 'nothing of it');
SELECT account.update_profile(patch) FROM unnest('{"{\"use_case\": \"research\"}","{\"use_case\": \"security\"}"}'::jsonb[]) patch;
SELECT account.remove_use_case('research');
SELECT account.undo(last_event());
SELECT is((SELECT use_case FROM account.profile), 'research', 'what was there is put back, also when it is offered no more');
SELECT account.act_as(:'ann');
SELECT account.update_profile(jsonb_build_object('hide_teams', true, 'intro', repeat('é', 32768), 'bio', repeat('ß', 500)));
SELECT account.undo(last_event());
SELECT is((SELECT jsonb_build_array(hide_teams, intro, bio) FROM account.profile), '[false, null, null]', 'fields are undone however long they are');
SELECT account.undo(last_event());
SELECT is((SELECT jsonb_build_array(hide_teams, intro, bio) FROM account.profile), jsonb_build_array(true, repeat('é', 32768), repeat('ß', 500)), 'and put back whole');
SELECT account.update_profile('{"company": "Acme"}');
SELECT last_event() AS old \gset
SET LOCAL session_replication_role = replica;
UPDATE account_data.events SET at = at - interval '1 hour' WHERE id = :'old';
SET LOCAL session_replication_role = origin;
SELECT throws_ok(format('SELECT account.undo(%L)', :'old'), '55000', 'event cannot be undone', 'after an hour it is too late');

SELECT * FROM finish();
ROLLBACK;
