-- Payments, and the statement, which shows their receipts. The processor is the
-- application's; what it reports moves cash exactly once.

CREATE TABLE account_data.payments (
    workspace_id  uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    id            uuid NOT NULL,
    type          account.transaction_type NOT NULL CHECK (type IN ('purchase', 'auto_top_up')),
    amount_micros bigint NOT NULL CHECK (amount_micros > 0),
    status        text NOT NULL CHECK (status IN ('pending', 'confirmed', 'failed')),
    provider_ref  text,
    receipt_url   text,
    reason        text,
    created_by    uuid,
    created_at    timestamptz NOT NULL,
    settled_at    timestamptz,
    idempotency_key text COLLATE "C",
    PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX payments_idempotency_key ON account_data.payments (workspace_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX payments_auto_top_up_key ON account_data.payments (workspace_id)
    WHERE type = 'auto_top_up' AND status = 'pending';
CREATE INDEX payments_id_idx ON account_data.payments (id);
COMMENT ON TABLE account_data.payments IS 'Top-ups: asked for, then confirmed or failed by the payment processor.';
COMMENT ON COLUMN account_data.payments.type IS 'purchase: a person asked for it; auto_top_up: the balance did.';
COMMENT ON COLUMN account_data.payments.created_by IS 'Null when the balance asked for it.';
COMMENT ON COLUMN account_data.payments.provider_ref IS 'What the payment processor calls the payment.';
SELECT pg_catalog.pg_extension_config_dump('account_data.payments', '');

CREATE FUNCTION account.start_top_up(amount_micros bigint, idempotency_key text DEFAULT NULL)
    RETURNS uuid LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_start_top_up';
COMMENT ON FUNCTION account.start_top_up(bigint, text)
    IS 'Begins a purchase of credit for the active workspace, $5 to $1,000; gives the id the payment processor reports back. Needs admin.';

CREATE FUNCTION account.confirm_payment(payment_id uuid, provider_ref text, receipt_url text DEFAULT NULL)
    RETURNS account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_confirm_payment';
COMMENT ON FUNCTION account.confirm_payment(uuid, text, text)
    IS 'The processor has the money: adds the cash, once however often it is said, also after a failure was reported.';

CREATE FUNCTION account.fail_payment(payment_id uuid, reason text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_fail_payment';
COMMENT ON FUNCTION account.fail_payment(uuid, text)
    IS 'The processor could not get the money; a payment that was confirmed stays so.';

CREATE VIEW account.payments WITH (security_barrier) AS
    SELECT y.id, y.type, y.amount_micros, y.status, y.provider_ref, y.receipt_url, y.reason, y.created_at, y.settled_at
      FROM account.acting() p
      JOIN account_data.payments y ON y.workspace_id = p.workspace_id
     WHERE account.require_principal() AND p.role >= 'admin' AND p.proof <> 'api_key';
COMMENT ON VIEW account.payments IS 'Top-ups of the active workspace, for its admins.';

-- The newest first, and the workspace a scalar sub-select, so that a page comes
-- straight from the index: nobody's order reaches into a view with a security
-- barrier but the view's own. The second sub-select runs even where there is no row,
-- that for the receipt only where there may be one, for those who see payments.
CREATE VIEW account.transactions WITH (security_barrier) AS
    SELECT t.id, t.seq, t.created_at, t.type, t.amount_micros, t.balance_after_micros, t.reserved_micros,
           t.category, t.description, t.details,
           CASE WHEN t.actor_kind = 'user' THEN t.actor_id END AS user_id,
           CASE WHEN t.actor_kind = 'service_account' THEN t.actor_id END AS service_account_id,
           t.api_key_id, t.reference_id, t.idempotency_key, t.hash,
           CASE WHEN t.type IN ('purchase', 'auto_top_up')
                 AND (SELECT p.role >= 'admin' AND p.proof <> 'api_key' FROM account.acting() p)
                THEN (SELECT y.receipt_url FROM account_data.payments y
                       WHERE y.workspace_id = t.workspace_id AND y.id = t.reference_id) END AS receipt
      FROM account_data.transactions t
     WHERE t.workspace_id = (SELECT p.workspace_id FROM account.acting() p)
       AND (SELECT p.workspace_id FROM account.acting() p) IS NOT NULL
     ORDER BY t.seq DESC;
COMMENT ON VIEW account.transactions IS 'The statement of the active workspace, newest first: page it by seq, COPY it as CSV, to_jsonb it as JSON.';
COMMENT ON COLUMN account.transactions.receipt IS 'Where the receipt of a payment is, for admins.';
