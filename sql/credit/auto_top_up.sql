-- Topping up by itself. src/credit/auto_top_up.c says when; that at most one
-- request is open is the unique index of account_data.payments.

CREATE TABLE account_data.auto_top_ups (
    workspace_id     uuid PRIMARY KEY REFERENCES account_data.wallets (workspace_id) ON DELETE CASCADE,
    is_enabled       boolean NOT NULL,
    threshold_micros bigint NOT NULL CHECK (threshold_micros >= 0),
    amount_micros    bigint NOT NULL CHECK (amount_micros > 0),
    failures         integer NOT NULL CHECK (failures >= 0),
    retry_at         timestamptz,
    CHECK (retry_at IS NULL OR is_enabled AND failures > 0)
);
COMMENT ON TABLE account_data.auto_top_ups IS 'At which available amount a workspace tops up by itself, and by how much.';
COMMENT ON COLUMN account_data.auto_top_ups.failures IS 'How many requests in a row have failed.';
COMMENT ON COLUMN account_data.auto_top_ups.retry_at IS 'Nothing is asked for before; null: a top-up does not wait.';
SELECT pg_catalog.pg_extension_config_dump('account_data.auto_top_ups', '');

CREATE FUNCTION account.set_auto_top_up(enabled boolean, threshold_micros bigint DEFAULT 20000000,
    amount_micros bigint DEFAULT 100000000)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_auto_top_up';
COMMENT ON FUNCTION account.set_auto_top_up(boolean, bigint, bigint)
    IS 'Has the active workspace ask for a top-up of $5 to $1,000 whenever less than the threshold is available; one at a time, and off after three failures in a row. Needs admin.';
