-- Deleting, restoring and purging rows of registered tables.
BEGIN;
SELECT no_plan();

SELECT account.sign_up('trash-owner', 'owner@trash.test', 'us') AS owner \gset
SELECT account.sign_up('trash-other', 'other@trash.test', 'us') AS other \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
CREATE FUNCTION sign_in(who uuid) RETURNS void LANGUAGE sql AS 'SELECT account.act_as(who)';

CREATE TABLE projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    name text NOT NULL,
    size_bytes bigint NOT NULL DEFAULT 0,
    UNIQUE (workspace_id, name)
);
CREATE TABLE models (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    project_id uuid REFERENCES projects (id) ON DELETE CASCADE,
    name text NOT NULL,
    bytes bigint NOT NULL DEFAULT 0,
    best_epoch bigint,
    label text GENERATED ALWAYS AS (upper(name)) STORED
);
CREATE TABLE epochs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id bigint NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    loss double precision
);
ALTER TABLE models ADD FOREIGN KEY (best_epoch) REFERENCES epochs (id) ON DELETE SET NULL;
CREATE TABLE points (
    epoch_id bigint NOT NULL REFERENCES epochs (id) ON DELETE CASCADE,
    n integer NOT NULL,
    value numeric,
    PRIMARY KEY (epoch_id, n)
);
SELECT lives_ok($$SELECT account.register_resource('projects', 'project', size_column => 'size_bytes')$$, 'a table becomes a resource');
SELECT lives_ok($$SELECT account.register_resource('models', 'model', size_column => 'bytes')$$, 'so does one that hangs on it');

INSERT INTO projects (workspace_id, name, size_bytes) VALUES (:'workspace', 'alpha', 10), (:'workspace', 'beta', 20);
INSERT INTO models (workspace_id, project_id, name, bytes)
    SELECT workspace_id, id, name || n, 100 * n FROM projects, generate_series(1, 2) n;
INSERT INTO epochs (model_id, loss) SELECT id, n FROM models, generate_series(1, 3) n ORDER BY 1, 2;
INSERT INTO points SELECT id, n, n / 3.0 FROM epochs, generate_series(1, 2) n;
UPDATE models m SET best_epoch = (SELECT max(id) FROM epochs WHERE model_id = m.id);
CREATE TABLE saved AS SELECT 'p' AS t, to_jsonb(p) AS j FROM projects p UNION ALL SELECT 'm', to_jsonb(m) FROM models m
    UNION ALL SELECT 'e', to_jsonb(e) FROM epochs e UNION ALL SELECT 't', to_jsonb(t) FROM points t;
CREATE VIEW now AS SELECT 'p' AS t, to_jsonb(p) AS j FROM projects p UNION ALL SELECT 'm', to_jsonb(m) FROM models m
    UNION ALL SELECT 'e', to_jsonb(e) FROM epochs e UNION ALL SELECT 't', to_jsonb(t) FROM points t;
SELECT sign_in(:'owner');

SELECT results_eq($$DELETE FROM projects WHERE name = 'alpha' RETURNING name$$, ARRAY['alpha'], 'DELETE reports its rows');
SELECT is((SELECT count(*) FROM now), (SELECT count(*) / 2 FROM saved), 'the cascade took what hung on it');
SELECT results_eq($$SELECT kind, name, size::bigint, children, parent IS NULL FROM account.trash ORDER BY kind DESC, name$$,
    $$VALUES ('project', 'alpha', 310::bigint, 20::bigint, true), ('model', 'alpha1', 100, 9, false), ('model', 'alpha2', 200, 9, false)$$,
    'each resource is in the trash, with what it took along');
SELECT ok((SELECT expires_at = deleted_at + '30 days' AND deleted_by = :'owner' FROM account.trash WHERE kind = 'project'), 'for thirty days, and by whom');
SELECT lives_ok($$INSERT INTO projects (workspace_id, name) SELECT workspace_id, 'alpha' FROM projects LIMIT 1$$, 'the name is free at once');
SELECT throws_ok($$SELECT account.restore(id) FROM account.trash WHERE kind = 'project'$$, '23505', 'project "alpha" already exists', 'and once taken it stays so');
SELECT is((SELECT conflict FROM account.restore_plan((SELECT id FROM account.trash WHERE kind = 'project')) WHERE action = 'refuse'), 'project "alpha" already exists', 'the plan says so');
DELETE FROM projects WHERE name = 'alpha';
SELECT id AS alpha FROM account.trash WHERE kind = 'project' AND children > 0 \gset
SELECT lives_ok(format('SELECT account.restore(%L)', :'alpha'), 'restore gives back');
SELECT is_empty('(TABLE now EXCEPT TABLE saved) UNION ALL (TABLE saved EXCEPT TABLE now)', 'every row as it was');
SELECT is((SELECT count(*) FROM account.trash), 1::bigint, 'what was restored is not in the trash');
SELECT is((SELECT count(*) FROM account_data.trash_chunks), 0::bigint, 'nor is any of it stored');
SELECT throws_ok(format('SELECT account.restore(%L)', :'alpha'), 'P0002', NULL, 'nothing is restored twice');
SELECT is(account.empty_trash(), 1::bigint, 'empty_trash says how many items there were');

