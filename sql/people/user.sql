-- People. A user is global; everything of theirs that belongs to a workspace
-- hangs on their personal one, which has their username as its slug.

CREATE TABLE account_data.users (
    id                    uuid PRIMARY KEY,
    username              text NOT NULL UNIQUE CHECK (username ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(username) BETWEEN 4 AND 32),
    region                account.region NOT NULL,
    personal_workspace_id uuid NOT NULL UNIQUE,
    created_at            timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.users IS 'People. Their display name and profile are those of their personal workspace.';
COMMENT ON COLUMN account_data.users.personal_workspace_id IS 'The workspace that is this person''s alone.';

CREATE TABLE account_data.emails (
    user_id     uuid NOT NULL REFERENCES account_data.users (id) ON DELETE CASCADE,
    email       text NOT NULL CHECK (email = lower(email COLLATE "C") AND length(email) <= 254),
    is_primary  boolean NOT NULL DEFAULT false,
    added_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    verified_at timestamptz,
    PRIMARY KEY (user_id, email)
);
CREATE UNIQUE INDEX emails_verified_key ON account_data.emails (email) WHERE verified_at IS NOT NULL;
CREATE INDEX emails_domain_idx ON account_data.emails (split_part(email, '@', 2)) WHERE verified_at IS NOT NULL;
CREATE UNIQUE INDEX emails_primary_key ON account_data.emails (user_id) WHERE is_primary;
COMMENT ON TABLE account_data.emails IS 'Addresses of people in lower case; a verified one is one person''s only.';

CREATE TABLE account_data.passwords (
    user_id uuid PRIMARY KEY REFERENCES account_data.users (id) ON DELETE CASCADE,
    hash    text NOT NULL,
    set_at  timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.passwords IS 'scrypt hashes of passwords as PHC strings.';

CREATE TABLE account_data.identities (
    provider  text NOT NULL CHECK (length(provider) BETWEEN 1 AND 50),
    subject   text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user_id   uuid NOT NULL REFERENCES account_data.users (id) ON DELETE CASCADE,
    email     text,
    linked_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (provider, subject)
);
CREATE INDEX identities_user_idx ON account_data.identities (user_id);
COMMENT ON TABLE account_data.identities IS 'Identities at outside providers that sign a person in.';

SELECT pg_catalog.pg_extension_config_dump('account_data.users', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.emails', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.passwords', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.identities', '');

CREATE FUNCTION account_data.user_guard() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_user_guard';
COMMENT ON FUNCTION account_data.user_guard() IS 'Refuses a change of a username or region.';

CREATE TRIGGER user_guard BEFORE UPDATE ON account_data.users
    FOR EACH ROW WHEN (old.username <> new.username OR old.region <> new.region OR old.id <> new.id)
    EXECUTE FUNCTION account_data.user_guard();
COMMENT ON TRIGGER user_guard ON account_data.users IS 'A username and a region never change.';

CREATE FUNCTION account.sign_up(username text, email text, region account.region,
    display_name text DEFAULT NULL, password text DEFAULT NULL,
    identity account.identity_claim DEFAULT NULL,
    referral_code text DEFAULT NULL, promo_code text DEFAULT NULL)
    RETURNS uuid LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_sign_up';
COMMENT ON FUNCTION account.sign_up(text, text, account.region, text, text, account.identity_claim, text, text)
    IS 'Makes a user with their primary address and personal workspace; gives the id of the user.';
