-- Charges: what they burn, what is refused, what one key does, what is proven.
BEGIN;
SELECT no_plan();
\ir setup.psql

SELECT throws_ok('SELECT * FROM account.balance', '28000', 'not signed in', 'nobody reads a balance without acting');
SELECT throws_ok('SELECT * FROM account.transactions', '28000', 'not signed in', 'nobody reads a statement without acting');
SELECT throws_ok('SELECT * FROM account.holds', '28000', 'not signed in', 'nobody reads holds without acting');
SELECT throws_ok($$SELECT account.charge(1, 'x', 'k')$$, '28000', 'not signed in', 'nobody charges without acting');
SELECT throws_ok($$SELECT account.balance_at(gen_random_uuid(), now())$$, '28000', 'not signed in', 'nobody reads a past balance without acting');

SELECT pg_temp.enter('ada');
SELECT is(pg_temp.wallet(), '0 cash, 0 promotional, 0 debt, 0 reserved, 0 available', 'the wallet is empty');
SELECT throws_ok($$SELECT account.charge(1, 'x', 'none')$$, 'PT402', 'insufficient credits', 'nothing comes from nothing');

-- Burn-down.
SELECT is((account.adjust_credits(:'ada', 1000, 'gift', 'gift')).type::text, 'adjustment', 'an operator corrects a balance');
SELECT is(pg_temp.wallet(), '1000 cash, 0 promotional, 0 debt, 0 reserved, 1000 available', 'a positive adjustment is cash');
SELECT account.grant_credits(:'ada', 100, 'promo', 'late', statement_timestamp() + '2 days');
SELECT account.grant_credits(:'ada', 100, 'promo', 'old', '2100-01-01');
SELECT account.grant_credits(:'ada', 100, 'promo', 'young', '2100-01-01');
SELECT account.grant_credits(:'ada', 100, 'promo', 'never');
SELECT account.grant_credits(:'ada', 100, 'promo', 'first', '2200-01-01', 10);
SELECT is(pg_temp.wallet(), '1000 cash, 500 promotional, 0 debt, 0 reserved, 1500 available', 'grants are promotional');
SELECT account.charge(150, 'w', 'c1');
SELECT is(pg_temp.parts('c1'), 'first -100, late -50', 'burn-down goes by priority, then by the sooner expiry');
SELECT account.charge(1000, 'w', 'c2');
SELECT is(pg_temp.parts('c2'), 'late -50, old -100, young -100, never -100, cash -650', 'then by age, and cash comes last');
SELECT is(pg_temp.wallet(), '350 cash, 0 promotional, 0 debt, 0 reserved, 350 available', 'the balance is what is left');
SELECT throws_ok($$SELECT account.adjust_credits(workspace_id, -351, 'less', 'less') FROM who WHERE name = 'ada'$$, 'PT402',
    'insufficient credits', 'a negative adjustment needs the credit');
SELECT account.adjust_credits(:'ada', -50, 'less', 'less');
SELECT is(pg_temp.parts('less'), 'cash -50', 'and burns like a charge');

-- Who acts stands in the row.
SELECT results_eq($$SELECT type::text, amount_micros, balance_after_micros, description, category, user_id IS NOT NULL FROM account.transactions WHERE idempotency_key = 'c2'$$,
    $$VALUES ('usage', -1000::bigint, 350::bigint, 'w', 'usage', true)$$, 'the statement tells amount, balance and who charged');
SELECT results_eq('SELECT seq FROM account.transactions ORDER BY 1',
    'SELECT generate_series(1, count(*)) FROM account.transactions', 'seq has no gap');

-- One key, one effect.
SELECT is((account.charge(150, 'w', 'c1')).seq, (SELECT seq FROM account.transactions WHERE idempotency_key = 'c1'), 'the same request gives the first transaction');
SELECT is(pg_temp.wallet(), '300 cash, 0 promotional, 0 debt, 0 reserved, 300 available', 'and has no second effect');
SELECT throws_ok(format('SELECT account.charge(%s)', args), '22023', NULL, 'another request under the key: ' || args)
  FROM unnest(ARRAY['151, $$w$$, $$c1$$', '150, $$v$$, $$c1$$', '150, NULL, $$c1$$', '150, $$w$$, $$c1$$, $$gpu$$',
                    '150, $$w$$, $$c1$$, details => $${"a": 1}$$', '150, $$w$$, $$c1$$, allow_negative => true',
                    '150, $$w$$, $$gift$$']) args;
SELECT throws_ok($$SELECT account.adjust_credits(workspace_id, 1000, 'gift', 'c1') FROM who WHERE name = 'ada'$$, '22023', NULL, 'another function under the key');
SELECT pg_temp.enter('bob');
SELECT throws_ok($$SELECT account.charge(150, 'w', 'c1')$$, 'PT402', NULL, 'another workspace has keys of its own');
SELECT is((SELECT count(*)::int FROM account.transactions WHERE idempotency_key = 'c1'), 0, 'and a statement of its own');
SELECT throws_ok($$SELECT account.balance_at(workspace_id, now()) FROM who WHERE name = 'ada'$$, 'P0002', NULL, 'a past balance is for members');

