-- purge_expired takes what has expired, oldest first, in calls as large as asked for.
BEGIN;
SELECT plan(20);

SELECT account.sign_up('expire-owner', 'owner@expire.test', 'us') AS owner \gset
SELECT account.sign_up('expire-other', 'other@expire.test', 'us') AS other \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
SELECT personal_workspace_id AS elsewhere FROM account_data.users WHERE id = :'other' \gset
CREATE TABLE sets (id integer PRIMARY KEY, workspace_id uuid NOT NULL, name text NOT NULL, bytes bigint NOT NULL);
CREATE TABLE images (id integer PRIMARY KEY, workspace_id uuid NOT NULL, set_id integer REFERENCES sets ON DELETE CASCADE, name text NOT NULL, bytes bigint NOT NULL);
CREATE TABLE labels (image_id integer REFERENCES images ON DELETE CASCADE, label text);
SELECT account.register_resource('sets', 'set', size_column => 'bytes', category => 'expire_sets'),
       account.register_resource('images', 'image', size_column => 'bytes', category => 'expire_images');

-- Bytes by category: sets, images.
CREATE FUNCTION used(workspace uuid) RETURNS bigint[] LANGUAGE sql AS $$
    SELECT ARRAY(SELECT coalesce(sum(used), 0)::bigint FROM unnest('{storage_bytes,storage_bytes:expire_sets,storage_bytes:expire_images}'::text[]) WITH ORDINALITY n (name, i)
      LEFT JOIN account_data.usage_counts u ON u.workspace_id = workspace AND u.name = n.name GROUP BY i ORDER BY i)
$$;
-- Those of these names, in this order, one second after the other.
CREATE FUNCTION expire(VARIADIC names text[]) RETURNS void LANGUAGE sql AS $$
    UPDATE account_data.trash_items t SET expires_at = now() - interval '1 hour' + n.i * interval '1 second'
      FROM unnest(names) WITH ORDINALITY n (name, i), account_data.trash_items r WHERE r.name = n.name AND t.workspace_id = r.workspace_id AND t.root_id = r.id
$$;
CREATE FUNCTION left_over() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(name, ' ' ORDER BY name) FROM account_data.trash_items $$;

INSERT INTO sets SELECT n, CASE WHEN n % 2 = 0 THEN :'workspace'::uuid ELSE :'elsewhere' END, 's' || n, 100 FROM generate_series(1, 6) n;
INSERT INTO images SELECT n, workspace_id, sets.id, 'i' || n, 10 FROM generate_series(1, 4) n JOIN sets ON sets.id = CASE WHEN n < 4 THEN 1 ELSE 2 END;
INSERT INTO labels SELECT 1, 'cat' FROM generate_series(1, 5);
UPDATE sets SET name = 'was updated' WHERE id = 6;
UPDATE sets SET name = 's6' WHERE id = 6;
DELETE FROM images WHERE id = 4;
DELETE FROM sets;
SELECT is(used(:'workspace'), '{310,300,10}', 'the trash counts as storage');
SELECT is(account.purge_expired(), 0::bigint, 'what has not expired stays');
SELECT expire('s5', 's3', 's1', 'i4', 's6', 's4');

SELECT is(account.purge_expired(1), 1::bigint, 'a call purges as many rows as it is told');
SELECT is(left_over(), 'i1 i2 i3 i4 s1 s2 s3 s4 s6', 'the oldest');
SAVEPOINT before;
SELECT is(account.purge_expired(2), 5::bigint, 'an item that it begins goes as a whole');
SELECT is(left_over(), 'i4 s2 s4 s6', 'with what it took along');
SELECT is((SELECT count(*) FROM account_data.trash_chunks), 0::bigint, 'of any table');
SELECT is(used(:'elsewhere'), '{0,0,0}', 'and is no storage any more');
SELECT is(account.purge_expired(1), 1::bigint, 'the next call goes on');
SELECT is(left_over(), 's2 s4 s6', 'where that one ended');
ROLLBACK TO before;
SELECT is(account.purge_expired(2), 2::bigint, 'after a rollback it goes on too');
SELECT is(account.purge_expired(100), 6::bigint, 'and at the end comes to what the rollback brought back');
SELECT is(left_over(), 's2', 'so that nothing that has expired is left');
SELECT is(used(:'workspace'), '{100,100,0}', 'nor counted in one workspace');
SELECT is(used(:'elsewhere'), '{0,0,0}', 'or another');
SELECT isnt_empty($$SELECT FROM account_data.events WHERE resource_type = 'set' AND resource_id = '6' AND redacted_at IS NOT NULL$$, 'what was updated is redacted');

SELECT expire('s2');
SELECT count(*) FROM (SELECT FROM account_data.trash_items FOR UPDATE) locked \g /dev/null
SELECT is(account.purge_expired(), 1::bigint, 'a row that this transaction itself holds is no hindrance');
SELECT is(left_over(), NULL, 'nothing is left');

SELECT throws_ok(format('SELECT account.purge_expired(%s)', n), '22023', NULL, 'max_rows ' || n || ' is refused') FROM unnest('{0,-1}'::text[]) n;

SELECT * FROM finish();
ROLLBACK;
