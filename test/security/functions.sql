-- Every function, reviewed: what it may do to a plan, and who may call it. A new one fails here until it is.
--
--   stable safe      reads only, by the snapshot of the statement or what is committed now; holds in a parallel worker
--   stable restricted  reads through a cursor, in the leader only
--   stable unsafe    reads what is committed now, in commands of its own
--   volatile safe    reads what is shared by all backends, at that moment
--   volatile unsafe  writes, or sets who acts
BEGIN;
SELECT no_plan();

CREATE TEMP TABLE reviewed (label text, granted_by text, names text[]);
INSERT INTO reviewed VALUES
    ('stable safe', 'grant_usage', '{acting, current_principal, current_user_id, current_workspace_id, has_role, has_scope, require_principal, require_role,
        workspace_ids, verify_api_key, locate_api_key, require_limit, within_limit, upload_allowed, has_feature, invite_info}'),
    ('stable restricted', 'grant_usage', '{joinable_teams, activity_page, unseen_count}'),
    ('stable restricted', 'grant_operator', '{verify_activity}'),
    ('volatile unsafe', 'grant_usage', '{restore, restore_plan, purge, empty_trash, mark_seen, archive_events, unarchive_events, log_event, undo}'),
    ('volatile unsafe', 'grant_service', '{register_resource, unregister_resource}'),
    ('volatile unsafe', 'grant_operator', '{purge_expired, purge_activity}'),
    ('volatile unsafe', 'grant_usage', '{authenticate, resume_session, switch_workspace, reset_principal, admit}'),
    ('volatile unsafe', 'grant_usage', '{create_api_key, rename_api_key, rotate_api_key, revoke_api_key, revoke_api_keys, disable_api_key, enable_api_key,
        reveal_api_key, create_service_account, delete_service_account, set_service_account_role}'),
    ('volatile unsafe', 'grant_usage', '{add_email, resend_email_code, verify_email, set_primary_email, remove_email, update_profile}'),
    ('volatile unsafe', 'grant_usage', '{create_team, delete_team, join_team, set_member_role, remove_member, leave_team, transfer_ownership, invite_member,
        resend_invite, cancel_invite, create_invite_link, accept_invite}'),
    ('volatile unsafe', 'grant_usage', '{update_team_settings, cancel_subscription, resume_subscription, change_cycle, set_seats}'),
    ('stable unsafe', 'grant_usage', '{balance_at, read_balance, usage_report, usage_total, largest_items}'),
    ('volatile unsafe', 'grant_usage', '{start_top_up, set_auto_top_up, redeem_promo_code, referral_code, add_payment_method,
        set_default_payment_method, remove_payment_method, set_billing_address}'),
    ('volatile unsafe', 'grant_service', '{charge, charge_many, hold, settle, release, grant_credits, refund, confirm_payment, fail_payment}'),
    ('volatile unsafe', 'grant_operator', '{adjust_credits, expire_credits, erase_transaction_text, create_promo_code}'),
    ('stable unsafe', 'grant_operator', '{verify_ledger, ledger_checkpoint}'),
    ('volatile safe', 'grant_operator', '{read_stats}'),
    ('stable safe', 'grant_service', '{check_username}'),
    ('volatile unsafe', 'grant_service', '{act_as, open_session, sign_up, take_messages, mark_sent, mark_failed, start_subscription, renew_subscription}'),
    ('volatile unsafe', 'grant_operator', '{health, rotate_master_key, dead_letters, retry_dead_letter, set_plan, set_plan_limit, set_plan_feature,
        override_limit, end_limit_override, provision_enterprise}'),
    ('volatile unsafe', 'grant_operator', '{add_reserved_name, remove_reserved_name, add_consumer_domain, remove_consumer_domain, add_use_case, remove_use_case}'),
    ('volatile unsafe', 'nobody', '{grant_usage, grant_service, grant_operator}');

CREATE TEMP VIEW doors AS
SELECT p.oid, proname::text AS name, CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END || ' '
       || CASE proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS label, proisstrict AS is_strict
  FROM pg_proc p WHERE pronamespace = 'account'::regnamespace;

