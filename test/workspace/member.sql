-- Members: who may change whose role, leaving, and the one owner.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

-- The role of a member by the table itself.
CREATE FUNCTION pg_temp.role_of(member uuid) RETURNS text LANGUAGE sql AS
    $$SELECT role::text FROM account_data.members WHERE workspace_id = '7ea00000-0000-7000-8000-000000000001' AND user_id = member$$;

-- Who may do what to whom

SELECT throws_ok(format('SELECT account.set_member_role(%L, ''editor'')', :'vic'), '28000', 'not signed in', 'nobody changes no role');
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok(format('SELECT account.set_member_role(%L, ''editor'')', :'vic'), '42501', NULL, 'an editor changes no role');
SELECT throws_ok(format('SELECT account.remove_member(%L)', :'vic'), '42501', NULL, 'an editor removes nobody');
SELECT throws_ok(format('SELECT account.transfer_ownership(%L)', :'vic'), '42501', NULL, 'an editor transfers nothing');
SELECT account.act_as(:'ben', :'team');
SELECT lives_ok(format('SELECT account.set_member_role(%L, ''editor'')', :'vic'), 'an admin makes a viewer an editor');
SELECT is(pg_temp.role_of(:'vic'), 'editor', 'and so it is');
SELECT lives_ok(format('SELECT account.set_member_role(%L, ''viewer'')', :'vic'), 'and back');
SELECT throws_ok(format('SELECT account.set_member_role(%L, ''admin'')', :'vic'), '42501', NULL, 'an admin makes no admin');
SELECT throws_ok(format('SELECT account.set_member_role(%L, ''viewer'')', :'ann'), '42501', NULL, 'an admin does nothing to the owner');
SELECT throws_ok(format('SELECT account.set_member_role(%L, ''viewer'')', :'ben'), '42501', NULL, 'nobody acts on their own role');
SELECT throws_ok(format('SELECT account.remove_member(%L)', :'ann'), '42501', NULL, 'an admin does not remove the owner');
SELECT throws_ok(format('SELECT account.remove_member(%L)', :'ben'), '42501', NULL, 'nor themselves');
SELECT throws_ok(format('SELECT account.set_member_role(%L, ''owner'')', :'vic'), '22023', NULL, 'owner is not a role to give');
SELECT throws_ok(format('SELECT account.set_member_role(%L, ''viewer'')', :'zoe'), 'P0002', NULL, 'somebody outside is no member');
SELECT throws_ok('SELECT account.set_member_role(NULL, ''viewer'')', '22023', NULL, 'a role is given to somebody');
SELECT throws_ok(format('SELECT account.set_member_role(%L, NULL)', :'vic'), '22023', NULL, 'a role is given');
SELECT throws_ok('SELECT account.set_member_role(''x'', ''viewer'')', '22P02', NULL, 'a malformed id is PostgreSQL''s own error');
SELECT account.act_as(:'ann', :'team');
SELECT lives_ok(format('SELECT account.set_member_role(%L, ''admin'')', :'eva'), 'the owner makes an admin');
SELECT lives_ok(format('SELECT account.set_member_role(%L, ''editor'')', :'eva'), 'and unmakes one');
SELECT is((SELECT metadata FROM account_data.events WHERE resource_type = 'member' ORDER BY id DESC LIMIT 1),
    '{"role": ["admin", "editor"]}', 'a change of role is an event with both');
SELECT is_empty($$SELECT FROM account_data.events WHERE resource_type = 'member' AND metadata -> 'role' ->> 0 = metadata -> 'role' ->> 1$$,
    'no change is no event');

-- A change reaches keys at once

SELECT account.act_as(:'eva', :'team');
SELECT id, key FROM account.create_api_key('of eva') \gset
SELECT account.act_as(:'ann', :'team');
SELECT account.set_member_role(:'eva', 'viewer');
SELECT is((account.verify_api_key(:'key')).role, 'viewer', 'a key follows the role of its maker');
SELECT account.remove_member(:'eva');
SELECT is(pg_temp.role_of(:'eva'), NULL, 'remove_member removes');
SELECT is(account.verify_api_key(:'key'), NULL, 'and the key ends with the membership');
SELECT is((SELECT status FROM account.api_keys WHERE id = :'id'), 'revoked', 'the key stays as revoked');
SELECT throws_ok(format('SELECT account.remove_member(%L)', :'eva'), 'P0002', NULL, 'nobody is removed twice');
SELECT throws_ok(format('SELECT account.act_as(%L, %L)', :'eva', :'team'), 'P0002', NULL, 'who was removed does not come in');

