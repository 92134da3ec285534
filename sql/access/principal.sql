-- Who is acting, and the readers that policies and views are made of.

CREATE FUNCTION account.act_as(user_id uuid, workspace_id uuid DEFAULT NULL, is_local boolean DEFAULT true)
    RETURNS account.principal LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_act_as';
COMMENT ON FUNCTION account.act_as(uuid, uuid, boolean)
    IS 'Lets a user act, in their personal workspace unless another is named; the grant of this function is the proof.';

CREATE FUNCTION account.switch_workspace(workspace_id uuid)
    RETURNS account.principal LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_switch_workspace';
COMMENT ON FUNCTION account.switch_workspace(uuid)
    IS 'Makes another workspace of the acting person the active one, for as long as they were to act.';

CREATE FUNCTION account.reset_principal()
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_reset_principal';
COMMENT ON FUNCTION account.reset_principal() IS 'Nobody acts any more in this session.';

CREATE FUNCTION account.current_principal()
    RETURNS account.principal LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_current_principal';
COMMENT ON FUNCTION account.current_principal() IS 'Who is acting; null when nobody is.';

CREATE FUNCTION account.acting()
    RETURNS account.principal LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_acting';
COMMENT ON FUNCTION account.acting() IS 'Who is acting; raises 28000 when nobody is. Views select from it.';

-- Every view says WHERE account.require_principal(). With no column in it that is
-- evaluated once, before any row is looked for; acting() alone may never be called,
-- when the plan begins with a table that turns out to be empty.
CREATE FUNCTION account.require_principal()
    RETURNS boolean LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_require_principal';
COMMENT ON FUNCTION account.require_principal() IS 'Raises 28000 when nobody is acting, and is true otherwise; for views and policies that must not be empty in silence.';

CREATE FUNCTION account.current_user_id()
    RETURNS uuid LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_current_user_id';
COMMENT ON FUNCTION account.current_user_id() IS 'The acting user; null when nobody or a service account is acting.';

CREATE FUNCTION account.current_workspace_id()
    RETURNS uuid LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_current_workspace_id';
COMMENT ON FUNCTION account.current_workspace_id() IS 'The active workspace; null when nobody is acting.';

CREATE FUNCTION account.has_role(min_role account.role)
    RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_has_role';
COMMENT ON FUNCTION account.has_role(account.role) IS 'Whether who is acting has this role or a greater one in the active workspace.';

CREATE FUNCTION account_data.has_role_support(internal) RETURNS internal
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'account_has_role_support';
COMMENT ON FUNCTION account_data.has_role_support(internal) IS 'Tells the planner which index and how many rows serve a policy with has_role.';

CREATE FUNCTION account.has_role(workspace_id uuid, min_role account.role)
    RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE SUPPORT account_data.has_role_support AS 'MODULE_PATHNAME', 'account_has_role_in';
COMMENT ON FUNCTION account.has_role(uuid, account.role)
    IS 'Whether who is acting has this role or a greater one in that workspace; for row-security policies.';

CREATE FUNCTION account.workspace_ids(min_role account.role DEFAULT 'viewer')
    RETURNS uuid[] LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_workspace_ids';
COMMENT ON FUNCTION account.workspace_ids(account.role)
    IS 'The workspaces where who is acting has this role or a greater one; for policies: workspace_id = ANY ((SELECT account.workspace_ids())::uuid[]).';

CREATE FUNCTION account.has_scope(scope text)
    RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_has_scope';
COMMENT ON FUNCTION account.has_scope(text) IS 'Whether who is acting holds this scope; people and unlimited keys hold all.';

CREATE FUNCTION account.require_role(min_role account.role)
    RETURNS void LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_require_role';
COMMENT ON FUNCTION account.require_role(account.role)
    IS 'Raises 42501 unless who is acting has this role or a greater one in the active workspace, 28000 when nobody is acting.';
