-- Every way a row can be deleted leads to the trash, and every way back is complete.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
CREATE TABLE projects (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text UNIQUE, n int DEFAULT 0);
CREATE TABLE models (id int PRIMARY KEY, workspace_id uuid NOT NULL, project_id int REFERENCES projects ON DELETE CASCADE, name text);
CREATE TABLE epochs (id int PRIMARY KEY, model_id int NOT NULL REFERENCES models ON DELETE CASCADE);
SELECT account.register_resource('projects', 'project'), account.register_resource('models', 'model');
INSERT INTO projects SELECT n, :'team', 'p' || n FROM generate_series(1, 4) n;
INSERT INTO models SELECT n * 10 + m, :'team', n, 'm' || n || m FROM generate_series(1, 4) n, generate_series(1, 2) m;
INSERT INTO epochs SELECT id, id FROM models;
CREATE VIEW trash AS SELECT t.name, p.name AS parent, t.children FROM account.trash t LEFT JOIN account.trash p ON p.id = t.parent;
CREATE VIEW visible AS SELECT id, name FROM projects WHERE n = 0;
CREATE TABLE were AS TABLE epochs;
SELECT account.act_as(:'eva', :'team');
CREATE FUNCTION comes_back(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account.restore(id) FROM account.trash WHERE parent IS NULL ORDER BY kind DESC, id;
    RETURN set_eq('TABLE epochs', 'TABLE were', what);
END
$$;

SELECT results_eq('DELETE FROM models USING projects p WHERE p.id = project_id AND p.id = 1 RETURNING models.name, p.name', $$VALUES ('m11', 'p1'), ('m12', 'p1')$$, 'DELETE USING reports both tables');
SELECT set_eq('TABLE trash', $$VALUES ('m11', NULL, 1::bigint), ('m12', NULL, 1)$$, 'and keeps its rows');
SELECT comes_back('which come back');
MERGE INTO projects p USING (VALUES (1, 'delete'), (2, 'update'), (9, 'insert')) v (id, what) ON p.id = v.id
    WHEN MATCHED AND what = 'delete' THEN DELETE WHEN MATCHED THEN UPDATE SET n = 5
    WHEN NOT MATCHED THEN INSERT VALUES (v.id, '7ea00000-0000-7000-8000-000000000001', 'merged');
SELECT set_eq('TABLE trash', $$VALUES ('p1', NULL, 4::bigint), ('m11', 'p1', 1), ('m12', 'p1', 1)$$, 'so does MERGE');
SELECT results_eq($$SELECT action, resource_name FROM account.activity WHERE action <> 'trashed' ORDER BY id DESC LIMIT 2$$, $$VALUES ('created', 'merged'), ('updated', 'p2')$$, 'which records each row as what it was');
SELECT comes_back('and its rows come back');
INSERT INTO projects VALUES (2, :'team', 'p2'), (8, :'team', 'eight') ON CONFLICT (id) DO UPDATE SET n = 0;
SELECT set_eq($$SELECT action, resource_name FROM account.activity ORDER BY id DESC LIMIT 2$$, $$VALUES ('updated', 'p2'), ('created', 'eight')$$, 'ON CONFLICT too');
SELECT is((SELECT used FROM account_data.usage_counts WHERE workspace_id = :'team' AND name = 'project'), (SELECT count(*) FROM projects), 'and the count is true');
DELETE FROM visible WHERE id IN (1, 8);
SELECT is((SELECT count(*) FROM trash), 4::bigint, 'a view deletes into the trash of its table');
SELECT comes_back('from where they come back');
WITH m AS (DELETE FROM models WHERE id = 11), e AS (DELETE FROM epochs WHERE id = 12) DELETE FROM projects WHERE id IN (1, 3);
SELECT set_eq('TABLE trash', $$VALUES ('p1', NULL, 3::bigint), ('m11', 'p1', 1), ('m12', 'p1', 0), ('p3', NULL, 4), ('m31', 'p3', 1), ('m32', 'p3', 1)$$,
    'one statement that deletes parent and child itself keeps each once');
DELETE FROM were WHERE id = 12;
SELECT comes_back('and all of it comes back, but a plain row that was deleted by itself');
INSERT INTO epochs VALUES (12, 12);
INSERT INTO were VALUES (12, 12);

-- transactions
DO $$
BEGIN
    DELETE FROM projects WHERE id = 1;
    BEGIN
        DELETE FROM projects WHERE id = 2;
        RAISE EXCEPTION 'no';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    DELETE FROM models WHERE project_id = 3;
END
$$;
SELECT set_eq('SELECT name FROM trash WHERE parent IS NULL', ARRAY['p1', 'm31', 'm32'], 'what a block rolled back is not in the trash');
SELECT is_empty($$SELECT 1 FROM account.activity WHERE action = 'trashed' AND resource_name = 'p2'$$, 'nor in the feed');
SAVEPOINT a;
DELETE FROM projects WHERE id = 4;
SAVEPOINT b;
DELETE FROM projects WHERE id = 2;
ROLLBACK TO b;
DELETE FROM models WHERE id = 21;
ROLLBACK TO a;
SELECT set_eq('SELECT name FROM trash WHERE parent IS NULL', ARRAY['p1', 'm31', 'm32'], 'nor what a savepoint did');
SELECT comes_back('the rest comes back');

-- the same key again
DELETE FROM projects WHERE id = 1;
INSERT INTO projects VALUES (1, :'team', 'again');
SELECT throws_ok($$SELECT account.restore(id, 'p1') FROM account.trash WHERE name = 'p1'$$, '23505', 'project 1 already exists: another row has its id', 'a taken key is told from a taken name');
DELETE FROM projects WHERE id = 1;
SELECT account.purge(id) FROM account.trash WHERE name = 'again';
SELECT comes_back('and free again it is restored');

-- triggers of the application
CREATE TABLE notes (note text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO notes VALUES (tg_op || ' ' || new.name); RETURN new; END $$;
CREATE TRIGGER note BEFORE INSERT OR UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION note();
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN old.name <> 'p4' THEN old END; END $$;
CREATE TRIGGER keep BEFORE DELETE ON projects FOR EACH ROW EXECUTE FUNCTION keep();
SELECT results_eq('DELETE FROM projects WHERE id IN (2, 4) RETURNING name', ARRAY['p2'], 'a row that a trigger keeps stays');
SELECT set_eq('SELECT name FROM trash', ARRAY['p2', 'm21', 'm22'], 'and is not in the trash');
SELECT lives_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'p2'$$, 'a trigger that names what stands beside its table finds it in a restore');
UPDATE projects SET n = 7 WHERE id = 2;
SELECT lives_ok('SELECT account.undo(id) FROM (SELECT id FROM account.activity ORDER BY id DESC LIMIT 1) last', 'and in an undo');
SELECT results_eq('TABLE notes', ARRAY['INSERT p2', 'UPDATE p2', 'UPDATE p2'], 'and fires as often as rows are written');

-- what the table does not take back stays in the trash
CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
DELETE FROM projects WHERE id = 1;
CREATE TRIGGER lose BEFORE INSERT ON epochs FOR EACH ROW WHEN (new.id = 12) EXECUTE FUNCTION drop_row();
SELECT throws_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'p1'$$, '55000', 'rows cannot be restored: table public.epochs does not take them', 'a trigger that keeps a row from coming back keeps all in the trash');
DROP TRIGGER lose ON epochs;
CREATE RULE lose AS ON INSERT TO projects DO INSTEAD NOTHING;
SELECT throws_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'p1'$$, '55000', 'rows cannot be restored: table public.projects does not take them', 'so does a rule');
DROP RULE lose ON projects;
SELECT comes_back('without them it comes back');

