-- Refunds go back to where the credit came from, and never beyond the charge.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT pg_temp.enter('ada');
SELECT account.adjust_credits(:'ada', 50, 'gift', 'cash');
SELECT account.grant_credits(:'ada', 100, 'promo', 'a', '2100-01-01');
SELECT account.grant_credits(:'ada', 100, 'promo', 'b', '2101-01-01');
SELECT id AS charge FROM account.charge(230, 'w', 'c1') \gset
SELECT account.refund(:'charge', 70, 'too slow', 'r1');
SELECT is(pg_temp.parts('r1'), 'b 40, cash 30', 'a refund undoes the burn-down from its end');
SELECT is((account.refund(:'charge', 70, 'too slow', 'r1')).balance_after_micros, 90::bigint, 'a refund is replayed');
SELECT throws_ok(format('SELECT account.refund(%L, 71, %L, %L)', :'charge', 'too slow', 'r1'), '22023', NULL, 'another amount under its key is refused');
SELECT throws_ok(format('SELECT account.refund(%L, NULL, %L, %L)', :'charge', 'too slow', 'r1'), '22023', NULL, 'and so is all of it');
SELECT throws_ok(format('SELECT account.refund(%L, 161)', :'charge'), '55000', NULL, 'all refunds together never exceed the charge');
SELECT is((account.refund(:'charge', idempotency_key => 'r2')).amount_micros, 160::bigint, 'without an amount it is all that is left');
SELECT is(pg_temp.parts('r2'), 'b 60, a 100', 'grant by grant');
SELECT throws_ok(format('SELECT account.refund(%L)', :'charge'), '55000', NULL, 'nothing is left then');
SELECT is(pg_temp.wallet(), '50 cash, 200 promotional, 0 debt, 0 reserved, 250 available', 'all is as before the charge');
SELECT throws_ok(format('SELECT account.refund(%L)', gen_random_uuid()), 'P0002', NULL, 'only a transaction can be refunded');
SELECT throws_ok(format('SELECT account.refund(%L)', id), '55000', NULL, type || ' cannot be refunded')
  FROM account.transactions WHERE idempotency_key IN ('cash', 'a', 'r1');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- A grant that has expired since takes its part back and lets it expire.
SELECT id AS charge FROM account.charge(120, 'w', 'c2') \gset
SELECT pg_temp.expire('a');
SELECT account.refund(:'charge', idempotency_key => 'r3');
SELECT is(pg_temp.parts('r3'), 'b 20, a 100', 'credit goes back to a grant that has expired');
SELECT is(pg_temp.last(), 'expiry -100', 'and expires with it');
SELECT is(pg_temp.wallet(), '50 cash, 100 promotional, 0 debt, 0 reserved, 150 available', 'no expired credit comes back to life');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- What was charged beyond the balance goes back to what paid it later.
SELECT id AS charge FROM account.charge(250, 'w', 'c3', allow_negative => true) \gset
SELECT is(pg_temp.wallet(), '0 cash, 0 promotional, 100 debt, 0 reserved, -100 available', 'a charge in arrears');
SELECT account.grant_credits(:'ada', 60, 'promo', 'pays', '2100-01-01');
SELECT account.refund(:'charge', 30, idempotency_key => 'r4');
SELECT is(pg_temp.parts('r4'), 'debt -30', 'debt that was never paid goes first');
SELECT account.refund(:'charge', 130, idempotency_key => 'r5');
SELECT is(pg_temp.wallet(), '50 cash, 70 promotional, 0 debt, 0 reserved, 120 available', 'what paid the debt later has its part back');
SELECT account.refund(:'charge', idempotency_key => 'r6');
SELECT is(pg_temp.wallet(), '50 cash, 160 promotional, 0 debt, 0 reserved, 210 available', 'and so has all that paid');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- A refund pays other debt first, and still gives back no more than it took.
SELECT id AS charge FROM account.charge(200, 'w', 'c4') \gset
SELECT account.charge(100, 'w', 'c5', allow_negative => true);
SELECT is(pg_temp.wallet(), '0 cash, 0 promotional, 90 debt, 0 reserved, -90 available', 'one charge is paid, the other is not');
SELECT account.refund(:'charge', 120, idempotency_key => 'r7');
SELECT is(pg_temp.wallet(), '0 cash, 30 promotional, 0 debt, 0 reserved, 30 available', 'a refund pays other debt first');
SELECT account.refund(:'charge', idempotency_key => 'r8');
SELECT is(pg_temp.wallet(), '0 cash, 110 promotional, 0 debt, 0 reserved, 110 available', 'then the rest is there');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- A settle is a charge; what it freed for debt does not count as charged.
SELECT id AS hold FROM account.hold(110, 't', 'h') \gset
SELECT account.charge(40, 'w', 'c6', allow_negative => true);
SELECT id AS charge FROM account.settle(:'hold', 50, idempotency_key => 's') \gset
SELECT is(pg_temp.wallet(), '0 cash, 20 promotional, 0 debt, 0 reserved, 20 available', 'the settle freed 60, of which 40 were owed');
SELECT throws_ok(format('SELECT account.refund(%L, 51)', :'charge'), '55000', NULL, 'it charged 50');
SELECT account.refund(:'charge');
SELECT is(pg_temp.wallet(), '0 cash, 70 promotional, 0 debt, 0 reserved, 70 available', 'which it gives back');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- Bought credit goes back out.
SELECT id AS purchase FROM account.grant_credits(:'bob', 500, 'purchase', 'p') \gset
SELECT account.refund(:'purchase', 200, 'changed my mind', 'pr');
SELECT pg_temp.enter('bob');
SELECT is(pg_temp.wallet(), '300 cash, 0 promotional, 0 debt, 0 reserved, 300 available', 'a refunded purchase takes its cash out');
SELECT account.charge(250, 'w', 'bc');
SELECT account.refund(:'purchase', idempotency_key => 'pr2');
SELECT is(pg_temp.wallet(), '0 cash, 0 promotional, 250 debt, 0 reserved, -250 available', 'spent or not');
SELECT throws_ok(format('SELECT account.refund(%L)', :'purchase'), '55000', NULL, 'once');
SELECT pg_temp.proven(:'bob', 'the ledger is proven');

-- However many grants a charge was paid from, it can be given back.
SELECT account.adjust_credits(:'bob', 250, 'out of debt', 'even');
SELECT count(account.grant_credits(:'bob', 1, 'promo', 'one of ' || n)) FROM generate_series(1, 1100) n;
SELECT id AS charge FROM account.charge(1100, 'w', 'of many') \gset
SELECT is((account.refund(:'charge')).amount_micros, 1100::bigint, 'a charge on more than a thousand grants is refunded');
SELECT is(pg_temp.wallet(), '0 cash, 1100 promotional, 0 debt, 0 reserved, 1100 available', 'to each of them');
SELECT pg_temp.proven(:'bob', 'the ledger is proven');
SELECT * FROM finish();
ROLLBACK;
