-- What the outbox keeps of the past. A file of its own: a session cleans up when it first takes.
BEGIN;
SELECT plan(4);

SELECT account.sign_up('history-one', 'one@history.example', 'us');
SELECT account.sign_up('history-two', 'two@history.example', 'us');
UPDATE account_data.messages SET due_at = NULL, sealed = NULL,
       dead_at = statement_timestamp() - CASE WHEN recipient ^@ 'one' THEN interval '31 days' ELSE '29 days' END;
INSERT INTO account_data.message_receipts
SELECT (lpad(to_hex((extract(epoch FROM now() - age) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid, false, now() - age
  FROM unnest(ARRAY['8 days', '6 days']::interval[]) age;

SELECT is_empty('SELECT FROM account.take_messages()', 'neither is to be delivered');
SELECT results_eq('SELECT recipient FROM account.dead_letters()', $$VALUES ('two@history.example')$$,
    'a dead letter is kept for 30 days');
SELECT results_eq('SELECT now() - ended_at FROM account_data.message_receipts', $$VALUES ('6 days'::interval)$$,
    'a receipt is kept for a week');
SELECT throws_ok($$SELECT account.mark_sent('00000000-0000-7000-8000-000000000001')$$, 'P0002', NULL,
    'after that the message is unknown');

SELECT * FROM finish();
ROLLBACK;