-- foreign keys that do not cascade
CREATE TABLE links (id int PRIMARY KEY, nulled int REFERENCES projects ON DELETE SET NULL, other int DEFAULT 4 REFERENCES projects ON DELETE SET DEFAULT,
    held int REFERENCES projects ON DELETE RESTRICT, later int REFERENCES projects DEFERRABLE INITIALLY DEFERRED);
INSERT INTO links VALUES (1, 1, 1, 2, 3);
DELETE FROM projects WHERE id = 1;
SELECT account.restore(id) FROM account.trash WHERE name = 'p1';
SELECT results_eq('SELECT nulled, other FROM links', 'VALUES (NULL::int, 4)', 'SET NULL and SET DEFAULT happen at the delete and stay');
SELECT throws_like('DELETE FROM projects WHERE id = 2', '%links_held_fkey%', 'RESTRICT refuses'); -- 23503; from 18 on 23001
SELECT is_empty($$SELECT 1 FROM trash WHERE name = 'p2'$$, 'and leaves nothing in the trash');
DELETE FROM projects WHERE id = 3;
SELECT account.restore(id) FROM account.trash WHERE name = 'p3';
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'a deferred reference is content with what was restored in time');

-- rows that hang on two others
CREATE TABLE nodes (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text);
CREATE TABLE edges (a int NOT NULL REFERENCES nodes ON DELETE CASCADE, b int NOT NULL REFERENCES nodes ON DELETE CASCADE, PRIMARY KEY (a, b));
SELECT account.register_resource('nodes', 'node');
INSERT INTO nodes SELECT n, :'team', 'n' || n FROM generate_series(1, 3) n;
INSERT INTO edges SELECT a.id, b.id FROM nodes a, nodes b;
DELETE FROM nodes;
SELECT results_eq('SELECT name, children FROM trash ORDER BY 1', $$VALUES ('n1', 1::bigint), ('n2', 3), ('n3', 5)$$, 'a row goes with the later of those it hangs on');
SELECT throws_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'n3'$$, '55000', NULL, 'which waits for the other');
SELECT lives_ok(format('SELECT account.restore(id) FROM account.trash WHERE name = %L', name), name || ' comes back in turn') FROM unnest('{n1,n2,n3}'::text[]) name;
SELECT is((SELECT count(*) FROM edges), 9::bigint, 'and all that hung on them');
DELETE FROM nodes WHERE id = 1;
DELETE FROM nodes WHERE id = 2;
SELECT throws_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'n1'$$, '55000',
    'node "n1" cannot be restored: insert or update on table "edges" violates foreign key constraint "edges_b_fkey"', 'a row that hangs on what was deleted later is told of');
