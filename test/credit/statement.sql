-- The statement: what it shows to whom, as CSV by COPY, as JSON, and a page of it straight from the index.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT pg_temp.enter('ada');
SELECT account.start_top_up(20000000) AS payment \gset
SELECT account.confirm_payment(:'payment', 'pi_1', 'https://receipt.test/1');
SELECT account.set_auto_top_up(true, 20000000, 5000000);
SELECT account.charge(5000000, 'a "quoted", run', 'c1', 'training', '{"gpu": "a100"}');
SELECT id AS automatic FROM account.payments WHERE status = 'pending' \gset
SELECT account.fail_payment(:'automatic', 'card declined');
SELECT account.confirm_payment(:'automatic', 'pi_2', 'https://receipt.test/2');
SELECT account.refund(id, 5000000) FROM account.transactions WHERE type = 'purchase';

SELECT results_eq($$SELECT type::text, amount_micros, balance_after_micros, description, receipt FROM account.transactions ORDER BY seq DESC LIMIT 5$$,
    $$VALUES ('refund', -5000000::bigint, 15000000::bigint, NULL, NULL), ('auto_top_up', 5000000, 20000000, NULL, 'https://receipt.test/2'),
             ('auto_top_up_failed', 0, 15000000, 'card declined', NULL), ('usage', -5000000, 15000000, 'a "quoted", run', NULL),
             ('purchase', 20000000, 20000000, NULL, 'https://receipt.test/1')$$, 'a payment''s transaction has its receipt, others have none');

-- CSV
\set file `mktemp`
\o :file
COPY (SELECT created_at::date = statement_timestamp()::date AS today, type, amount_micros, balance_after_micros, description, details, receipt
        FROM account.transactions WHERE created_at >= 'today' AND description IS DISTINCT FROM 'start from nothing' AND type <> 'signup') TO STDOUT (FORMAT csv, HEADER);
\o
\set csv `cat :'file'; rm :'file'`
SELECT is(rtrim(:'csv', E'\n'), $$today,type,amount_micros,balance_after_micros,description,details,receipt
t,refund,-5000000,15000000,,{},
t,auto_top_up,5000000,20000000,,{},https://receipt.test/2
t,auto_top_up_failed,0,15000000,card declined,{},
t,usage,-5000000,15000000,"a ""quoted"", run","{""gpu"": ""a100""}",
t,purchase,20000000,20000000,,{},https://receipt.test/1$$, 'a statement is CSV by COPY, the newest first');

-- JSON
SELECT results_eq($$SELECT to_jsonb(t) ->> 'description', to_jsonb(t) #>> '{details,gpu}', (to_jsonb(t) -> 'amount_micros')::bigint FROM account.transactions t WHERE type = 'usage' AND amount_micros = -5000000$$,
    $$VALUES ('a "quoted", run', 'a100', -5000000::bigint)$$, 'a statement is JSON by to_jsonb');
SELECT is((SELECT array_agg(k ORDER BY k) FROM (SELECT to_jsonb(t) AS j FROM account.transactions t LIMIT 1) one, jsonb_object_keys(j) k),
    '{amount_micros,api_key_id,balance_after_micros,category,created_at,description,details,hash,id,idempotency_key,receipt,reference_id,reserved_micros,seq,service_account_id,type,user_id}'::text[],
    'with every column by its name');

-- Search and dates are plain SQL.
SELECT is((SELECT count(*)::int FROM account.transactions WHERE description ILIKE '%quoted%' AND created_at BETWEEN 'today' AND 'tomorrow'), 1, 'search and date range are plain SQL');
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END$$;
SET LOCAL enable_seqscan = off;
SELECT is_empty($$SELECT line FROM pg_temp.plan('SELECT * FROM account.transactions WHERE seq < 100 LIMIT 50') line WHERE line ~ 'Sort|Hash|Seq Scan|Bitmap'$$, 'a page comes straight from the index, receipts included');

-- Receipts are for those who see payments.
SELECT user_id AS bob FROM who WHERE name = 'bob' \gset
INSERT INTO account_data.members (workspace_id, user_id, role) VALUES (:'ada', :'bob', 'viewer');
SELECT key FROM account.create_api_key('reader') \gset
SELECT account.act_as(:'bob', :'ada');
SELECT is((SELECT count(receipt)::int FROM account.transactions WHERE type IN ('purchase', 'auto_top_up')), 0, 'a viewer sees transactions without receipts');
SELECT FROM account.authenticate(:'key');
SELECT is((SELECT count(receipt)::int FROM account.transactions WHERE type IN ('purchase', 'auto_top_up')), 0, 'and so does a key, whoever''s it is');
SELECT * FROM finish();
ROLLBACK;
