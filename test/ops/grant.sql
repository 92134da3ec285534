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
     WHERE relnamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND relkind = 'S' AND has_sequence_privilege(who, oid, 'USAGE, SELECT, UPDATE')
    UNION ALL
    SELECT 'type ' || typname FROM pg_type t
     WHERE typnamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND has_type_privilege(who, oid, 'USAGE')
       AND typelem = 0 AND (typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')
$$;
SELECT is_empty('SELECT pg_temp.rights(''grant_none'')', 'a role that was granted nothing has no right at all');

-- grant_usage

SELECT account.grant_usage('grant_user');
CREATE TEMP TABLE usage_rights AS SELECT unnest(ARRAY['schema account']) AS r
UNION ALL SELECT 'select account.' || v FROM unnest('{api_keys,service_accounts,emails,workspaces,members,invites,plans,limits,subscription}'::text[]) v
UNION ALL SELECT 'execute ' || f FROM unnest('{acting,require_principal,authenticate,resume_session,switch_workspace,reset_principal,current_principal,current_user_id,
    current_workspace_id,has_role,workspace_ids,has_scope,require_role,verify_api_key,admit,locate_api_key,create_api_key,rename_api_key,rotate_api_key,
    revoke_api_key,revoke_api_keys,disable_api_key,enable_api_key,reveal_api_key,create_service_account,delete_service_account,
    set_service_account_role,update_team_settings,add_email,resend_email_code,verify_email,set_primary_email,remove_email,
    create_team,delete_team,joinable_teams,join_team,set_member_role,remove_member,leave_team,transfer_ownership,invite_member,resend_invite,
    cancel_invite,create_invite_link,invite_info,accept_invite,require_limit,within_limit,upload_allowed,has_feature,cancel_subscription,
    resume_subscription,change_cycle,set_seats}'::text[]) f;
SELECT set_eq('SELECT pg_temp.rights(''grant_user'')', 'TABLE usage_rights', 'grant_usage grants the doors of end users');
SELECT account.grant_usage('grant_user');
SELECT set_eq('SELECT pg_temp.rights(''grant_user'')', 'TABLE usage_rights', 'and, a second time, the same');

-- grant_service

SELECT account.grant_service('grant_backend');
CREATE TEMP TABLE service_rights AS SELECT r FROM usage_rights UNION ALL SELECT unnest(ARRAY['execute act_as', 'execute open_session', 'execute sign_up',
    'execute check_username', 'execute take_messages', 'execute mark_sent', 'execute mark_failed',
    'execute start_subscription', 'execute renew_subscription', 'schema account_data', 'references account_data.users.id', 'references account_data.workspaces.id']);
SELECT set_eq('SELECT pg_temp.rights(''grant_backend'')', 'TABLE service_rights', 'grant_service grants these as well');
SELECT account.grant_service('grant_backend');
SELECT set_eq('SELECT pg_temp.rights(''grant_backend'')', 'TABLE service_rights', 'and, a second time, the same');

-- grant_operator

SELECT account.grant_operator('"grant Operator""s"');
CREATE TEMP TABLE operator_rights AS SELECT unnest(ARRAY['schema account', 'schema account_data', 'execute rotate_master_key', 'execute health']) AS r
UNION ALL SELECT 'execute ' || f FROM unnest('{dead_letters,retry_dead_letter,set_plan,set_plan_limit,set_plan_feature,override_limit,end_limit_override,provision_enterprise}'::text[]) f
UNION ALL SELECT 'select account_data.' || relname FROM pg_class WHERE relnamespace = 'account_data'::regnamespace AND relkind IN ('r', 'v', 'p');
SELECT set_eq('SELECT pg_temp.rights(''grant Operator"s'')', 'TABLE operator_rights', 'grant_operator grants maintenance and reading, no function that acts');
SELECT account.grant_operator('"grant Operator""s"');
SELECT set_eq('SELECT pg_temp.rights(''grant Operator"s'')', 'TABLE operator_rights', 'and, a second time, the same');
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

-- What the rights are worth

SELECT throws_ok(format('SELECT pg_temp.as_role(''grant_user'', %L)', q), '42501', NULL, 'with grant_usage one cannot: ' || q) FROM unnest(ARRAY[
    format('SELECT account.act_as(%L)', :'ann'), format('SELECT account.open_session(%L)', :'ann'), 'SELECT account.sign_up(''some-name'', ''a@b.test'', ''us'')',
    'SELECT account.check_username(''some-name'')', 'SELECT account.health()', 'SELECT account.rotate_master_key()', 'SELECT FROM account_data.users']) q;
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
SELECT is(pg_temp.as_role('grant Operator"s', 'SELECT count(*) FROM account_data.members WHERE user_id = ' || quote_literal(:'eva')), '2', 'with grant_operator one reads tables');
SELECT throws_ok(format('SELECT pg_temp.as_role(''grant Operator"s'', %L)', q), '42501', NULL, 'but cannot: ' || q) FROM unnest(ARRAY[
    'UPDATE account_data.members SET role = ''owner''', 'DELETE FROM account_data.members', format('SELECT account.act_as(%L)', :'ann'),
    'SELECT account.current_user_id()', 'SELECT FROM account.api_keys']) q;

SELECT * FROM finish();
ROLLBACK;
