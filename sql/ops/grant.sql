-- The script itself grants nothing to anybody.

CREATE FUNCTION account.grant_usage(grantee regrole)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_grant_usage';
COMMENT ON FUNCTION account.grant_usage(regrole)
    IS 'Grants a role the doors of end users: USAGE on schema account and its types, SELECT on its views, EXECUTE on proving, acting, reading and the functions of a workspace.';

CREATE FUNCTION account.grant_service(grantee regrole)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_grant_service';
COMMENT ON FUNCTION account.grant_service(regrole)
    IS 'Grants a trusted backend grant_usage, EXECUTE on act_as, open_session, sign_up, check_username, take_messages, mark_sent, mark_failed, start_subscription, renew_subscription, charge, charge_many, hold, settle, release, grant_credits, refund, confirm_payment, fail_payment, register_resource and unregister_resource, USAGE on schema account_data and REFERENCES (id) on its users and workspaces.';

CREATE FUNCTION account.grant_operator(grantee regrole)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_grant_operator';
COMMENT ON FUNCTION account.grant_operator(regrole)
    IS 'Grants maintenance: USAGE on both schemas and the types, SELECT on account.audit_log, account.stats and the tables of account_data, EXECUTE on health, read_stats, rotate_master_key, dead_letters, retry_dead_letter, add_reserved_name, remove_reserved_name, add_consumer_domain, remove_consumer_domain, add_use_case, remove_use_case, set_plan, set_plan_limit, set_plan_feature, override_limit, end_limit_override, provision_enterprise, grant_credits, adjust_credits, refund, expire_credits, verify_ledger, ledger_checkpoint, erase_transaction_text, create_promo_code, register_resource, unregister_resource, purge_expired, purge_activity and verify_activity.';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA account, account_data FROM PUBLIC;

-- Nor do default privileges of who creates the extension.
CREATE FUNCTION account_data.revoke_defaults()
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_revoke_defaults';
COMMENT ON FUNCTION account_data.revoke_defaults() IS 'Takes back what default privileges gave of the extension; CREATE EXTENSION calls it.';
REVOKE ALL ON FUNCTION account_data.revoke_defaults() FROM PUBLIC;

SELECT account_data.revoke_defaults();
