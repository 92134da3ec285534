-- Every message waits again, in both queues; nothing of the last run is left.
SET client_min_messages = warning;
TRUNCATE account_data.messages, account_data.message_receipts, bench.jobs;
INSERT INTO account_data.messages SELECT * FROM bench.filled ORDER BY id;
UPDATE account_data.messages SET valid_until = NULL;
INSERT INTO bench.jobs (kind, recipient, payload)
SELECT kind, recipient, payload || '{"code": "123456"}' FROM bench.filled ORDER BY id;
VACUUM ANALYZE account_data.messages, account_data.message_receipts, bench.jobs;
CHECKPOINT;
