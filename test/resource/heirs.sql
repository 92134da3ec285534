-- Partitions and heirs: rows are counted and recorded wherever they are written.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
CREATE FUNCTION live(what text) RETURNS bigint LANGUAGE sql AS
    $$SELECT used FROM account_data.usage_counts WHERE workspace_id = account.current_workspace_id() AND name = what$$;
CREATE VIEW last_event AS SELECT action, resource_id, metadata FROM account.activity ORDER BY id DESC LIMIT 1;
SELECT account.act_as(:'eva', :'team');

-- heirs
CREATE TABLE base (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, size int);
CREATE TABLE heir (more text) INHERITS (base);
INSERT INTO heir VALUES (1, :'team', 'before', 10);
SELECT account.register_resource('base', 'base', size_column => 'size');
SELECT is(live('base'), 1::bigint, 'rows of heirs that were there count');
INSERT INTO base VALUES (2, :'team', 'own', 20);
INSERT INTO heir VALUES (3, :'team', 'heir''s', 30);
SELECT results_eq('TABLE last_event', $$VALUES ('created', '3', NULL::jsonb)$$, 'a row inserted into an heir is recorded');
SELECT results_eq($$SELECT live('base'), live('storage_bytes:base')$$, 'VALUES (3::bigint, 60::bigint)', 'and counted');
UPDATE heir SET size = 300 WHERE id = 3;
SELECT results_eq('TABLE last_event', $$VALUES ('updated', '3', '{"size": ["30", "300"]}'::jsonb)$$, 'so is its update');
UPDATE base SET size = size + 1;
SELECT is(live('storage_bytes:base'), 333::bigint, 'and one of the whole table');
DELETE FROM base;
SELECT is(live('base'), 0::bigint, 'deleted ones are counted no more');
SELECT account.restore(id) FROM account.trash;
SELECT results_eq($$SELECT live('base'), live('storage_bytes:base')$$, 'VALUES (3::bigint, 333::bigint)', 'restored ones are, in their heirs too');
SELECT is((SELECT count(*) FROM ONLY base), 1::bigint, 'each comes back where it was');
CREATE TABLE late_heir () INHERITS (base);
ALTER TABLE late_heir ADD PRIMARY KEY (id);
SELECT throws_ok('DELETE FROM base', '55000', NULL, 'rows of an heir that came later are not lost');
SELECT lives_ok($$SELECT account.register_resource('base', 'base')$$, 'registering again takes it in');
INSERT INTO late_heir VALUES (4, :'team', 'late');
SELECT is(live('base'), 4::bigint, 'whose rows then count');
SELECT throws_ok('TRUNCATE heir', '55000', NULL, 'TRUNCATE of an heir does not pass by the trash');
SELECT account.unregister_resource('base');
SELECT is_empty($$SELECT tgname FROM pg_trigger WHERE tgrelid IN ('base'::regclass, 'heir'::regclass, 'late_heir'::regclass) AND NOT tgisinternal$$,
    'unregistering takes every trigger off heirs too');

CREATE TABLE plain (LIKE base INCLUDING ALL);
SELECT account.register_resource('plain', 'plain', size_column => 'size');
CREATE TABLE first_heir () INHERITS (plain);
ALTER TABLE first_heir ADD PRIMARY KEY (id);
INSERT INTO first_heir VALUES (9, :'team', 'first');
SELECT throws_ok('DELETE FROM plain', '55000', NULL, 'nor are those of the first heir');
DELETE FROM first_heir;
SELECT account.register_resource('plain', 'plain');
INSERT INTO plain VALUES (1, :'team', 'one', 1);
INSERT INTO first_heir VALUES (2, :'team', 'two', 2);
UPDATE plain SET size = size * 10;
DELETE FROM plain WHERE id = 2;
SELECT results_eq($$SELECT live('plain'), live('storage_bytes:plain')$$, 'VALUES (1::bigint, 30::bigint)', 'a table''s first heir is counted once');
SELECT is((SELECT count(*) FROM account.activity WHERE resource_type = 'plain'), 5::bigint, 'and recorded once');

