-- Promotions: promo codes and referrals. What they grant, and sign-up, company
-- address and subscription, is src/credit/promotion.c.

CREATE TABLE account_data.promo_codes (
    code            text COLLATE "C" PRIMARY KEY CHECK (code ~ '^[A-Z0-9-]{3,40}$'),
    amount_micros   bigint NOT NULL CHECK (amount_micros BETWEEN 1 AND 1000000000000),
    expires_at      timestamptz,
    max_redemptions integer CHECK (max_redemptions > 0),
    max_per_person  integer NOT NULL CHECK (max_per_person > 0),
    lasts           interval CHECK (lasts > '0'),
    redemptions     integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.promo_codes IS 'Codes that bring credit; in upper case.';
COMMENT ON COLUMN account_data.promo_codes.max_redemptions IS 'By all people together; null: no limit.';
COMMENT ON COLUMN account_data.promo_codes.lasts IS 'How long the credit lasts; null: for good.';

CREATE TABLE account_data.promo_redemptions (
    workspace_id   uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    code           text COLLATE "C" NOT NULL,
    number         integer NOT NULL,
    transaction_id uuid NOT NULL,
    redeemed_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (workspace_id, code, number)
);
COMMENT ON TABLE account_data.promo_redemptions IS 'Who has redeemed which promo code, by personal workspace.';

CREATE TABLE account_data.referral_codes (
    code         text COLLATE "C" PRIMARY KEY,
    workspace_id uuid NOT NULL UNIQUE REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    signups      integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE account_data.referral_codes IS 'The code each person invites friends with, by personal workspace.';

CREATE TABLE account_data.referrals (
    workspace_id  uuid PRIMARY KEY REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    referrer_id   uuid NOT NULL,
    signed_up_at  timestamptz NOT NULL,
    qualified_at  timestamptz,
    taken_back_at timestamptz
);
CREATE INDEX referrals_referrer_idx ON account_data.referrals (referrer_id);
COMMENT ON TABLE account_data.referrals IS 'Friends, by personal workspace, and whose code they signed up with.';
COMMENT ON COLUMN account_data.referrals.referrer_id IS 'The personal workspace of who invited them.';

SELECT pg_catalog.pg_extension_config_dump('account_data.promo_codes', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.promo_redemptions', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.referral_codes', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.referrals', '');

CREATE FUNCTION account.create_promo_code(code text, amount_micros bigint, expires_at timestamptz DEFAULT NULL,
    max_redemptions integer DEFAULT NULL, max_per_person integer DEFAULT 1, lasts interval DEFAULT '30 days')
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_create_promo_code';
COMMENT ON FUNCTION account.create_promo_code(text, bigint, timestamptz, integer, integer, interval)
    IS 'Makes a promo code that people can redeem for credit until it expires or its maximum is reached.';

CREATE FUNCTION account.redeem_promo_code(code text)
    RETURNS account.transaction LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_redeem_promo_code';
COMMENT ON FUNCTION account.redeem_promo_code(text) IS 'Brings the credit of a promo code to your personal workspace.';

CREATE FUNCTION account.referral_code()
    RETURNS text LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_referral_code';
COMMENT ON FUNCTION account.referral_code() IS 'Your own code to invite friends with, made when first asked for.';

CREATE VIEW account.referrals WITH (security_barrier) AS
    SELECT c.code, coalesce(c.signups, 0) AS signups,
           count(r.qualified_at) FILTER (WHERE r.taken_back_at IS NULL) AS qualified,
           count(r.qualified_at) FILTER (WHERE r.taken_back_at IS NULL) * 10000000 AS earned_micros
      FROM account.acting() p
      JOIN account_data.workspaces w ON w.id = p.workspace_id AND w.kind = 'personal'
      LEFT JOIN account_data.referral_codes c ON c.workspace_id = w.id
      LEFT JOIN account_data.referrals r ON r.referrer_id = w.id
     WHERE account.require_principal()
     GROUP BY c.code, c.signups;
COMMENT ON VIEW account.referrals IS 'Your referral code, how many friends signed up with it, how many qualified and what that earned; one row in a personal workspace.';
COMMENT ON COLUMN account.referrals.code IS 'Null until account.referral_code() makes it.';
