-- Making API keys and looking after them: what is made, seen and refused.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT account.act_as(:'eva', :'team');

SELECT id AS id, key AS key, key_id AS key_id, expires_at IS NULL AS endless FROM account.create_api_key('first') \gset
SELECT matches(:'key'::text, '^ul_[0-9a-f]{40}$', 'a key is ul_ and 40 lower-case hexadecimal characters');
SELECT is(:'key_id'::text, left(:'key', 11), 'its key ID is the first 11 of them');
SELECT is(:'endless'::text, 't', 'it has no end unless one is given');
SELECT is(substr(:'id', 15, 1), '7', 'its id is a UUID version 7');
SELECT results_eq('SELECT id, key_id, name, kind, owner, scopes, last_used_at, expires_at, status, allowed_ips FROM account.api_keys',
    format('VALUES (%L::uuid, %L, ''first'', ''team'', ''eva-test'', NULL::text[], NULL::timestamptz, NULL::timestamptz, ''active'', NULL::cidr[])',
           :'id', :'key_id'), 'it is listed');
SELECT is((SELECT count(DISTINCT (account.create_api_key('same name')).key) FROM generate_series(1, 50)), 50::bigint,
    'names may repeat, keys do not');
SELECT is((SELECT count(*) FROM account.api_keys), 51::bigint, 'there is no limit on how many');
SELECT lives_ok($$SELECT account.create_api_key('full', '2100-01-01 00:00Z', '{a,b:*}', '{10.0.0.0/8,::1}')$$, 'a key with all there is');
SELECT results_eq($$SELECT scopes, allowed_ips, expires_at FROM account.api_keys WHERE name = 'full'$$, $$VALUES ('{a,b:*}'::text[], '{10.0.0.0/8,::1/128}'::cidr[], '2100-01-01 00:00Z'::timestamptz)$$, 'scopes, addresses and end are kept');
SELECT is((account.create_api_key('no end', 'infinity')).expires_at, NULL, 'an end at infinity is none');
SELECT is((SELECT string_agg(DISTINCT action, ' ') FROM account_data.events WHERE resource_type = 'api_key'), 'created', 'each is an event');

-- Nothing of the key itself is stored

SELECT is((SELECT digest FROM account_data.api_key_secrets WHERE api_key_id = :'id'), sha256(:'key'), 'a secret is stored as its SHA-256');
SELECT is_empty(format('SELECT FROM account_data.api_key_secrets s WHERE strpos(s::text, %L) > 0 OR position(%L::bytea IN sealed) > 0',
    substr(:'key', 12), substr(:'key', 12)), 'and not in the clear');
SELECT is_empty(format('SELECT FROM account_data.events e WHERE strpos(e::text, %L) > 0', substr(:'key', 12)), 'nor in an event');

-- Bad input: 22023, and nothing is written

CREATE TEMP TABLE written AS SELECT (SELECT count(*) FROM account_data.api_keys) AS keys,
    (SELECT count(*) FROM account_data.api_key_secrets) AS secrets, (SELECT count(*) FROM account_data.api_key_digests) AS digests,
    (SELECT count(*) FROM account_data.events) AS events, (SELECT count(*) FROM account_data.credential_uses) AS uses;
