-- Usage reports, and balances of the past.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT pg_temp.enter('ada');
SELECT account.adjust_credits(:'ada', 1000, 'gift', 'cash');
SELECT account.charge(10, 'w', 'c1', 'training', '{"gpu_type": "a100", "dataset": "coco"}');
SELECT account.charge(20, 'w', 'c2', 'training', '{"gpu_type": "h100"}');
SELECT account.charge(5, 'w', 'c3', 'export');
SELECT id AS hold FROM account.hold(100, 't', 'h') \gset
SELECT account.settle(:'hold', 7, '{"gpu_type": "a100"}');
SELECT results_eq($$SELECT group_key, sum(spend_micros)::bigint, sum(events)::bigint FROM account.usage_report(now() - interval '1 hour', now() + interval '1 hour', 'day', 'category') GROUP BY 1 ORDER BY 1$$,
    $$VALUES ('export', 5::bigint, 1::bigint), ('training', 30, 2), ('usage', 7, 1)$$, 'by category');
SELECT results_eq($$SELECT group_key, sum(spend_micros)::bigint FROM account.usage_report(now() - interval '1 hour', now() + interval '1 hour', 'hour', 'gpu_type') GROUP BY 1 ORDER BY 1$$,
    $$VALUES ('a100', 17::bigint), ('h100', 20), (NULL, 5)$$, 'by a key of details');
SELECT results_eq($$SELECT DISTINCT group_key FROM account.usage_report(now() - interval '1 hour', now() + interval '1 hour', 'month', 'user')$$,
    $$VALUES ('ada-credit')$$, 'by person, by name');
SELECT results_eq($$SELECT count(*)::int, count(*) FILTER (WHERE spend_micros = 0)::int, sum(spend_micros)::bigint FROM account.usage_report(date_trunc('day', now()) - interval '6 days', date_trunc('day', now()) + interval '1 day')$$,
    'VALUES (7, 6, 42::bigint)', 'every bucket has a row, so that a chart can be drawn at once');
SELECT is((SELECT count(*)::int FROM account.usage_report(now() - interval '2 days', now() - interval '1 day', 'hour', 'category')), 0, 'no key, no row');
SELECT results_eq($$SELECT spend_micros, events, average_micros FROM account.usage_total(now() - interval '1 hour', now() + interval '1 hour')$$,
    'VALUES (42::bigint, 4::bigint, 10::bigint)', 'a total, its events and their average, rounded down');
SELECT results_eq($$SELECT spend_micros, events, average_micros FROM account.usage_total(now() - interval '2 hours', now() - interval '1 hour')$$,
    'VALUES (0::bigint, 0::bigint, 0::bigint)', 'of nothing, too');
SELECT pg_temp.enter('bob');
SELECT is((SELECT sum(events)::int FROM account.usage_report(now() - interval '1 hour', now() + interval '1 hour')), 0, 'another workspace has spent nothing');

-- The balance at a time is that after the last transaction before it.
SELECT pg_temp.enter('ada');
SELECT is(account.balance_at(:'ada', now()), 958::bigint, 'now');
SELECT is(account.balance_at(:'ada', 'infinity'), 958::bigint, 'later than now is now');
SELECT is(account.balance_at(:'ada', now() - interval '1 day'), 0::bigint, 'before the first it was nothing');
UPDATE account_data.wallets SET last_at = now() - interval '1 s' WHERE workspace_id = :'ada';
ALTER TABLE account_data.transactions DISABLE TRIGGER transaction_guard;
UPDATE account_data.transactions SET created_at = now() - interval '100 s' + seq * interval '1 s' WHERE workspace_id = :'ada';
SELECT results_eq(format($$SELECT account.balance_at(%L, created_at) FROM account.transactions ORDER BY seq$$, :'ada'),
    'SELECT balance_after_micros FROM account.transactions ORDER BY seq', 'at each transaction it was what the statement says');

-- Two days, each with a key that the other does not have.
UPDATE account_data.transactions SET created_at = '2020-01-01 12:00' WHERE idempotency_key IN ('c1', 'c2');
UPDATE account_data.transactions SET created_at = '2020-01-02 12:00' WHERE idempotency_key = 'c3';
SELECT results_eq($$SELECT bucket::date, group_key, spend_micros, events FROM account.usage_report('2020-01-01', '2020-01-03', 'day', 'category')$$,
    $$VALUES ('2020-01-01'::date, 'export', 0::bigint, 0::bigint), ('2020-01-01', 'training', 30, 2), ('2020-01-02', 'export', 5, 1), ('2020-01-02', 'training', 0, 0)$$,
    'each bucket has a row for each key, also for one that only another bucket has');
SELECT results_eq($$SELECT bucket::date, group_key, spend_micros, events FROM account.usage_report('2020-01-01', '2020-01-03', 'day', 'gpu_type')$$,
    $$VALUES ('2020-01-01'::date, 'a100', 10::bigint, 1::bigint), ('2020-01-01', 'h100', 20, 1), ('2020-01-01', NULL, 0, 0),
             ('2020-01-02', 'a100', 0, 0), ('2020-01-02', 'h100', 0, 0), ('2020-01-02', NULL, 5, 1)$$, 'and for no key');
-- A day that began at one o'clock, for there was no midnight.
SET LOCAL timezone = 'America/Sao_Paulo';
UPDATE account_data.transactions SET created_at = '2018-11-05 00:10' WHERE idempotency_key = 'c3';
SELECT results_eq($$SELECT bucket, spend_micros FROM account.usage_report('2018-11-03', '2018-11-05 00:30')$$,
    $$VALUES ('2018-11-03'::timestamptz, 0::bigint), ('2018-11-04 01:00', 0), ('2018-11-05', 5)$$, 'nothing is lost where the clock changes');
SET LOCAL timezone = 'UTC';

-- The statement as CSV and as JSON.
SELECT is((SELECT to_jsonb(t) ->> 'amount_micros' FROM account.transactions t WHERE idempotency_key = 'c2'), '-20', 'a row as JSON');
SELECT results_eq('SELECT seq FROM account.transactions', 'SELECT seq FROM account.transactions ORDER BY seq DESC', 'the newest first');
SELECT * FROM finish();
ROLLBACK;
