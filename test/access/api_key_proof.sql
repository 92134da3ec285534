-- Proving an API key: verify_api_key, authenticate, admit and locate_api_key.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT account.act_as(:'eva', :'team');
SELECT id AS id, key AS key FROM account.create_api_key('plain') \gset
SELECT id AS other_id, key AS other FROM account.create_api_key('other') \gset
SELECT id AS full_id, key AS "full" FROM account.create_api_key('full', NULL, '{read,data:*}', '{10.0.0.0/8,2001:db8::/32}') \gset
SELECT account.act_as(:'ben', :'team');
SELECT account.create_service_account('robot', 'viewer') AS robot \gset
SELECT id AS robot_id, key AS robot_key FROM account.create_api_key('robot', NULL, NULL, NULL, :'robot') \gset
SELECT account.reset_principal();

-- A key that holds

SELECT is(p, ROW(:'eva', NULL, :'team', 'editor', 'api_key', :'id', NULL, 'us')::account.principal, 'verify_api_key tells whom a key speaks for')
  FROM account.verify_api_key(:'key') p;
SELECT is(p, ROW(NULL, :'robot', :'team', 'viewer', 'api_key', :'robot_id', NULL, 'us')::account.principal, 'a service account too')
  FROM account.verify_api_key(:'robot_key') p;
SELECT is((account.verify_api_key(:'full')).scopes, '{read,data:*}', 'with the scopes of the key');
SELECT is(account.current_principal(), NULL, 'verify_api_key lets nobody act');
SELECT is(account.locate_api_key(:'key'), 'us', 'locate_api_key tells the region');
SELECT is((SELECT count(*) FROM account_data.credential_uses WHERE last_used_at IS NOT NULL), 0::bigint, 'neither is a use');

-- Bad input

