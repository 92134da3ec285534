-- No setting, temporary object, search path or operator changes who acts.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
CREATE ROLE forger LOGIN;
SELECT account.grant_usage('forger');
GRANT CREATE ON SCHEMA public TO forger;
GRANT TEMPORARY ON DATABASE test TO forger;
GRANT USAGE ON TYPE account.role, account.region, account.principal TO forger;

SELECT account.act_as(:'ann');
SELECT current_setting('account.principal') AS value_of_ann \gset
SELECT account.reset_principal();

-- The setting behind it

CREATE FUNCTION pg_temp.refused(query text, about text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT throws_ok(query, '42501', NULL, 'a superuser cannot use ' || about)
    UNION ALL
    SELECT throws_ok(format('SELECT pg_temp.as_role(''forger'', %L)', query), '42501', NULL, 'nor an ordinary role')
$$;
SELECT pg_temp.refused(format('SET account.principal = %L', :'value_of_ann'), 'SET');
SELECT pg_temp.refused(format('SET LOCAL account.principal = %L', :'value_of_ann'), 'SET LOCAL');
SELECT pg_temp.refused('SET account.principal = ''zz''', 'SET to nonsense');
SELECT pg_temp.refused(format('SELECT set_config(''account.principal'', %L, true)', :'value_of_ann'), 'set_config');
SELECT throws_ok('SELECT pg_temp.as_role(''forger'', ''SET account.principal = ''''''''; SELECT 1'')', '42501', NULL,
    'an ordinary role cannot set the empty principal either');
SELECT pg_temp.refused(format('ALTER ROLE forger SET account.principal = %L', :'value_of_ann'), 'ALTER ROLE SET');
SELECT pg_temp.refused(format('ALTER DATABASE test SET account.principal = %L', :'value_of_ann'), 'ALTER DATABASE SET');
SELECT pg_temp.refused(format('CREATE FUNCTION public.forged() RETURNS uuid LANGUAGE sql SET account.principal = %L
    AS ''SELECT account.current_user_id()''', :'value_of_ann'), 'the SET clause of a function');
SELECT is(account.current_principal(), NULL, 'after all of these nobody acts');

SELECT account.act_as(:'ann');
SELECT pg_temp.refused('CREATE FUNCTION public.forged() RETURNS uuid LANGUAGE sql SET account.principal FROM CURRENT
    AS ''SELECT account.current_user_id()''', 'SET FROM CURRENT in a function');
SELECT throws_ok('SELECT pg_temp.as_role(''forger'', ''SHOW account.principal'')', '42501', NULL,
    'an ordinary role cannot read the setting');
SELECT throws_ok('SELECT pg_temp.as_role(''forger'', ''SELECT current_setting(''''account.principal'''', true)'')', '42501', NULL,
    'by no function either');
SELECT throws_ok('SELECT pg_temp.as_role(''forger'', ''RESET account.principal'')', '42501', NULL,
    'an ordinary role cannot reset it');
SELECT is_empty('SELECT FROM pg_settings WHERE name = ''account.principal''', 'the setting is not listed');
SELECT is(account.current_user_id(), :'ann', 'and ann still acts');
SELECT throws_ok('SELECT set_config(''account.Principal'', ''00'', true)', '42501', NULL, 'its name in other letters is the same setting');
SELECT throws_ok('SELECT set_config(''account.acting'', ''00'', true)', '42602', NULL, 'settings that look like ours cannot be made up');

-- A superuser may let nobody act, in a function too

CREATE FUNCTION pg_temp.nobody() RETURNS uuid LANGUAGE sql SET account.principal = '' AS 'SELECT account.current_user_id()';
SELECT is(pg_temp.nobody(), NULL, 'a function with the empty principal sees nobody');
SELECT is(account.current_user_id(), :'ann', 'and puts back who acted');

-- Start-up options, seen by the sessions they are for

\setenv PGOPTIONS '-c account.principal=00'
\set from_options `psql -XAtq -d test -c 'SELECT account.current_principal() IS NULL' 2>&1 | tail -n 1`
SELECT is(:'from_options'::text, 't', 'a start-up option lets nobody act');
\setenv PGOPTIONS

-- What a session can put in the way: a table, functions, operators, types, a path

SELECT account.act_as(:'vic', :'team');
SELECT pg_temp.as_role('forger', $q$
    CREATE TEMP TABLE members (workspace_id uuid, user_id uuid, role account.role);
    CREATE TEMP TABLE users (id uuid, username text, region account.region, personal_workspace_id uuid);
    CREATE TEMP TABLE api_keys (id uuid);
    CREATE FUNCTION public.greater(account.role, account.role) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR public.>= (LEFTARG = account.role, RIGHTARG = account.role, FUNCTION = public.greater);
    CREATE FUNCTION public.same(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
    CREATE OPERATOR public.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = public.same);
    CREATE FUNCTION public.array_agg(uuid) RETURNS uuid[] LANGUAGE sql AS 'SELECT NULL::uuid[]';
    CREATE FUNCTION public.statement_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''-infinity''::timestamptz';
    CREATE FUNCTION public.current_user_id() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid';
    CREATE FUNCTION pg_temp.acting() RETURNS account.principal LANGUAGE sql AS 'SELECT NULL::account.principal';
    SELECT 1
$q$);
INSERT INTO pg_temp.members VALUES (:'team', :'vic', 'owner');
SET LOCAL search_path = public, pg_temp, account, account_data, pg_catalog, tap;
SELECT tap.is(account.current_user_id()::text, :'vic', 'objects of the same name do not change who acts');
SELECT tap.is(account.has_role('editor')::text, 'false', 'nor the role');
SELECT tap.is(account.has_role(:'team', 'editor')::text, 'false', 'nor the role in a workspace');
SELECT tap.is(account.workspace_ids('editor')::text, format('{%s}', :'vic_home'), 'nor the list of workspaces');
SELECT tap.throws_ok('SELECT account.require_role(''editor'')', '42501', NULL, 'nor what is required');
SELECT tap.is((account.act_as(:'vic', :'team')).role::text, 'viewer', 'a new proof reads the real tables');
SELECT tap.is((SELECT pg_catalog.count(*) FROM account.api_keys)::text, '0', 'a view reads the real tables');
SELECT tap.throws_ok(pg_catalog.format('SELECT account.act_as(%L, %L)', :'zoe', :'team'), 'P0002', NULL,
    'an operator that says yes to everything is not asked');
RESET search_path;

-- What grants do not reach

SELECT throws_ok(format('SELECT pg_temp.as_role(''forger'', ''SELECT account.act_as(''''%s'''')'')', :'ann'), '42501', NULL,
    'grant_usage does not let a role act as somebody');
SELECT throws_ok('SELECT pg_temp.as_role(''forger'', ''SELECT * FROM account_data.members'')', '42501', NULL,
    'nor read a table');
SELECT throws_ok('SELECT pg_temp.as_role(''forger'', ''CREATE FUNCTION pg_temp.c() RETURNS uuid LANGUAGE c AS ''''account'''', ''''account_act_as'''''')',
    '42501', NULL, 'nor make a function of the library''s own');

SELECT * FROM finish();
ROLLBACK;