SELECT account.restore(id) FROM account.trash ORDER BY id DESC;
SELECT is((SELECT count(*) FROM edges), 9::bigint, 'the other way round all come back');

-- a key that holds the workspace
CREATE TABLE homes (id int, workspace_id uuid, name text, PRIMARY KEY (workspace_id, id));
CREATE TABLE guests (id int PRIMARY KEY, workspace_id uuid, home int, name text, FOREIGN KEY (workspace_id, home) REFERENCES homes ON DELETE CASCADE);
SELECT account.register_resource('homes', 'home'), account.register_resource('guests', 'guest');
INSERT INTO homes VALUES (1, :'team', 'home');
INSERT INTO guests VALUES (1, :'team', 1, 'guest');
DELETE FROM homes;
SELECT account.restore(id) FROM account.trash WHERE name = 'guest';
SELECT results_eq('SELECT workspace_id, home FROM guests', format('VALUES (%L::uuid, NULL::int)', :'team'), 'an orphan stays in its workspace');

-- a row that refers to itself
CREATE TABLE roots (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, top bigint NOT NULL REFERENCES roots ON DELETE CASCADE);
SELECT account.register_resource('roots', 'root');
INSERT INTO roots VALUES (1, :'team', 'root', 1), (2, :'team', 'branch', 1);
DELETE FROM roots WHERE id = 1;
SELECT is_empty($$SELECT plan.* FROM account.trash t, account.restore_plan(t.id) plan WHERE t.name = 'root' AND plan.action <> 'restore'$$, 'a row that refers to itself waits for nothing');
SELECT account.restore(id) FROM account.trash WHERE name = 'root';
SELECT results_eq('SELECT id, top FROM roots ORDER BY 1', 'VALUES (1, 1::bigint), (2, 1)', 'and comes back as it was');

-- rows of another workspace, and of a person
CREATE TABLE copies (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, node int REFERENCES nodes ON DELETE CASCADE, maker uuid REFERENCES account_data.users ON DELETE CASCADE);
SELECT account.register_resource('copies', 'copy');
CREATE VIEW copies_events AS SELECT action, resource_name FROM account_data.events WHERE workspace_id = '7ea00000-0000-7000-8000-000000000001' AND resource_type = 'copy' AND action <> 'created' ORDER BY id;
INSERT INTO nodes VALUES (4, :'zoe_home', 'theirs');
INSERT INTO copies VALUES (1, :'team', 'of theirs', 4, NULL), (2, :'team', 'of a person', NULL, :'ben');
DELETE FROM nodes WHERE id = 4;
SELECT results_eq('TABLE copies_events', $$VALUES ('trashed', 'of theirs')$$, 'a row that a cascade took into another workspace''s trash is an event where it was');
DELETE FROM account_data.workspaces WHERE id = :'ben_home';
DELETE FROM account_data.users WHERE id = :'ben';
SELECT results_eq('TABLE copies_events', $$VALUES ('trashed', 'of theirs'), ('deleted', 'of a person')$$, 'so is one that went for good with a person');

-- a cycle
CREATE TABLE heads (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, tail int);
CREATE TABLE tails (id int PRIMARY KEY, head int REFERENCES heads ON DELETE CASCADE);
ALTER TABLE heads ADD FOREIGN KEY (tail) REFERENCES tails ON DELETE CASCADE;
SELECT account.register_resource('heads', 'head');
INSERT INTO heads VALUES (1, :'team', 'h1'), (2, :'team', 'h2');
INSERT INTO tails VALUES (1, 1), (2, 2);
UPDATE heads SET tail = 3 - id;
DELETE FROM heads WHERE id = 1;
SELECT results_eq('SELECT count(*) FROM heads', ARRAY[0::bigint], 'a cycle goes as a whole');
SELECT set_eq($$SELECT name, parent FROM trash WHERE name LIKE 'h_'$$, $$VALUES ('h1', NULL), ('h2', 'h1')$$, 'and is one batch');
SELECT account.restore(id) FROM account.trash WHERE name = 'h1';
SELECT results_eq('SELECT h.id, h.tail, t.head FROM heads h JOIN tails t ON t.id = h.id ORDER BY 1', 'VALUES (1, 2, 1), (2, 1, 2)', 'that comes back as a whole');

SELECT * FROM finish();
ROLLBACK;
