-- Tries at something secret, counted where the rollback of the try cannot undo
-- it: a background worker writes them in its own transaction. What was tried at
-- is stored as a digest only. Keyed by it alone: it belongs to no workspace.

CREATE TABLE account_data.attempts (
    digest     bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    kind       text NOT NULL,
    count      integer NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX attempts_expires_idx ON account_data.attempts (expires_at);
COMMENT ON TABLE account_data.attempts IS 'How often something secret was tried, by the SHA-256 of its kind and key, until the count expires.';

SELECT pg_catalog.pg_extension_config_dump('account_data.attempts', '');
