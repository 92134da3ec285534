-- Envelope encryption: a data key a workspace, wrapped by a master key that is
-- never in the database.

CREATE TABLE account_data.master_keys (
    id          text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    first_used  timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.master_keys IS 'Fingerprints of the master keys that wrapped something here; the id is the fingerprint''s beginning.';

CREATE TABLE account_data.data_keys (
    workspace_id  uuid PRIMARY KEY REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    master_key_id text NOT NULL REFERENCES account_data.master_keys (id),
    wrapped       bytea NOT NULL
);
CREATE INDEX data_keys_master_key_idx ON account_data.data_keys (master_key_id);
COMMENT ON TABLE account_data.data_keys IS 'The key that seals a workspace''s secrets, itself sealed by a master key.';

SELECT pg_catalog.pg_extension_config_dump('account_data.master_keys', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.data_keys', '');
