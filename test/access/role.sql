-- Roles and scopes of who acts, and how changes of them arrive.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

-- The role in the active workspace

CREATE FUNCTION pg_temp.roles(who uuid, workspace uuid) RETURNS text LANGUAGE sql AS $$
    SELECT account.act_as(who, workspace);
    SELECT concat_ws(' ', (account.current_principal()).role, CASE WHEN account.has_role('viewer') THEN 'v' END,
        CASE WHEN account.has_role('editor') THEN 'e' END, CASE WHEN account.has_role('admin') THEN 'a' END,
        CASE WHEN account.has_role('owner') THEN 'o' END)
$$;
SELECT is(pg_temp.roles(:'ann', :'team'), 'owner v e a o', 'an owner has every role');
SELECT is(pg_temp.roles(:'ben', :'team'), 'admin v e a', 'an admin has all but owner');
SELECT is(pg_temp.roles(:'eva', :'team'), 'editor v e', 'an editor has editor and viewer');
SELECT is(pg_temp.roles(:'vic', :'team'), 'viewer v', 'a viewer has viewer');
SELECT is(pg_temp.roles(:'vic', :'vic_home'), 'owner v e a o', 'everybody owns their personal workspace');

-- The role in a workspace that is named, and the list

SELECT account.act_as(:'eva');
SELECT is(account.has_role(:'team', 'editor'), true, 'has_role of another workspace asks the membership there');
SELECT is(account.has_role(:'team', 'admin'), false, 'and not the role in the active one');
SELECT is(account.has_role(:'eva_home', 'owner'), true, 'has_role of the active workspace');
SELECT is(account.has_role(:'ann_home', 'viewer'), false, 'has_role where one is no member');
SELECT is(account.has_role(:'zoe', 'viewer'), false, 'has_role of a workspace that does not exist');
SELECT is(account.has_role(NULL::account.role), NULL, 'has_role of no role is null');
SELECT is(account.has_role(NULL, 'viewer'), NULL, 'has_role of no workspace is null');
SELECT set_eq('SELECT unnest(account.workspace_ids())', ARRAY[:'team', :'eva_home']::uuid[], 'workspace_ids lists all workspaces');
SELECT is(account.workspace_ids('editor'), account.workspace_ids(), 'workspace_ids of a role that one has everywhere');
SELECT is(account.workspace_ids('admin'), ARRAY[:'eva_home']::uuid[], 'workspace_ids with a least role');
SELECT throws_ok('SELECT account.workspace_ids(NULL)', '22023', 'invalid role: null', 'workspace_ids needs a role');

-- require_role

SELECT account.act_as(:'eva', :'team');
SELECT lives_ok('SELECT account.require_role(''editor'')', 'require_role of a role one has');
SELECT throws_ok('SELECT account.require_role(''admin'')', '42501', 'permission denied for this operation',
    'require_role of a greater one raises');
SELECT throws_ok('SELECT account.require_role(NULL)', '22023', 'invalid role: null', 'require_role needs a role');
SELECT throws_ok('SELECT account.require_role(''boss'')', '22P02', NULL, 'a role that does not exist is PostgreSQL''s own error');

-- Keys: scopes, and their own workspace only

SELECT account.act_as(:'ben', :'team');
SELECT key AS all_scopes FROM account.create_api_key('all') \gset
SELECT key AS scoped FROM account.create_api_key('some', NULL, '{models:read,data:*,a.b-c_d}') \gset
SELECT key AS unscoped FROM account.create_api_key('none', NULL, '{}') \gset
SELECT is(account.has_scope('anything at all'), true, 'a person has every scope');
SELECT account.authenticate(:'all_scopes');
SELECT is(account.has_scope('models:write'), true, 'a key without scopes has every scope');
SELECT is(account.has_role('admin'), true, 'a key has the role of its person');
SELECT is(account.has_role(:'team', 'admin'), true, 'in its own workspace');
SELECT is(account.has_role(:'ben_home', 'viewer'), false, 'and none in the personal workspace of that person');
SELECT is(account.workspace_ids(), ARRAY[:'team']::uuid[], 'workspace_ids of a key is its workspace');
SELECT is(account.workspace_ids('owner'), '{}', 'or nothing when its role is too weak');
SELECT account.authenticate(:'scoped');
SELECT results_eq(
    $$SELECT s, account.has_scope(s) FROM unnest('{models:read,models:write,models:rea,models:read2,data:,data:x,data,dat,a.b-c_d,a.b,*}'::text[]) s$$,
    $$VALUES ('models:read', true), ('models:write', false), ('models:rea', false), ('models:read2', false), ('data:', true),
        ('data:x', true), ('data', false), ('dat', false), ('a.b-c_d', true), ('a.b', false), ('*', false)$$,
    'a key has the scopes it lists; * stands for any suffix');
SELECT is(account.has_scope(''), false, 'no scope is empty');
SELECT is(account.has_scope(repeat('x', 1000000)), false, 'nor a megabyte long');
SELECT account.authenticate(:'unscoped');
SELECT is(account.has_scope('models:read'), false, 'a key with an empty list has no scope');

-- Service accounts are confined to their workspace

SELECT account.act_as(:'ben', :'team');
SELECT account.create_service_account('robot', 'editor') AS robot \gset
SELECT key AS robot_key FROM account.create_api_key('robot', NULL, NULL, NULL, :'robot') \gset
SELECT account.authenticate(:'robot_key');
SELECT is(account.current_user_id(), NULL, 'a service account is no user');
SELECT is((account.current_principal()).service_account_id, :'robot', 'but is in the principal');
SELECT is(account.has_role('editor') AND NOT account.has_role('admin'), true, 'it has its own role');
SELECT is(account.has_role(:'ben_home', 'viewer'), false, 'and none elsewhere');
SELECT is(account.workspace_ids(), ARRAY[:'team']::uuid[], 'its workspace alone is listed');
SELECT throws_ok(format('SELECT account.switch_workspace(%L)', :'ben_home'), '42501', NULL, 'it cannot switch');

