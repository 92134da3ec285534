-- The feed: what is in it, pages, what each person has seen, undoing.
BEGIN;
SELECT no_plan();

SELECT account.sign_up('act-owner', 'owner@act.test', 'us') AS owner \gset
SELECT account.sign_up('act-editor', 'editor@act.test', 'us') AS editor \gset
SELECT account.sign_up('act-viewer', 'viewer@act.test', 'us') AS viewer \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
INSERT INTO account_data.members VALUES (:'workspace', :'editor', 'editor'), (:'workspace', :'viewer', 'viewer');
CREATE TABLE projects (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, starts date, note text);
SELECT account.register_resource('projects', 'project');
SELECT account.act_as(:'editor', :'workspace');

-- changes of resources
INSERT INTO projects VALUES (1, :'workspace', 'Apollo', '1969-07-16'), (2, :'workspace', 'Gemini', NULL);
SELECT results_eq($$SELECT action, resource_id, resource_name, actor, metadata FROM account.activity WHERE resource_type = 'project' ORDER BY id$$,
    $$VALUES ('created', '1', 'Apollo', 'act-editor', NULL::jsonb), ('created', '2', 'Gemini', 'act-editor', NULL)$$, 'each new row is an event');
UPDATE projects SET name = 'Apollo 11', starts = '1969-07-20' WHERE id = 1;
SELECT results_eq($$SELECT action, resource_name, metadata FROM account.activity ORDER BY id DESC LIMIT 1$$,
    $$VALUES ('updated', 'Apollo 11', '{"name": ["Apollo", "Apollo 11"], "starts": ["1969-07-16", "1969-07-20"]}'::jsonb)$$, 'an update says what changed');
SELECT id AS update_id FROM account.activity ORDER BY id DESC LIMIT 1 \gset
UPDATE projects SET name = name;
SELECT is((SELECT id FROM account.activity ORDER BY id DESC LIMIT 1), :'update_id'::uuid, 'one that changes nothing says nothing');
DELETE FROM projects WHERE id = 2;
SELECT account.restore(id) FROM account.trash;
SELECT results_eq($$SELECT action, resource_name FROM account.activity WHERE resource_id = '2' ORDER BY id$$,
    $$VALUES ('created', 'Gemini'), ('trashed', 'Gemini'), ('restored', 'Gemini')$$, 'deleting and restoring are events');
SET LOCAL account.activity_row_limit = 3;
INSERT INTO projects SELECT n, :'workspace', 'bulk' FROM generate_series(10, 19) n;
SELECT results_eq($$SELECT action, metadata FROM account.activity ORDER BY id DESC LIMIT 1$$, $$VALUES ('created', '{"rows": 10}'::jsonb)$$, 'a large statement is one event');
SELECT is((SELECT count(*) FROM account.activity WHERE resource_name = 'bulk'), 0::bigint, 'and no more');
RESET account.activity_row_limit;

-- undo
SELECT lives_ok(format('SELECT account.undo(%L)', :'update_id'), 'an update can be undone');
SELECT results_eq('SELECT name, starts FROM projects WHERE id = 1', $$VALUES ('Apollo', '1969-07-16'::date)$$, 'all of it');
SELECT is((SELECT metadata -> 'name' FROM account.activity ORDER BY id DESC LIMIT 1), '["Apollo 11", "Apollo"]', 'the undo is an event');
SELECT throws_ok(format('SELECT account.undo(%L)', :'update_id'), '55000', 'event has been undone already', 'once');
UPDATE projects SET name = 'Soyuz', note = 'x' WHERE id = 1;
SELECT id AS second FROM account.activity ORDER BY id DESC LIMIT 1 \gset
UPDATE projects SET name = 'Vostok' WHERE id = 1;
SELECT throws_ok(format('SELECT account.undo(%L)', :'second'), '55000', 'event cannot be undone: it was changed again', 'not when the same column changed since');
UPDATE projects SET name = 'Soyuz' WHERE id = 1;
SELECT lives_ok(format('SELECT account.undo(%L)', :'second'), 'another change is no conflict once it is back');
SELECT is((SELECT note FROM projects WHERE id = 1), NULL, 'null comes back as null');
UPDATE projects SET name = 'Late' WHERE id = 1;
SELECT id AS late FROM account.activity ORDER BY id DESC LIMIT 1 \gset
SET LOCAL session_replication_role = replica;
UPDATE account_data.events SET at = at - interval '61 minutes' WHERE id = :'late';
RESET session_replication_role;
SELECT throws_ok(format('SELECT account.undo(%L)', :'late'), '55000', 'event cannot be undone', 'not after an hour');
SELECT is((SELECT undoable_until FROM account.activity WHERE id = :'late'), NULL, 'and the feed says so');
SELECT throws_ok('SELECT account.undo(gen_random_uuid())', 'P0002', NULL, 'nor an event that is not');
SET LOCAL session_replication_role = replica;
UPDATE account_data.events SET at = at + interval '61 minutes' WHERE id = :'late';
RESET session_replication_role;

