-- How a workspace pays, and whom the processor bills. No card number is ever
-- in here: src/credit/card_number.c refuses it.

CREATE TABLE account_data.payment_methods (
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    id           uuid NOT NULL,
    provider     text NOT NULL,
    provider_ref text NOT NULL,
    brand        text,
    last4        text CHECK (last4 ~ '^[0-9]{4}$'),
    exp_month    integer CHECK (exp_month BETWEEN 1 AND 12),
    exp_year     integer,
    is_default   boolean NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, provider, provider_ref)
);
CREATE UNIQUE INDEX payment_methods_default_key ON account_data.payment_methods (workspace_id) WHERE is_default;
COMMENT ON TABLE account_data.payment_methods IS 'Cards and accounts, by what the payment processor calls them.';
COMMENT ON COLUMN account_data.payment_methods.provider_ref IS 'What the payment processor calls it, never its number.';
SELECT pg_catalog.pg_extension_config_dump('account_data.payment_methods', '');

CREATE TABLE account_data.billing_addresses (
    workspace_id uuid PRIMARY KEY REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    address      jsonb NOT NULL CHECK (jsonb_typeof(address) = 'object'),
    updated_at   timestamptz NOT NULL
);
COMMENT ON TABLE account_data.billing_addresses IS 'Whom to bill, in the words of who pays.';
SELECT pg_catalog.pg_extension_config_dump('account_data.billing_addresses', '');

CREATE FUNCTION account.add_payment_method(provider text, provider_ref text, brand text, last4 text,
    exp_month integer, exp_year integer)
    RETURNS uuid LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_add_payment_method';
COMMENT ON FUNCTION account.add_payment_method(text, text, text, text, integer, integer)
    IS 'Adds what the processor calls a card or account, the first as the default; brand, last4 and expiry may be null, and a card number anywhere is refused. Needs admin.';

CREATE FUNCTION account.set_default_payment_method(payment_method_id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_default_payment_method';
COMMENT ON FUNCTION account.set_default_payment_method(uuid) IS 'Makes a payment method of the active workspace the one to use. Needs admin.';

CREATE FUNCTION account.remove_payment_method(payment_method_id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_remove_payment_method';
COMMENT ON FUNCTION account.remove_payment_method(uuid)
    IS 'Removes a payment method of the active workspace; after the default, the newest of the others is it. Needs admin.';

CREATE FUNCTION account.set_billing_address(address jsonb)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_billing_address';
COMMENT ON FUNCTION account.set_billing_address(jsonb)
    IS 'Sets whom to bill, an object with whatever fields you have, of 8 kB at most; a card number in any but tax_id is refused, and {} removes it. Needs admin.';

CREATE VIEW account.payment_methods WITH (security_barrier) AS
    SELECT m.id, m.provider, m.provider_ref, m.brand, m.last4, m.exp_month, m.exp_year, m.is_default, m.created_at
      FROM account.acting() p
      JOIN account_data.payment_methods m ON m.workspace_id = p.workspace_id
     WHERE account.require_principal() AND p.role >= 'admin' AND p.proof <> 'api_key';
COMMENT ON VIEW account.payment_methods IS 'What the active workspace pays with, for its admins.';

CREATE VIEW account.billing WITH (security_barrier) AS
    SELECT b.address AS billing_address, coalesce(a.is_enabled, false) AS auto_top_up_enabled,
           a.threshold_micros AS auto_top_up_threshold_micros, a.amount_micros AS auto_top_up_amount_micros,
           coalesce(a.failures, 0) AS auto_top_up_failures, a.retry_at AS auto_top_up_retry_at
      FROM account.acting() p
      LEFT JOIN account_data.billing_addresses b ON b.workspace_id = p.workspace_id
      LEFT JOIN account_data.auto_top_ups a ON a.workspace_id = p.workspace_id
     WHERE account.require_principal() AND p.role >= 'admin' AND p.proof <> 'api_key';
COMMENT ON VIEW account.billing IS 'Whom to bill and how the active workspace tops up by itself, one row for its admins.';
COMMENT ON COLUMN account.billing.auto_top_up_failures IS 'How many automatic top-ups in a row have failed; the third turns them off.';
COMMENT ON COLUMN account.billing.auto_top_up_retry_at IS 'Nothing is asked for before this time; null: nothing waits.';
