-- Credit that is given away: sign-up, company address, a month of a plan, promo codes, referrals.
BEGIN;
SELECT no_plan();
CREATE FUNCTION pg_temp.home(person uuid) RETURNS uuid LANGUAGE sql AS
    $$SELECT personal_workspace_id FROM account_data.users WHERE id = person$$;
CREATE FUNCTION pg_temp.total() RETURNS bigint LANGUAGE sql AS $$SELECT total_micros FROM account.balance$$;

-- Sign-up.
SELECT account.sign_up('ada-promo', 'ada@gmail.com', 'us') AS ada \gset
SELECT account.act_as(:'ada');
SELECT is(pg_temp.total(), 5000000::bigint, 'sign-up brings $5');
SELECT results_eq('SELECT type::text, expires_at - statement_timestamp() <= interval $$30 days$$, expires_at - statement_timestamp() > interval $$29 days$$ FROM account.grants',
    $$VALUES ('signup', true, true)$$, 'for 30 days');
SELECT account.sign_up('eva-promo', 'eva@company.test', 'us', identity => ('google', 'eva', 'eva@company.test', true)::account.identity_claim) AS eva \gset
SELECT account.act_as(:'eva');
SELECT is(pg_temp.total(), 25000000::bigint, 'a verified company address brings it to $25');

-- Keys of our own.
SELECT throws_ok($$SELECT account.charge(1, 'x', 'account:signup')$$, '22023', NULL, 'nobody takes a key of the extension');

-- Promo codes.
SELECT account.create_promo_code('hello-10', 10000000, max_redemptions => 2);
SELECT account.create_promo_code('twice', 1000000, max_per_person => 2, lasts => NULL);
SELECT account.create_promo_code('over', 1000000, expires_at => statement_timestamp() - interval '1 s');
SELECT throws_ok($$SELECT account.create_promo_code('HELLO-10', 1)$$, '23505', NULL, 'a code is one whatever its case');
SELECT throws_ok($$SELECT account.create_promo_code('a b', 1)$$, '22023', NULL, 'a code has letters, digits and hyphens');
SELECT account.act_as(:'ada');
SELECT is((account.redeem_promo_code('Hello-10')).amount_micros, 10000000::bigint, 'a promo code brings its credit');
SELECT throws_ok($$SELECT account.redeem_promo_code('hello-10')$$, '55000', 'promo code was already redeemed', 'once a person');
SELECT throws_ok($$SELECT account.redeem_promo_code('nothing')$$, 'P0002', NULL, 'an unknown code');
SELECT throws_ok($$SELECT account.redeem_promo_code('over')$$, '55000', 'promo code is expired', 'an expired code');
SELECT account.redeem_promo_code('twice');
SELECT account.redeem_promo_code('twice');
SELECT throws_ok($$SELECT account.redeem_promo_code('twice')$$, '55000', NULL, 'as often as it says');
SELECT is(pg_temp.total(), 17000000::bigint, 'all of it is there');
SELECT account.act_as(:'eva');
SELECT account.redeem_promo_code('hello-10');
SELECT throws_ok($$SELECT account.sign_up('bob-promo', 'bob@gmail.com', 'us', promo_code => 'hello-10')$$, '55000', 'promo code is used up', 'a code has a maximum for all');
SELECT throws_ok($$SELECT account.sign_up('bob-promo', 'bob@gmail.com', 'us', promo_code => 'nothing')$$, 'P0002', NULL, 'a sign-up with an unknown code');
SELECT account.sign_up('bob-promo', 'bob@gmail.com', 'us', promo_code => 'twice') AS bob \gset
SELECT account.act_as(:'bob');
SELECT is(pg_temp.total(), 6000000::bigint, 'a sign-up with a code');

