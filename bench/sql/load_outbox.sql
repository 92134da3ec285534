-- A hundred people, what the outbox holds when each has added :each addresses, kept in bench.filled to
-- start every run from, and the queue that people write without the extension.

SET client_min_messages = warning;
SET synchronous_commit = off;
SET account.outbox_notify = off;
CREATE EXTENSION account;
CREATE SCHEMA bench;

SELECT count(account.sign_up('person-' || i, i || '@person.example', 'us')) FROM generate_series(1, 100) i;
CREATE TABLE bench.people AS
SELECT split_part(username, '-', 2)::integer AS no, id FROM account_data.users;
CREATE UNIQUE INDEX ON bench.people (no);

DO $$
DECLARE
    person bench.people;
BEGIN
    FOR person IN SELECT * FROM bench.people LOOP
        PERFORM account.act_as(person.id);
        PERFORM account.add_email('n' || n || '@of' || person.no || '.example')
           FROM generate_series(1, current_setting('bench.each')::integer) n;
    END LOOP;
END $$;
DELETE FROM account_data.messages WHERE recipient ~ '@person[.]example$';
CREATE TABLE bench.filled AS SELECT * FROM account_data.messages;

CREATE TABLE bench.jobs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    recipient    text NOT NULL,
    payload      jsonb NOT NULL,
    status       text NOT NULL DEFAULT 'queued',
    attempts     integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    run_at       timestamptz NOT NULL DEFAULT now(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);
CREATE INDEX ON bench.jobs (status, run_at);
VACUUM ANALYZE;
