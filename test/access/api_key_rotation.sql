-- Rotation: a new secret for the same key, and what becomes of the old one.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT account.act_as(:'eva', :'team');
SELECT id AS id, key AS first FROM account.create_api_key('rotated', '2100-01-01 00:00Z', '{read}', '{10.0.0.0/8}') \gset

CREATE FUNCTION pg_temp.holds(VARIADIC keys text[]) RETURNS boolean[] LANGUAGE sql AS
    'SELECT array_agg((account.verify_api_key(k)).role IS NOT NULL ORDER BY n) FROM unnest(keys) WITH ORDINALITY u (k, n)';

-- Without grace

SELECT id AS same_id, key AS second, key_id AS second_key_id, old_valid_until <= statement_timestamp() AS ended
  FROM account.rotate_api_key(:'id') \gset
SELECT is(:'same_id'::text, :'id', 'the key keeps its id');
SELECT isnt(:'second'::text, :'first', 'and gets another secret');
SELECT is(pg_temp.holds(:'first', :'second'), '{f,t}', 'without grace the old secret ends at once');
SELECT is(:'ended'::text, 't', 'and says so');
SELECT results_eq('SELECT id, key_id, name, scopes, allowed_ips, expires_at, status FROM account.api_keys',
    format('VALUES (%L::uuid, %L, ''rotated'', ''{read}''::text[], ''{10.0.0.0/8}''::cidr[], ''2100-01-01 00:00Z''::timestamptz, ''active'')',
           :'id', :'second_key_id'), 'name, limits and end stay; the new key ID is seen');
SELECT is(p, account.verify_api_key(:'second'), 'the new secret proves the same') FROM (SELECT ROW(:'eva', NULL, :'team', 'editor',
    'api_key', :'id', '{read}', 'us')::account.principal) x (p);
SELECT is((account.admit(:'second', ip => '11.0.0.1')).code, 'IP_NOT_ALLOWED', 'with the same addresses');
SELECT is(account.reveal_api_key(:'id'), :'second', 'the new secret is the one that is shown again');
SELECT is((SELECT count(*) FROM account_data.api_key_secrets WHERE api_key_id = :'id' AND sealed IS NOT NULL), 1::bigint,
    'of the old one no ciphertext is kept');

-- With grace

SELECT key AS third, old_valid_until = statement_timestamp() + interval '1 hour' AS in_an_hour FROM account.rotate_api_key(:'id', '1 hour') \gset
SELECT is(:'in_an_hour'::text, 't', 'the old secret holds until the grace is over');
SELECT is(pg_temp.holds(:'first', :'second', :'third'), '{f,t,t}', 'in the grace both hold');
SELECT key AS fourth FROM account.rotate_api_key(:'id', '2 hours') \gset
SELECT is(pg_temp.holds(:'first', :'second', :'third', :'fourth'), '{f,t,t,t}', 'a second rotation leaves the grace of the first');
SELECT ok(bool_and(valid_until <= statement_timestamp() + interval '2 hours'), 'each old secret has its own end')
  FROM account_data.api_key_digests d WHERE api_key_id = :'id' AND digest <> sha256(:'fourth');
UPDATE account_data.api_key_digests SET valid_until = statement_timestamp() WHERE digest = sha256(:'second');
SELECT is(pg_temp.holds(:'second', :'third', :'fourth'), '{f,t,t}', 'and ends there');
SELECT is((account.admit(:'second')).code, 'EXPIRED', 'as EXPIRED');
SELECT is((account.rotate_api_key(:'id', '90 years')).old_valid_until, '2100-01-01 00:00Z', 'no secret outlives its key');
SELECT throws_ok(format('SELECT account.rotate_api_key(%L, %s)', :'id', grace), '22023', NULL, 'a bad grace is refused: ' || grace)
  FROM unnest('{"NULL",''-1 second'',''-200 years'',''101 years'',''178000000 years''}'::text[]) grace;

