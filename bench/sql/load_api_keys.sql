-- A database with :keys API keys, ten to a person. Key i is 'ul_' and i + 1000000000 padded with
-- zeros to 40 digits, so that a pgbench script names any key by one concatenation.

SET client_min_messages = warning;
SET synchronous_commit = off;
SET maintenance_work_mem = '256MB';
CREATE EXTENSION account;
CREATE EXTENSION pgcrypto;

CREATE FUNCTION key_of(i bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'ul_' || lpad((1000000000 + i)::text, 40, '0') $$;

-- Stands for a UUIDv7: ascends with n, the rest is scattered.
CREATE FUNCTION id_of(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    AS $$ SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(kind || n), 1, 3)
                  || '8' || substr(md5(kind || n), 4, 15))::uuid $$;

-- All that proving a key reads.
INSERT INTO account_data.api_key_digests (workspace_id, api_key_id, secret_id, valid_until, role,
    region, digest, user_id)
SELECT id_of('workspace', i / 10), id_of('key', i), id_of('secret', i), 'infinity', 'editor',
       'us', sha256(convert_to(key_of(i), 'UTF8')), id_of('user', i / 10)
  FROM generate_series(1, :keys) i;

INSERT INTO account_data.credential_uses (credential_id)
SELECT id_of('key', i) FROM generate_series(1, :keys) i;

-- The reference: pgbench's own table, as many rows.
CREATE TABLE pgbench_accounts (aid integer NOT NULL, bid integer, abalance integer, filler character(84))
    WITH (fillfactor = 100);
INSERT INTO pgbench_accounts SELECT i, 1, 0, '' FROM generate_series(1, :keys) i;
ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid);

-- What a key proves, as a row of so many columns by its primary key.
CREATE TABLE answers AS
SELECT row_number() OVER (ORDER BY api_key_id)::integer AS aid, user_id, service_account_id,
       workspace_id, role, 'api_key'::account.proof AS proof, api_key_id AS credential_id, scopes, region
  FROM account_data.api_key_digests;
ALTER TABLE answers ADD PRIMARY KEY (aid);

-- The same work as people write it today.
CREATE SCHEMA plain;
CREATE TABLE plain.users (id uuid PRIMARY KEY, name text NOT NULL, region text NOT NULL);
CREATE TABLE plain.members (workspace_id uuid, user_id uuid, role text NOT NULL, PRIMARY KEY (workspace_id, user_id));
CREATE TABLE plain.api_keys (
    id           uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    user_id      uuid NOT NULL REFERENCES plain.users,
    key_hash     bytea NOT NULL,
    scopes       text[],
    expires_at   timestamptz,
    revoked_at   timestamptz
);
INSERT INTO plain.users SELECT id_of('user', i), 'user ' || i, 'us' FROM generate_series(0, :keys / 10) i;
INSERT INTO plain.members
SELECT id_of('workspace', i), id_of('user', i), 'editor' FROM generate_series(0, :keys / 10) i;
INSERT INTO plain.api_keys
SELECT id_of('key', i), id_of('workspace', i / 10), id_of('user', i / 10),
       sha256(convert_to(key_of(i), 'UTF8'))
  FROM generate_series(1, :keys) i;
ALTER TABLE plain.api_keys ADD UNIQUE (key_hash);

CREATE FUNCTION plain.verify_api_key(key text)
    RETURNS TABLE (user_id uuid, workspace_id uuid, role text, key_id uuid, scopes text[], region text)
    LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    IF key !~ '^[a-z0-9_]{0,15}_[0-9a-f]{40}$' THEN
        RETURN;
    END IF;
    RETURN QUERY
        SELECT u.id, k.workspace_id, m.role, k.id, k.scopes, u.region
          FROM plain.api_keys k
          JOIN plain.users u ON u.id = k.user_id
          JOIN plain.members m ON m.workspace_id = k.workspace_id AND m.user_id = k.user_id
         WHERE k.key_hash = digest(verify_api_key.key, 'sha256')
           AND k.revoked_at IS NULL
           AND (k.expires_at IS NULL OR k.expires_at > now());
END $$;

-- 100,000 keys drawn from all, for one statement.
CREATE TABLE drawn (id integer NOT NULL, key text NOT NULL);
SELECT setseed(.5) \g /dev/null
INSERT INTO drawn SELECT n, key_of(n)
  FROM (SELECT 1 + floor(random() * :keys)::integer AS n FROM generate_series(1, 100000)) d;

VACUUM (FREEZE, ANALYZE);