SELECT is_empty('SELECT unnest(names) FROM reviewed GROUP BY 1 HAVING count(*) > 1', 'a function is reviewed once');
SELECT is_empty('SELECT name FROM doors EXCEPT SELECT unnest(names) FROM reviewed', 'every function of schema account is reviewed');
SELECT is_empty('SELECT unnest(names) FROM reviewed EXCEPT SELECT name FROM doors', 'every reviewed function exists');
SELECT is_empty('SELECT d.name, d.label, r.label FROM doors d JOIN reviewed r ON d.name = ANY (r.names) WHERE d.label <> r.label',
    'volatility and parallel safety are as reviewed');
SELECT set_eq('SELECT name FROM doors WHERE is_strict', '{has_role,has_scope,has_feature,verify_api_key,locate_api_key}'::text[],
    'a null argument gives null, unasked, only where no rule is lost by it');
SELECT set_eq($$SELECT proname::text FROM pg_proc WHERE pronamespace = 'account_data'::regnamespace AND prorettype <> 'trigger'::regtype$$, '{has_role_support,create_master_key_file,revoke_defaults,maintain_subscriptions,event_digest,resource_number}'::text[],
    'schema account_data has trigger functions and what only the owner calls');
SELECT set_eq($$SELECT proname::text FROM pg_proc WHERE pronamespace = 'account_data'::regnamespace AND (provolatile, proparallel) <> ('v', 'u')$$, '{resource_number}'::text[],
    'of which the planner may move only what an index is searched by');

-- Each is granted by one helper, to three roles made for it

CREATE ROLE functions_usage;
CREATE ROLE functions_service;
CREATE ROLE functions_operator;
SELECT account.grant_usage('functions_usage'), account.grant_service('functions_service'), account.grant_operator('functions_operator');
CREATE TEMP VIEW grants AS
SELECT name, CASE WHEN has_function_privilege('functions_usage', oid, 'EXECUTE') THEN 'grant_usage'
                  WHEN has_function_privilege('functions_service', oid, 'EXECUTE') THEN 'grant_service'
                  WHEN has_function_privilege('functions_operator', oid, 'EXECUTE') THEN 'grant_operator' ELSE 'nobody' END AS granted_by,
       has_function_privilege('functions_usage', oid, 'EXECUTE') AND has_function_privilege('functions_operator', oid, 'EXECUTE')
       OR has_function_privilege('functions_service', oid, 'EXECUTE') AND has_function_privilege('functions_operator', oid, 'EXECUTE') AS is_double
  FROM doors;
SELECT is_empty('SELECT g.name, g.granted_by, r.granted_by FROM grants g JOIN reviewed r ON g.name = ANY (r.names) WHERE g.granted_by <> r.granted_by',
    'each function is granted by the helper that was reviewed');
SELECT set_eq('SELECT name FROM grants WHERE is_double', '{grant_credits, refund, register_resource, unregister_resource}'::text[], 'and by a second one only where both may');
SELECT is_empty($$SELECT name, granted_by FROM grants WHERE granted_by = 'grant_usage' AND NOT has_function_privilege('functions_service',
    (SELECT min(oid) FROM doors d WHERE d.name = grants.name), 'EXECUTE')$$, 'grant_service includes grant_usage');
SELECT is_empty($$SELECT oid::regprocedure, r FROM pg_proc, unnest('{functions_usage,functions_service,functions_operator}'::text[]) r
    WHERE pronamespace = 'account_data'::regnamespace AND has_function_privilege(r, pg_proc.oid, 'EXECUTE')$$, 'no function of account_data is granted');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'account'::regnamespace AND relkind = 'v' AND has_table_privilege('functions_usage', c.oid, 'SELECT') = (relname IN ('audit_log', 'stats'))$$,
    'grant_usage reads every view, but the operators'' audit_log and stats');
SELECT is_empty($$SELECT c.oid::regclass, r, p FROM pg_class c, unnest('{functions_usage,functions_service}'::text[]) r, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) p
    WHERE relnamespace = 'account_data'::regnamespace AND relkind IN ('r', 'v', 'p') AND has_table_privilege(r, c.oid, p)$$, 'and no table, nor does grant_service');
SELECT is_empty($$SELECT c.oid::regclass, p FROM pg_class c, unnest('{INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) p
    WHERE relnamespace IN ('account'::regnamespace, 'account_data'::regnamespace) AND relkind IN ('r', 'v', 'p') AND has_table_privilege('functions_operator', c.oid, p)$$,
    'grant_operator writes no table');

SELECT * FROM finish();
ROLLBACK;