-- All secrets of a key share its fate

SELECT id AS id, key AS old FROM account.create_api_key('fate') \gset
SELECT key AS new FROM account.rotate_api_key(:'id', '1 day') \gset
SELECT account.disable_api_key(:'id');
SELECT is(pg_temp.holds(:'old', :'new'), '{f,f}', 'disabling reaches the secret in its grace');
SELECT key AS newest FROM account.rotate_api_key(:'id', '1 day') \gset
SELECT is(pg_temp.holds(:'old', :'new', :'newest'), '{f,f,f}', 'a disabled key that is rotated stays disabled');
SELECT account.enable_api_key(:'id');
SELECT is(pg_temp.holds(:'old', :'new', :'newest'), '{t,t,t}', 'enabling reaches all');
SAVEPOINT a;
UPDATE account_data.members SET role = 'viewer' WHERE user_id = :'eva' AND workspace_id = :'team';
SELECT is((account.verify_api_key(:'old')).role::text || (account.verify_api_key(:'newest')).role, 'viewerviewer', 'a change of role reaches all');
ROLLBACK TO a;
UPDATE account_data.workspaces SET members_until = statement_timestamp() + interval '12 hours' WHERE id = :'team';
SELECT is((SELECT max(valid_until) FROM account_data.api_key_digests WHERE workspace_id = :'team'),
    (SELECT members_until FROM account_data.workspaces WHERE id = :'team'), 'none holds beyond the end of members'' access');
UPDATE account_data.workspaces SET members_until = 'infinity' WHERE id = :'team';
SELECT is((SELECT count(*) FROM account_data.api_key_digests WHERE api_key_id = :'id' AND valid_until < 'infinity'), 2::bigint,
    'which, taken back, gives each its own end again');
SELECT account.revoke_api_key(:'id');
SELECT is(pg_temp.holds(:'old', :'new', :'newest'), '{f,f,f}', 'revoking ends all');
SELECT is((SELECT string_agg(action, ' ' ORDER BY id) FROM account_data.events WHERE resource_id = :'id'),
    'created rotated disabled rotated enabled revoked', 'each rotation is an event');

-- Who acts by the secret that was replaced

SELECT id AS id, key AS old FROM account.create_api_key('acting') \gset
SAVEPOINT b;
SELECT account.rotate_api_key(:'id', '1 hour');
SELECT account.authenticate(:'old');
SELECT is((account.current_principal()).credential_id, :'id', 'in the grace the old secret acts');
ROLLBACK TO b;
SELECT key AS new FROM account.rotate_api_key(:'id') \gset
SELECT throws_ok(format('SELECT account.authenticate(%L)', :'old'), '28000', 'invalid API key', 'after it, it does not');
SELECT lives_ok(format('SELECT account.authenticate(%L)', :'new'), 'the new one does');
SELECT account.reset_principal();

-- Who may rotate

SELECT account.act_as(:'ben', :'team');
SELECT account.create_service_account('robot') AS robot \gset
SELECT id AS robot_key FROM account.create_api_key('robot', NULL, NULL, NULL, :'robot') \gset
SELECT throws_ok(format('SELECT account.rotate_api_key(%L)', :'id'), '42501', 'permission denied for this operation',
    'an admin does not rotate another person''s key');
SELECT account.act_as(:'ann', :'team');
SELECT throws_ok(format('SELECT account.rotate_api_key(%L)', :'id'), '42501', 'permission denied for this operation', 'nor does the owner');
SELECT lives_ok(format('SELECT account.rotate_api_key(%L)', :'robot_key'), 'an admin rotates a service account''s key, whoever made it');
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok(format('SELECT account.rotate_api_key(%L)', :'robot_key'), 'P0002', NULL, 'an editor does not');
SELECT throws_ok('SELECT account.rotate_api_key(NULL)', '22023', 'invalid id: null', 'an id is needed');

SELECT * FROM finish();
ROLLBACK;