-- Leaving

SELECT throws_ok('SELECT account.leave_team()', '42501', NULL, 'the owner does not leave');
SELECT account.act_as(:'vic', :'team');
SELECT lives_ok('SELECT account.leave_team()', 'a viewer may leave');
SELECT is(account.current_user_id(), NULL, 'and acts there no more');
SELECT account.act_as(:'vic');
SELECT throws_ok('SELECT account.leave_team()', '42501', NULL, 'nobody leaves their personal workspace');
SELECT throws_ok(format('SELECT account.remove_member(%L)', :'vic'), '42501', NULL, 'nor removes anybody from it');

-- Transfer

SELECT account.act_as(:'ben', :'team');
SELECT throws_ok(format('SELECT account.transfer_ownership(%L)', :'ben'), '42501', NULL, 'an admin takes nothing over');
SELECT account.act_as(:'ann', :'team');
SELECT throws_ok(format('SELECT account.transfer_ownership(%L)', :'zoe'), 'P0002', NULL, 'a team goes to a member only');
SELECT throws_ok(format('SELECT account.transfer_ownership(%L)', :'ann'), '22023', NULL, 'and not to its owner');
SELECT lives_ok(format('SELECT account.transfer_ownership(%L)', :'ben'), 'the owner gives the team to a member');
SELECT is(ARRAY[pg_temp.role_of(:'ann'), pg_temp.role_of(:'ben')], '{admin,owner}', 'the old owner stays as an admin');
SELECT is((account.current_principal()).role, 'admin', 'and acts as one at once');

-- Keys do none of this

SELECT account.act_as(:'ben', :'team');
SELECT key FROM account.create_api_key('of the owner') \gset
SELECT account.authenticate(:'key');
SELECT throws_ok(replace('SELECT account.' || call, '%', quote_literal(:'ann')), '42501', NULL, 'a key may not: ' || call)
  FROM unnest(ARRAY['set_member_role(%, ''viewer'')', 'remove_member(%)', 'leave_team()', 'transfer_ownership(%)']) call;

-- Exactly one owner, held by the database itself

SELECT throws_ok(format('UPDATE account_data.members SET role = ''owner'' WHERE workspace_id = %L AND user_id = %L', :'team', :'ann'),
    '23505', NULL, 'a second owner is refused, whoever asks');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT throws_ok(format('UPDATE account_data.members SET role = ''admin'' WHERE workspace_id = %L AND role = ''owner''', :'team'),
    '23514', NULL, 'a workspace is not left without an owner by an update');
SELECT throws_ok(format('DELETE FROM account_data.members WHERE workspace_id = %L AND role = ''owner''', :'team'),
    '23514', NULL, 'nor by a delete');
SELECT throws_ok(format('DELETE FROM account_data.members WHERE user_id = %L', :'zoe'), '23514', NULL, 'nor is a personal workspace');
SELECT throws_ok(format('DELETE FROM account_data.users WHERE id = %L', :'zoe'), '23514', NULL, 'nor by deleting the person alone');
SET CONSTRAINTS ALL DEFERRED;
SELECT lives_ok(format('UPDATE account_data.members SET role = ''admin'' WHERE workspace_id = %L AND role = ''owner''', :'team'),
    'within a transaction there may be none for a while');
UPDATE account_data.members SET role = 'owner' WHERE workspace_id = :'team' AND user_id = :'ann';
SELECT lives_ok('SET CONSTRAINTS ALL IMMEDIATE', 'as long as there is one again');
SELECT lives_ok(format('DELETE FROM account_data.workspaces WHERE id = %L', :'team'), 'a workspace may go with its owner');

SELECT finish();
ROLLBACK;
