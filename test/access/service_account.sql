-- Service accounts: who makes them, what they may be, and what ends with them.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT account.act_as(:'ben', :'team');

SELECT account.create_service_account('builder') AS id \gset
SELECT results_eq('SELECT id, name, role, created_by, api_keys FROM account.service_accounts',
    format('VALUES (%L::uuid, ''builder'', ''editor''::account.role, ''ben-test'', 0::bigint)', :'id'), 'an admin makes one, an editor by default');
SELECT lives_ok(format('SELECT account.create_service_account(''builder'', %L)', r), 'it may be ' || r || ', and names may repeat')
  FROM unnest('{viewer,editor,admin}'::text[]) r;
SELECT throws_ok('SELECT account.create_service_account(''x'', ''owner'')', '22023', 'invalid role: a service account cannot be owner', 'but never owner');
SELECT throws_ok('SELECT account.create_service_account(' || args || ')', '22023', NULL, 'refused: ' || args)
  FROM unnest(ARRAY['NULL', '''''', 'repeat(''x'', 101)', 'E''a\nb''', '''x'', NULL']) args;
SELECT throws_ok(format('INSERT INTO account_data.service_accounts VALUES (%L, %L, ''x'', ''owner'')', :'team', :'zoe'), '23514', NULL,
    'the table itself has no owner');

-- Its keys: made by admins, many each

SELECT id AS key_id, key AS key FROM account.create_api_key('ci', NULL, '{ci:*}', NULL, :'id') \gset
SELECT key AS key2 FROM account.create_api_key('ci', NULL, NULL, NULL, :'id') \gset
SELECT results_eq(format('SELECT kind, owner, scopes FROM account.api_keys WHERE id = %L', :'key_id'),
    $$VALUES ('service_account', 'builder', '{ci:*}'::text[])$$, 'a key of it says whose it is');
SELECT is((SELECT api_keys FROM account.service_accounts WHERE id = :'id'), 2::bigint, 'it may have many');
SELECT throws_ok(format('SELECT account.create_api_key(''x'', NULL, NULL, NULL, %L)', :'zoe'), 'P0002',
    format('service account %s does not exist', :'zoe'), 'no key for one that does not exist');
SELECT account.act_as(:'ben');
SELECT throws_ok(format('SELECT account.create_api_key(''x'', NULL, NULL, NULL, %L)', :'id'), 'P0002',
    format('service account %s does not exist', :'id'), 'nor for one of another workspace');
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok(format('SELECT account.create_api_key(''x'', NULL, NULL, NULL, %L)', :'id'), '42501', 'permission denied for this operation',
    'an editor makes none for it');
SELECT is_empty(format('SELECT FROM account.api_keys WHERE id = %L', :'key_id'), 'nor sees its keys');
SELECT isnt_empty('SELECT FROM account.service_accounts', 'but sees the account');

-- Who shows its keys

SELECT account.act_as(:'ben', :'team');
SELECT throws_ok(format('SELECT account.reveal_api_key(%L)', :'key_id'), '42501', 'permission denied for this operation',
    'an admin is not shown its key, even having made it');
SELECT account.act_as(:'ann', :'team');
SELECT is(account.reveal_api_key(:'key_id'), :'key', 'the owner is');

-- Who manages it

SELECT throws_ok(format('SELECT account.act_as(%L, %L); SELECT ', who, :'team') || q, '42501', 'permission denied for this operation', about || ' may not: ' || q)
  FROM (VALUES (:'eva', 'an editor'), (:'vic', 'a viewer')) p (who, about),
    unnest(ARRAY['account.create_service_account(''x'')', format('account.delete_service_account(%L)', :'id'),
        format('account.set_service_account_role(%L, ''admin'')', :'id')]) q;
SELECT account.act_as(:'zoe');
SELECT throws_ok(format('SELECT account.%s', q), 'P0002', format('service account %s does not exist', :'id'), 'in another workspace it does not exist: ' || q)
  FROM unnest(ARRAY[format('delete_service_account(%L)', :'id'), format('set_service_account_role(%L, ''admin'')', :'id')]) q;
SELECT throws_ok('SELECT account.delete_service_account(NULL)', '22023', 'invalid id: null', 'an id is needed to delete');
SELECT throws_ok('SELECT account.set_service_account_role(NULL, ''admin'')', '22023', 'invalid id: null', 'and to change a role');

-- Its role reaches its keys at once

SELECT account.act_as(:'ben', :'team');
SELECT account.set_service_account_role(:'id', 'viewer');
SELECT is((account.verify_api_key(:'key')).role, 'viewer', 'a change of role reaches its keys');
SELECT is((SELECT metadata FROM account_data.events WHERE resource_id = :'id' AND action = 'updated'), '{"role": ["editor", "viewer"]}',
    'and is an event with both roles');
SELECT account.set_service_account_role(:'id', 'viewer');
SELECT is((SELECT count(*) FROM account_data.events WHERE resource_id = :'id' AND action = 'updated'), 1::bigint, 'no change is no event');
SELECT throws_ok(format('SELECT account.set_service_account_role(%L, %s)', :'id', r), '22023', NULL, 'refused as a role: ' || r)
  FROM unnest('{"NULL",''owner''}'::text[]) r;
SELECT account.authenticate(:'key');
SELECT throws_ok('SELECT account.require_role(''editor'')', '42501', NULL, 'a key of it has its role');
UPDATE account_data.service_accounts SET role = 'admin' WHERE id = :'id';
SELECT lives_ok('SELECT account.require_role(''admin'')', 'a direct UPDATE reaches a key that is acting');

-- As an admin it still may not manage anything

SELECT throws_ok('SELECT ' || q, '42501', 'permission denied for this operation', 'a service account may not: ' || q) FROM unnest(ARRAY[
    'account.create_api_key(''x'')', 'account.create_service_account(''x'')', 'account.update_team_settings(''{}'')',
    format('account.delete_service_account(%L)', :'id'), format('account.set_service_account_role(%L, ''viewer'')', :'id'),
    format('account.reveal_api_key(%L)', :'key_id')]) q;
SELECT results_eq('SELECT id FROM account.service_accounts', format('VALUES (%L::uuid)', :'id'), 'it sees itself alone');

-- It outlives who made it, and its keys end with it

SELECT account.act_as(:'ann', :'team');
SAVEPOINT a;
DELETE FROM account_data.users WHERE id = :'ben';
SELECT is((account.verify_api_key(:'key')).service_account_id, :'id', 'its keys outlive who made them');
SELECT results_eq(format('SELECT name, created_by FROM account.service_accounts WHERE id = %L', :'id'), $$VALUES ('builder', NULL)$$, 'so does it');
ROLLBACK TO a;
SELECT account.authenticate(:'key2');
SELECT is((account.current_principal()).service_account_id, :'id', 'its key acts');
SELECT results_eq('SELECT id, slug, role, has_access, is_active FROM account.workspaces',
    format('VALUES (%L::uuid, ''team-test'', %L::account.role, true, true)', :'team', (account.current_principal()).role), 'and sees the workspace it is of');
UPDATE account_data.workspaces SET members_until = statement_timestamp() WHERE id = :'team';
SELECT is(account.current_principal(), NULL, 'when members lose access, so does it');
UPDATE account_data.workspaces SET members_until = 'infinity' WHERE id = :'team';
SELECT is((account.current_principal()).service_account_id, :'id', 'until they have it again');
SAVEPOINT b;
DELETE FROM account_data.service_accounts WHERE id = :'id';
SELECT is(account.current_principal(), NULL, 'deleted by hand, it acts no more');
ROLLBACK TO b;
SELECT account.act_as(:'ben', :'team');
SELECT account.delete_service_account(:'id');
SELECT is(account.verify_api_key(k), NULL, 'deleted, its keys do not hold') FROM unnest(ARRAY[:'key', :'key2']) k;
SELECT is_empty(format('SELECT FROM account_data.api_keys WHERE service_account_id = %L', :'id'), 'nor are they there');
SELECT is_empty(format('SELECT FROM account_data.api_key_digests WHERE service_account_id = %L', :'id'), 'in the directory either');
SELECT is((SELECT string_agg(action, ' ' ORDER BY id) FROM account_data.events WHERE resource_id = :'id'), 'created updated deleted', 'each change is one event');
SELECT throws_ok(format('SELECT account.delete_service_account(%L)', :'id'), 'P0002', NULL, 'once is enough');

SELECT * FROM finish();
ROLLBACK;
