-- Registering tables of the application: what is refused, and what it makes.
BEGIN;
SELECT no_plan();

SELECT account.sign_up('res-owner', 'owner@res.test', 'us') AS owner \gset
SELECT account.sign_up('res-viewer', 'viewer@res.test', 'us') AS viewer \gset
SELECT account.sign_up('res-editor', 'editor@res.test', 'us') AS editor \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
INSERT INTO account_data.members VALUES (:'workspace', :'viewer', 'viewer'), (:'workspace', :'editor', 'editor');

CREATE TABLE plain (id bigint PRIMARY KEY, workspace_id uuid NOT NULL, name text, bytes bigint);
CREATE VIEW a_view AS TABLE plain;
CREATE TYPE a_type AS (id int);
CREATE TEMP TABLE a_temp (id int PRIMARY KEY, workspace_id uuid, name text);
CREATE TABLE no_workspace (id int PRIMARY KEY, name text);
CREATE TABLE no_key (id int, workspace_id uuid, name text);
CREATE TABLE text_workspace (id int PRIMARY KEY, workspace_id text, name text);
CREATE TABLE before_bad AS SELECT (SELECT count(*) FROM pg_trigger) AS triggers, (SELECT count(*) FROM pg_policy) AS policies;

SELECT throws_ok(format('SELECT account.register_resource(%s)', args), state, NULL, what) FROM (VALUES
    ($$'a_view', 'thing'$$, '22023', 'a view is no resource'),
    ($$'a_temp', 'thing'$$, '22023', 'nor a temporary table'),
    ($$'pg_class', 'thing'$$, '22023', 'nor a catalog'),
    ($$'account_data.users', 'thing'$$, '22023', 'nor a table of account itself'),
    ($$'no_workspace', 'thing'$$, '22023', 'nor a table without the workspace column'),
    ($$'text_workspace', 'thing'$$, '22023', 'or one of another type'),
    ($$'no_key', 'thing'$$, '22023', 'nor one without a primary key'),
    ($$'plain', 'a thing'$$, '22023', 'a kind has no spaces'),
    ($$'plain', ''$$, '22023', 'and is not empty'),
    ($$'plain', 'storage_bytes'$$, '23505', 'nor a limit that is not of rows'),
    ($$'plain', 'image_upload_bytes'$$, '23505', 'or of one file'),
    ($$'plain_pkey', 'thing'$$, '22023', 'an index is no resource'),
    ($$'a_type', 'thing'$$, '22023', 'nor a type'),
    ($$'plain', NULL$$, '22023', 'nor null'),
    ($$'plain', 'thing', name_column => 'nmae'$$, '22023', 'a name column exists'),
    ($$'plain', 'thing', size_column => 'name'$$, '22023', 'a size column is an integer'),
    ($$NULL, 'thing'$$, '22023', 'a resource is not null'),
    ($$'missing', 'thing'$$, '42P01', 'and exists')) bad (args, state, what);
SELECT results_eq('SELECT (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_policy)', 'TABLE before_bad', 'a refusal changes nothing');
SELECT is_empty('TABLE account_data.resources', 'and registers nothing');

SELECT account.register_resource('plain', 'thing', size_column => 'bytes', category => 'things');
SELECT account.act_as(:'owner');
SELECT results_eq('SELECT resource, kind, workspace_column, name_column, size_column, category, policies FROM account.resources',
    $$VALUES ('plain'::regclass, 'thing', 'workspace_id'::name, 'name'::name, 'bytes'::name, 'things', true)$$, 'account.resources lists it');
SELECT account.reset_principal();
SELECT throws_ok($$SELECT account.register_resource('plain', 'thing')$$, '23505', NULL, 'a table is registered once');
SELECT throws_ok($$SELECT account.register_resource('plain', 'other')$$, '23505', NULL, 'under one kind');
CREATE TABLE twin (LIKE plain INCLUDING ALL);
SELECT throws_ok($$SELECT account.register_resource('twin', 'thing')$$, '23505', 'kind "thing" already exists', 'a kind is one table''s');

CREATE TABLE models (LIKE plain INCLUDING ALL);
SELECT account.register_resource('models', 'model');
SELECT throws_ok($$SELECT account.register_resource('twin', 'models')$$, '23505', 'kind "models" already exists', 'and so is a limit');
CREATE TABLE guests (LIKE plain INCLUDING ALL);
SELECT account.register_resource('guests', 'member');
SELECT is((SELECT limit_name FROM account_data.resources WHERE kind = 'member'), 'member', 'what the extension counts itself limits no kind');

