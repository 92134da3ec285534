\set n random(1, 1000)
BEGIN;
INSERT INTO plain_keys (user_id, name, key_hash)
    SELECT user_id, 'bench', sha256('\x00') FROM people WHERE n = :n;
INSERT INTO plain_events (user_id, action) SELECT user_id, 'created' FROM people WHERE n = :n;
COMMIT;
