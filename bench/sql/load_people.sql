-- A thousand people who make keys, and where the references write: two bare tables, and two of an application.

SET client_min_messages = warning;
CREATE EXTENSION account;
CREATE TABLE people AS
SELECT n, account.sign_up('person-' || n, 'person-' || n || '@example.com', 'us') AS user_id
  FROM generate_series(1, 1000) n;
ALTER TABLE people ADD PRIMARY KEY (n);
CREATE TABLE plain_keys (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    uuid NOT NULL,
    name       text NOT NULL,
    key_hash   bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE plain_events (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL,
    action  text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);
-- As an application has them: a key is found by its digest, and both belong to somebody.
CREATE TABLE app_keys (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    uuid NOT NULL REFERENCES account_data.users (id) ON DELETE CASCADE,
    name       text NOT NULL,
    key_hash   bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON app_keys (user_id);
CREATE TABLE app_events (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES account_data.users (id) ON DELETE CASCADE,
    key_id  uuid REFERENCES app_keys (id) ON DELETE SET NULL,
    action  text NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON app_events (user_id, at);
-- The first key of each seals the data key of the workspace.
SELECT account.act_as(user_id), account.create_api_key('first') FROM people \g /dev/null
VACUUM (FREEZE, ANALYZE);