CREATE TEMP TABLE bad AS SELECT * FROM (VALUES
    ('nothing', ''), ('a blank', ' '), ('a key cut short', left(:'key', 42)), ('a key and one character more', :'key' || '0'),
    ('a trailing newline', :'key' || E'\n'), ('a trailing blank', :'key' || ' '), ('a leading blank', ' ' || :'key'),
    ('a newline in place of the last character', left(:'key', 42) || E'\n'), ('upper case', upper(:'key')),
    ('upper case hexadecimal', 'ul_' || upper(substr(:'key', 4))), ('an upper case prefix', 'UL_' || substr(:'key', 4)),
    ('another prefix', 'sk_' || substr(:'key', 4)), ('no prefix', substr(:'key', 4)), ('the prefix alone', 'ul_'),
    ('no underscore', 'ulx' || substr(:'key', 4)), ('a letter beyond f', left(:'key', 42) || 'g'), ('another key', 'ul_' || repeat('0', 40)),
    ('the key ID', left(:'key', 11)), ('the id of the key', :'id'), ('SQL', $$' OR true; DROP TABLE users; --$$),
    ('a megabyte', repeat('x', 1000000)), ('a megabyte of keys', repeat(:'key', 25000)), ('a key of full-width digits', left(:'key', 42) || '０'),
    ('a prefix of 17 characters', repeat('a', 16) || '_' || repeat('0', 40))) v (about, key);
SELECT is(account.verify_api_key(key), NULL, 'verify_api_key is null for ' || about) FROM bad;
SELECT is(account.locate_api_key(key), NULL, 'locate_api_key is null for ' || about) FROM bad;
SELECT throws_ok(format('SELECT account.authenticate(%L)', key), '28000', 'invalid API key', 'authenticate refuses ' || about) FROM bad;
SELECT is(ROW((v).allowed, (v).code, (v).workspace_id), ROW(false, 'NOT_FOUND'::text, NULL::uuid), 'admit finds nothing for ' || about)
  FROM (SELECT account.admit(key), about FROM bad) b (v, about);
SELECT is(account.verify_api_key(NULL), NULL, 'verify_api_key of null is null');
SELECT is(account.locate_api_key(NULL), NULL, 'locate_api_key of null is null');
SELECT throws_ok('SELECT account.authenticate(NULL)', '28000', 'invalid API key', 'authenticate refuses null');
SELECT is((account.admit(NULL)).code, 'NOT_FOUND', 'admit finds nothing for null');
SELECT throws_ok('SELECT account.authenticate(convert_from(''\x756c5fff'', ''UTF8''))', '22021', NULL, 'invalid UTF-8 does not get as far');

-- admit: every code, in this order of precedence

SELECT is(v, ROW(true, 'VALID', :'eva', NULL, :'team', 'editor', 'api_key', :'id', NULL, 'us', NULL, NULL, NULL, NULL)::account.verdict,
    'VALID: with who it is; no rate limit is null') FROM account.admit(:'key') v;
SELECT is(account.current_principal(), NULL, 'admit lets nobody act');
SELECT is((SELECT code FROM account.admit(:'full', 'default', 'write', '10.1.2.3')), 'INSUFFICIENT_SCOPE', 'INSUFFICIENT_SCOPE');
SELECT is((SELECT user_id FROM account.admit(:'full', 'default', 'write', '10.1.2.3')), :'eva', 'tells who it is');
SELECT results_eq(
    format($$SELECT ip, (account.admit(%L, 'default', 'data:x', ip::inet)).code FROM unnest('{10.1.2.3,10.0.0.0/8,11.0.0.1,8.0.0.0/5,2001:db8::7,::1}'::text[]) ip$$, :'full'),
    $$VALUES ('10.1.2.3', 'VALID'), ('10.0.0.0/8', 'VALID'), ('11.0.0.1', 'IP_NOT_ALLOWED'), ('8.0.0.0/5', 'IP_NOT_ALLOWED'),
        ('2001:db8::7', 'VALID'), ('::1', 'IP_NOT_ALLOWED')$$, 'IP_NOT_ALLOWED: outside the networks of the key');
SELECT is((account.admit(:'full', 'default', 'read')).code, 'IP_NOT_ALLOWED', 'and when no address is given');
SELECT is((account.verify_api_key(:'full')).user_id, :'eva', 'verify_api_key and authenticate are told no address and prove the key alone: the gate is admit''s');
SELECT is((account.admit(:'full', 'default', NULL, '10.1.2.3')).code, 'VALID', 'without a scope none is asked for');
SELECT is((account.admit(:'key', 'default', 'anything', '11.0.0.1')).allowed, true, 'a key without limits has none');
SELECT results_eq(format('SELECT v.code FROM unnest(ARRAY[%L, %L, ''x'', NULL, %L]) WITH ORDINALITY k (k, n), LATERAL account.admit(k.k) v ORDER BY n',
    :'key', :'full', :'robot_key'), $$VALUES ('VALID'), ('IP_NOT_ALLOWED'), ('NOT_FOUND'), ('NOT_FOUND'), ('VALID')$$, 'the bulk form');
SELECT throws_ok('SELECT account.admit(''x'', ' || args || ')', '22023', NULL, 'an argument that is no key raises: ' || args)
  FROM unnest(ARRAY['NULL', '''default'', ''Bad scope''', '''default'', ''''', '''default'', NULL, NULL, NULL', '''default'', NULL, NULL, -1']) args;
SELECT is((account.admit(:'key', cost => 0)).allowed, true, 'a cost may be zero');

-- Keys that do not hold any more: one message, no oracle

CREATE FUNCTION pg_temp.proofs(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
BEGIN
    BEGIN
        PERFORM account.authenticate(key);
        message := 'accepted';
    EXCEPTION WHEN invalid_authorization_specification THEN
        message := SQLERRM;
    END;
    RETURN concat_ws(', ', message, CASE WHEN account.verify_api_key(key) IS NULL THEN 'not verified' ELSE 'verified' END,
        (account.admit(key)).code, coalesce((account.admit(key)).user_id::text, 'unnamed'), account.locate_api_key(key));
END
$$;
SELECT account.act_as(:'eva', :'team');
SELECT account.disable_api_key(:'id');
SELECT is(pg_temp.proofs(:'key'), 'invalid API key, not verified, DISABLED, unnamed, us', 'DISABLED');
SELECT account.act_as(:'eva', :'team'), account.enable_api_key(:'id');
SELECT alike(pg_temp.proofs(:'key'), 'accepted, verified, VALID, %', 'a key that is enabled again');
SAVEPOINT expired;
UPDATE account_data.api_keys SET expires_at = statement_timestamp() WHERE id = :'id';
UPDATE account_data.api_key_digests SET valid_until = statement_timestamp() WHERE api_key_id = :'id';
SELECT is(pg_temp.proofs(:'key'), 'invalid API key, not verified, EXPIRED, unnamed, us', 'EXPIRED');
SELECT account.act_as(:'eva', :'team');
SELECT is((SELECT status FROM account.api_keys WHERE id = :'id'), 'expired', 'the view says so');
SELECT throws_ok(format('SELECT account.%s(%L)', f, :'id'), '55000', 'API key is expired', 'an expired key stays so: ' || f)
  FROM unnest('{reveal_api_key,rotate_api_key}'::text[]) f;
SELECT lives_ok(format('SELECT account.revoke_api_key(%L)', :'id'), 'it can be revoked');
ROLLBACK TO expired;
SELECT account.act_as(:'eva', :'team'), account.revoke_api_key(:'id');
SELECT is(pg_temp.proofs(:'key'), 'invalid API key, not verified, NOT_FOUND, unnamed', 'a revoked key is NOT_FOUND');
SELECT alike(pg_temp.proofs(:'other'), 'accepted, verified, VALID, %', 'the other key of the same person holds');

-- An end that comes while the key acts

SELECT account.authenticate(:'other');
SELECT is((account.current_principal()).credential_id, :'other_id', 'the key acts');
SAVEPOINT a;
DELETE FROM account_data.api_keys WHERE id = :'other_id';
SELECT is(account.current_principal(), NULL, 'a key that is deleted acts no more');
SELECT is_empty(format('SELECT FROM account_data.credential_uses WHERE credential_id = %L', :'other_id'), 'its use is forgotten');
ROLLBACK TO a;
SELECT account.authenticate(:'full');
SELECT is((account.current_principal()).credential_id, :'full_id', 'the last proof acts');

-- Last used

SELECT is((SELECT last_used_at FROM account_data.credential_uses WHERE credential_id = :'full_id') IS NOT NULL, true, 'authenticate notes the use');
SELECT is((SELECT count(*) FROM account.api_keys WHERE last_used_at <= statement_timestamp() AND id = :'full_id'), 1::bigint, 'the view shows it');
UPDATE account_data.credential_uses SET last_used_at = statement_timestamp() - interval '30 seconds' WHERE credential_id = :'robot_id';
SELECT account.admit(:'robot_key');
SELECT ok(last_used_at < statement_timestamp() - interval '29 seconds', 'a use within a minute of the last is not written')
  FROM account_data.credential_uses WHERE credential_id = :'robot_id';
SELECT account.act_as(:'eva', :'team');
SELECT id AS idle_id, key AS idle FROM account.create_api_key('idle') \gset
UPDATE account_data.credential_uses SET last_used_at = statement_timestamp() - interval '61 seconds' WHERE credential_id = :'idle_id';
SELECT account.admit(:'idle');
SELECT ok(last_used_at > statement_timestamp() - interval '60 seconds', 'one a minute later is')
  FROM account_data.credential_uses WHERE credential_id = :'idle_id';
SELECT id AS undone_id, key AS undone FROM account.create_api_key('undone') \gset
SAVEPOINT a;
SELECT account.admit(:'undone');
SELECT account.admit(:'undone');
ROLLBACK TO a;
SELECT account.admit(:'undone');
SELECT ok(last_used_at IS NOT NULL, 'so is one after another that was rolled back') FROM account_data.credential_uses WHERE credential_id = :'undone_id';

-- The prefix

SET LOCAL account.api_key_prefix = 'my_app_live_';
SELECT account.act_as(:'eva', :'team');
SELECT key AS new_key, key_id AS new_key_id FROM account.create_api_key('prefixed') \gset
SELECT matches(:'new_key'::text, '^my_app_live_[0-9a-f]{40}$', 'new keys have the prefix that is set');
SELECT is(:'new_key_id'::text, left(:'new_key', 20), 'their key ID is prefix and 8 characters');
SELECT is(account.reveal_api_key((account.verify_api_key(:'new_key')).credential_id), :'new_key', 'they can be shown again');
SELECT isnt(account.verify_api_key(:'full'), NULL, 'keys made under an earlier prefix keep working');
SET LOCAL account.api_key_prefix = '_';
SELECT key AS short FROM account.create_api_key('short') \gset
SELECT isnt(account.verify_api_key(:'short'), NULL, 'a prefix of one character');
SET LOCAL account.api_key_prefix = 'abcdefghijklmno_';
SELECT key AS long FROM account.create_api_key('long') \gset
SELECT isnt(account.verify_api_key(:'long'), NULL, 'a prefix of 16 characters');
SELECT throws_ok(format('SET LOCAL account.api_key_prefix = %L', p), '22023', NULL, 'refused as a prefix: ' || p)
  FROM unnest(ARRAY['', 'ul', 'UL_', 'u-l_', 'ul_ ', 'é_', 'abcdefghijklmnop_']) p;

SELECT * FROM finish();
ROLLBACK;
