-- Proving a key.

CREATE FUNCTION account.verify_api_key(key text)
    RETURNS account.principal LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'account_verify_api_key';
COMMENT ON FUNCTION account.verify_api_key(text)
    IS 'Whom a key speaks for, null when it does not hold; no side effect. Write SELECT * FROM account.verify_api_key($1).';

CREATE FUNCTION account.authenticate(api_key text, is_local boolean DEFAULT true)
    RETURNS account.principal LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_authenticate';
COMMENT ON FUNCTION account.authenticate(text, boolean)
    IS 'Lets whom a key speaks for act, to the end of the transaction; raises 28000 when it does not hold. It is told no address: allowed_ips are for account.admit to check, before it.';

CREATE FUNCTION account.admit(key text, category text DEFAULT 'default', scope text DEFAULT NULL,
    ip inet DEFAULT NULL, cost integer DEFAULT 1)
    RETURNS account.verdict LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_admit';
COMMENT ON FUNCTION account.admit(text, text, text, inet, integer)
    IS 'The whole gate of an API in one call: key, state, scope, address and rate; never raises for a bad key.';

CREATE FUNCTION account.locate_api_key(key text)
    RETURNS account.region LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_locate_api_key';
COMMENT ON FUNCTION account.locate_api_key(text) IS 'Which region''s database owns a key; null when none is known to.';

-- Making keys and looking after them.

CREATE FUNCTION account.create_api_key(name text, expires_at timestamptz DEFAULT NULL, scopes text[] DEFAULT NULL,
    allowed_ips cidr[] DEFAULT NULL, service_account_id uuid DEFAULT NULL,
    OUT id uuid, OUT key text, OUT key_id text, OUT expires_at timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_create_api_key';
COMMENT ON FUNCTION account.create_api_key(text, timestamptz, text[], cidr[], uuid)
    IS 'Makes an API key in the active workspace, for the acting person or a service account of it.';

CREATE FUNCTION account.rename_api_key(id uuid, name text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_rename_api_key';
COMMENT ON FUNCTION account.rename_api_key(uuid, text) IS 'Gives a key another name; its secret stays.';

CREATE FUNCTION account.rotate_api_key(id uuid, grace interval DEFAULT '0',
    OUT id uuid, OUT key text, OUT key_id text, OUT old_valid_until timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_rotate_api_key';
COMMENT ON FUNCTION account.rotate_api_key(uuid, interval)
    IS 'Gives a key a new secret; the old one holds until the grace is over.';

CREATE FUNCTION account.revoke_api_key(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_revoke_api_key';
COMMENT ON FUNCTION account.revoke_api_key(uuid) IS 'Ends a key for good, for every session at commit.';

CREATE FUNCTION account.revoke_api_keys(ids uuid[])
    RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_revoke_api_keys';
COMMENT ON FUNCTION account.revoke_api_keys(uuid[]) IS 'Ends all of these keys or, on an error, none; gives how many were live.';

CREATE FUNCTION account.disable_api_key(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_disable_api_key';
COMMENT ON FUNCTION account.disable_api_key(uuid) IS 'Makes a key fail until it is enabled again.';

CREATE FUNCTION account.enable_api_key(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_enable_api_key';
COMMENT ON FUNCTION account.enable_api_key(uuid) IS 'Lets a disabled key hold again.';

CREATE FUNCTION account.reveal_api_key(id uuid)
    RETURNS text LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_reveal_api_key';
COMMENT ON FUNCTION account.reveal_api_key(uuid)
    IS 'Shows a key again to its maker, a service account''s to the owner, where the workspace allows it.';

-- A person sees their own keys, an admin all of the workspace, a key itself.

CREATE VIEW account.api_keys WITH (security_barrier) AS
    SELECT k.id, s.key_id, k.name,
           CASE WHEN k.service_account_id IS NOT NULL THEN 'service_account'
                WHEN w.kind = 'team' THEN 'team'
                ELSE 'personal' END AS kind,
           coalesce(u.username, a.name) AS owner,
           k.scopes, k.created_at, c.last_used_at, k.expires_at,
           CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
                WHEN k.expires_at <= statement_timestamp() THEN 'expired'
                WHEN k.disabled_at IS NOT NULL THEN 'disabled'
                WHEN k.user_id IS NOT NULL AND w.kind = 'team' AND NOT w.api_key_personal THEN 'refused'
                ELSE 'active' END AS status,
           k.allowed_ips
      FROM account.acting() p
      JOIN account_data.api_keys k ON k.workspace_id = p.workspace_id
      JOIN account_data.workspaces w ON w.id = k.workspace_id
      JOIN account_data.api_key_secrets s
        ON s.workspace_id = k.workspace_id AND s.api_key_id = k.id AND s.expires_at IS NULL
      LEFT JOIN account_data.users u ON u.id = k.user_id
      LEFT JOIN account_data.service_accounts a
        ON a.workspace_id = k.workspace_id AND a.id = k.service_account_id
      LEFT JOIN account_data.credential_uses c ON c.credential_id = k.id
     WHERE account.require_principal()
       AND CASE WHEN p.proof = 'api_key' THEN k.id = p.credential_id
                ELSE k.user_id = p.user_id OR p.role >= 'admin' END;
COMMENT ON VIEW account.api_keys IS 'API keys of the active workspace: your own, for admins all.';
COMMENT ON COLUMN account.api_keys.key_id IS 'The first characters of the current secret.';
COMMENT ON COLUMN account.api_keys.owner IS 'The username or service account the key acts as.';
COMMENT ON COLUMN account.api_keys.status IS 'active, disabled, expired, revoked, or refused by a team that takes keys of service accounts only.';
COMMENT ON COLUMN account.api_keys.last_used_at IS 'To the minute; null when never.';

CREATE VIEW account.service_accounts WITH (security_barrier) AS
    SELECT a.id, a.name, a.role, a.created_at, u.username AS created_by,
           (SELECT count(*) FROM account_data.api_keys k
             WHERE k.workspace_id = a.workspace_id AND k.service_account_id = a.id
               AND k.revoked_at IS NULL) AS api_keys
      FROM account.acting() p
      JOIN account_data.service_accounts a ON a.workspace_id = p.workspace_id
      LEFT JOIN account_data.users u ON u.id = a.created_by
     WHERE account.require_principal() AND (p.proof <> 'api_key' OR a.id = p.service_account_id);
COMMENT ON VIEW account.service_accounts IS 'Service accounts of the active workspace.';