-- Referrals.
SELECT account.act_as(:'ada');
SELECT results_eq('SELECT code, signups, qualified, earned_micros FROM account.referrals', 'VALUES (NULL, 0, 0::bigint, 0::bigint)', 'who has no code yet has brought nobody');
SELECT account.referral_code() AS code \gset
SELECT is(account.referral_code(), :'code', 'a person has one referral code');
SELECT throws_ok($$SELECT account.sign_up('cat-promo', 'cat@gmail.com', 'us', referral_code => 'nobodys')$$, 'P0002', NULL, 'an unknown referral code');
SELECT account.sign_up('cat-promo', 'cat@gmail.com', 'us', referral_code => :'code') AS cat \gset
SELECT account.act_as(:'cat');
SELECT is(pg_temp.total(), 15000000::bigint, 'the friend gets $10');
SELECT account.grant_credits(pg_temp.home(:'cat'), 9999999, 'purchase', 'p1');
SELECT account.act_as(:'ada');
SELECT results_eq('SELECT signups, qualified, earned_micros FROM account.referrals', 'VALUES (1, 0::bigint, 0::bigint)', 'nothing is earned before $10');
SELECT id AS purchase FROM account.grant_credits(pg_temp.home(:'cat'), 5000000, 'purchase', 'p2') \gset
SELECT account.grant_credits(pg_temp.home(:'cat'), 5000000, 'purchase', 'p3');
SELECT results_eq('SELECT signups, qualified, earned_micros FROM account.referrals', 'VALUES (1, 1::bigint, 10000000::bigint)', 'you get $10 when they have topped up $10');
SELECT is(pg_temp.total(), 27000000::bigint, 'once');
SELECT account.refund(:'purchase');
SELECT is(pg_temp.total(), 27000000::bigint, 'a refund that leaves $10 changes nothing');
SELECT account.refund(id, 5000000) FROM account_data.transactions WHERE idempotency_key = 'p1' AND workspace_id = pg_temp.home(:'cat');
SELECT is(pg_temp.total(), 17000000::bigint, 'one below takes it back');
SELECT account.refund(id) FROM account_data.transactions WHERE idempotency_key = 'p1' AND workspace_id = pg_temp.home(:'cat');
SELECT account.grant_credits(pg_temp.home(:'cat'), 50000000, 'purchase', 'p4');
SELECT is(pg_temp.total(), 17000000::bigint, 'once, and for good');
UPDATE account_data.referral_codes SET signups = 100 WHERE code = :'code';
SELECT throws_ok(format($$SELECT account.sign_up('dan-promo', 'dan@gmail.com', 'us', referral_code => %L)$$, :'code'), '55000', NULL, '100 friends at most');

-- Who invited somebody may be gone when that one tops up.
SELECT account.act_as(:'bob');
SELECT account.referral_code() AS code \gset
SELECT account.sign_up('eve-promo', 'eve@gmail.com', 'us', referral_code => :'code') AS eve, account.sign_up('fay-promo', 'fay@gmail.com', 'us', referral_code => :'code') AS fay \gset
SELECT id AS purchase FROM account.grant_credits(pg_temp.home(:'fay'), 10000000, 'purchase', 'p5') \gset
DELETE FROM account_data.workspaces WHERE id = pg_temp.home(:'bob');
SELECT account.act_as(:'eve');
SELECT account.start_top_up(10000000) AS payment \gset
SELECT lives_ok(format('SELECT account.confirm_payment(%L, $$pi$$)', :'payment'), 'a friend of nobody any more tops up');
SELECT is(pg_temp.total(), 25000000::bigint, 'and has what they paid for');
SELECT lives_ok(format('SELECT account.refund(%L)', :'purchase'), 'or has it refunded');
SELECT account.act_as(:'ada');

-- A month of a plan.
SELECT account.start_subscription(pg_temp.home(:'ada'), 'pro', 'monthly', 'sub');
SELECT is(pg_temp.total(), 47000000::bigint, 'pro brings $30 a seat at once');
SELECT results_eq($$SELECT type::text, amount_micros FROM account.transactions ORDER BY seq DESC LIMIT 1$$, $$VALUES ('monthly_grant', 30000000::bigint)$$, 'as a monthly grant');
SELECT is((SELECT bool_and(ok) FROM account.verify_ledger()), true, 'all ledgers are proven');
SELECT * FROM finish();
ROLLBACK;
