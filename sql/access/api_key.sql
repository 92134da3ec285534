-- API keys. A key keeps its id, name and history while its secrets change: one
-- is current (expires_at is null), others die out after a rotation.

CREATE TABLE account_data.api_keys (
    workspace_id       uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    id                 uuid NOT NULL,
    name               text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    user_id            uuid REFERENCES account_data.users (id) ON DELETE CASCADE,
    service_account_id uuid,
    scopes             text[],
    allowed_ips        cidr[],
    expires_at         timestamptz,
    disabled_at        timestamptz,
    revoked_at         timestamptz,
    created_by         uuid,
    created_at         timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, service_account_id)
        REFERENCES account_data.service_accounts (workspace_id, id) ON DELETE CASCADE,
    CHECK (num_nonnulls(user_id, service_account_id) = 1)
);
CREATE INDEX api_keys_user_idx ON account_data.api_keys (user_id, workspace_id);
CREATE INDEX api_keys_service_account_idx ON account_data.api_keys (workspace_id, service_account_id)
    WHERE service_account_id IS NOT NULL;
COMMENT ON TABLE account_data.api_keys IS 'API keys of users and service accounts.';
COMMENT ON COLUMN account_data.api_keys.user_id IS 'Whom the key acts as, when it is a person.';

CREATE TABLE account_data.api_key_secrets (
    workspace_id uuid NOT NULL,
    api_key_id   uuid NOT NULL,
    id           uuid NOT NULL,
    digest       bytea NOT NULL CHECK (octet_length(digest) = 32),
    key_id       text NOT NULL,
    sealed       bytea,
    created_at   timestamptz NOT NULL DEFAULT statement_timestamp(),
    expires_at   timestamptz,
    PRIMARY KEY (workspace_id, api_key_id, id),
    FOREIGN KEY (workspace_id, api_key_id)
        REFERENCES account_data.api_keys (workspace_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX api_key_secrets_current_key ON account_data.api_key_secrets (workspace_id, api_key_id)
    WHERE expires_at IS NULL;
COMMENT ON TABLE account_data.api_key_secrets IS 'Secrets of API keys: a SHA-256, and a sealed copy where keys can be shown again.';
COMMENT ON COLUMN account_data.api_key_secrets.key_id IS 'What people see of the key: its prefix and first 8 characters.';

-- The directory every request reads: keyed by the digest alone, one row with
-- the whole answer, no foreign key. Its columns are in the order in which
-- api_key_proof.c reads them, fixed widths first.
CREATE TABLE account_data.api_key_digests (
    workspace_id       uuid NOT NULL,
    api_key_id         uuid NOT NULL,
    secret_id          uuid NOT NULL,
    valid_until        timestamptz NOT NULL,
    role               account.role NOT NULL,
    region             account.region NOT NULL,
    is_disabled        boolean NOT NULL DEFAULT false,
    digest             bytea NOT NULL CHECK (octet_length(digest) = 32),
    user_id            uuid,
    service_account_id uuid,
    scopes             text[],
    allowed_ips        cidr[],
    PRIMARY KEY (workspace_id, api_key_id, secret_id)
) WITH (fillfactor = 90);
CREATE INDEX api_key_digests_digest_idx ON account_data.api_key_digests USING hash (digest);
COMMENT ON TABLE account_data.api_key_digests IS 'What each live secret of an API key proves, found by its SHA-256; kept in step by functions and triggers.';

SELECT pg_catalog.pg_extension_config_dump('account_data.api_keys', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.api_key_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.api_key_digests', '');

-- The rule of the directory: what each row of it says. A key holds to its own
-- end, its secret's, and, unless it is the owner's, to the end of members' access;
-- a person's does not where a team takes those of service accounts only.
CREATE VIEW account_data.api_key_answers WITH (security_barrier) AS
    SELECT k.workspace_id, k.id AS api_key_id, s.id AS secret_id,
           least(k.expires_at, s.expires_at,
                 CASE WHEN m.role = 'owner' THEN 'infinity' ELSE w.members_until END,
                 CASE WHEN k.user_id IS NOT NULL AND w.kind = 'team' AND NOT w.api_key_personal THEN '-infinity'
                 END::timestamptz) AS valid_until,
           coalesce(m.role, a.role) AS role, w.region, k.disabled_at IS NOT NULL AS is_disabled,
           s.digest, k.user_id, k.service_account_id, k.scopes, k.allowed_ips
      FROM account_data.api_keys k
      JOIN account_data.api_key_secrets s ON s.workspace_id = k.workspace_id AND s.api_key_id = k.id
      JOIN account_data.workspaces w ON w.id = k.workspace_id
      LEFT JOIN account_data.members m ON m.workspace_id = k.workspace_id AND m.user_id = k.user_id
      LEFT JOIN account_data.service_accounts a
        ON a.workspace_id = k.workspace_id AND a.id = k.service_account_id
     WHERE k.revoked_at IS NULL AND (m.role IS NOT NULL OR a.role IS NOT NULL);
COMMENT ON VIEW account_data.api_key_answers IS 'What api_key_digests must hold, row by row; rows of secrets that ended may be missing there.';

CREATE FUNCTION account_data.member_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_member_changed';
COMMENT ON FUNCTION account_data.member_changed() IS 'Lets the keys of a member follow their role and end with their membership.';

CREATE TRIGGER member_changed AFTER DELETE OR UPDATE OF role ON account_data.members
    FOR EACH ROW EXECUTE FUNCTION account_data.member_changed();
COMMENT ON TRIGGER member_changed ON account_data.members IS 'A change of role or the end of a membership reaches every session and key at commit.';

CREATE FUNCTION account_data.member_guard() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_member_guard';
COMMENT ON FUNCTION account_data.member_guard() IS 'Refuses to move a membership.';

CREATE TRIGGER member_guard BEFORE UPDATE ON account_data.members
    FOR EACH ROW WHEN (old.workspace_id <> new.workspace_id OR old.user_id <> new.user_id)
    EXECUTE FUNCTION account_data.member_guard();
COMMENT ON TRIGGER member_guard ON account_data.members IS 'A membership is one person''s in one workspace; it is deleted, not moved.';

CREATE FUNCTION account_data.workspace_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_workspace_changed';
COMMENT ON FUNCTION account_data.workspace_changed() IS 'Lets all keys of a workspace follow the end of its members'' access and whether people may have keys.';

CREATE TRIGGER workspace_changed AFTER UPDATE OF members_until ON account_data.workspaces
    FOR EACH ROW EXECUTE FUNCTION account_data.workspace_changed();
COMMENT ON TRIGGER workspace_changed ON account_data.workspaces IS 'Losing and regaining access reaches every session and key at commit.';

CREATE TRIGGER key_rule_changed AFTER UPDATE OF api_key_personal ON account_data.workspaces
    FOR EACH ROW WHEN (old.api_key_personal <> new.api_key_personal)
    EXECUTE FUNCTION account_data.workspace_changed();
COMMENT ON TRIGGER key_rule_changed ON account_data.workspaces IS 'Refusing keys of people, and taking them again, reaches every session and key at commit.';

CREATE TRIGGER credential_deleted AFTER DELETE ON account_data.api_keys
    FOR EACH ROW EXECUTE FUNCTION account_data.credential_deleted();
COMMENT ON TRIGGER credential_deleted ON account_data.api_keys IS 'A key that is gone acts nowhere any more.';

CREATE FUNCTION account_data.secret_deleted() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_secret_deleted';
COMMENT ON FUNCTION account_data.secret_deleted() IS 'Takes a secret that is gone out of the directory.';

CREATE TRIGGER secret_deleted AFTER DELETE ON account_data.api_key_secrets
    FOR EACH ROW EXECUTE FUNCTION account_data.secret_deleted();
COMMENT ON TRIGGER secret_deleted ON account_data.api_key_secrets IS 'A secret that is gone proves nothing any more.';
