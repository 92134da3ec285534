-- Workspaces and who belongs to them. Every table of a workspace has its id
-- first in every key. There is no foreign key from a workspace to a member:
-- a restore could not load it.

CREATE TABLE account_data.workspaces (
    id                  uuid PRIMARY KEY,
    kind                account.workspace_kind NOT NULL,
    slug                text NOT NULL,
    name                text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    region              account.region NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT statement_timestamp(),
    members_until       timestamptz NOT NULL DEFAULT 'infinity',
    api_key_min_role    account.role NOT NULL DEFAULT 'editor' CHECK (api_key_min_role >= 'editor'),
    api_key_creation    boolean NOT NULL DEFAULT true,
    api_key_personal    boolean NOT NULL DEFAULT true,
    api_key_reveal      boolean NOT NULL DEFAULT true,
    api_key_max_age     interval CHECK (api_key_max_age > '0'),
    members_can_invite  boolean NOT NULL DEFAULT false,
    hidden              boolean NOT NULL DEFAULT false,
    public_sharing      boolean NOT NULL DEFAULT true,
    recommend_to_domain boolean NOT NULL DEFAULT false,
    code_saving         boolean NOT NULL DEFAULT false
);
CREATE INDEX workspaces_slug_idx ON account_data.workspaces (slug);
COMMENT ON TABLE account_data.workspaces IS 'Personal workspaces and teams, with their settings; account.update_team_settings changes those.';
COMMENT ON COLUMN account_data.workspaces.slug IS 'Unique among users and teams by its row in account_data.slugs.';
COMMENT ON COLUMN account_data.workspaces.name IS 'The display name of the person or team.';
COMMENT ON COLUMN account_data.workspaces.members_until IS 'When everybody but the owner loses access, because the plan no longer covers members.';
COMMENT ON COLUMN account_data.workspaces.api_key_min_role IS 'The least role that may make API keys here.';
COMMENT ON COLUMN account_data.workspaces.api_key_creation IS 'Whether new API keys may be made.';
COMMENT ON COLUMN account_data.workspaces.api_key_personal IS 'Whether API keys of people hold in this team and may be made, or only those of service accounts.';
COMMENT ON COLUMN account_data.workspaces.api_key_reveal IS 'Whether an API key can be shown again; if not, no ciphertext of any is kept.';
COMMENT ON COLUMN account_data.workspaces.api_key_max_age IS 'The largest lifetime of a new API key; null means no limit.';

CREATE TABLE account_data.members (
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    user_id      uuid NOT NULL REFERENCES account_data.users (id) ON DELETE CASCADE,
    role         account.role NOT NULL,
    joined_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX members_user_idx ON account_data.members (user_id, workspace_id);
CREATE UNIQUE INDEX members_owner_key ON account_data.members (workspace_id) WHERE role = 'owner';
COMMENT ON TABLE account_data.members IS 'Who belongs to which workspace now, and their role there.';

SELECT pg_catalog.pg_extension_config_dump('account_data.workspaces', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.members', '');

CREATE FUNCTION account_data.workspace_guard() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_workspace_guard';
COMMENT ON FUNCTION account_data.workspace_guard() IS 'Refuses a change of a slug, kind or region.';

CREATE TRIGGER workspace_guard BEFORE UPDATE ON account_data.workspaces
    FOR EACH ROW WHEN (old.slug <> new.slug OR old.kind <> new.kind OR old.region <> new.region OR old.id <> new.id)
    EXECUTE FUNCTION account_data.workspace_guard();
COMMENT ON TRIGGER workspace_guard ON account_data.workspaces IS 'A workspace keeps its slug, which is a person''s username, its kind and its region.';

CREATE FUNCTION account.update_team_settings(patch jsonb) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_update_team_settings';
COMMENT ON FUNCTION account.update_team_settings(jsonb)
    IS 'Changes settings of the active workspace by a merge patch; null puts a default back. Needs admin.';
