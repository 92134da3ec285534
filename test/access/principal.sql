-- Who is acting: who may say so, how long it lasts, and what it survives.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

-- Nobody acts at first.

SELECT is(account.current_principal(), NULL, 'nobody acts at first');
SELECT is(account.current_user_id(), NULL, 'current_user_id is null when nobody acts');
SELECT is(account.current_workspace_id(), NULL, 'current_workspace_id is null when nobody acts');
SELECT is(account.has_role('viewer'), false, 'nobody has a role');
SELECT is(account.has_role(:'team', 'viewer'), false, 'nobody has a role in a workspace');
SELECT is(account.workspace_ids(), '{}', 'nobody has a workspace');
SELECT is(account.has_scope('read'), false, 'nobody has a scope');
SELECT throws_ok('SELECT account.require_role(''viewer'')', '28000', 'not signed in', 'require_role raises when nobody acts');
SELECT throws_ok('SELECT * FROM account.acting()', '28000', 'not signed in', 'acting raises when nobody acts');
SELECT throws_ok(format('SELECT account.switch_workspace(%L)', :'team'), '28000', 'not signed in',
    'switch_workspace raises when nobody acts');
SELECT lives_ok('SELECT account.reset_principal()', 'reset_principal does not mind that nobody acts');

-- act_as

SELECT is(p, ROW(:'ann', NULL, :'ann_home', 'owner', 'trusted', NULL, NULL, 'us')::account.principal,
    'act_as lets a user act in their personal workspace') FROM account.act_as(:'ann') p;
SELECT is(p, ROW(:'ann', NULL, :'ann_home', 'owner', 'trusted', NULL, NULL, 'us')::account.principal,
    'current_principal gives what act_as gave') FROM account.current_principal() p;
SELECT is(account.current_user_id(), :'ann', 'current_user_id gives who acts');
SELECT is(account.current_workspace_id(), :'ann_home', 'current_workspace_id gives where');
SELECT is(p, ROW(:'eva', NULL, :'team', 'editor', 'trusted', NULL, NULL, 'us')::account.principal,
    'act_as enters the workspace that is named') FROM account.act_as(:'eva', :'team') p;
SELECT throws_ok(format('SELECT account.act_as(%L)', :'team'), 'P0002', format('user %s does not exist', :'team'),
    'act_as of an unknown user is refused');
SELECT throws_ok(format('SELECT account.act_as(%L, %L)', :'zoe', :'team'), 'P0002',
    format('workspace %s does not exist', :'team'), 'a workspace of others looks the same as none to act_as');
SELECT throws_ok(format('SELECT account.act_as(%L, %L)', :'zoe', :'zoe'), 'P0002',
    format('workspace %s does not exist', :'zoe'), 'act_as in an unknown workspace is refused');
SELECT throws_ok('SELECT account.act_as(NULL)', '22023', 'invalid user_id: null', 'act_as needs a user');
SELECT is(account.current_user_id(), :'eva', 'an act_as that fails leaves who was acting');

-- switch_workspace

SELECT is((account.switch_workspace(:'eva_home')).role, 'owner', 'switch_workspace gives the role of the other workspace');
SELECT is(account.current_workspace_id(), :'eva_home', 'switch_workspace changes the active workspace');
SELECT throws_ok(format('SELECT account.switch_workspace(%L)', :'ann_home'), 'P0002',
    format('workspace %s does not exist', :'ann_home'), 'switch_workspace to a workspace of others is refused');
SELECT throws_ok(format('SELECT account.switch_workspace(%L)', :'zoe'), 'P0002',
    format('workspace %s does not exist', :'zoe'), 'switch_workspace to no workspace looks the same');
SELECT throws_ok('SELECT account.switch_workspace(NULL)', '22023', 'invalid workspace_id: null',
    'switch_workspace needs a workspace');
SELECT is(account.current_workspace_id(), :'eva_home', 'a switch that fails leaves the workspace');
SELECT lives_ok('SELECT account.reset_principal()', 'reset_principal');
SELECT is(account.current_principal(), NULL, 'nobody acts after reset_principal');

-- authenticate and resume_session

SELECT account.act_as(:'eva', :'team');
SELECT id AS key_id, key AS key FROM account.create_api_key('test') \gset
SELECT token, session_id FROM account.open_session(:'ben') \gset
SELECT is(p, ROW(:'eva', NULL, :'team', 'editor', 'api_key', :'key_id', NULL, 'us')::account.principal,
    'authenticate lets the owner of a key act in the workspace of the key') FROM account.authenticate(:'key') p;