-- what somebody says was changed was not
UPDATE projects SET name = 'Real' WHERE id = 1;
SELECT ok((SELECT undoable_until > now() FROM account.activity ORDER BY id DESC LIMIT 1), 'what can be undone says until when');
SELECT account.log_event('project', 'updated', '1', 'Real', metadata => '{"name": ["Forged", "Real"]}');
SELECT id AS forged, undoable_until IS NULL AS is_final FROM account.activity ORDER BY id DESC LIMIT 1 \gset
SELECT throws_ok(format('SELECT account.undo(%L)', :'forged'), '55000', 'event cannot be undone', 'an event that was logged is not undone');
SELECT ok(:'is_final', 'and the feed says so');
SELECT is((SELECT undoable_until FROM account.activity_page(page_size => 1)), NULL, 'so does a page');

-- own events
SELECT account.log_event('training', 'completed', 'run-7', 'Run 7', 'after 300 epochs', '{"loss": 0.1}');
SELECT results_eq($$SELECT resource_type, action, resource_id, description FROM account.activity ORDER BY id DESC LIMIT 1$$,
    $$VALUES ('training', 'completed', 'run-7', 'after 300 epochs')$$, 'an application logs its own');
SELECT throws_ok($$SELECT account.log_event('', 'x')$$, '22023', NULL, 'with a type');
SELECT throws_ok($$SELECT account.log_event('x', 'x', metadata => '[1]')$$, '22023', NULL, 'and an object');

-- pages
SELECT results_eq('SELECT id FROM account.activity', format('SELECT id FROM account_data.events WHERE workspace_id = %L ORDER BY id DESC', :'workspace'), 'the feed is newest first');
SELECT results_eq($$SELECT id FROM account.activity_page(page_size => 3)$$, 'SELECT id FROM account.activity ORDER BY id DESC LIMIT 3', 'a page is the newest');
SELECT id AS third FROM account.activity_page(page_size => 3) OFFSET 2 \gset
SELECT results_eq(format('SELECT id FROM account.activity_page(after_id => %L, page_size => 3)', :'third'), 'SELECT id FROM account.activity ORDER BY id DESC LIMIT 3 OFFSET 3', 'the next goes on after it');
SELECT is((SELECT count(*) FROM account.activity_page(search => 'GEMIN')), 3::bigint, 'search is by name, whatever the case');
SELECT is((SELECT count(*) FROM account.activity_page(search => 'train')), 1::bigint, 'or type');
SELECT is((SELECT count(*) FROM account.activity_page(search => '%')), 0::bigint, 'and knows no wildcards');
SELECT is((SELECT count(*) FROM account.activity_page(resource_type => 'project', action => 'restored')), 1::bigint, 'types and actions are filters');
SELECT is((SELECT count(*) FROM account.activity_page(to_at => now() - interval '1 day')), 0::bigint, 'a range bounds it');
SELECT throws_ok('SELECT * FROM account.activity_page(page_size => 101)', '22023', NULL, 'a page has at most 100');

-- seen and archived
SELECT cmp_ok(account.unseen_count(), '>', 5, 'at first all is new');
SELECT account.mark_seen(ARRAY[:'third']::uuid[]);
SELECT ok((SELECT seen FROM account.activity WHERE id = :'third'), 'one event is seen');
SELECT is((SELECT count(*) FROM account.activity WHERE NOT seen), account.unseen_count()::bigint, 'unseen_count is the rest');
SELECT account.mark_seen();
SELECT is(account.unseen_count(), 0, 'then all');
SELECT account.log_event('training', 'started');
SELECT is(account.unseen_count(), 1, 'what comes later is new');
SELECT account.archive_events();
SELECT is((SELECT count(*) FROM account.activity_page()), 0::bigint, 'archived events leave the feed');
SELECT cmp_ok((SELECT count(*) FROM account.activity_page(archived => true)), '>', 10::bigint, 'for the archive');
SELECT account.unarchive_events(ARRAY[:'third']::uuid[]);
SELECT results_eq('SELECT id FROM account.activity_page()', ARRAY[:'third']::uuid[], 'and back');
SELECT account.act_as(:'owner', :'workspace');
SELECT cmp_ok(account.unseen_count(), '>', 10, 'one person''s inbox is not another''s');
SELECT is((SELECT count(*) FROM account.activity WHERE archived), 0::bigint, 'nor is the archive');
SELECT account.act_as(:'viewer', :'workspace');
SELECT isnt_empty('SELECT * FROM account.activity_page()', 'a viewer reads the feed');
SELECT throws_ok($$SELECT account.log_event('a', 'b')$$, '42501', NULL, 'but adds nothing');
SELECT throws_ok(format('SELECT account.undo(%L)', :'late'), '42501', NULL, 'nor undoes');

