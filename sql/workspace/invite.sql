-- Invites by email reserve a seat; links do not, each use takes one.

CREATE TABLE account_data.invites (
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    id           uuid NOT NULL,
    email        text NOT NULL,
    role         account.role NOT NULL CHECK (role < 'owner'),
    invited_by   uuid NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT statement_timestamp(),
    expires_at   timestamptz NOT NULL,
    accepted_at  timestamptz,
    accepted_by  uuid,
    cancelled_at timestamptz,
    PRIMARY KEY (workspace_id, id),
    CHECK (num_nonnulls(accepted_at, cancelled_at) < 2)
);
CREATE UNIQUE INDEX invites_pending_key ON account_data.invites (workspace_id, email)
    WHERE accepted_at IS NULL AND cancelled_at IS NULL;
COMMENT ON TABLE account_data.invites IS 'Invites to teams by email; a pending one that has not expired holds a seat.';

CREATE TABLE account_data.invite_links (
    workspace_id   uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    id             uuid NOT NULL,
    role           account.role NOT NULL CHECK (role < 'admin'),
    max_uses       integer NOT NULL CHECK (max_uses > 0),
    uses           integer NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND max_uses),
    allowed_domain text,
    created_by     uuid NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT statement_timestamp(),
    expires_at     timestamptz NOT NULL,
    cancelled_at   timestamptz,
    PRIMARY KEY (workspace_id, id)
);
COMMENT ON TABLE account_data.invite_links IS 'Links that let people join a team, a limited number of times.';

-- Keyed by the hash alone and pointing nowhere by a foreign key, so that a token
-- is found without knowing its team.
CREATE TABLE account_data.invite_tokens (
    digest       bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    workspace_id uuid NOT NULL,
    invite_id    uuid NOT NULL,
    is_link      boolean NOT NULL,
    message_id   uuid
);
CREATE INDEX invite_tokens_invite_idx ON account_data.invite_tokens (workspace_id, invite_id);
COMMENT ON TABLE account_data.invite_tokens IS 'SHA-256 of the tokens of invites and links that have not been cancelled or replaced.';
COMMENT ON COLUMN account_data.invite_tokens.message_id IS 'The message that carries the token, which goes when the token does; null for a link.';

SELECT pg_catalog.pg_extension_config_dump('account_data.invites', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.invite_links', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.invite_tokens', '');

CREATE FUNCTION account_data.invite_deleted() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_invite_deleted';
COMMENT ON FUNCTION account_data.invite_deleted() IS 'Forgets the token of an invite or link that is gone.';

CREATE TRIGGER invite_deleted AFTER DELETE ON account_data.invites
    FOR EACH ROW EXECUTE FUNCTION account_data.invite_deleted();
COMMENT ON TRIGGER invite_deleted ON account_data.invites IS 'An invite that is gone has no token.';
CREATE TRIGGER invite_deleted AFTER DELETE ON account_data.invite_links
    FOR EACH ROW EXECUTE FUNCTION account_data.invite_deleted();
COMMENT ON TRIGGER invite_deleted ON account_data.invite_links IS 'A link that is gone has no token.';

CREATE FUNCTION account.invite_member(email text, role account.role, OUT invite_id uuid, OUT expires_at timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_invite_member';
COMMENT ON FUNCTION account.invite_member(text, account.role)
    IS 'Invites an address to the active team and reserves a seat for 14 days; the token goes out in a message only. Needs admin, an invite of an admin the owner.';

CREATE FUNCTION account.resend_invite(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_resend_invite';
COMMENT ON FUNCTION account.resend_invite(uuid) IS 'Sends a new token that lasts 14 days, in the name of whoever sends it; the old one is dead. Needs admin.';

CREATE FUNCTION account.cancel_invite(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_cancel_invite';
COMMENT ON FUNCTION account.cancel_invite(uuid) IS 'Takes back an invite or a link and frees the seat. Needs admin.';

CREATE FUNCTION account.create_invite_link(role account.role, max_uses integer, allowed_domain text DEFAULT NULL,
    expires_in interval DEFAULT '7 days')
    RETURNS text LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_create_invite_link';
COMMENT ON FUNCTION account.create_invite_link(account.role, integer, text, interval)
    IS 'A token that lets so many people join the active team as viewer or editor, if wanted only with a verified address of a domain. Needs admin.';

CREATE FUNCTION account.invite_info(token text, OUT team text, OUT role account.role, OUT inviter text, OUT expires_at timestamptz)
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_invite_info';
COMMENT ON FUNCTION account.invite_info(text) IS 'What a token invites to, for the page its link opens; nobody needs to be acting.';

CREATE FUNCTION account.accept_invite(token text)
    RETURNS uuid LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_accept_invite';
COMMENT ON FUNCTION account.accept_invite(text)
    IS 'Makes the acting person a member; an emailed invite needs that address verified. Gives the id of the team.';