-- Below zero, and out again.
SELECT pg_temp.enter('ada');
SELECT is((account.charge(500, 'w', 'below', allow_negative => true)).balance_after_micros, -200::bigint, 'a run that is going may end below zero');
SELECT is(pg_temp.wallet(), '0 cash, 0 promotional, 200 debt, 0 reserved, -200 available', 'what is missing is debt');
SELECT throws_ok($$SELECT account.charge(1, 'w', 'new')$$, 'PT402', NULL, 'nothing new starts until the balance is positive');
SELECT account.grant_credits(:'ada', 150, 'promo', 'pays', '2100-01-01');
SELECT is(pg_temp.parts('pays'), 'debt -150', 'a grant pays debt first');
SELECT account.adjust_credits(:'ada', 100, 'gift', 'pays too');
SELECT is(pg_temp.parts('pays too'), 'cash 50, debt -50', 'and so does cash');
SELECT is(pg_temp.wallet(), '50 cash, 0 promotional, 0 debt, 0 reserved, 50 available', 'the rest is there');
SELECT results_eq('SELECT amount_micros, grant_id IS NULL FROM account_data.debt_payments ORDER BY number',
    'VALUES (150::bigint, false), (50::bigint, true)', 'what paid a debt is on record');

-- Batches.
SELECT results_eq($$SELECT amount_micros, category, description FROM account.charge_many(ARRAY[
      (10, 'one', 'm1', NULL, NULL, NULL), (20, 'two', 'm2', 'gpu', '{"a": 1}', NULL), (10, 'one', 'm1', NULL, NULL, NULL)]::account.charge_request[])$$,
    $$VALUES (-10::bigint, 'usage', 'one'), (-20, 'gpu', 'two'), (-10, 'usage', 'one')$$, 'a batch gives its transactions in order, a replay in it too');
SELECT throws_ok($$SELECT account.charge_many(ARRAY[(10, 'x', 'm3', NULL, NULL, NULL), (20, 'x', 'm4', NULL, NULL, NULL)]::account.charge_request[])$$,
    'PT402', NULL, 'a batch is all or nothing');
SELECT is(pg_temp.wallet(), '20 cash, 0 promotional, 0 debt, 0 reserved, 20 available', 'and nothing it was');
SELECT is((SELECT count(*)::int FROM account.charge_many(ARRAY[(10, 'one', 'm1', NULL, NULL, NULL), (20, 'two', 'm2', 'gpu', '{"a": 1}', false)]::account.charge_request[])), 2, 'a batch is replayed');
SELECT is((SELECT count(*)::int FROM account.charge_many('{}')), 0, 'an empty batch is none');
SELECT throws_ok($$SELECT account.charge_many(ARRAY[NULL]::account.charge_request[])$$, '22023', NULL, 'a batch without nulls');
SELECT throws_ok($$SELECT account.charge_many(ARRAY[(NULL, 'x', 'm5', NULL, NULL, NULL)]::account.charge_request[])$$, '22023', NULL, 'each entry has an amount');
SELECT throws_ok($$SELECT account.charge_many(ARRAY[(1, 'x', NULL, NULL, NULL, NULL)]::account.charge_request[])$$, '22023', NULL, 'each entry has a key');
-- Statistics of a small ledger, as they are until the next ANALYZE.
ANALYZE account_data.transactions;
SET LOCAL enable_seqscan = off;
SELECT pg_stat_get_xact_numscans('account_data.transactions_idempotency_key'::regclass) AS scans \gset
SELECT is((SELECT count(*)::int FROM account.charge_many((SELECT array_agg((1, 'n', 'n' || n, NULL, NULL, true)::account.charge_request) FROM generate_series(1, 1000) n))), 1000, 'a batch of a thousand');
SELECT is(pg_stat_get_xact_numscans('account_data.transactions_idempotency_key'::regclass) - :scans, 1000::bigint, 'looks each key up, and does not compare the ledger with all of them');
RESET enable_seqscan;
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- Nobody rewrites it.
SELECT throws_ok(statement, '55000', 'transactions cannot be changed or deleted', statement)
  FROM unnest(ARRAY['UPDATE account_data.transactions SET amount_micros = 0', 'DELETE FROM account_data.transactions',
                    'TRUNCATE account_data.transactions']) statement;
SELECT throws_ok('DELETE FROM account_data.wallets', '55000', NULL, 'a wallet goes with its workspace only');
SELECT is((SELECT (SELECT count(*) FROM account_data.events WHERE resource_type = 'billing' AND workspace_id = :'ada') > 0), true, 'what is charged is an event');
SELECT lives_ok(format('DELETE FROM account_data.users WHERE id = %L', user_id), 'a person can be deleted') FROM who WHERE name = 'ada';
SELECT lives_ok(format('DELETE FROM account_data.workspaces WHERE id = %L', :'ada'), 'and their workspace');
SELECT is((SELECT count(*)::int FROM account_data.transactions WHERE workspace_id = :'ada'), 0, 'with its ledger');
SELECT * FROM finish();
ROLLBACK;
