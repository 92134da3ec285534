CREATE TABLE account_data.service_accounts (
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    id           uuid NOT NULL,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    role         account.role NOT NULL CHECK (role < 'owner'),
    created_by   uuid,
    created_at   timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (workspace_id, id)
);
COMMENT ON TABLE account_data.service_accounts IS 'Service accounts of workspaces; they act by API keys only and take no seat.';

SELECT pg_catalog.pg_extension_config_dump('account_data.service_accounts', '');

CREATE FUNCTION account_data.service_account_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_service_account_changed';
COMMENT ON FUNCTION account_data.service_account_changed() IS 'Lets the keys of a service account follow its role.';

CREATE TRIGGER service_account_changed AFTER UPDATE OF role ON account_data.service_accounts
    FOR EACH ROW EXECUTE FUNCTION account_data.service_account_changed();
COMMENT ON TRIGGER service_account_changed ON account_data.service_accounts IS 'A change of role reaches every key at commit.';

CREATE FUNCTION account.create_service_account(name text, role account.role DEFAULT 'editor')
    RETURNS uuid LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_create_service_account';
COMMENT ON FUNCTION account.create_service_account(text, account.role) IS 'Makes a service account in the active workspace. Needs admin.';

CREATE FUNCTION account.delete_service_account(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_delete_service_account';
COMMENT ON FUNCTION account.delete_service_account(uuid) IS 'Deletes a service account and all its API keys. Needs admin.';

CREATE FUNCTION account.set_service_account_role(id uuid, role account.role)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_service_account_role';
COMMENT ON FUNCTION account.set_service_account_role(uuid, account.role) IS 'Changes what a service account may do, for every session and key at commit. Needs admin.';
