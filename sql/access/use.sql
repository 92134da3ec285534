-- When a key or session was last used, apart from its row: a use must neither
-- wait for another nor bloat what every request reads. No index but the key, so
-- that an update stays on its page.

CREATE TABLE account_data.credential_uses (
    credential_id uuid PRIMARY KEY,
    last_used_at  timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE account_data.credential_uses IS 'When an API key or session was last used, to the minute.';

SELECT pg_catalog.pg_extension_config_dump('account_data.credential_uses', '');

CREATE FUNCTION account_data.credential_deleted() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_credential_deleted';
COMMENT ON FUNCTION account_data.credential_deleted() IS 'Forgets the use of an API key or session that is gone.';
