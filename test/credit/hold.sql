-- Holds, and what expires.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT pg_temp.enter('ada');
SELECT account.adjust_credits(:'ada', 100, 'gift', 'cash');
SELECT account.grant_credits(:'ada', 100, 'promo', 'a', '2100-01-01');
SELECT account.grant_credits(:'ada', 100, 'promo', 'b', '2101-01-01');

-- Reserve, settle, release.
SELECT id AS hold FROM account.hold(250, 'training', 'h1') \gset
SELECT is(pg_temp.wallet(), '100 cash, 200 promotional, 0 debt, 250 reserved, 50 available', 'a hold reserves');
SELECT is(pg_temp.last(), 'hold 0', 'and moves nothing else');
SELECT throws_ok($$SELECT account.charge(51, 'x', 'c')$$, 'PT402', NULL, 'what is reserved cannot be charged');
SELECT throws_ok($$SELECT account.hold(51, 'x', 'c')$$, 'PT402', NULL, 'or held again');
SELECT account.charge(10, 'x', 'c1');
SELECT is(pg_temp.parts('c1'), 'cash -10', 'a charge goes around what holds have reserved');
SELECT is((account.hold(250, 'training', 'h1')).id, :'hold', 'the same request gives the same hold');
SET LOCAL intervalstyle = 'iso_8601';
SELECT is((account.hold(250, 'training', 'h1')).id, :'hold', 'also where intervals are written another way');
SET LOCAL intervalstyle = 'postgres';
SELECT throws_ok($$SELECT account.hold(250, 'training', 'h1', '2 days')$$, '22023', NULL, 'another request under its key is refused');
SELECT account.settle(:'hold', 120, '{"hours": 2}', false, 's1');
SELECT is(pg_temp.parts('s1'), 'a -100, b -20', 'a settle burns what was reserved, in burn-down order');
SELECT is(pg_temp.wallet(), '90 cash, 80 promotional, 0 debt, 130 reserved, 40 available', 'a partial settle keeps the rest');
SELECT is((account.settle(:'hold', 120, '{"hours": 2}', false, 's1')).amount_micros, -120::bigint, 'a settle is replayed');
SELECT throws_ok(format('SELECT account.settle(%L, 120, %L, true, %L)', :'hold', '{"hours": 2}', 's1'), '22023', NULL, 'final or not is part of the request');
SELECT throws_ok(format('SELECT account.settle(%L, 131)', :'hold'), '55000', NULL, 'never more than is still held');
SELECT account.settle(:'hold', 90, idempotency_key => 's2');
SELECT is(pg_temp.parts('s2'), 'b -80, cash -10', 'the cash that was reserved comes last');
SELECT is(pg_temp.wallet(), '80 cash, 0 promotional, 0 debt, 0 reserved, 80 available', 'a final settle frees the rest');
SELECT throws_ok(format('SELECT account.settle(%L, 1)', :'hold'), '55000', NULL, 'a settled hold is closed');
SELECT throws_ok(format('SELECT account.release(%L)', :'hold'), '55000', NULL, 'and cannot be released');
SELECT is((account.settle(:'hold', 90, idempotency_key => 's2')).amount_micros, -90::bigint, 'its settles can still be replayed');
SELECT id AS hold FROM account.hold(80, 'training', 'h2') \gset
SELECT pg_temp.enter('bob');
SELECT throws_ok(format('SELECT account.settle(%L, 1)', :'hold'), 'P0002', NULL, 'a hold of another workspace does not exist');
SELECT throws_ok(format('SELECT account.release(%L)', :'hold'), 'P0002', NULL, 'nor to be released');
SELECT pg_temp.enter('ada');
SELECT account.release(:'hold');
SELECT is(pg_temp.wallet(), '80 cash, 0 promotional, 0 debt, 0 reserved, 80 available', 'a release frees all');
SELECT throws_ok(format('SELECT account.settle(%L, 1)', :'hold'), '55000', NULL, 'a settle after it is refused');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- An expired hold is reserved no more, at once.
SELECT id AS hold FROM account.hold(80, 'training', 'h3') \gset
SELECT pg_temp.expire('h3');
SELECT is(pg_temp.wallet(), '80 cash, 0 promotional, 0 debt, 0 reserved, 80 available', 'a reader never sees what an expired hold held');
SELECT results_eq('SELECT status, held_micros FROM account.holds WHERE expires_at < now()', $$VALUES ('expired', 0::bigint)$$, 'and sees it expired');
SELECT throws_ok(format('SELECT account.settle(%L, 1)', :'hold'), '55000', NULL, 'an expired hold cannot be settled');
SELECT account.charge(80, 'x', 'c2');
SELECT results_eq('SELECT type::text, amount_micros, reserved_micros FROM account.transactions ORDER BY seq DESC LIMIT 2',
    $$VALUES ('usage', -80::bigint, 0::bigint), ('release', 0, -80)$$, 'the next write posts the release first');

