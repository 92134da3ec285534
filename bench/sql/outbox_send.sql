\set no random(1, 100)
\set address random(1, 1000000000000)
BEGIN;
SELECT FROM bench.people, account.act_as(id) WHERE no = :no;
SELECT account.add_email(:address || '@sent.example');
COMMIT;