-- settings
SELECT account.act_as(:'owner', :'workspace');
SELECT account.update_team_settings('{"api_key_min_role": "admin"}');
SELECT id AS setting FROM account.activity WHERE resource_type = 'settings' ORDER BY id DESC LIMIT 1 \gset
SELECT account.undo(:'setting');
SELECT is((SELECT api_key_min_role FROM account_data.workspaces WHERE id = :'workspace'), 'editor', 'settings can be undone');
SELECT account.update_team_settings('{"api_key_min_role": "owner", "api_key_reveal": false, "api_key_max_age": "30 days"}');
SELECT id AS setting FROM account.activity WHERE resource_type = 'settings' ORDER BY id DESC LIMIT 1 \gset
SELECT account.update_team_settings('{"api_key_min_role": "admin", "api_key_max_age": null}');
SELECT throws_ok(format('SELECT account.undo(%L)', :'setting'), '55000', 'event cannot be undone: it was changed again', 'not when one of them changed since');
SELECT is((SELECT to_jsonb(w) -> 'api_key_reveal' FROM account_data.workspaces w WHERE id = :'workspace'), 'false', 'and then none is');
SELECT account.update_team_settings('{"api_key_min_role": "owner", "api_key_max_age": "30 days"}');
SELECT account.undo(:'setting');
SELECT results_eq(format('SELECT api_key_min_role::text, api_key_reveal, api_key_max_age FROM account_data.workspaces WHERE id = %L', :'workspace'),
    $$VALUES ('editor', true, NULL::interval)$$, 'all of them, also to what was not set');
SELECT throws_ok(format('SELECT account.undo(%L)', :'setting'), '55000', 'event has been undone already', 'once');
SELECT id AS undone FROM account.activity WHERE resource_type = 'settings' ORDER BY id DESC LIMIT 1 \gset
SELECT account.act_as(:'editor', :'workspace');
SELECT throws_ok(format('SELECT account.undo(%L)', :'undone'), '42501', NULL, 'by an admin');
SELECT account.act_as(:'owner', :'workspace');

-- a row that came from another workspace
SELECT account.sign_up('act-stranger', 'stranger@act.test', 'us') AS stranger \gset
SELECT personal_workspace_id AS elsewhere FROM account_data.users WHERE id = :'stranger' \gset
INSERT INTO account_data.members VALUES (:'elsewhere', :'owner', 'editor');
INSERT INTO projects VALUES (30, :'workspace', 'Nomad');
UPDATE projects SET workspace_id = :'elsewhere' WHERE id = 30;
SELECT account.act_as(:'stranger');
SELECT id AS moved FROM account.activity WHERE resource_id = '30' \gset
SELECT throws_ok(format('SELECT account.undo(%L)', :'moved'), '42501', NULL, 'is not put back by who may not write there');
SELECT account.act_as(:'owner', :'elsewhere');
SELECT lives_ok(format('SELECT account.undo(%L)', :'moved'), 'but by who may');
SELECT is((SELECT workspace_id FROM projects WHERE id = 30), :'workspace'::uuid, 'then it is there');
SELECT account.act_as(:'owner', :'workspace');

-- keys
SELECT key FROM account.create_api_key('reader') \gset
SELECT account.authenticate(:'key');
SELECT is_empty('TABLE account.activity', 'a key sees no feed');
SELECT throws_ok('SELECT * FROM account.activity_page()', '42501', NULL, 'nor pages');
SELECT throws_ok('SELECT account.empty_trash()', '42501', NULL, 'nor empties the trash');
SELECT lives_ok($$SELECT account.log_event('training', 'failed')$$, 'it logs');
SELECT account.reset_principal();
SELECT throws_ok('TABLE account.activity', '28000', NULL, 'nobody sees nothing');

SELECT * FROM finish();
ROLLBACK;