-- An expired grant leaves at once; what a hold reserves of it stays until the hold is closed.
SELECT account.grant_credits(:'ada', 100, 'promo', 'c', '2100-01-01');
SELECT id AS hold FROM account.hold(30, 'training', 'h4') \gset
SELECT pg_temp.expire('c');
SELECT is(pg_temp.wallet(), '0 cash, 30 promotional, 0 debt, 30 reserved, 0 available', 'a reader never sees what has expired');
SELECT is(account.balance_at(:'ada', now()), 30::bigint, 'nor does balance_at');
SELECT results_eq('SELECT remaining_micros, reserved_micros FROM account.grants', 'VALUES (30::bigint, 30::bigint)', 'what is reserved of it is still there');
SELECT account.settle(:'hold', 10, '{}', false, 's4');
SELECT results_eq('SELECT type::text, amount_micros FROM account.transactions ORDER BY seq DESC LIMIT 2',
    $$VALUES ('settle', -10::bigint), ('expiry', -70)$$, 'the expiry is a row of its own');
SELECT account.release(:'hold');
SELECT results_eq('SELECT type::text, amount_micros FROM account.transactions ORDER BY seq DESC LIMIT 2',
    $$VALUES ('expiry', -20::bigint), ('release', 0)$$, 'what a closed hold frees of it expires then');
SELECT is(pg_temp.wallet(), '0 cash, 0 promotional, 0 debt, 0 reserved, 0 available', 'and nothing is left');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- Freed credit pays debt.
SELECT account.adjust_credits(:'ada', 100, 'gift', 'cash 2');
SELECT id AS hold FROM account.hold(100, 'training', 'h5') \gset
SELECT account.charge(60, 'x', 'c3', allow_negative => true);
SELECT is(pg_temp.wallet(), '100 cash, 0 promotional, 60 debt, 100 reserved, -60 available', 'a charge never takes what is reserved');
SELECT account.settle(:'hold', 10, idempotency_key => 's5');
SELECT is(pg_temp.wallet(), '30 cash, 0 promotional, 0 debt, 0 reserved, 30 available', 'what a settle frees pays debt');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- What a hold frees of a grant expires when the grant does, however long the hold would have lasted.
SELECT account.grant_credits(:'ada', 100, 'promo', 'f', '2100-01-01');
SELECT id AS hold FROM account.hold(100, 'training', 'h7', '99 years') \gset
SELECT account.set_auto_top_up(false);
SELECT account.release(:'hold');
SELECT is((SELECT next_due_at FROM account_data.wallets WHERE workspace_id = :'ada'), '2100-01-01'::timestamptz, 'a grant that a hold frees is due again');
SELECT account.charge(100, 'x', 'c4');

-- The maintenance posts what nobody else does.
SELECT account.grant_credits(:'ada', 100, 'promo', 'd', '2100-01-01');
SELECT id AS hold FROM account.hold(120, 'training', 'h6') \gset
SELECT pg_temp.expire('h6');
SELECT results_eq('SELECT remaining_micros, reserved_micros FROM account.grants', 'VALUES (100::bigint, 0::bigint)', 'a hold that has expired reserves nothing of a grant');
SELECT pg_temp.expire('d');
SELECT is_empty('SELECT * FROM account.grants', 'and keeps nothing of one that has expired, too');
SELECT is(account.expire_credits(), 1::bigint, 'the maintenance posts due expiries, wallet by wallet');
SELECT is(account.expire_credits(), 0::bigint, 'once');
SELECT results_eq('SELECT type::text, amount_micros FROM account.transactions ORDER BY seq DESC LIMIT 2',
    $$VALUES ('expiry', -100::bigint), ('release', 0)$$, 'holds and grants');
SELECT is(pg_temp.wallet(), '30 cash, 0 promotional, 0 debt, 0 reserved, 30 available', 'as readers saw it before');
SELECT is((SELECT next_due_at FROM account_data.wallets WHERE workspace_id = :'ada'), 'infinity', 'nothing is due any more');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- Each row is dated at the instant it is about.
SELECT account.grant_credits(:'bob', 100, 'promo', 'e', '2100-01-01');
UPDATE account_data.wallets SET last_at = '2020-01-01' WHERE workspace_id = :'bob';
SELECT pg_temp.expire('e');
SELECT account.expire_credits();
SELECT is((SELECT t.created_at FROM account_data.transactions t WHERE workspace_id = :'bob' AND type = 'expiry'),
    (SELECT expires_at FROM account_data.grants WHERE workspace_id = :'bob' AND amount_micros = 100), 'an expiry is dated when it was');
SELECT * FROM finish();
ROLLBACK;
