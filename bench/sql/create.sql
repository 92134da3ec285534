\set n random(1, 1000)
BEGIN;
SELECT account.act_as((SELECT user_id FROM people WHERE n = :n));
SELECT * FROM account.create_api_key('bench');
COMMIT;
