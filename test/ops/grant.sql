-- What the grant helpers grant, to the letter, and that nothing else does.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
CREATE ROLE grant_none;
CREATE ROLE grant_user;
CREATE ROLE grant_backend;
CREATE ROLE "grant Operator""s";

-- Everything a role of its own may do with the objects of the extension
CREATE FUNCTION pg_temp.rights(who text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname ~ '^account' AND has_schema_privilege(who, oid, 'USAGE')
    UNION ALL
    SELECT 'create in ' || nspname FROM pg_namespace WHERE nspname ~ '^account' AND has_schema_privilege(who, oid, 'CREATE')
    UNION ALL
    SELECT DISTINCT 'execute ' || proname FROM pg_proc
     WHERE pronamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND has_function_privilege(who, oid, 'EXECUTE')
    UNION ALL
    SELECT lower(privilege) || ' ' || relnamespace::regnamespace || '.' || relname FROM pg_class,
        unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege
     WHERE relnamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND relkind IN ('r', 'v', 'm', 'p', 'f')
       AND has_table_privilege(who, oid, privilege)
    UNION ALL
    SELECT lower(privilege) || ' ' || relnamespace::regnamespace || '.' || relname || '.' || attname FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped, unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) privilege
     WHERE relnamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND relkind IN ('r', 'v', 'm', 'p', 'f')
       AND has_column_privilege(who, c.oid, attnum, privilege) AND NOT has_table_privilege(who, c.oid, privilege)
    UNION ALL
    SELECT 'sequence ' || relname FROM pg_class
     WHERE relnamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND CASE WHEN relkind = 'S' THEN has_sequence_privilege(who, oid, 'USAGE, SELECT, UPDATE') END
    UNION ALL
    SELECT 'type ' || typname FROM pg_type t
     WHERE typnamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND has_type_privilege(who, oid, 'USAGE')
       AND typelem = 0 AND (typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')
$$;
SELECT is_empty('SELECT pg_temp.rights(''grant_none'')', 'a role that was granted nothing has no right at all');

-- What each grants besides functions, to the letter; which functions, test/security/functions.sql tells

CREATE TEMP VIEW types AS
    SELECT 'type ' || typname FROM pg_type t WHERE typnamespace = 'account'::regnamespace
       AND (typtype <> 'c' OR (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c') AND typelem = 0;
CREATE TEMP VIEW granted AS SELECT who, r FROM unnest('{grant_user,grant_backend,"grant Operator\"s"}'::text[]) who, pg_temp.rights(who) r;
SELECT account.grant_usage('grant_user'), account.grant_service('grant_backend'), account.grant_operator('"grant Operator""s"');
CREATE TEMP TABLE first AS TABLE granted;
SELECT account.grant_usage('grant_user'), account.grant_service('grant_backend'), account.grant_operator('"grant Operator""s"');
SELECT set_eq('TABLE granted', 'TABLE first', 'granting a second time changes nothing');
SELECT set_eq($$SELECT r FROM granted WHERE who = 'grant_user' AND r !~ '^execute '$$,
    $$SELECT 'schema account' UNION ALL SELECT 'select account.' || relname FROM pg_class WHERE relnamespace = 'account'::regnamespace AND relkind = 'v' AND relname NOT IN ('audit_log', 'stats')
      UNION ALL TABLE types$$, 'grant_usage: the schema, its views and its types');
SELECT set_eq($$SELECT r FROM granted WHERE who = 'grant_backend' EXCEPT SELECT r FROM granted WHERE who = 'grant_user' AND r !~ '^execute '$$,
    $$SELECT r FROM granted WHERE who = 'grant_backend' AND r ~ '^execute ' UNION ALL
      VALUES ('schema account_data'), ('references account_data.users.id'), ('references account_data.workspaces.id')$$,
    'grant_service: these, the schema of the tables, and pointing at users and workspaces');
SELECT is_empty($$SELECT r FROM granted WHERE who = 'grant_user' EXCEPT SELECT r FROM granted WHERE who = 'grant_backend'$$, 'it includes grant_usage');
SELECT set_eq($$SELECT r FROM granted WHERE who ~ 'Operator' AND r !~ '^execute '$$,
    $$VALUES ('schema account'), ('schema account_data'), ('select account.audit_log'), ('select account.stats')
      UNION ALL SELECT 'select account_data.' || relname FROM pg_class WHERE relnamespace = 'account_data'::regnamespace AND relkind IN ('r', 'v', 'p')
      UNION ALL TABLE types$$, 'grant_operator: both schemas and the types, reading the tables and the audit log');
SELECT is_empty('SELECT pg_temp.rights(''grant_none'')', 'none of them reached another role');
SELECT is_empty($$SELECT FROM pg_proc, aclexplode(proacl) WHERE pronamespace = 'account'::regnamespace AND is_grantable AND grantee <> proowner$$,
    'no right can be passed on');

-- Who is not a role, and who may grant

SELECT throws_ok('SELECT account.' || f || '(NULL)', '22023', 'invalid grantee: not a role', f || ' needs a role')
  FROM unnest('{grant_usage,grant_service,grant_operator}'::text[]) f;
SELECT throws_ok('SELECT account.' || f || '(0::oid)', '22023', 'invalid grantee: not a role', f || ' of no role')
  FROM unnest('{grant_usage,grant_service,grant_operator}'::text[]) f;
SELECT throws_ok('SELECT account.' || f || '(4294967295::oid)', '42704', NULL, f || ' of a role that is gone')
  FROM unnest('{grant_usage,grant_service,grant_operator}'::text[]) f;
SELECT throws_ok('SELECT account.' || f || '(''public'')', '42704', NULL, f || ' to everybody is not to be had')
  FROM unnest('{grant_usage,grant_service,grant_operator}'::text[]) f;
SELECT throws_ok(format('SELECT pg_temp.as_role(%L, ''SELECT account.%s(''''grant_none'''')'')', who, f), '42501', NULL, who || ' cannot call ' || f)
  FROM unnest(ARRAY['grant_none', 'grant_user', 'grant_backend', 'grant Operator"s']) who, unnest('{grant_usage,grant_service,grant_operator}'::text[]) f;

-- The types, in what an application makes of its own

CREATE SCHEMA backend;
GRANT ALL ON SCHEMA backend TO grant_none, grant_user, grant_backend, "grant Operator""s";
CREATE TEMP TABLE made AS SELECT DISTINCT format(what, substr(r, 6)) AS made FROM granted,
    unnest(ARRAY['CREATE TABLE backend.t (a account.%1$I, b account.%1$I[]); DROP TABLE backend.t',
        'CREATE FUNCTION backend.f(account.%1$I[]) RETURNS account.%1$I LANGUAGE sql RETURN ($1)[1]; DROP FUNCTION backend.f',
        'DO $do$ DECLARE v account.%1$I; w account.%1$I[]; BEGIN v := w[1]; END $do$', 'SELECT NULL::account.%1$I']) what
 WHERE r ^@ 'type ';
SELECT lives_ok(format('SELECT pg_temp.as_role(%L, %L)', who, made || '; SELECT 1'), who || ' may: ' || made)
  FROM unnest(ARRAY['grant_user', 'grant_backend', 'grant Operator"s']) who, made;
SELECT throws_ok(format('SELECT pg_temp.as_role(''grant_none'', %L)', made || '; SELECT 1'), '42501', NULL, 'who was granted nothing may not: ' || made) FROM made;

-- What the rights are worth

SELECT throws_ok(format('SELECT pg_temp.as_role(''grant_user'', %L)', q), '42501', NULL, 'with grant_usage one cannot: ' || q) FROM unnest(ARRAY[
    format('SELECT account.act_as(%L)', :'ann'), format('SELECT account.open_session(%L)', :'ann'), 'SELECT account.sign_up(''some-name'', ''a@b.test'', ''us'')',
    'SELECT account.check_username(''some-name'')', 'SELECT account.health()', 'TABLE account.stats', 'SELECT account.read_stats()', 'SELECT account.rotate_master_key()', 'SELECT FROM account_data.users']) q;
SELECT account.act_as(:'ann');
SELECT is(pg_temp.as_role('grant_user', 'SELECT account.current_user_id()'), :'ann', 'with grant_usage one reads who acts');
SELECT isnt(pg_temp.as_role('grant_user', 'SELECT key FROM account.create_api_key(''k'')'), NULL, 'makes keys');
SELECT is(pg_temp.as_role('grant_user', 'SELECT count(*) FROM account.api_keys'), '1', 'and reads views, with no right on any table');
SELECT is(pg_temp.as_role('grant_backend', format('SELECT (account.act_as(%L)).user_id', :'eva')), :'eva', 'with grant_service one acts as somebody');
SELECT isnt(pg_temp.as_role('grant_backend', 'SELECT account.sign_up(''some-name'', ''a@b.test'', ''us'')'), NULL, 'and signs people up');
SELECT throws_ok(format('SELECT pg_temp.as_role(''grant_backend'', %L)', q), '42501', NULL, 'with grant_service one cannot: ' || q) FROM unnest(ARRAY[
    'SELECT FROM account_data.users', 'SELECT account.health()', 'SELECT account.rotate_master_key()', 'INSERT INTO account_data.slugs VALUES (''x-y-z'', ''us'')']) q;
GRANT CREATE ON SCHEMA public TO grant_backend;
SELECT is(pg_temp.as_role('grant_backend', 'CREATE TABLE public.of_app (user_id uuid REFERENCES account_data.users (id),
    workspace_id uuid REFERENCES account_data.workspaces (id)); SELECT ''made'''), 'made', 'a backend points foreign keys at users and workspaces');
SELECT throws_ok('SELECT pg_temp.as_role(''grant_backend'', ''CREATE TABLE public.of_app2 (k uuid REFERENCES account_data.master_keys)'')', '42501', NULL,
    'at nothing else');
SELECT is(pg_temp.as_role('grant Operator"s', 'SELECT count(*) FROM account.stats WHERE subject = ''invite'''), '1', 'with grant_operator one reads the counters');
SELECT is(pg_temp.as_role('grant Operator"s', 'SELECT count(*) FROM account_data.members WHERE user_id = ' || quote_literal(:'eva')), '2', 'with grant_operator one reads tables');
SELECT throws_ok(format('SELECT pg_temp.as_role(''grant Operator"s'', %L)', q), '42501', NULL, 'but cannot: ' || q) FROM unnest(ARRAY[
    'UPDATE account_data.members SET role = ''owner''', 'DELETE FROM account_data.members', format('SELECT account.act_as(%L)', :'ann'),
    'SELECT account.current_user_id()', 'SELECT FROM account.api_keys']) q;

SELECT * FROM finish();
ROLLBACK;
