-- Rows and bytes of resources are counted exactly, and limits hold for new ones.
BEGIN;
SELECT no_plan();

SELECT account.sign_up('usage-owner', 'owner@usage.test', 'us') AS owner \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
SELECT account.sign_up('usage-other', 'other@usage.test', 'us') AS other \gset
SELECT personal_workspace_id AS other_workspace FROM account_data.users WHERE id = :'other' \gset
SELECT account.act_as(:'owner');

CREATE TABLE models (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, bytes bigint);
CREATE TABLE checkpoints (id int PRIMARY KEY, workspace_id uuid NOT NULL, name text, size int, model_id int REFERENCES models ON DELETE CASCADE);
INSERT INTO models VALUES (1, :'workspace', 'before', 1000), (2, :'other_workspace', 'theirs', 5);
SELECT account.register_resource('models', 'model', size_column => 'bytes', category => 'models');
SELECT account.register_resource('checkpoints', 'checkpoint', size_column => 'size', category => 'models');
CREATE FUNCTION used(what text) RETURNS bigint LANGUAGE sql AS
    'SELECT coalesce((SELECT used FROM account_data.usage_counts WHERE workspace_id = account.current_workspace_id() AND name = what), 0)';
-- what the counts must be, from the rows themselves
CREATE VIEW truth AS
    SELECT (SELECT count(*) FROM models WHERE workspace_id = w) AS models, (SELECT count(*) FROM checkpoints WHERE workspace_id = w) AS checkpoints,
           coalesce((SELECT sum(bytes) FROM models WHERE workspace_id = w), 0) + coalesce((SELECT sum(size) FROM checkpoints WHERE workspace_id = w), 0)
           + coalesce((SELECT sum(size_bytes) FROM account_data.trash_items WHERE workspace_id = w), 0) AS bytes
      FROM account.current_workspace_id() w;
CREATE FUNCTION counts_are_true(what text) RETURNS text LANGUAGE sql AS
    $$SELECT results_eq('SELECT used(''models''), used(''checkpoint''), used(''storage_bytes'')::numeric, used(''storage_bytes:models'')::numeric', 'SELECT models, checkpoints, bytes, bytes FROM truth', what)$$;

SELECT is(used('models'), 1::bigint, 'rows that were there are counted under the limit of the kind');
SELECT counts_are_true('so are their bytes');
INSERT INTO models SELECT n, :'workspace', 'm' || n, n FROM generate_series(3, 50) n;
INSERT INTO checkpoints SELECT n, :'workspace', 'c' || n, 10, 1 + n % 2 FROM generate_series(1, 20) n;
SELECT counts_are_true('inserts of many rows count');
UPDATE models SET bytes = bytes * 2 WHERE id > 10;
SELECT counts_are_true('updates of the size count');
UPDATE models SET workspace_id = :'other_workspace' WHERE id = 3;
SELECT counts_are_true('a row that moves to another workspace leaves this one');
SELECT is((SELECT used FROM account_data.usage_counts WHERE workspace_id = :'other_workspace' AND name = 'models'), 2::bigint, 'and counts there');
DELETE FROM models WHERE id IN (1, 4);
SELECT counts_are_true('a deleted row is no model but still stored');
SELECT is((SELECT used FROM account.limits WHERE name = 'storage_bytes'), used('storage_bytes'), 'limits show it');
SELECT account.restore(id) FROM account.trash WHERE name = 'before';
SELECT counts_are_true('a restored one counts as before');
SELECT account.purge(id) FROM account.trash WHERE name = 'm4';
SELECT counts_are_true('a purged one no more');
DELETE FROM models WHERE id BETWEEN 5 AND 9;
UPDATE account_data.trash_items SET expires_at = now() WHERE name <> 'm5';
SELECT is(account.purge_expired(), 4::bigint, 'expired ones');
SELECT counts_are_true('neither');
SAVEPOINT before;
DELETE FROM models;
INSERT INTO models VALUES (99, :'workspace', 'x', 7);
ROLLBACK TO before;
SELECT counts_are_true('what is rolled back is not counted');

-- limits
SELECT account.override_limit(:'workspace', 'models', used('models') + 2);
SELECT lives_ok(format('INSERT INTO models SELECT n, %L FROM generate_series(100, 101) n', :'workspace'), 'up to the limit rows are new');
SELECT throws_ok(format('INSERT INTO models VALUES (102, %L)', :'workspace'), 'PT402', 'plan limit reached: models', 'above it they are refused');
SELECT counts_are_true('and not counted');
SELECT throws_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'm5'$$, 'PT402', NULL, 'restoring is no way around it');
SELECT lives_ok($$UPDATE models SET name = 'y' WHERE id = 100$$, 'what is there may change');
DELETE FROM models WHERE id = 100;
SELECT lives_ok($$SELECT account.restore(id) FROM account.trash WHERE name = 'm5'$$, 'once there is room it comes back');
SELECT account.override_limit(:'workspace', 'models', NULL);
SELECT account.override_limit(:'workspace', 'storage_bytes', used('storage_bytes') + 5);
SELECT throws_ok(format('INSERT INTO models VALUES (103, %L, NULL, 6)', :'workspace'), 'PT402', NULL, 'storage is a limit too');
SELECT throws_ok('UPDATE models SET bytes = bytes + 6 WHERE id = 1', 'PT402', NULL, 'also for rows that grow');
SELECT lives_ok('DELETE FROM models WHERE id = 1', 'deleting needs no room');
SELECT lives_ok('SELECT account.restore(id) FROM account.trash WHERE name = $$before$$', 'nor does restoring what is stored already');