-- row security
CREATE ROLE res_app;
SELECT account.grant_service('res_app');
GRANT ALL ON plain TO res_app;
INSERT INTO plain VALUES (1, :'workspace', 'one', 5), (2, (SELECT personal_workspace_id FROM account_data.users WHERE id = :'viewer'), 'two', 5);
SET ROLE res_app;
SELECT is_empty('TABLE plain', 'nobody sees no row');
SELECT account.act_as(:'viewer', :'workspace');
SELECT results_eq('SELECT id FROM plain ORDER BY 1', ARRAY[1, 2]::bigint[], 'a viewer reads in every workspace of theirs');
SELECT is_empty($$UPDATE plain SET name = 'x' WHERE id = 1 RETURNING id$$, 'a viewer changes nothing');
SELECT is_empty($$DELETE FROM plain WHERE id = 1 RETURNING id$$, 'nor deletes');
SELECT throws_ok(format('INSERT INTO plain VALUES (3, %L)', :'workspace'), '42501', NULL, 'nor adds');
SELECT account.act_as(:'editor', :'workspace');
SELECT lives_ok(format($$INSERT INTO plain VALUES (3, %L, 'three')$$, :'workspace'), 'an editor adds');
SELECT isnt_empty($$DELETE FROM plain WHERE id = 3 RETURNING id$$, 'and deletes');
SELECT lives_ok($$SELECT account.restore(id) FROM account.trash$$, 'and restores');
SELECT account.act_as(:'viewer', :'workspace');
SELECT throws_ok('SELECT account.restore(gen_random_uuid())', '42501', NULL, 'a viewer restores nothing');
SELECT throws_ok('SELECT account.purge(gen_random_uuid())', '42501', NULL, 'nor purges');
RESET ROLE;

-- another role's table
CREATE ROLE res_table_owner;
CREATE SCHEMA "Odd schema" AUTHORIZATION res_table_owner;
SET ROLE res_table_owner;
CREATE TABLE "Odd schema"."Odd ""table""" (
    "the workspace" uuid NOT NULL, "the ""id""" text, "select" text, PRIMARY KEY ("the workspace", "the ""id"""));
RESET ROLE;
SET ROLE res_app;
SELECT throws_ok($$SELECT account.register_resource('"Odd schema"."Odd ""table"""', 'odd')$$, '42501', NULL, 'only the owner registers a table');
RESET ROLE;
SELECT account.grant_service('res_table_owner');
SET ROLE res_table_owner;
SELECT lives_ok($$SELECT account.register_resource('"Odd schema"."Odd ""table"""', 'odd', 'the workspace', 'select')$$, 'its owner may, whatever its names');
INSERT INTO "Odd schema"."Odd ""table""" VALUES (:'workspace', 'a,b', 'first');
DELETE FROM "Odd schema"."Odd ""table""";
SELECT account.act_as(:'owner');
SELECT results_eq('SELECT kind, name, resource_id FROM account.trash', format($$VALUES ('odd', 'first', '%s,a\,b')$$, :'workspace'), 'a row with a composite key is kept');
SELECT lives_ok('SELECT account.restore(id) FROM account.trash', 'and restored');
SELECT isnt_empty('TABLE "Odd schema"."Odd ""table"""', 'in its place');
RESET ROLE;

-- triggers of the application run as the table's owner
CREATE TABLE who (name text);
GRANT INSERT, SELECT ON who TO res_table_owner;
SET ROLE res_table_owner;
CREATE FUNCTION "Odd schema".note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.who VALUES (current_user); RETURN new; END';
CREATE TRIGGER note BEFORE INSERT ON "Odd schema"."Odd ""table""" FOR EACH ROW EXECUTE FUNCTION "Odd schema".note();
RESET ROLE;
DELETE FROM "Odd schema"."Odd ""table""";
SELECT account.restore(id) FROM account.trash;
SELECT results_eq('TABLE who', ARRAY['res_table_owner'], 'restoring runs as the owner of the table, never of the extension');