SELECT throws_ok('SELECT account.create_api_key(' || args || ')', '22023', NULL, 'refused: ' || about) FROM (VALUES
    ('NULL', 'no name'), ('''''', 'an empty name'), ('''   ''', 'a blank name'), ('repeat(''x'', 101)', 'a name of 101 characters'),
    ('repeat(''x'', 1000000)', 'a name of a megabyte'), ('E''a\nb''', 'a name of two lines'), ('E''a\x7f''', 'a name with a control character'),
    ('''n'', now()', 'an end now'), ('''n'', now() - interval ''1 day''', 'an end in the past'), ('''n'', ''-infinity''', 'an end before all time'),
    ('''n'', NULL, ''{""}''', 'an empty scope'), ('''n'', NULL, ''{Read}''', 'a scope in upper case'), ('''n'', NULL, ''{"a b"}''', 'a scope with a blank'),
    ('''n'', NULL, ''{"a''''; DROP TABLE x"}''', 'SQL as a scope'), ('''n'', NULL, ARRAY[repeat(''a'', 65)]', 'a scope of 65 characters'),
    ('''n'', NULL, ''{a,NULL}''', 'a scope that is null'), ('''n'', NULL, ''{{a},{b}}''', 'scopes of two dimensions'),
    ('''n'', NULL, array_fill(''a''::text, ''{101}'')', '101 scopes'), ('''n'', NULL, ''{é}''', 'a scope beyond ASCII'),
    ('''n'', NULL, NULL, ''{NULL}''', 'an address that is null'), ('''n'', NULL, NULL, ''{{::1},{::2}}''', 'addresses of two dimensions'),
    ('''n'', NULL, NULL, array_fill(''::1''::cidr, ''{101}'')', '101 addresses')) bad (args, about);
SELECT throws_ok($$SELECT account.create_api_key('n', NULL, NULL, '{10.0.0.1/8}')$$, '22P02', NULL, 'a malformed address is PostgreSQL''s own error');
SELECT throws_ok(format('SELECT account.create_api_key(''n'', NULL, NULL, NULL, %L)', :'zoe'), '42501', NULL,
    'a key for a service account needs admin, whether there is one or not');
SELECT results_eq('TABLE written', 'SELECT (SELECT count(*) FROM account_data.api_keys), (SELECT count(*) FROM account_data.api_key_secrets),
    (SELECT count(*) FROM account_data.api_key_digests), (SELECT count(*) FROM account_data.events),
    (SELECT count(*) FROM account_data.credential_uses)', 'after all of these nothing is written');
SELECT account.create_api_key($$Robert'); DROP TABLE users;--$$), account.create_api_key(repeat('é', 100));
SELECT isnt_empty($q$SELECT FROM account.api_keys WHERE name = $$Robert'); DROP TABLE users;--$$$q$, 'SQL in a name is a name');
SELECT isnt_empty('SELECT FROM account.api_keys WHERE name = repeat(''é'', 100)', 'a name may have 100 characters');
SELECT lives_ok($$SELECT account.create_api_key('x', NULL, ARRAY[repeat('a', 64), 'a_b:c.d-e*9'])$$, 'a scope may have 64');

-- Renaming

SELECT account.rename_api_key(:'id', 'renamed');
SELECT is((SELECT name FROM account.api_keys WHERE id = :'id'), 'renamed', 'rename_api_key gives another name');
SELECT isnt(account.verify_api_key(:'key'), NULL, 'and leaves the secret');
SELECT is((SELECT metadata FROM account_data.events WHERE resource_id = :'id' AND action = 'updated'),
    '{"name": ["first", "renamed"]}', 'its event tells both names');
SELECT throws_ok(format('SELECT account.rename_api_key(%L, %s)', :'id', bad), '22023', NULL, 'a bad name is refused: ' || bad)
  FROM unnest(ARRAY['NULL::text', '''''', 'repeat(''x'', 101)', 'E''\ta''']) bad;

-- Disabling, enabling, revoking

SELECT account.disable_api_key(:'id');
SELECT is(account.verify_api_key(:'key'), NULL, 'a disabled key does not hold');
SELECT is((SELECT status FROM account.api_keys WHERE id = :'id'), 'disabled', 'and says so');
SELECT lives_ok(format('SELECT account.disable_api_key(%L)', :'id'), 'disabling twice changes nothing');
SELECT account.enable_api_key(:'id');
SELECT isnt(account.verify_api_key(:'key'), NULL, 'an enabled key holds again');
SELECT account.revoke_api_key(:'id');
SELECT is(account.verify_api_key(:'key'), NULL, 'a revoked key does not hold');
SELECT is((SELECT status FROM account.api_keys WHERE id = :'id'), 'revoked', 'and says so');
SELECT is((SELECT count(sealed) FROM account_data.api_key_secrets WHERE api_key_id = :'id'), 0::bigint, 'no ciphertext is left of it');
SELECT lives_ok(format('SELECT account.revoke_api_key(%L)', :'id'), 'revoking twice changes nothing');
SELECT throws_ok(format('SELECT account.%s(%L)', f, :'id'), '55000', 'API key is revoked', 'a revoked key stays so: ' || f)
  FROM unnest('{enable_api_key,disable_api_key,reveal_api_key,rotate_api_key}'::text[]) f;
SELECT is((SELECT string_agg(action, ' ' ORDER BY id) FROM account_data.events WHERE resource_id = :'id'),
    'created updated disabled enabled revoked', 'each change is one event');
SELECT throws_ok(format('SELECT account.%s(%L)', f, :'zoe'), 'P0002', format('API key %s does not exist', :'zoe'), 'no such key: ' || f)
  FROM unnest('{revoke_api_key,enable_api_key,disable_api_key,reveal_api_key,rotate_api_key}'::text[]) f;

SELECT array_agg((account.create_api_key('many')).id) AS many FROM generate_series(1, 3) \gset
SELECT throws_ok(format('SELECT account.revoke_api_keys(%L::uuid[] || %L::uuid)', :'many', :'zoe'), 'P0002', NULL,
    'one id that does not exist: none is revoked');
SELECT is((SELECT count(*) FROM account.api_keys WHERE name = 'many' AND status = 'active'), 3::bigint, 'all are active still');
SELECT throws_ok('SELECT account.revoke_api_keys(NULL)', '22023', NULL, 'a list is needed');
SELECT throws_ok('SELECT account.revoke_api_keys(''{NULL}'')', '22023', NULL, 'of ids');
SELECT is(account.revoke_api_keys('{}'), 0, 'an empty list is none');
SELECT is(account.revoke_api_keys(:'many'::uuid[] || :'many'::uuid[] || :'id'::uuid), 3, 'it counts the keys that were live, each once');

-- Who sees and manages which key

SELECT id AS eva_key, key AS eva_secret FROM account.create_api_key('eva') \gset
SELECT account.act_as(:'vic', :'team');
SELECT throws_ok('SELECT account.create_api_key(''n'')', '42501', 'permission denied for this operation', 'a viewer makes no keys');
SELECT is_empty('SELECT FROM account.api_keys', 'a person does not see the keys of others');
SELECT throws_ok(format('SELECT account.%s(%L)', f, :'eva_key'), 'P0002', format('API key %s does not exist', :'eva_key'),
    'for who is no admin, another''s key does not exist: ' || f)
  FROM unnest('{revoke_api_key,enable_api_key,disable_api_key,reveal_api_key,rotate_api_key}'::text[]) f;
SELECT account.act_as(:'ben', :'team');
SELECT isnt_empty(format('SELECT FROM account.api_keys WHERE id = %L', :'eva_key'), 'an admin sees every key');
SELECT lives_ok(format('SELECT account.%s(%L)', f, :'eva_key'), 'an admin manages every key: ' || f)
  FROM unnest('{disable_api_key,enable_api_key}'::text[]) f;
SELECT throws_ok(format('SELECT account.%s(%L)', f, :'eva_key'), '42501', 'permission denied for this operation',
    'nobody gets a secret that acts as another person: ' || f) FROM unnest('{reveal_api_key,rotate_api_key}'::text[]) f;
SELECT account.act_as(:'zoe');
SELECT throws_ok(format('SELECT account.revoke_api_key(%L)', :'eva_key'), 'P0002', NULL, 'in another workspace it does not exist');
SELECT account.act_as(:'eva');
SELECT is_empty(format('SELECT FROM account.api_keys WHERE id = %L', :'eva_key'), 'nor does its maker see it in another workspace');
SELECT throws_ok(format('SELECT account.reveal_api_key(%L)', :'eva_key'), 'P0002', NULL, 'or can use it there');
SELECT account.create_api_key('p');
SELECT is((SELECT kind FROM account.api_keys WHERE name = 'p'), 'personal', 'a key in a personal workspace is personal');

-- A key may not manage keys, and sees itself

SELECT account.authenticate(:'eva_secret');
SELECT throws_ok(q, '42501', 'permission denied for this operation', 'a key may not: ' || q) FROM (SELECT unnest(ARRAY[
    'SELECT account.create_api_key(''n'')', format('SELECT account.rename_api_key(%L, ''n'')', :'eva_key'),
    format('SELECT account.rotate_api_key(%L)', :'eva_key'), format('SELECT account.revoke_api_key(%L)', :'eva_key'),
    format('SELECT account.revoke_api_keys(ARRAY[%L]::uuid[])', :'eva_key'), format('SELECT account.disable_api_key(%L)', :'eva_key'),
    format('SELECT account.enable_api_key(%L)', :'eva_key'), format('SELECT account.reveal_api_key(%L)', :'eva_key'),
    'SELECT account.create_service_account(''n'')', 'SELECT account.update_team_settings(''{}'')'])) d (q);
SELECT results_eq('SELECT id FROM account.api_keys', format('VALUES (%L::uuid)', :'eva_key'), 'a key sees itself alone');

SELECT * FROM finish();
ROLLBACK;
