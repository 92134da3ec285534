-- New master keys: what rotate_master_key does, and that it can be resumed.
-- The server's key file is put back at the end.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
COPY (SELECT) TO PROGRAM 'cp -p account.key account.key.saved';

SELECT account.act_as(:'eva');
SELECT account.create_api_key('eva');
SELECT account.act_as(:'vic');
SELECT account.create_api_key('vic');
SELECT account.act_as(:'ann');
SELECT id AS id, key AS key FROM account.create_api_key('ann') \gset
SELECT account.act_as(:'ben');
SELECT id AS ben_id, key AS ben_key FROM account.create_api_key('ben') \gset
SELECT count(*) AS total, min(master_key_id) AS old_id FROM account_data.data_keys \gset

SELECT master_key_id AS new_id, resealed, remaining FROM account.rotate_master_key(2) \gset
SELECT isnt(:'new_id'::text, :'old_id', 'rotate_master_key adds a master key');
SELECT matches(:'new_id'::text, '^[0-9a-f]{16}$', 'whose id is of its fingerprint');
SELECT is((:'resealed'::int, :'remaining'::int), (2, :total - 2), 'it wraps at most as many data keys as it is told, and counts the rest');
SELECT is((SELECT encode(substr(fingerprint, 1, 8), 'hex') FROM account_data.master_keys WHERE id = :'new_id'), :'new_id', 'its fingerprint is kept');
SELECT account.act_as(:'ann');
SELECT is(account.reveal_api_key(:'id'), :'key', 'in between, everything opens');
SELECT account.act_as(:'ben');
SELECT is(account.reveal_api_key(:'ben_id'), :'ben_key', 'wrapped again or not');
SELECT ok(ok, 'and health is content') FROM account.health() WHERE check_name = 'master_key';
SELECT master_key_id AS next_id, resealed AS next_resealed, remaining AS next_remaining FROM account.rotate_master_key(1) \gset
SELECT is((:'next_id'::text, :'next_resealed'::int, :'next_remaining'::int), (:'new_id'::text, 1, :total - 3), 'called again it goes on with the same key');
SELECT remaining AS rest FROM account.rotate_master_key() \gset
SELECT is(:rest, 0, 'and without a number to the end');
SELECT is((SELECT count(*) FROM account_data.data_keys WHERE master_key_id <> :'new_id'), 0::bigint, 'every data key is wrapped by the new one');
SELECT account.act_as(:'ann');
SELECT is(account.reveal_api_key(:'id'), :'key', 'everything opens');
SELECT id AS sealed_id, key AS sealed_key FROM account.create_api_key('after') \gset
SELECT is(account.reveal_api_key(:'sealed_id'), :'sealed_key', 'what is sealed now too');
SELECT isnt((account.rotate_master_key()).master_key_id, :'new_id', 'when nothing remains, the next call adds another');

-- A data key by one master key does not open with another

SAVEPOINT a;
UPDATE account_data.data_keys SET master_key_id = :'old_id' WHERE workspace_id = :'ann_home';
SELECT throws_ok(format('SELECT account.reveal_api_key(%L)', :'id'), 'XX001', 'the data key of the workspace cannot be opened',
    'a data key that names another master key does not open');
ROLLBACK TO a;

SAVEPOINT a;
SELECT count(*) AS key_lines FROM regexp_split_to_table(pg_read_file('account.key'), '\n') \gset
SET transaction_read_only = on;
SELECT throws_ok('SELECT account.rotate_master_key()', '25006', 'cannot execute rotate_master_key() in a read-only transaction',
    'a read-only transaction adds no master key');
ROLLBACK TO a;
SELECT is((SELECT count(*) FROM regexp_split_to_table(pg_read_file('account.key'), '\n')), :key_lines::bigint, 'to the file either');

SELECT throws_ok(format('SELECT account.rotate_master_key(%s)', n), '22023', NULL, 'refused: max_rows ' || n) FROM unnest('{0,-1}'::int[]) n;

-- The file holds 64 keys and never more than can be read again

SELECT throws_ok('SELECT count(account.rotate_master_key()) FROM generate_series(1, 70)', '55000', 'could not add a master key',
    'a 65th key is refused');
SELECT is(account.reveal_api_key(:'id'), :'key', 'and all that is sealed still opens');
SELECT ok(ok, 'health is content') FROM account.health() WHERE check_name = 'master_key';

COPY (SELECT) TO PROGRAM 'mv account.key.saved account.key';
SELECT * FROM finish();
ROLLBACK;
