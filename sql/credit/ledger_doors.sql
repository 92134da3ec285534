-- Charging, holding, and giving credit.

CREATE FUNCTION account.charge(amount_micros bigint, description text, idempotency_key text,
    category text DEFAULT 'usage', details jsonb DEFAULT '{}', allow_negative boolean DEFAULT false)
    RETURNS account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_charge';
COMMENT ON FUNCTION account.charge(bigint, text, text, text, jsonb, boolean)
    IS 'Takes credit from the active workspace; raises PT402 when there is not enough, unless allow_negative. Needs editor.';

CREATE FUNCTION account.charge_many(charges account.charge_request[])
    RETURNS SETOF account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_charge_many';
COMMENT ON FUNCTION account.charge_many(account.charge_request[])
    IS 'Makes up to 10000 charges, all or none, with one lock and one flush; gives their transactions in order. Needs editor.';

CREATE FUNCTION account.hold(amount_micros bigint, description text, idempotency_key text,
    expires_in interval DEFAULT '1 day')
    RETURNS account.hold LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_hold';
COMMENT ON FUNCTION account.hold(bigint, text, text, interval)
    IS 'Reserves credit of the active workspace before work starts; raises PT402 when there is not enough. Needs editor.';

CREATE FUNCTION account.settle(hold_id uuid, amount_micros bigint, details jsonb DEFAULT '{}',
    is_final boolean DEFAULT true, idempotency_key text DEFAULT NULL)
    RETURNS account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_settle';
COMMENT ON FUNCTION account.settle(uuid, bigint, jsonb, boolean, text)
    IS 'Charges up to what a hold still holds; a final settle releases the rest and closes it. Needs editor.';

