-- Secrets that are shown again: sealed for one row, and for nothing else.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT account.act_as(:'eva', :'team');
SELECT id AS id, key AS key FROM account.create_api_key('one') \gset
SELECT id AS id2, key AS key2 FROM account.create_api_key('two') \gset
SELECT account.act_as(:'eva');
SELECT id AS home_id, key AS home_key FROM account.create_api_key('home') \gset
SELECT account.act_as(:'eva', :'team');

SELECT is(account.reveal_api_key(:'id'), :'key', 'reveal_api_key shows the key again');
SELECT is((SELECT count(*) FROM account_data.events WHERE resource_id = :'id' AND action = 'revealed'), 1::bigint, 'each reveal is an event');
SELECT is((SELECT octet_length(sealed) FROM account_data.api_key_secrets WHERE api_key_id = :'id'), 12 + 43 + 16,
    'a seal is nonce, ciphertext and tag');
SELECT isnt((SELECT sealed FROM account_data.api_key_secrets WHERE api_key_id = :'id'),
    (SELECT sealed FROM account_data.api_key_secrets WHERE api_key_id = :'id2'), 'no two are alike');
SELECT is((SELECT count(*) FROM account_data.data_keys WHERE workspace_id IN (:'team', :'eva_home')), 2::bigint, 'a workspace has a data key of its own');

-- What was changed, cut off or moved does not open

CREATE FUNCTION pg_temp.damaged(change text, about text, key uuid) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE change;
        RETURN NEXT throws_ok(format('SELECT account.reveal_api_key(%L)', key), 'XX001', NULL, 'does not open: ' || about);
        RAISE EXCEPTION USING errcode = 'UNDO0';
    EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
        RETURN NEXT is((account.reveal_api_key(key)), (SELECT current_setting('seal.k' || translate(key::text, '-', ''))), 'and, put back, it does');
    END;
END
$$;
SELECT set_config('seal.k' || translate(:'id', '-', ''), :'key', true);
SELECT pg_temp.damaged(format('UPDATE account_data.api_key_secrets SET sealed = %s WHERE api_key_id = %L', sealed, :'id'), about, :'id')
  FROM (VALUES ('empty', '''''::bytea'), ('one byte', 'substr(sealed, 1, 1)'), ('27 bytes', 'substr(sealed, 1, 27)'),
    ('28 bytes', 'substr(sealed, 1, 28)'), ('cut short', 'substr(sealed, 1, 70)'), ('one byte more', 'sealed || ''\x00'''),
    ('another nonce', 'set_byte(sealed, 0, get_byte(sealed, 0) # 1)'), ('another ciphertext', 'set_byte(sealed, 12, get_byte(sealed, 12) # 128)'),
    ('another tag', 'set_byte(sealed, 70, get_byte(sealed, 70) # 1)'), ('a megabyte', 'decode(repeat(''00'', 1000000), ''hex'')'),
    ('that of another key', format('(SELECT sealed FROM account_data.api_key_secrets WHERE api_key_id = %L)', :'id2')),
    ('that of another workspace', format('(SELECT sealed FROM account_data.api_key_secrets WHERE api_key_id = %L)', :'home_id'))) v (about, sealed);
SELECT pg_temp.damaged(format('UPDATE account_data.data_keys SET wrapped = %s WHERE workspace_id = %L', wrapped, :'team'), 'data key: ' || about, :'id')
  FROM (VALUES ('empty', '''''::bytea'), ('cut short', 'substr(wrapped, 1, 59)'), ('one byte more', 'wrapped || ''\x00'''),
    ('changed', 'set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)'),
    ('of another workspace', format('(SELECT wrapped FROM account_data.data_keys WHERE workspace_id = %L)', :'eva_home'))) v (about, wrapped);
SELECT pg_temp.damaged(format('DELETE FROM account_data.data_keys WHERE workspace_id = %L', :'team'), 'no data key', :'id');
SAVEPOINT a;
UPDATE account_data.api_key_secrets SET id = gen_random_uuid() WHERE api_key_id = :'id';
SELECT throws_ok(format('SELECT account.reveal_api_key(%L)', :'id'), 'XX001', 'the sealed secret cannot be opened', 'a row of another id does not open it');
ROLLBACK TO a;
INSERT INTO account_data.master_keys (id, fingerprint) VALUES ('0123456789abcdef', sha256('')) ;
UPDATE account_data.data_keys SET master_key_id = '0123456789abcdef' WHERE workspace_id = :'team';
SELECT throws_ok(format('SELECT account.reveal_api_key(%L)', :'id'), '55000', 'master key 0123456789abcdef is not available',
    'a master key that the server does not have');
SELECT throws_ok('SELECT account.create_api_key(''n'')', '55000', NULL, 'nothing is sealed then either');
SELECT isnt(account.verify_api_key(:'key'), NULL, 'but the key goes on working');
SELECT ok(NOT ok AND detail LIKE '%0123456789abcdef%', 'and health tells which one is missing') FROM account.health() WHERE check_name = 'master_key';
SELECT throws_ok('SELECT * FROM account.rotate_master_key()', '55000', NULL, 'what it wrapped cannot be wrapped again');
ROLLBACK TO a;

-- Shown once: the setting api_key_reveal

CREATE FUNCTION pg_temp.detail(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END
$$;

SELECT account.act_as(:'ben', :'team');
SELECT account.update_team_settings('{"api_key_reveal": false}');
SELECT is((SELECT count(sealed) FROM account_data.api_key_secrets WHERE workspace_id = :'team'), 0::bigint, 'off, it wipes every ciphertext');
SELECT is((SELECT count(sealed) FROM account_data.api_key_secrets WHERE workspace_id = :'eva_home'), 1::bigint, 'of that workspace only');
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok(format('SELECT account.reveal_api_key(%L)', :'id'), '55000', 'API key cannot be shown again', 'no key is shown then');
SELECT id AS once_id FROM account.create_api_key('once') \gset
SELECT account.rotate_api_key(:'id2');
SELECT is((SELECT count(sealed) FROM account_data.api_key_secrets WHERE workspace_id = :'team'), 0::bigint, 'nor is one sealed that is made or rotated');
SELECT account.act_as(:'ben', :'team');
SELECT account.update_team_settings('{"api_key_reveal": null}');
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok(format('SELECT account.reveal_api_key(%L)', :'once_id'), '55000', NULL, 'on again, what was not kept is not there');
SELECT is(pg_temp.detail(format('SELECT account.reveal_api_key(%L)', :'once_id')), 'It was shown once, when its secret was made; no copy was kept.',
    'and is not laid to the setting');
SELECT is(account.reveal_api_key(r.id), r.key, 'a rotated key is') FROM account.rotate_api_key(:'once_id') r;

SELECT * FROM finish();
ROLLBACK;
