-- How long somebody acts: over transactions and what poolers send between them.
-- It commits, so it takes away what it made at the end.
SELECT account.sign_up('lifetime-one', 'one@lifetime.test', 'us') AS one,
       account.sign_up('lifetime-two', 'two@lifetime.test', 'us') AS two \gset

-- DISCARD ALL would take pgTAP's own tables with it, so it comes first.
SELECT account.act_as(:'one', NULL, false);
DISCARD ALL;
SELECT account.current_principal() IS NULL AS nobody_after_discard \gset

SET client_min_messages = warning;
SELECT no_plan();
SELECT token FROM account.open_session(:'one') \gset
BEGIN;
SELECT account.act_as(:'one');
SELECT key FROM account.create_api_key('lifetime') \gset
COMMIT;

SELECT is(account.current_user_id(), NULL, 'a proof ends with the transaction by default');
SELECT is((account.act_as(:'one')).user_id, :'one', 'outside a transaction block it holds for its statement');
SELECT is(account.current_user_id(), NULL, 'and no longer');
SELECT account.authenticate(:'key');
SELECT is(account.current_user_id(), NULL, 'the proof of a key as well');
SELECT account.resume_session(:'token');
SELECT is(account.current_user_id(), NULL, 'and that of a session');

SELECT account.act_as(:'one', NULL, false);
SELECT is(account.current_user_id(), :'one', 'with is_local false, act_as lasts for the session');
SELECT account.authenticate(:'key', false);
SELECT is((account.current_principal()).proof, 'api_key', 'so does authenticate');
SELECT account.resume_session(:'token', false);
SELECT is((account.current_principal()).proof, 'session', 'so does resume_session');

BEGIN;
SELECT account.act_as(:'two');
SELECT is(account.current_user_id(), :'two', 'a local proof hides that of the session');
COMMIT;
SELECT is(account.current_user_id(), :'one', 'which comes back after the commit');
BEGIN;
SELECT account.act_as(:'two');
ROLLBACK;
SELECT is(account.current_user_id(), :'one', 'and after a rollback');
BEGIN;
SELECT account.act_as(:'two', NULL, false);
ROLLBACK;
SELECT is(account.current_user_id(), :'one', 'a proof for the session is undone by a rollback');
BEGIN;
SELECT account.act_as(:'two', NULL, false);
SELECT account.act_as(:'one');
COMMIT;
SELECT is(account.current_user_id(), :'two', 'a session proof then a local one: the session one is left');
BEGIN;
SELECT account.act_as(:'one');
SELECT account.act_as(:'two', NULL, false);
COMMIT;
SELECT is(account.current_user_id(), :'two', 'a local proof then a session one: the session one is left');
BEGIN;
SAVEPOINT a;
SELECT account.act_as(:'one', NULL, false);
ROLLBACK TO a;
COMMIT;
SELECT is(account.current_user_id(), :'two', 'a session proof in a savepoint that is rolled back leaves none');

-- switch_workspace lasts as long as what it replaces

INSERT INTO account_data.workspaces (id, kind, slug, name, region)
VALUES ('11fe0000-0000-7000-8000-000000000001', 'team', 'lifetime-team', 'Lifetime', 'us');
INSERT INTO account_data.members (workspace_id, user_id, role)
VALUES ('11fe0000-0000-7000-8000-000000000001', :'two', 'editor');
BEGIN;
SELECT account.act_as(:'two');
SELECT account.switch_workspace('11fe0000-0000-7000-8000-000000000001');
COMMIT;
SELECT isnt(account.current_workspace_id(), '11fe0000-0000-7000-8000-000000000001',
    'a switch of a local principal ends with the transaction');
SELECT account.switch_workspace('11fe0000-0000-7000-8000-000000000001');
SELECT is(account.current_workspace_id(), '11fe0000-0000-7000-8000-000000000001',
    'a switch of a session''s principal lasts for the session');
SELECT is((account.current_principal()).role, 'editor', 'with the role there');

-- What poolers send