SELECT throws_ok(format('INSERT INTO models SELECT n, %L, NULL, 9223372036854775807 FROM generate_series(104, 105) n', :'workspace'), '22003', NULL, 'and cannot be passed by going round the end of numbers');
SELECT account.override_limit(:'workspace', 'storage_bytes', NULL);
SELECT counts_are_true('what was refused is not counted');

-- a cascade that takes rows of another workspace
INSERT INTO checkpoints VALUES (90, :'other_workspace', 'theirs', 500, 50), (91, :'workspace', 'ours', 50, 50);
CREATE VIEW theirs AS SELECT used::int FROM account_data.usage_counts WHERE workspace_id <> account.current_workspace_id() AND name = 'storage_bytes:models';
SELECT used AS theirs FROM theirs \gset
DELETE FROM models WHERE id = 50;
SELECT is((SELECT used FROM theirs), :theirs - 500, 'what a cascade takes from another workspace is its storage no more');
SELECT results_eq($$SELECT size FROM account.trash WHERE name = 'm50'$$, 'VALUES (150::bigint)', 'nor that of the workspace whose trash it is in');
SELECT account.restore(id) FROM account.trash WHERE name = 'm50';
SELECT is((SELECT used FROM theirs), :theirs, 'restored it is');
DELETE FROM models WHERE id = 50;
SELECT account.purge(id) FROM account.trash WHERE name = 'm50';
SELECT counts_are_true('and after a purge all counts are true');
INSERT INTO models VALUES (50, :'workspace', 'm50', 100);
SELECT account.override_limit(:'workspace', 'storage_bytes', used('storage_bytes') + 5);

-- what is shown
SELECT results_eq('SELECT used, categories -> $$models$$ ->> $$bytes$$, (categories -> $$models$$ ->> $$count$$)::bigint, status FROM account.storage',
    'SELECT bytes::bigint, bytes::text, models + checkpoints, $$critical$$ FROM truth', 'storage shows bytes and counts of each category');
SELECT results_eq('SELECT name, size, in_trash FROM account.largest_items(2)', $$VALUES ('before', 1000::bigint, false), ('m50', 100, false)$$, 'largest_items shows the largest');
SELECT throws_ok('SELECT * FROM account.largest_items(0)', '22023', NULL, 'at least one');
SELECT account.reset_principal();
SELECT throws_ok('SELECT * FROM account.storage', '28000', NULL, 'nobody sees no storage');
SELECT throws_ok('SELECT * FROM account.largest_items()', '28000', NULL, 'nor items');


-- leaving: the bytes of other tables and of the trash stay
SELECT account.act_as(:'owner');
SELECT account.override_limit(:'workspace', 'storage_bytes', NULL);
INSERT INTO checkpoints VALUES (92, :'workspace', 'stays', 33, 1);
DELETE FROM models WHERE id = 49;
SELECT account.unregister_resource('models');
SELECT results_eq('SELECT used(''models''), used(''storage_bytes'')::numeric, used(''storage_bytes:models'')::numeric',
    $$SELECT 0::bigint, n, n FROM (SELECT (SELECT sum(size) FROM checkpoints WHERE workspace_id = account.current_workspace_id())
        + (SELECT sum(size_bytes) FROM account_data.trash_items) AS n) b$$, 'rows of what is no resource any more are no storage');
SELECT account.register_resource('models', 'model', size_column => 'bytes', category => 'models');
SELECT counts_are_true('until it is one again');
CREATE TABLE dropped (LIKE models INCLUDING ALL);
SELECT account.register_resource('dropped', 'dropped', size_column => 'bytes', category => 'models');
INSERT INTO dropped VALUES (1, :'workspace', 'dropped', 3);
DROP TABLE dropped;
CREATE TABLE dropped (LIKE models INCLUDING ALL);
SELECT account.register_resource('dropped', 'dropped', size_column => 'bytes', category => 'models');
SELECT is(used('dropped'), 0::bigint, 'of a table that was dropped nothing is counted when another is registered');
SELECT counts_are_true('nor are its bytes');

SELECT * FROM finish();
ROLLBACK;
