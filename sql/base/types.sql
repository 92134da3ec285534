CREATE TYPE account.role AS ENUM ('viewer', 'editor', 'admin', 'owner');
COMMENT ON TYPE account.role IS 'What somebody may do in a workspace; each role may do all that the ones before it may.';

CREATE TYPE account.proof AS ENUM ('session', 'api_key', 'trusted');
COMMENT ON TYPE account.proof IS 'How it was proven who is acting.';

CREATE TYPE account.region AS ENUM ('us', 'eu', 'ap');
COMMENT ON TYPE account.region IS 'Where a person''s data lives; chosen at sign-up for good.';

CREATE TYPE account.workspace_kind AS ENUM ('personal', 'team');
COMMENT ON TYPE account.workspace_kind IS 'A personal workspace is one person''s; a team has members.';

CREATE TYPE account.principal AS (
    user_id            uuid,
    service_account_id uuid,
    workspace_id       uuid,
    role               account.role,
    proof              account.proof,
    credential_id      uuid,
    scopes             text[],
    region             account.region
);
COMMENT ON TYPE account.principal IS 'Who is acting: a user or a service account, in one workspace, with the role they have there now.';
COMMENT ON COLUMN account.principal.credential_id IS 'The API key or session; null for a trusted backend.';
COMMENT ON COLUMN account.principal.scopes IS 'What the key is limited to; null means no limit.';

CREATE TYPE account.verdict AS (
    allowed            boolean,
    code               text,
    user_id            uuid,
    service_account_id uuid,
    workspace_id       uuid,
    role               account.role,
    proof              account.proof,
    credential_id      uuid,
    scopes             text[],
    region             account.region,
    max_value          bigint,
    remaining          bigint,
    reset_at           timestamptz,
    retry_after        interval
);
COMMENT ON TYPE account.verdict IS 'Whether a request may pass the gate, why not, who makes it and what is left of its rate limit.';
COMMENT ON COLUMN account.verdict.code IS 'VALID, NOT_FOUND, DISABLED, EXPIRED, INSUFFICIENT_SCOPE, IP_NOT_ALLOWED or RATE_LIMITED.';
COMMENT ON COLUMN account.verdict.max_value IS 'Requests allowed in a window; null means no limit.';

CREATE TYPE account.identity_claim AS (
    provider       text,
    subject        text,
    email          text,
    email_verified boolean
);
COMMENT ON TYPE account.identity_claim IS 'An identity at an outside provider that a trusted backend vouches for.';

REVOKE ALL ON TYPE account.role, account.proof, account.region, account.workspace_kind,
    account.principal, account.verdict, account.identity_claim FROM PUBLIC;