-- partitioned
CREATE TABLE parts (id int, workspace_id uuid, name text, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE parts_old (at date NOT NULL, extra_gone int, name text, id int NOT NULL, workspace_id uuid);
ALTER TABLE parts_old DROP extra_gone;
ALTER TABLE parts ATTACH PARTITION parts_old FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
SELECT account.register_resource('parts', 'part');
CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO parts SELECT n, :'workspace', 'p' || n, '2020-06-01'::date + n * 100 FROM generate_series(1, 4) n;
CREATE TABLE parts_were AS TABLE parts;
DELETE FROM parts WHERE id = 1;
DELETE FROM parts_old WHERE id = 2;
DELETE FROM parts_new WHERE id = 3;
UPDATE parts SET at = '2020-01-01' WHERE id = 4;
UPDATE parts SET at = '2021-07-06' WHERE id = 4;
SELECT results_eq($$SELECT name FROM account.trash WHERE kind = 'part' ORDER BY 1$$, ARRAY['p1', 'p2', 'p3'], 'rows of partitions are kept, also of new ones, and a moved row is not deleted');
SELECT account.restore(id) FROM account.trash WHERE kind = 'part';
SELECT set_eq('TABLE parts', 'TABLE parts_were', 'and go back into theirs');
SELECT throws_ok($$SELECT account.register_resource('parts_old', 'old')$$, '22023', NULL, 'a partition is no resource by itself');

-- inherited
CREATE TABLE base (id int PRIMARY KEY, workspace_id uuid, name text);
CREATE TABLE heir (more text[]) INHERITS (base);
SELECT account.register_resource('base', 'base');
INSERT INTO heir VALUES (1, :'workspace', 'heir', '{a,NULL}');
DELETE FROM base;
SELECT account.restore(id) FROM account.trash WHERE kind = 'base';
SELECT results_eq('SELECT id, name, more FROM heir', $$VALUES (1, 'heir', '{a,NULL}'::text[])$$, 'a row of an heir comes back as one');

-- a table that came later
CREATE TABLE late (id int PRIMARY KEY, thing_id bigint REFERENCES plain ON DELETE CASCADE);
INSERT INTO late VALUES (1, 1);
SELECT throws_ok('DELETE FROM plain WHERE id = 1', '55000', NULL, 'a delete that would lose rows is refused');
SELECT lives_ok(format($$INSERT INTO plain VALUES (4, %L, 'four')$$, :'workspace'), 'though rows may be added');
SELECT lives_ok($$UPDATE plain SET name = 'IV' WHERE id = 4$$, 'and changed');
SELECT lives_ok($$SELECT account.register_resource('plain', 'thing')$$, 'registering again takes in what came later');
DELETE FROM plain WHERE id = 1;
SELECT account.restore(id) FROM account.trash WHERE kind = 'thing';
SELECT results_eq('TABLE late', 'VALUES (1, 1::bigint)', 'and then it comes back too');

-- a tree
CREATE TABLE folders (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, parent_id int REFERENCES folders ON DELETE CASCADE);
CREATE TABLE files (id int PRIMARY KEY, folder_id int REFERENCES folders ON DELETE CASCADE);
SELECT account.register_resource('folders', 'folder');
INSERT INTO folders SELECT n, :'workspace', 'f' || n, nullif(n / 2, 0) FROM generate_series(1, 7) n;
INSERT INTO files SELECT n, n % 7 + 1 FROM generate_series(1, 21) n;
DELETE FROM folders WHERE id = 2;
SELECT results_eq($$SELECT name, children FROM account.trash WHERE kind = 'folder' ORDER BY name$$, $$VALUES ('f2', 11::bigint), ('f4', 3), ('f5', 3)$$, 'a tree is kept with every branch where it was');
SELECT account.restore(id) FROM account.trash WHERE name = 'f4';
SELECT results_eq('SELECT parent_id, (SELECT count(*) FROM files WHERE folder_id = 4) FROM folders WHERE id = 4', 'VALUES (NULL::int, 3::bigint)', 'a branch comes back alone');
SELECT account.restore(id) FROM account.trash WHERE name = 'f2';
SELECT is((SELECT count(*) FROM files), 21::bigint, 'then the rest');

-- leaving
DELETE FROM plain WHERE id = 4;
SELECT account.unregister_resource('plain');
SELECT lives_ok($$SELECT account.restore_plan(id) FROM account.trash WHERE name = 'IV'$$, 'what is in the trash of a table that left has a plan');
SELECT lives_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'IV'$$, 'and a way back');
SELECT is_empty($$SELECT tgname FROM pg_trigger WHERE tgrelid IN ('plain'::regclass, 'late'::regclass) AND NOT tgisinternal$$, 'unregistering takes every trigger off');
SELECT is_empty($$SELECT polname FROM pg_policy WHERE polrelid = 'plain'::regclass$$, 'and the policies');
SELECT ok((SELECT NOT relrowsecurity FROM pg_class WHERE oid = 'plain'::regclass), 'and puts row security back');
SELECT throws_ok($$SELECT account.unregister_resource('plain')$$, 'P0002', NULL, 'once');
DELETE FROM plain;
SELECT is_empty($$SELECT 1 FROM account.trash WHERE kind = 'thing'$$, 'its rows are deleted like any other');

SELECT * FROM finish();
ROLLBACK;
