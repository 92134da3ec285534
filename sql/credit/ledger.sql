-- The credit ledger. src/credit/ledger.c opens with the invariants these tables
-- keep; only its functions write them, under the lock of the workspace's wallet.
-- No foreign key leads from a transaction: its check would cost every charge.
-- The wallet's own goes, with all it held, when the workspace goes.

CREATE TYPE account.transaction_type AS ENUM ('signup', 'purchase', 'subscription', 'monthly_grant',
    'usage', 'refund', 'adjustment', 'promo', 'referral', 'auto_top_up', 'auto_top_up_failed',
    'expiry', 'hold', 'settle', 'release');
COMMENT ON TYPE account.transaction_type IS 'Why credit moved.';

CREATE TYPE account.transaction AS (
    id                   uuid,
    workspace_id         uuid,
    seq                  bigint,
    type                 account.transaction_type,
    amount_micros        bigint,
    balance_after_micros bigint,
    reserved_micros      bigint,
    user_id              uuid,
    service_account_id   uuid,
    api_key_id           uuid,
    category             text,
    description          text,
    details              jsonb,
    reference_id         uuid,
    idempotency_key      text,
    created_at           timestamptz,
    hash                 bytea
);
COMMENT ON TYPE account.transaction IS 'A row of the ledger, as it stays for good. Money is in micro-dollars.';
COMMENT ON COLUMN account.transaction.seq IS 'The number of the transaction in its workspace, from 1 without gaps.';
COMMENT ON COLUMN account.transaction.balance_after_micros IS 'Cash and promotional credit less debt after this transaction.';
COMMENT ON COLUMN account.transaction.reserved_micros IS 'What this transaction added to or took from the reserved amount.';
COMMENT ON COLUMN account.transaction.reference_id IS 'The hold, refunded transaction, payment or grant it is about.';

CREATE TYPE account.charge_request AS (
    amount_micros   bigint,
    description     text,
    idempotency_key text,
    category        text,
    details         jsonb,
    allow_negative  boolean
);
COMMENT ON TYPE account.charge_request IS 'One entry of account.charge_many; fields left null take the defaults of account.charge.';

CREATE TYPE account.hold AS (
    id            uuid,
    workspace_id  uuid,
    amount_micros bigint,
    held_micros   bigint,
    status        text,
    description   text,
    expires_at    timestamptz,
    created_at    timestamptz
);
COMMENT ON TYPE account.hold IS 'Credit reserved for running work.';
COMMENT ON COLUMN account.hold.held_micros IS 'What is still reserved.';
COMMENT ON COLUMN account.hold.status IS 'open, settled, released or expired.';

REVOKE ALL ON TYPE account.transaction_type, account.transaction, account.charge_request, account.hold
    FROM PUBLIC;

-- One row a workspace, updated by every transaction: room on the page, and no
-- index on what every transaction changes, so that updates stay on the page. The
-- executor parses a check's text again for every statement, which costs more than
-- the update: what wallets and grants may hold is checked by ledger.c instead.
CREATE TABLE account_data.wallets (
    workspace_id         uuid PRIMARY KEY REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    cash_micros          bigint NOT NULL DEFAULT 0,
    promotional_micros   bigint NOT NULL DEFAULT 0,
    debt_micros          bigint NOT NULL DEFAULT 0,
    reserved_micros      bigint NOT NULL DEFAULT 0,
    reserved_cash_micros bigint NOT NULL DEFAULT 0,
    last_seq             bigint NOT NULL DEFAULT 0,
    last_at              timestamptz NOT NULL DEFAULT '-infinity',
    next_due_at          timestamptz NOT NULL DEFAULT 'infinity',
    top_up_below_micros  bigint NOT NULL DEFAULT -9223372036854775808,
    head                 bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'
) WITH (fillfactor = 40);
CREATE INDEX wallets_due_idx ON account_data.wallets (next_due_at) WHERE next_due_at < 'infinity';
COMMENT ON TABLE account_data.wallets IS 'What each workspace has; its row is the lock of the workspace''s ledger.';
COMMENT ON COLUMN account_data.wallets.reserved_cash_micros IS 'The part of the reserved amount that is cash.';
COMMENT ON COLUMN account_data.wallets.next_due_at IS 'Before this time nothing expires and no top-up is asked for again.';
COMMENT ON COLUMN account_data.wallets.head IS 'The hash of the last transaction.';
COMMENT ON COLUMN account_data.wallets.top_up_below_micros IS 'With less available a top-up is asked for; the least number there is: never.';

CREATE TABLE account_data.grants (
    workspace_id     uuid NOT NULL REFERENCES account_data.wallets (workspace_id) ON DELETE CASCADE,
    id               uuid NOT NULL,
    type             account.transaction_type NOT NULL,
    amount_micros    bigint NOT NULL,
    remaining_micros bigint NOT NULL,
    reserved_micros  bigint NOT NULL,
    priority         integer NOT NULL,
    expires_at       timestamptz NOT NULL,
    seq              bigint NOT NULL,
    is_spent         boolean NOT NULL,
    PRIMARY KEY (workspace_id, id)
) WITH (fillfactor = 40);
CREATE INDEX grants_burn_idx ON account_data.grants (workspace_id, priority, expires_at, seq) WHERE NOT is_spent;
COMMENT ON TABLE account_data.grants IS 'Parcels of promotional credit; cash is not in parcels.';
COMMENT ON COLUMN account_data.grants.expires_at IS 'infinity when it never does.';
COMMENT ON COLUMN account_data.grants.seq IS 'The transaction that granted it; the older of two has the smaller.';

