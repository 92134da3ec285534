-- A purge takes out of the feed what the purged rows said, and nothing else.
BEGIN;
SELECT no_plan();

SELECT account.sign_up('purge-owner', 'owner@purge.test', 'us') AS owner \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
CREATE TABLE projects (id text PRIMARY KEY, workspace_id uuid NOT NULL, name text NOT NULL, note text);
CREATE TABLE models (id text PRIMARY KEY, workspace_id uuid NOT NULL, project_id text REFERENCES projects ON DELETE CASCADE, name text NOT NULL);
SELECT account.register_resource('projects', 'project'), account.register_resource('models', 'model');
SELECT account.act_as(:'owner');
CREATE VIEW images AS SELECT resource_type || ' ' || resource_id AS what, metadata, redacted_at IS NOT NULL AS is_redacted
  FROM account_data.events WHERE workspace_id = account.current_workspace_id() AND action = 'updated' ORDER BY id;
CREATE FUNCTION make(project text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO projects SELECT project, account.current_workspace_id(), 'p';
    INSERT INTO models SELECT project || m, account.current_workspace_id(), project, 'm' FROM unnest('{1,2}'::text[]) m;
    UPDATE projects SET name = 'Jane Doe''s', note = 'born 1970' WHERE id = project;
    UPDATE models SET name = 'jane' WHERE project_id = project;
$$;

SELECT make('a'), make('b');
SELECT account.log_event('model', 'updated', 'x1', 'of another kind of model', metadata => '{"by": "app"}');
SELECT account.log_event('training', 'updated', 'a', 'same id, other kind', metadata => '{"by": "app"}');
SELECT account.log_event('project', 'completed', 'a', 'no update', metadata => '{"by": "app"}');
DELETE FROM projects WHERE id = 'a';
-- the id is used again while the row is in the trash
SELECT make('a');
SELECT is((SELECT count(*) FROM images WHERE is_redacted), 0::bigint, 'the trash keeps what was said of its rows');
SELECT id AS model FROM account.trash WHERE resource_id = 'a1' \gset
SELECT account.purge(:'model');
SELECT results_eq('SELECT what, metadata FROM images WHERE is_redacted', $$VALUES ('model a1', '{"name": null}'::jsonb)$$, 'a purged row''s updates tell what changed, not from what to what');
SELECT account.purge(id) FROM account.trash WHERE resource_id = 'a';
SELECT results_eq('SELECT what, metadata FROM images WHERE is_redacted',
    $$VALUES ('project a', '{"name": null, "note": null}'::jsonb), ('model a1', '{"name": null}'), ('model a2', '{"name": null}')$$, 'nor do those of the rows that it took along');
SELECT results_eq('SELECT what, metadata FROM images WHERE NOT is_redacted', $$VALUES
    ('project b', '{"name": ["p", "Jane Doe''s"], "note": [null, "born 1970"]}'::jsonb), ('model b1', '{"name": ["m", "jane"]}'), ('model b2', '{"name": ["m", "jane"]}'),
    ('model x1', '{"by": "app"}'), ('training a', '{"by": "app"}'),
    ('project a', '{"name": ["p", "Jane Doe''s"], "note": [null, "born 1970"]}'), ('model a1', '{"name": ["m", "jane"]}'), ('model a2', '{"name": ["m", "jane"]}')$$,
    'other rows'' do, also of one that has the id now');
SELECT is((SELECT metadata FROM account_data.events WHERE action = 'completed'), '{"by": "app"}', 'and what is no update');
SELECT is((SELECT string_agg(resource_name, ', ' ORDER BY id) FROM account_data.events WHERE resource_id = 'a1' AND action IN ('trashed', 'updated')), 'jane, jane, jane',
    'names stay: the feed says what was deleted');
SELECT throws_ok(format('SELECT account.undo(%L)', (SELECT id FROM account_data.events WHERE resource_id = 'a1' AND redacted_at IS NOT NULL)), '55000', NULL, 'there is nothing left to undo');

DELETE FROM projects WHERE id = 'a';
SELECT account.restore(id) FROM account.trash WHERE kind = 'project';
SELECT is((SELECT count(*) FROM images WHERE is_redacted), 3::bigint, 'a restore redacts nothing');
DELETE FROM projects WHERE id = 'a';
SELECT is(account.empty_trash(), 3::bigint, 'empty_trash');
SELECT set_eq('SELECT what FROM images WHERE NOT is_redacted', '{project b,model b1,model b2,model x1,training a}'::text[], 'redacts what it purges');
DELETE FROM projects WHERE id = 'b';
SELECT is(account.purge_expired(), 0::bigint, 'purge_expired');
SELECT isnt_empty($$SELECT FROM images WHERE what = 'project b' AND NOT is_redacted$$, 'leaves what has not expired');
UPDATE account_data.trash_items SET expires_at = now() - interval '1 second';
SELECT is(account.purge_expired(), 3::bigint, 'and purges what has');
SELECT is((SELECT count(*) FROM account_data.events WHERE image_of IS NOT NULL), 0::bigint, 'nothing is kept to find what is redacted');
SELECT set_eq('SELECT what FROM images WHERE NOT is_redacted', '{model x1,training a}'::text[], 'and redacts it');

-- keys that are numbers, and UUIDs of which one half is the same
CREATE TABLE runs (id bigint PRIMARY KEY, workspace_id uuid NOT NULL, name text NOT NULL);
CREATE TABLE files (id uuid PRIMARY KEY, workspace_id uuid NOT NULL, name text NOT NULL);
SELECT account.register_resource('runs', 'run'), account.register_resource('files', 'file');
INSERT INTO runs SELECT n, account.current_workspace_id(), 'r' FROM unnest('{-7,7,9223372036854775807}'::bigint[]) n;
INSERT INTO files SELECT ('0198f0a4-1111-7000-8000-00000000000' || n)::uuid, account.current_workspace_id(), 'f' FROM generate_series(1, 2) n;
UPDATE runs SET name = 'jane';
UPDATE files SET name = 'jane';
SELECT is((SELECT count(DISTINCT account_data.resource_number(resource_id)) FROM account_data.events WHERE resource_type = 'run' AND image_of = account_data.resource_number(resource_id)), 3::bigint, 'integers have numbers of their own');
SELECT is((SELECT count(DISTINCT image_of) FROM account_data.events WHERE resource_type = 'file' AND image_of = account_data.resource_number(resource_id)), 1::bigint, 'UUIDs of one time may share one');
DELETE FROM runs WHERE id > 0;
DELETE FROM files WHERE id = '0198f0a4-1111-7000-8000-000000000001';
SELECT account.purge(id) FROM account.trash WHERE kind IN ('run', 'file');
SELECT set_eq($$SELECT what FROM images WHERE is_redacted AND what ~ '^(run|file)'$$, '{run 7,run 9223372036854775807,file 0198f0a4-1111-7000-8000-000000000001}'::text[], 'what is purged is redacted by any key');
SELECT set_eq($$SELECT what FROM images WHERE NOT is_redacted AND what ~ '^(run|file)'$$, '{run -7,file 0198f0a4-1111-7000-8000-000000000002}'::text[], 'and what is not, is not');

SELECT * FROM finish();
ROLLBACK;
