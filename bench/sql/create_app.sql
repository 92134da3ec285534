\set n random(1, 1000)
\set k1 random(1, 1000000000)
\set k2 random(1, 1000000000)
BEGIN;
INSERT INTO app_keys (user_id, name, key_hash)
    SELECT user_id, 'bench', sha256((:k1 || '-' || :k2)::bytea) FROM people WHERE n = :n
    RETURNING user_id AS u, id AS k \gset
INSERT INTO app_events (user_id, key_id, action) VALUES (:u, :k, 'created');
COMMIT;