-- Direct changes of members reach principal, map and keys at once

CREATE FUNCTION pg_temp.key_role(key text) RETURNS account.role LANGUAGE sql AS 'SELECT role FROM account.verify_api_key($1)';
SELECT account.act_as(:'ben');
SELECT is(account.has_role(:'team', 'admin'), true, 'before the change');
UPDATE account_data.members SET role = 'viewer' WHERE workspace_id = :'team' AND user_id = :'ben';
SELECT is(account.has_role(:'team', 'admin'), false, 'an UPDATE reaches has_role of another workspace');
SELECT is(account.has_role(:'team', 'viewer'), true, 'with the new role');
SELECT is(account.workspace_ids('admin'), ARRAY[:'ben_home']::uuid[], 'and workspace_ids');
SELECT is(pg_temp.key_role(:'all_scopes'), 'viewer', 'and the keys of that member');
SELECT is(pg_temp.key_role(:'robot_key'), 'editor', 'not those of a service account');
SELECT account.authenticate(:'all_scopes');
UPDATE account_data.members SET role = 'editor' WHERE workspace_id = :'team' AND user_id = :'ben';
SELECT is((account.current_principal()).role, 'editor', 'and a key that is acting');
SELECT account.act_as(:'ben', :'team');
SAVEPOINT a;
UPDATE account_data.members SET role = 'admin' WHERE workspace_id = :'team' AND user_id = :'ben';
SELECT is(account.has_role('admin'), true, 'and the active workspace');
ROLLBACK TO a;
SELECT is(account.has_role('admin'), false, 'a rollback takes it back');
SELECT is(pg_temp.key_role(:'all_scopes'), 'editor', 'from the keys as well');

SAVEPOINT gone;
SELECT account.authenticate(:'all_scopes');
DELETE FROM account_data.members WHERE workspace_id = :'team' AND user_id = :'ben';
SELECT is(account.current_principal(), NULL, 'a DELETE ends a key that is acting');
SELECT throws_ok('SELECT account.require_role(''viewer'')', '28000', NULL, 'nobody is acting then');
SELECT is(account.verify_api_key(:'scoped'), NULL, 'and every key of the member');
SELECT account.act_as(:'ben');
SELECT is(account.has_role(:'team', 'viewer'), false, 'and has_role');
SELECT is(account.workspace_ids(), ARRAY[:'ben_home']::uuid[], 'and workspace_ids');
INSERT INTO account_data.members (workspace_id, user_id, role) VALUES (:'team', :'ben', 'editor');
SELECT is(account.verify_api_key(:'scoped'), NULL, 'coming back does not bring the keys back');
ROLLBACK TO gone;
SELECT isnt(account.verify_api_key(:'scoped'), NULL, 'a rollback does');

SAVEPOINT moved;
SELECT throws_ok(format('UPDATE account_data.members SET %I = %L WHERE workspace_id = %L AND user_id = %L', c, v, :'team', :'ben'),
    '55000', NULL, 'a membership cannot be moved: ' || c) FROM (VALUES ('user_id', :'zoe'), ('workspace_id', :'zoe_home')) x (c, v);
DELETE FROM account_data.users WHERE id = :'ben';
SELECT is(account.verify_api_key(:'scoped'), NULL, 'a user who is gone leaves no key');
SELECT is(pg_temp.key_role(:'robot_key'), 'editor', 'but the service accounts they made');
ROLLBACK TO moved;
DELETE FROM account_data.workspaces WHERE id = :'team';
SELECT is(account.verify_api_key(:'robot_key'), NULL, 'a workspace that is gone leaves no key at all');
SELECT is_empty(format('SELECT FROM account_data.api_key_digests WHERE workspace_id = %L', :'team'), 'nor a row of one');
ROLLBACK TO moved;

-- A membership written directly and rolled back was none, though nothing told of it

SELECT account.act_as(:'zoe');
SAVEPOINT direct;
INSERT INTO account_data.members (workspace_id, user_id, role) VALUES (:'team', :'zoe', 'editor');
SELECT is(account.has_role(:'team', 'editor'), true, 'a member by a direct INSERT');
SELECT is(cardinality(account.workspace_ids()), 2, 'has the team listed');
ROLLBACK TO direct;
SELECT is(account.has_role(:'team', 'viewer'), false, 'but not after a rollback');
SELECT is(account.workspace_ids(), ARRAY[:'zoe_home']::uuid[], 'nor in the list');

-- The end of members' access

UPDATE account_data.workspaces SET members_until = statement_timestamp() WHERE id = :'team';
SELECT is(account.verify_api_key(:'scoped'), NULL, 'at the end of members'' access their keys do not hold');
SELECT throws_ok(format('SELECT account.act_as(%L, %L)', :'ben', :'team'), 'PT402', NULL, 'nor can they act');
SELECT is((account.act_as(:'ann', :'team')).role, 'owner', 'the owner can');
UPDATE account_data.workspaces SET members_until = 'infinity' WHERE id = :'team';
SELECT isnt(account.verify_api_key(:'scoped'), NULL, 'and when it begins again the keys hold again');
SELECT is((account.act_as(:'ben', :'team')).role, 'editor', 'and they can act');

SELECT * FROM finish();
ROLLBACK;