CREATE FUNCTION account.release(hold_id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_release';
COMMENT ON FUNCTION account.release(uuid) IS 'Frees what a hold still holds and closes it. Needs editor.';

CREATE FUNCTION account.grant_credits(workspace_id uuid, amount_micros bigint, type account.transaction_type,
    idempotency_key text, expires_at timestamptz DEFAULT NULL, priority integer DEFAULT 50)
    RETURNS account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_grant_credits';
COMMENT ON FUNCTION account.grant_credits(uuid, bigint, account.transaction_type, text, timestamptz, integer)
    IS 'Gives a workspace credit: signup, subscription, monthly_grant, promo, referral, or cash as purchase or auto_top_up. Lower priority burns first.';

CREATE FUNCTION account.adjust_credits(workspace_id uuid, amount_micros bigint, reason text, idempotency_key text)
    RETURNS account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_adjust_credits';
COMMENT ON FUNCTION account.adjust_credits(uuid, bigint, text, text)
    IS 'Corrects a balance: more is cash, less burns like a charge.';

CREATE FUNCTION account.refund(transaction_id uuid, amount_micros bigint DEFAULT NULL, reason text DEFAULT NULL,
    idempotency_key text DEFAULT NULL)
    RETURNS account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_refund';
COMMENT ON FUNCTION account.refund(uuid, bigint, text, text)
    IS 'Gives a charge back to the credit it came from, all that is left of it or an amount; takes the cash of a refunded purchase out again.';

CREATE FUNCTION account.expire_credits(max_wallets integer DEFAULT 1000)
    RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_expire_credits';
COMMENT ON FUNCTION account.expire_credits(integer)
    IS 'Posts what has expired in up to that many wallets, asks again for top-ups whose wait after a failure is over, and gives how many wallets there were; readers never see what has expired before either.';

-- Proving and reading the ledger.

CREATE FUNCTION account.verify_ledger(workspace_id uuid DEFAULT NULL,
    OUT workspace_id uuid, OUT transactions bigint, OUT ok boolean, OUT first_bad_seq bigint, OUT problem text)
    RETURNS SETOF record LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_verify_ledger';
COMMENT ON FUNCTION account.verify_ledger(uuid)
    IS 'Recomputes the hash chain and every sum of one ledger or of all; names the first transaction that is wrong.';

CREATE FUNCTION account.ledger_checkpoint(workspace_id uuid, OUT seq bigint, OUT hash bytea)
    LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_ledger_checkpoint';
COMMENT ON FUNCTION account.ledger_checkpoint(uuid)
    IS 'The end of a ledger''s hash chain; kept elsewhere, it proves that nothing before it was changed.';

CREATE FUNCTION account.erase_transaction_text(workspace_id uuid, user_id uuid)
    RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_erase_transaction_text';
COMMENT ON FUNCTION account.erase_transaction_text(uuid, uuid)
    IS 'Erases description and details of what a person charged and held in a workspace that stays; gives in how many transactions. The chain goes on holding.';

CREATE FUNCTION account.balance_at(workspace_id uuid, at timestamptz)
    RETURNS bigint LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_balance_at';
COMMENT ON FUNCTION account.balance_at(uuid, timestamptz)
    IS 'The total balance in micro-dollars at a time, for members of the workspace.';

CREATE FUNCTION account.read_balance(OUT cash_micros bigint, OUT promotional_micros bigint, OUT debt_micros bigint,
    OUT reserved_micros bigint, OUT available_micros bigint, OUT total_micros bigint)
    LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_read_balance';
COMMENT ON FUNCTION account.read_balance() IS 'What view account.balance shows.';

CREATE FUNCTION account.usage_report(from_at timestamptz, to_at timestamptz, bucket text DEFAULT 'day',
    group_by text DEFAULT NULL, OUT bucket timestamptz, OUT group_key text, OUT spend_micros bigint, OUT events bigint)
    RETURNS SETOF record LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_usage_report';
COMMENT ON FUNCTION account.usage_report(timestamptz, timestamptz, text, text)
    IS 'What the active workspace spent by hour, day, week, month or year, empty ones too; group_by is category, user, api_key or a key of details.';

CREATE FUNCTION account.usage_total(from_at timestamptz, to_at timestamptz,
    OUT spend_micros bigint, OUT events bigint, OUT average_micros bigint)
    LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_usage_total';
COMMENT ON FUNCTION account.usage_total(timestamptz, timestamptz)
    IS 'What the active workspace spent in a period, in how many charges, and the average of one, rounded down.';

CREATE VIEW account.balance WITH (security_barrier) AS
    SELECT b.cash_micros, b.promotional_micros, b.debt_micros, b.reserved_micros, b.available_micros, b.total_micros
      FROM account.read_balance() b;
COMMENT ON VIEW account.balance IS 'What the active workspace has now, in micro-dollars; what has expired is not in it.';
COMMENT ON COLUMN account.balance.debt_micros IS 'Charges beyond the balance that no credit has paid yet.';
COMMENT ON COLUMN account.balance.available_micros IS 'Total less reserved: what a charge or hold can take.';

CREATE VIEW account.holds WITH (security_barrier) AS
    SELECT h.id, h.amount_micros,
           CASE WHEN h.expires_at > statement_timestamp() THEN h.held_micros ELSE 0 END AS held_micros,
           CASE WHEN h.status = 'open' AND h.expires_at <= statement_timestamp() THEN 'expired'
                ELSE h.status END AS status,
           h.description, h.expires_at, h.created_at
      FROM account.acting() p
      JOIN account_data.holds h ON h.workspace_id = p.workspace_id
     WHERE account.require_principal();
COMMENT ON VIEW account.holds IS 'Credit that is or was reserved for work in the active workspace.';

CREATE VIEW account.grants WITH (security_barrier) AS
    SELECT g.id, g.type, g.amount_micros,
           CASE WHEN g.expires_at > statement_timestamp() THEN g.remaining_micros
                ELSE r.reserved_micros END AS remaining_micros,
           r.reserved_micros, g.priority, nullif(g.expires_at, 'infinity') AS expires_at
      FROM account.acting() p
      JOIN account_data.grants g ON g.workspace_id = p.workspace_id
     CROSS JOIN LATERAL (SELECT CASE WHEN g.reserved_micros = 0 THEN 0 ELSE (
           SELECT coalesce(sum(m.micros), 0)::bigint
             FROM account_data.holds h, unnest(h.grant_ids, h.grant_micros) m (id, micros)
            WHERE h.workspace_id = g.workspace_id AND h.status = 'open'
              AND h.expires_at > statement_timestamp() AND m.id = g.id) END AS reserved_micros) r
     WHERE account.require_principal()
       AND NOT g.is_spent AND (g.expires_at > statement_timestamp() OR r.reserved_micros > 0);
COMMENT ON VIEW account.grants IS 'Promotional credit that the active workspace still has, by parcel.';
