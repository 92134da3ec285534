CREATE TABLE account_data.sessions (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL REFERENCES account_data.users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    expires_at timestamptz NOT NULL,
    digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
    ip         inet,
    user_agent text CHECK (octet_length(user_agent) <= 512)
);
CREATE INDEX sessions_digest_idx ON account_data.sessions USING hash (digest);
CREATE INDEX sessions_user_idx ON account_data.sessions (user_id);
COMMENT ON TABLE account_data.sessions IS 'Sessions of people; the token itself is stored as its SHA-256 only.';

SELECT pg_catalog.pg_extension_config_dump('account_data.sessions', '');

CREATE TRIGGER credential_deleted AFTER DELETE ON account_data.sessions
    FOR EACH ROW EXECUTE FUNCTION account_data.credential_deleted();
COMMENT ON TRIGGER credential_deleted ON account_data.sessions IS 'A session that is gone acts nowhere any more.';

CREATE FUNCTION account.open_session(user_id uuid, ip inet DEFAULT NULL, user_agent text DEFAULT NULL,
    OUT token text, OUT session_id uuid, OUT expires_at timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_open_session';
COMMENT ON FUNCTION account.open_session(uuid, inet, text)
    IS 'A new session for a person whom a trusted backend has recognised by its own means; the token is shown once.';

CREATE FUNCTION account.resume_session(token text, is_local boolean DEFAULT true)
    RETURNS account.principal LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_resume_session';
COMMENT ON FUNCTION account.resume_session(text, boolean)
    IS 'Lets the person of a session act, in their personal workspace; raises 28000 when the token does not hold.';
