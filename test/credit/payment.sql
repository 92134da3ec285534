-- Payments: webhooks come twice, late and out of order.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT throws_ok('SELECT * FROM account.payments', '28000', 'not signed in', 'nobody reads payments without acting');
SELECT pg_temp.enter('ada');
SELECT throws_ok(format('SELECT account.start_top_up(%s)', amount), '22023', NULL, 'no top-up of ' || amount)
  FROM unnest(ARRAY[0, -1, 4999999, 1000000001]) amount;
SELECT lives_ok(format('SELECT account.start_top_up(%s)', amount), 'a top-up of ' || amount)
  FROM unnest(ARRAY[5000000, 10000000, 20000000, 50000000, 100000000, 500000000, 1000000000]) amount;
SELECT account.start_top_up(20000000, 'top') AS payment \gset
SELECT is(account.start_top_up(20000000, 'top'), :'payment', 'a top-up is replayed');
SELECT throws_ok($$SELECT account.start_top_up(30000000, 'top')$$, '22023', NULL, 'another one under its key is refused');
-- A key is one of the workspace, whichever function it was first used for.
SELECT account.adjust_credits(:'ada', 1000, 'gift', 'gift');
SELECT account.charge(300, 'w', 'charged'), account.charge(700, 'w', 'charged too');
SELECT throws_ok($$SELECT account.start_top_up(20000000, 'charged')$$, '22023', NULL, 'the key of a charge is none of a top-up');
SELECT throws_ok(format(call, 'top', :'ada'), '22023', NULL, 'nor that of a top-up one of ' || call)
  FROM unnest(ARRAY['SELECT account.charge(1, NULL, %L)', 'SELECT account.hold(1, NULL, %L)', 'SELECT account.charge_many(ARRAY[(1, NULL, %L, NULL, NULL, NULL)]::account.charge_request[])',
    'SELECT account.grant_credits(%2$L, 20000000, $$purchase$$, %1$L)', 'SELECT account.adjust_credits(%2$L, 1, $$x$$, %1$L)']) call;
SELECT pg_temp.enter('bob');
SELECT lives_ok($$SELECT account.start_top_up(20000000, 'charged')$$, 'another workspace has keys of its own');
SELECT pg_temp.enter('ada');
SELECT is(pg_temp.wallet(), '0 cash, 0 promotional, 0 debt, 0 reserved, 0 available', 'nothing is there before the money is');
SELECT is((account.confirm_payment(:'payment', 'pi_1', 'https://receipt.test/1')).amount_micros, 20000000::bigint, 'a confirmation brings the cash');
SELECT is((account.confirm_payment(:'payment', 'pi_1', 'https://receipt.test/1')).amount_micros, 20000000::bigint, 'twice is once');
SELECT account.fail_payment(:'payment', 'late and wrong');
SELECT is(pg_temp.wallet(), '20000000 cash, 0 promotional, 0 debt, 0 reserved, 20000000 available', 'and a later failure changes nothing');
SELECT throws_ok(format('SELECT account.confirm_payment(%L, %L)', :'payment', 'pi_2'), '55000', NULL, 'another reference is another payment');
SELECT results_eq('SELECT status, provider_ref, receipt_url FROM account.payments WHERE settled_at IS NOT NULL', $$VALUES ('confirmed', 'pi_1', 'https://receipt.test/1')$$, 'the receipt is on record');
SELECT account.start_top_up(10000000) AS payment \gset
SELECT account.fail_payment(:'payment', 'card declined');
SELECT account.fail_payment(:'payment', 'card declined');
SELECT is((SELECT status || ': ' || reason FROM account.payments WHERE id = :'payment'), 'failed: card declined', 'a failure is on record');
SELECT account.confirm_payment(:'payment', 'pi_3');
SELECT is(pg_temp.wallet(), '30000000 cash, 0 promotional, 0 debt, 0 reserved, 30000000 available', 'money that comes after all counts');
SELECT throws_ok(format('SELECT account.confirm_payment(%L, %L)', gen_random_uuid(), 'pi'), 'P0002', NULL, 'a payment that is none');
SELECT throws_ok(format('SELECT account.fail_payment(%L, %L)', gen_random_uuid(), 'x'), 'P0002', NULL, 'nor fails');
SELECT throws_ok(format('SELECT account.confirm_payment(%L, NULL)', :'payment'), '22023', NULL, 'a confirmation has a reference');
SELECT pg_temp.enter('bob');
SELECT is((SELECT count(*)::int FROM account.payments), 1, 'another workspace has its own');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');
SELECT * FROM finish();
ROLLBACK;