RESET ALL;
SET client_min_messages = warning;
SELECT is(account.current_principal(), NULL, 'RESET ALL: nobody acts');
SELECT account.act_as(:'one', NULL, false);
RESET account.principal;
SELECT is(account.current_principal(), NULL, 'RESET of the setting by a superuser: nobody acts');
SELECT account.act_as(:'one', NULL, false);
SET SESSION AUTHORIZATION DEFAULT;
SELECT is(account.current_user_id(), :'one', 'SET SESSION AUTHORIZATION leaves who acts');
SELECT account.reset_principal();
SELECT is(account.current_principal(), NULL, 'reset_principal ends a session''s principal');
SELECT ok(:'nobody_after_discard', 'DISCARD ALL: nobody acts');

-- Every isolation level

BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT is((account.authenticate(:'key')).user_id, :'one', 'a key acts in a serializable transaction');
SELECT is((account.resume_session(:'token')).user_id, :'one', 'a session too');
SELECT is(account.has_role('owner'), true, 'with the role there');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT is((account.authenticate(:'key')).user_id, :'one', 'and in a repeatable read one');
SELECT account.act_as(:'one');
SELECT lives_ok('SELECT account.create_api_key(''repeatable'')', 'a person who acts makes a key there');
ROLLBACK;

-- Two-phase commit

BEGIN;
SELECT account.act_as(:'one');
SELECT id AS prepared_key FROM account.create_api_key('prepared') \gset
PREPARE TRANSACTION 'principal_lifetime';
SELECT is(account.current_principal(), NULL, 'a local principal ends with PREPARE TRANSACTION');
COMMIT PREPARED 'principal_lifetime';
SELECT is((SELECT name FROM account_data.api_keys WHERE id = :'prepared_key'), 'prepared', 'what it wrote is committed later');
SELECT is(account.current_principal(), NULL, 'and COMMIT PREPARED lets nobody act');
BEGIN;
SELECT account.act_as(:'one', NULL, false);
SELECT account.revoke_api_key(:'prepared_key');
PREPARE TRANSACTION 'principal_lifetime';
SELECT is(account.current_user_id(), :'one', 'a session''s principal is there after PREPARE TRANSACTION');
SELECT is((SELECT status FROM account.api_keys WHERE id = :'prepared_key'), 'active', 'a revoke that is prepared does not count');
ROLLBACK PREPARED 'principal_lifetime';
SELECT is(account.current_user_id(), :'one', 'and after ROLLBACK PREPARED');

-- Roles that end reach a principal of the session

UPDATE account_data.members SET role = 'viewer' WHERE user_id = :'two' AND role <> 'owner';
SELECT account.act_as(:'two', '11fe0000-0000-7000-8000-000000000001', false);
SELECT is((account.current_principal()).role, 'viewer', 'the role at the start');
UPDATE account_data.members SET role = 'admin' WHERE user_id = :'two' AND role = 'viewer'
   AND workspace_id = '11fe0000-0000-7000-8000-000000000001';
SELECT is((account.current_principal()).role, 'admin', 'a change of role reaches who acts at once');
BEGIN;
DELETE FROM account_data.members WHERE workspace_id = '11fe0000-0000-7000-8000-000000000001';
SELECT is(account.current_principal(), NULL, 'the end of a membership does too');
ROLLBACK;
SELECT is((account.current_principal()).role, 'admin', 'and its rollback');
BEGIN;
DELETE FROM account_data.workspaces w USING account_data.users u WHERE u.id = :'two' AND w.id = u.personal_workspace_id;
DELETE FROM account_data.users WHERE id = :'two';
COMMIT;
SELECT is(account.current_principal(), NULL, 'a user who is gone acts no more');

SELECT account.reset_principal();
DELETE FROM account_data.workspaces WHERE id = '11fe0000-0000-7000-8000-000000000001' OR slug LIKE 'lifetime-%';
DELETE FROM account_data.users WHERE username LIKE 'lifetime-%';
DELETE FROM account_data.slugs WHERE slug LIKE 'lifetime-%';
SELECT * FROM finish();
