BEGIN;
SELECT account.act_as(:who::uuid);
SELECT count(*) FROM things;
COMMIT;