-- The columns are in the order in which entry.c reads and writes them.
CREATE TABLE account_data.transactions (
    workspace_id         uuid NOT NULL,
    seq                  bigint NOT NULL,
    id                   uuid NOT NULL,
    type                 account.transaction_type NOT NULL,
    amount_micros        bigint NOT NULL,
    balance_after_micros bigint NOT NULL,
    cash_micros          bigint NOT NULL,
    debt_micros          bigint NOT NULL,
    reserved_micros      bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    actor_kind           text NOT NULL,
    actor_id             uuid,
    api_key_id        uuid,
    reference_id         uuid,
    grant_ids            uuid[],
    grant_micros         bigint[],
    idempotency_key      text COLLATE "C",
    request              text,
    category             text,
    description          text,
    details              jsonb NOT NULL,
    salt                 bytea,
    text_digest          bytea NOT NULL,
    hash                 bytea NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);
CREATE UNIQUE INDEX transactions_idempotency_key ON account_data.transactions (workspace_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX transactions_created_idx ON account_data.transactions (workspace_id, created_at);
CREATE INDEX transactions_id_idx ON account_data.transactions (id);
CREATE INDEX transactions_refund_idx ON account_data.transactions (workspace_id, reference_id) WHERE type = 'refund';
COMMENT ON TABLE account_data.transactions IS 'The ledger: rows are added, never changed; each hash covers the row and the hash before it.';
COMMENT ON COLUMN account_data.transactions.amount_micros IS 'cash_micros plus all of grant_micros less debt_micros.';
COMMENT ON COLUMN account_data.transactions.grant_ids IS 'The grants that it took from or gave to, by grant_micros.';
COMMENT ON COLUMN account_data.transactions.request IS 'What else was asked for; another request under the same key is refused.';
COMMENT ON COLUMN account_data.transactions.salt IS 'Erased with description and details, so that text_digest tells nothing of them.';
COMMENT ON COLUMN account_data.transactions.text_digest IS 'SHA-256 of salt, description and details.';

-- Charges beyond the balance, and what paid for them later.
CREATE TABLE account_data.debts (
    workspace_id  uuid NOT NULL REFERENCES account_data.wallets (workspace_id) ON DELETE CASCADE,
    seq           bigint NOT NULL,
    amount_micros bigint NOT NULL CHECK (amount_micros > 0),
    owed_micros   bigint NOT NULL CHECK (owed_micros BETWEEN 0 AND amount_micros),
    payments      integer NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace_id, seq)
);
CREATE INDEX debts_owed_idx ON account_data.debts (workspace_id, seq) WHERE owed_micros > 0;
COMMENT ON TABLE account_data.debts IS 'The part of each transaction that no credit was there for, and how much of it is still owed.';

CREATE TABLE account_data.debt_payments (
    workspace_id  uuid NOT NULL,
    seq           bigint NOT NULL,
    number        integer NOT NULL,
    paid_by_seq   bigint NOT NULL,
    grant_id      uuid,
    amount_micros bigint NOT NULL CHECK (amount_micros > 0),
    PRIMARY KEY (workspace_id, seq, number),
    FOREIGN KEY (workspace_id, seq) REFERENCES account_data.debts (workspace_id, seq) ON DELETE CASCADE
);
CREATE INDEX debt_payments_payer_idx ON account_data.debt_payments (workspace_id, paid_by_seq);
COMMENT ON TABLE account_data.debt_payments IS 'Which credit paid a debt, and by which transaction it came; cash has no grant_id.';

CREATE TABLE account_data.holds (
    workspace_id  uuid NOT NULL REFERENCES account_data.wallets (workspace_id) ON DELETE CASCADE,
    id            uuid NOT NULL,
    amount_micros bigint NOT NULL CHECK (amount_micros > 0),
    held_micros   bigint NOT NULL CHECK (held_micros BETWEEN 0 AND amount_micros),
    cash_micros   bigint NOT NULL CHECK (cash_micros BETWEEN 0 AND held_micros),
    grant_ids     uuid[] NOT NULL,
    grant_micros  bigint[] NOT NULL,
    status        text NOT NULL CHECK (status IN ('open', 'settled', 'released', 'expired')),
    description   text,
    expires_at    timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, id),
    CHECK (status = 'open' OR held_micros = 0)
) WITH (fillfactor = 70);
CREATE INDEX holds_open_idx ON account_data.holds (workspace_id, expires_at) WHERE status = 'open';
COMMENT ON TABLE account_data.holds IS 'Credit reserved for running work, and from which grants.';
COMMENT ON COLUMN account_data.holds.grant_micros IS 'What is still reserved of each of grant_ids.';

SELECT pg_catalog.pg_extension_config_dump('account_data.wallets', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.grants', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.transactions', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.debts', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.debt_payments', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.holds', '');

CREATE FUNCTION account_data.transaction_guard() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_transaction_guard';
COMMENT ON FUNCTION account_data.transaction_guard() IS 'Refuses a change to a committed transaction.';

CREATE TRIGGER transaction_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON account_data.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION account_data.transaction_guard();
COMMENT ON TRIGGER transaction_guard ON account_data.transactions IS 'The ledger is append-only; erasing a person''s text is the one change it knows.';

CREATE FUNCTION account_data.wallet_deleted() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_wallet_deleted';
COMMENT ON FUNCTION account_data.wallet_deleted() IS 'Takes the transactions along when a workspace is deleted for good.';

CREATE TRIGGER wallet_deleted AFTER DELETE ON account_data.wallets
    FOR EACH ROW EXECUTE FUNCTION account_data.wallet_deleted();
COMMENT ON TRIGGER wallet_deleted ON account_data.wallets IS 'A wallet goes with its workspace only, and its transactions with it.';
