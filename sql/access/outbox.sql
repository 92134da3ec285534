-- Messages that the application delivers. The queue is a directory: it is taken
-- across workspaces and marked by a message's id alone, so both tables are keyed
-- by the id and have no foreign key. A message that is sent leaves the queue at
-- once: what taking costs follows what waits, never what was sent.

CREATE TABLE account_data.messages (
    id           uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    kind         text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{0,49}$'),
    channel      text NOT NULL CHECK (channel IN ('email', 'slack', 'webhook')),
    recipient    text NOT NULL CHECK (length(recipient) BETWEEN 1 AND 2000),
    payload      jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    secret_name  text,
    sealed       bytea,
    attempts     integer NOT NULL DEFAULT 0,
    is_taken     boolean NOT NULL DEFAULT false,
    error        text,
    created_at   timestamptz NOT NULL,
    valid_until  timestamptz,
    due_at       timestamptz,
    dead_at      timestamptz,
    CHECK (num_nonnulls(due_at, dead_at) = 1),
    CHECK (sealed IS NULL OR secret_name IS NOT NULL AND dead_at IS NULL)
);
CREATE INDEX messages_due_idx ON account_data.messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX messages_dead_idx ON account_data.messages (dead_at) WHERE dead_at IS NOT NULL;
COMMENT ON TABLE account_data.messages IS 'Messages waiting to be delivered, and those that were given up.';
COMMENT ON COLUMN account_data.messages.sealed IS 'The code or token, sealed for its workspace; gone when the message is dead.';
COMMENT ON COLUMN account_data.messages.attempts IS 'How often the message was taken.';
COMMENT ON COLUMN account_data.messages.is_taken IS 'Whether the last taker has not said yet how it ended.';
COMMENT ON COLUMN account_data.messages.due_at IS 'When it may be taken: at once, when a lease ends, or for a retry; null when it is dead.';
COMMENT ON COLUMN account_data.messages.valid_until IS 'When delivering it stops making sense; null means never.';

CREATE TABLE account_data.message_receipts (
    id           uuid PRIMARY KEY,
    is_withdrawn boolean NOT NULL,
    ended_at     timestamptz NOT NULL
);
COMMENT ON TABLE account_data.message_receipts IS 'Messages that were sent or withdrawn in the last week, so that marking one again is no error.';

SELECT pg_catalog.pg_extension_config_dump('account_data.messages', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.message_receipts', '');

CREATE TYPE account.message AS (
    id         uuid,
    kind       text,
    channel    text,
    recipient  text,
    workspace  uuid,
    payload    jsonb,
    attempts   integer,
    created_at timestamptz
);
COMMENT ON TYPE account.message IS 'What the application delivers: to whom, by which channel, and what it says.';
COMMENT ON COLUMN account.message.payload IS 'What the message says, with the code or token it carries.';
COMMENT ON COLUMN account.message.attempts IS 'How often it was taken, this time included.';
REVOKE ALL ON TYPE account.message FROM PUBLIC;

CREATE FUNCTION account.take_messages(max integer DEFAULT 100, lease interval DEFAULT '1 minute')
    RETURNS SETOF account.message
    LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'account_take_messages';
COMMENT ON FUNCTION account.take_messages(integer, interval)
    IS 'Up to max (1 to 10000) messages to deliver, each given to one taker for the length of the lease; commit, deliver, then mark them.';

CREATE FUNCTION account.mark_sent(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_mark_sent';
COMMENT ON FUNCTION account.mark_sent(uuid)
    IS 'The message was delivered: it leaves the queue, whoever holds its lease now. Marking it again changes nothing.';

CREATE FUNCTION account.mark_failed(id uuid, error text, attempt integer DEFAULT NULL)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_mark_failed';
COMMENT ON FUNCTION account.mark_failed(uuid, text, integer)
    IS 'The message could not be delivered: it is due again after 30 s, doubled each time, or dead after account.outbox_attempts. With the attempts it was taken with, the retry need not wait for the lease to end.';

CREATE FUNCTION account.dead_letters(OUT id uuid, OUT kind text, OUT channel text, OUT recipient text,
    OUT workspace uuid, OUT attempts integer, OUT error text, OUT created_at timestamptz, OUT dead_at timestamptz)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'account_dead_letters';
COMMENT ON FUNCTION account.dead_letters() IS 'Messages that were given up in the last 30 days, the newest first, and why; never what they said.';

CREATE FUNCTION account.retry_dead_letter(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_retry_dead_letter';
COMMENT ON FUNCTION account.retry_dead_letter(uuid)
    IS 'Puts a message that was given up back into the queue, as new; raises 55000 when it carried a code or token, which is gone.';
