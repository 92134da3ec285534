-- Values planted by a superuser while the library was not loaded, when nothing could refuse them.
-- Other sessions must see them, so this commits, and takes away what it made at the end.
SET client_min_messages = warning;
\ir ../lib/parallel.psql
SELECT account.sign_up('planted-person', 'person@planted.test', 'us') AS person \gset
SELECT account.act_as(:'person', NULL, false);
SELECT current_setting('account.principal') AS principal \gset
SELECT account.reset_principal();
CREATE ROLE planted LOGIN;
SELECT account.grant_usage('planted');
SELECT no_plan();

\setenv PLANTED :principal
\! psql -XAtq -c "ALTER ROLE planted SET account.principal = '$PLANTED'"
\! psql -XAtq -c "CREATE FUNCTION public.planted() RETURNS uuid LANGUAGE sql SET account.principal = '$PLANTED' AS 'SELECT account.current_user_id()'"
SELECT ok(setconfig::text LIKE '%' || :'principal' || '%', 'it is planted') FROM pg_db_role_setting WHERE setrole = 'planted'::regrole;

\set seen `psql -XAtq -U planted -c 'SELECT account.current_principal() IS NULL' 2>&1 | tail -n 1`
SELECT is(:'seen'::text, 't', 'a setting of the role lets nobody act');
\set seen `psql -XAtq -U planted -c 'SET :force_parallel = on' -c 'SELECT account.current_principal() IS NULL' 2>&1 | tail -n 1`
SELECT is(:'seen'::text, 't', 'in a parallel worker either');
\set seen `psql -XAtq -v VERBOSITY=sqlstate -c 'SELECT account.reset_principal()' -c 'SELECT public.planted()' 2>&1 | tail -n 1`
SELECT is(:'seen'::text, 'ERROR:  42501', 'a SET clause is refused when its function is called');
\! psql -XAtq -c "ALTER ROLE planted SET account.principal = 'no hexadecimal'"
\set seen `psql -XAtq -U planted -c 'SET :force_parallel = on' -c 'SELECT account.current_principal() IS NULL' 2>&1 | tail -n 1`
SELECT is(:'seen'::text, 't', 'nonsense in the role does no harm to a worker');

DROP FUNCTION public.planted;
DROP OWNED BY planted;
DROP ROLE planted;
DELETE FROM account_data.workspaces WHERE slug = 'planted-person';
DELETE FROM account_data.users WHERE id = :'person';
DELETE FROM account_data.slugs WHERE slug = 'planted-person';
SELECT * FROM finish();