SELECT throws_ok(format('SELECT account.switch_workspace(%L)', :'eva_home'), '42501', 'permission denied for this operation',
    'a key cannot switch workspaces');
SELECT throws_ok(format('SELECT account.switch_workspace(%L)', :'team'), '42501', 'permission denied for this operation',
    'a key cannot switch to its own workspace either');
SELECT is(p, ROW(:'ben', NULL, :'ben_home', 'owner', 'session', :'session_id', NULL, 'us')::account.principal,
    'resume_session lets a person act in their personal workspace') FROM account.resume_session(:'token') p;
SELECT is(p, ROW(:'ben', NULL, :'team', 'admin', 'session', :'session_id', NULL, 'us')::account.principal,
    'switch_workspace keeps the proof') FROM account.switch_workspace(:'team') p;

-- Savepoints and errors

SAVEPOINT a;
SELECT account.act_as(:'vic', :'team');
SELECT account.act_as(:'zoe', NULL, false);
SELECT is(account.current_user_id(), :'zoe', 'the last proof acts');
ROLLBACK TO a;
SELECT is(p, ROW(:'ben', NULL, :'team', 'admin', 'session', :'session_id', NULL, 'us')::account.principal,
    'a rollback to a savepoint restores who was acting there') FROM account.current_principal() p;
SELECT account.reset_principal();
SELECT is(account.current_user_id(), NULL, 'reset_principal inside a savepoint');
ROLLBACK TO a;
SELECT is(account.current_user_id(), :'ben', 'a rollback undoes reset_principal');
SELECT account.act_as(:'vic', :'team');
RELEASE a;
SELECT is(account.current_user_id(), :'vic', 'a released savepoint leaves who acts');

CREATE FUNCTION pg_temp.fail_as(who uuid) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account.act_as(who);
    RAISE EXCEPTION 'after acting';
EXCEPTION WHEN raise_exception THEN
    RETURN account.current_user_id();
END
$$;
SELECT is(pg_temp.fail_as(:'zoe'), :'vic', 'an error in a subtransaction restores who was acting, inside the function');
SELECT is(account.current_user_id(), :'vic', 'and after it');
SELECT throws_ok('SELECT account.authenticate(''wrong'')', '28000', 'invalid API key', 'a wrong key is refused');
SELECT is(account.current_user_id(), :'vic', 'a proof that fails leaves who was acting');

-- Functions with settings of their own, and of another owner

CREATE FUNCTION pg_temp.act_inside(who uuid) RETURNS uuid LANGUAGE sql
    SET search_path = pg_catalog SET work_mem = '1MB' AS 'SELECT (account.act_as(who)).user_id';
CREATE FUNCTION pg_temp.act_deeper(who uuid) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN pg_temp.act_inside(who); END';
SELECT is(pg_temp.act_inside(:'ann'), :'ann', 'a proof inside a function with a SET clause');
SELECT is(account.current_user_id(), :'ann', 'lasts after that function');
SELECT is(pg_temp.act_deeper(:'ben'), :'ben', 'so does one inside nested functions with SET clauses');
SELECT is(account.current_user_id(), :'ben', 'one of them SECURITY DEFINER');
SAVEPOINT b;
SELECT is(pg_temp.act_deeper(:'zoe'), :'zoe', 'a proof deep inside after a savepoint');
ROLLBACK TO b;
SELECT is(account.current_user_id(), :'ben', 'is undone with the savepoint');

CREATE ROLE principal_app;
CREATE ROLE principal_other;
GRANT principal_other TO principal_app;
SELECT account.grant_usage('principal_app');
SELECT account.grant_usage('principal_other');
SET LOCAL ROLE principal_app;
SELECT account.current_user_id() AS app, account.has_role('owner') AS app_owner \gset
SET LOCAL ROLE principal_other;
SELECT account.current_user_id() AS other \gset
RESET ROLE;
SELECT is(ARRAY[:'app', :'other']::uuid[], ARRAY[:'ben', :'ben']::uuid[], 'SET ROLE does not change who acts');
CREATE FUNCTION pg_temp.definer() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS 'SELECT account.current_user_id()';
SELECT is(pg_temp.definer(), :'ben', 'a SECURITY DEFINER caller sees who acts');

-- A transaction that only reads

SET TRANSACTION READ ONLY;
SELECT lives_ok(format('SELECT account.act_as(%L)', :'eva'), 'a person can act in a read-only transaction');
SELECT lives_ok(format('SELECT account.authenticate(%L)', :'key'), 'so can a key');
SELECT lives_ok(format('SELECT account.resume_session(%L)', :'token'), 'so can a session');

SELECT * FROM finish();
ROLLBACK;
