-- Columns and keys of a resource that the server fills in, or only declares.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT :SERVER_VERSION_NUM >= 180000 AS has_virtual \gset

CREATE TABLE albums (
    id int PRIMARY KEY, place jsonb, title text, pages int,
    workspace_id uuid GENERATED ALWAYS AS ((place ->> 'workspace')::uuid) STORED,
    name text GENERATED ALWAYS AS (upper(title)) STORED,
    bytes bigint GENERATED ALWAYS AS (pages * 100) STORED
);
CREATE TABLE photos (id int PRIMARY KEY, album int, maker uuid, workspace_id uuid, name text);
CREATE VIEW rows AS SELECT 'album' AS t, to_jsonb(a) AS j FROM albums a UNION ALL SELECT 'photo', to_jsonb(p) FROM photos p;
SELECT account.register_resource('albums', 'album', size_column => 'bytes'), account.register_resource('photos', 'photo');

\if :has_virtual
ALTER TABLE photos ADD caption text GENERATED ALWAYS AS (lower(name)) VIRTUAL,
    ADD FOREIGN KEY (album) REFERENCES albums ON DELETE CASCADE NOT ENFORCED,
    ADD FOREIGN KEY (maker) REFERENCES account_data.users ON DELETE CASCADE NOT ENFORCED;
\endif
INSERT INTO albums SELECT n, jsonb_build_object('workspace', :'ann_home'), 'album ' || n, n FROM generate_series(1, 2) n;
INSERT INTO photos VALUES (1, 1, :'ann', :'ann_home', 'Photo 1'), (2, 7, gen_random_uuid(), :'ann_home', 'Photo 2');
CREATE TEMP TABLE before AS TABLE rows;
SELECT account.act_as(:'ann');

WITH album AS (DELETE FROM albums WHERE id = 1) DELETE FROM photos;
SELECT set_eq('SELECT kind, name, size, parent IS NULL FROM account.trash',
    $$VALUES ('album', 'ALBUM 1', 100::numeric, true), ('photo', 'Photo 1', 0, true), ('photo', 'Photo 2', 0, true)$$,
    'stored columns place, name and measure a row, and a key that nothing enforces carries nothing along');
SELECT is_empty($$SELECT p.* FROM account.trash t, account.restore_plan(t.id) p WHERE t.kind = 'photo' AND p.conflict IS NOT NULL$$,
    'nor does it stand against a restore');
SELECT account.restore(id) FROM account.trash WHERE kind = 'photo';
SELECT account.restore(id) FROM account.trash;
SELECT set_eq('TABLE rows', 'TABLE before', 'what comes back is computed again');

\if :has_virtual
CREATE TABLE virtual_name (id int PRIMARY KEY, workspace_id uuid, title text, name text GENERATED ALWAYS AS (title) VIRTUAL);
CREATE TABLE virtual_place (id int PRIMARY KEY, ws uuid, workspace_id uuid GENERATED ALWAYS AS (ws) VIRTUAL);
CREATE TABLE virtual_size (id int PRIMARY KEY, workspace_id uuid, bytes bigint GENERATED ALWAYS AS (id * 10) VIRTUAL);
SELECT throws_ok(format('SELECT account.register_resource(%L, %L, size_column => %L)', t, 'thing', size), '22023', NULL, t || ' is refused: the row does not hold it')
  FROM (VALUES ('virtual_name', NULL), ('virtual_place', NULL), ('virtual_size', 'bytes')) x (t, size);
ALTER TABLE albums DROP name, ADD name text GENERATED ALWAYS AS (upper(title)) VIRTUAL;
SELECT throws_ok('DELETE FROM albums', '55000', NULL, 'nor may a column become such afterwards');
\endif

SELECT * FROM finish();
ROLLBACK;