-- several at once are items of their own
DELETE FROM projects;
SELECT is((SELECT count(*) FROM account.trash WHERE parent IS NULL), 2::bigint, 'two projects of one DELETE are two items');
SELECT id AS beta FROM account.trash WHERE name = 'beta' \gset
SELECT id AS beta1, parent AS beta1_parent FROM account.trash WHERE name = 'beta1' \gset
SELECT is(:'beta1_parent'::uuid, :'beta'::uuid, 'a model hangs on its own project');
SELECT is((SELECT action || ': ' || conflict FROM account.restore_plan(:'beta1') WHERE action = 'orphan'),
    'orphan: the row of public.projects it belongs to does not exist', 'a model alone would be an orphan');
SELECT account.restore(:'beta1');
SELECT results_eq('SELECT name, project_id::text, (SELECT count(*) FROM epochs WHERE model_id = m.id) FROM models m', $$VALUES ('beta1', NULL::text, 3::bigint)$$, 'it is, with its history');
SELECT results_eq(format('SELECT children, size::bigint FROM account.trash WHERE id = %L', :'beta'), $$VALUES (10::bigint, 220::bigint)$$, 'its project no longer counts it');
SELECT account.restore(:'beta');
SELECT results_eq('SELECT name FROM models ORDER BY 1', $$VALUES ('beta1'), ('beta2')$$, 'the project comes back with the rest');
SELECT account.purge(id) FROM account.trash WHERE name = 'alpha';
SELECT is_empty('TABLE account.trash', 'purging a project purges the models inside');
SELECT is((SELECT count(*) FROM account_data.trash_chunks), 0::bigint, 'and all that they took along');

-- trashed before its project
UPDATE models SET project_id = (SELECT id FROM projects);
DELETE FROM models WHERE name = 'beta1';
DELETE FROM projects;
SELECT results_eq('SELECT name, parent IS NULL FROM account.trash ORDER BY 1', $$VALUES ('beta', true), ('beta1', true), ('beta2', false)$$, 'a model deleted before its project stays its own item');
SELECT account.restore(id) FROM account.trash WHERE name = 'beta';
SELECT account.restore(id, 'gamma') FROM account.trash WHERE name = 'beta1';
SELECT results_eq('SELECT m.name, p.name FROM models m LEFT JOIN projects p ON p.id = m.project_id ORDER BY 1', $$VALUES ('beta2', 'beta'), ('gamma', 'beta')$$, 'restored alone it goes into its project, under another name');

-- a column that may not be null
ALTER TABLE models ALTER project_id SET NOT NULL;
DELETE FROM projects;
SELECT throws_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'gamma'$$, '55000', NULL, 'a model that cannot be an orphan waits for its project');
SELECT is((SELECT count(*) FROM models), 0::bigint, 'nothing is half there');
UPDATE account_data.trash_items SET expires_at = now() - interval '1 second' WHERE kind = 'project';
SELECT id AS expired FROM account_data.trash_items WHERE kind = 'project' \gset
SELECT throws_ok(format('SELECT account.restore(%L)', :'expired'), '55000', NULL, 'what has expired cannot be restored');
SELECT is(account.purge_expired(), 3::bigint, 'and is purged with what it took along');
SELECT is((SELECT count(*) FROM account_data.trash_items), 0::bigint, 'nothing is left');

-- roles and visibility
INSERT INTO projects (workspace_id, name) VALUES (:'workspace', 'mine');
DELETE FROM projects;
SELECT id AS mine FROM account.trash \gset
SELECT sign_in(:'other');
SELECT is_empty('TABLE account.trash', 'another workspace sees nothing of it');
SELECT throws_ok(format('SELECT account.restore(%L)', :'mine'), 'P0002', NULL, 'nor restores it');
SELECT throws_ok(format('SELECT account.purge(%L)', :'mine'), 'P0002', NULL, 'nor purges it');
SELECT account.reset_principal();
SELECT throws_ok('SELECT * FROM account.trash', '28000', NULL, 'nobody sees nothing');
SELECT throws_ok(format('SELECT account.restore(%L)', :'mine'), '28000', NULL, 'nobody restores');

-- workspaces and people
INSERT INTO projects (workspace_id, name) VALUES (:'workspace', 'live');
SELECT throws_ok('TRUNCATE projects CASCADE', '55000', NULL, 'TRUNCATE does not pass by the trash');
DELETE FROM account_data.workspaces WHERE id = :'workspace';
SELECT is((SELECT count(*) FROM projects), 0::bigint, 'a workspace takes its projects with it');
SELECT is((SELECT count(*) FROM account_data.trash_items), 0::bigint, 'for good, and its trash too');

-- How long the trash keeps it

SELECT personal_workspace_id AS elsewhere FROM account_data.users WHERE id = :'other' \gset
SELECT sign_in(:'other');
SET LOCAL account.trash_retention = '1h';
INSERT INTO projects (workspace_id, name) VALUES (:'elsewhere', 'kept for an hour');
DELETE FROM projects WHERE name = 'kept for an hour';
SELECT ok((SELECT expires_at = deleted_at + '1 hour' FROM account.trash WHERE name = 'kept for an hour'), 'account.trash_retention is that of new items');

SELECT * FROM finish();
ROLLBACK;