-- partitions
CREATE TABLE parts (id int, workspace_id uuid NOT NULL, name text, region int, size int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 (gone int, size int, name text, region int NOT NULL, workspace_id uuid NOT NULL, id int NOT NULL);
ALTER TABLE parts_2 DROP gone;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES IN (2);
SELECT account.register_resource('parts', 'models', size_column => 'size');
INSERT INTO parts SELECT n, :'team', 'p' || n, 1, 10 FROM generate_series(1, 3) n;
UPDATE parts SET region = 2, size = 15 WHERE id = 1;
SELECT results_eq('TABLE last_event', $$VALUES ('updated', '1,2', '{"size": ["10", "15"], "region": ["1", "2"]}'::jsonb)$$, 'a row that moves to another partition is updated, not created');
UPDATE parts SET region = 2, name = name || '!' WHERE region = 1;
SELECT results_eq($$SELECT action, resource_name, metadata -> 'name' ->> 0 FROM account.activity ORDER BY id DESC LIMIT 2$$,
    $$VALUES ('updated', 'p3!', 'p3'), ('updated', 'p2!', 'p2')$$, 'each with its own changes');
SELECT results_eq($$SELECT live('models'), live('storage_bytes:models')$$, 'VALUES (3::bigint, 35::bigint)', 'and the counts stay true');
INSERT INTO parts VALUES (9, :'team', 'new', 2, 0);
SELECT results_eq('TABLE last_event', $$VALUES ('created', '9,2', NULL::jsonb)$$, 'what comes after it is created');
SELECT account.override_limit(:'team', 'models', 2), account.override_limit(:'team', 'members', 10);
SELECT lives_ok('UPDATE parts SET region = 1 WHERE id = 1', 'a row above the limit may move');
SELECT throws_ok(format('INSERT INTO parts VALUES (10, %L, NULL, 1)', :'team'), 'PT402', NULL, 'while a new one is refused');

-- foreign keys of one partition
SELECT account.override_limit(:'team', 'models', NULL);
ALTER TABLE parts_2 ADD UNIQUE (id);
CREATE TABLE hung (id int PRIMARY KEY, part int REFERENCES parts_2 (id) ON DELETE CASCADE);
INSERT INTO hung SELECT id, id FROM parts_2;
SELECT throws_ok('DELETE FROM parts WHERE id = 9', '55000', NULL, 'what hangs on one partition is not lost');
SELECT account.register_resource('parts', 'models');
DELETE FROM parts WHERE id = 9;
SELECT is((SELECT children FROM account.trash WHERE resource_id = '9,2'), 1::bigint, 'registered it goes along');
SELECT account.restore(id) FROM account.trash WHERE resource_id = '9,2';
SELECT isnt_empty('SELECT FROM hung WHERE id = 9', 'and comes back');
DROP TABLE hung;
CREATE TABLE pieces (gone int, region int, id int, part int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE pieces_1 (id int NOT NULL, region int NOT NULL, part int REFERENCES parts_2 (id) ON DELETE CASCADE);
ALTER TABLE pieces DROP gone;
ALTER TABLE pieces ATTACH PARTITION pieces_1 FOR VALUES IN (1);
SELECT account.register_resource('parts', 'models');
INSERT INTO pieces VALUES (1, 9, 9);
DELETE FROM parts WHERE id = 9;
SELECT account.restore(id) FROM account.trash WHERE resource_id = '9,2';
SELECT results_eq('TABLE pieces', 'VALUES (1, 9, 9)', 'also a row of a partition that alone refers to it');

-- large statements
SET LOCAL account.activity_row_limit = 5;
INSERT INTO parts SELECT n, :'team', 'bulk', 1 + n % 2, 1 FROM generate_series(100, 119) n;
SELECT results_eq($$SELECT action, metadata FROM account.activity ORDER BY id DESC LIMIT 1$$, $$VALUES ('created', '{"rows": 15}'::jsonb)$$, 'rows above the limit have one event for all partitions');
SELECT is((SELECT count(*) FROM account.activity WHERE resource_name = 'bulk'), 5::bigint, 'and none of their own');
UPDATE parts SET size = 2, region = 1 WHERE name = 'bulk';
SELECT results_eq($$SELECT action, metadata FROM account.activity ORDER BY id DESC LIMIT 1$$, $$VALUES ('updated', '{"rows": 15}'::jsonb)$$, 'when they change too, moved or not');
SELECT results_eq($$SELECT live('models'), live('storage_bytes:models')$$, 'SELECT count(*), sum(size) FROM parts', 'and are counted');
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN GRANT SELECT ON parts TO team_tool; REVOKE SELECT ON parts FROM team_tool; RETURN NULL; END';
CREATE ROLE team_tool;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON parts FOR EACH ROW EXECUTE FUNCTION tell();
UPDATE parts SET size = 3, region = 2 WHERE name = 'bulk';
SELECT results_eq($$SELECT action, metadata FROM account.activity ORDER BY id DESC LIMIT 1$$, $$VALUES ('updated', '{"rows": 15}'::jsonb)$$, 'also when the relation cache forgets the table between two rows');
SELECT results_eq($$SELECT live('models'), live('storage_bytes:models')$$, 'SELECT count(*), sum(size) FROM parts', 'and are counted once');
DROP TRIGGER tell ON parts;
CREATE TABLE parts_3 PARTITION OF parts FOR VALUES IN (3);
INSERT INTO parts_3 SELECT n, :'team', 'late', 3, 1 FROM generate_series(200, 209) n;
INSERT INTO parts SELECT n, :'team', 'late', 3, 1 FROM generate_series(210, 219) n;
SELECT results_eq($$SELECT live('models'), live('storage_bytes:models')$$, 'SELECT count(*), sum(size) FROM parts', 'those of a partition that came later too');
SELECT throws_ok('TRUNCATE parts_1', '55000', NULL, 'nor does that of a partition');
SELECT account.unregister_resource('parts');
SELECT is_empty($$SELECT tgname FROM pg_trigger t JOIN pg_inherits i ON i.inhrelid = t.tgrelid WHERE i.inhparent = 'parts'::regclass AND NOT tgisinternal$$, 'unregistering leaves no trigger on a partition');

SELECT * FROM finish();
ROLLBACK;
