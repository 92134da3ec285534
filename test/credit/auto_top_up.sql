-- Topping up by itself: one request at a crossing, a wait after a failure, off after three.
BEGIN;
SELECT no_plan();
\ir setup.psql

-- What has been asked for, and the payment that is open.
CREATE FUNCTION pg_temp.requests() RETURNS bigint LANGUAGE sql AS
    $$SELECT count(*) FROM account_data.payments WHERE type = 'auto_top_up'$$;
CREATE FUNCTION pg_temp.queued() RETURNS bigint LANGUAGE sql AS
    $$SELECT count(*) FROM account_data.messages WHERE kind = 'top_up_request'$$;
CREATE FUNCTION pg_temp.open() RETURNS uuid LANGUAGE sql AS
    $$SELECT id FROM account.payments WHERE type = 'auto_top_up' AND status = 'pending'$$;
CREATE FUNCTION pg_temp.cash(amount bigint) RETURNS void LANGUAGE sql AS
    $$SELECT account.adjust_credits(account.current_workspace_id(), amount, 'cash', gen_random_uuid()::text)$$;
-- Lets the wait after a failure be over.
CREATE FUNCTION pg_temp.wait() RETURNS void LANGUAGE sql AS $$
    UPDATE account_data.auto_top_ups SET retry_at = statement_timestamp() WHERE retry_at IS NOT NULL;
    UPDATE account_data.wallets SET next_due_at = '-infinity';
$$;

SELECT throws_ok('SELECT account.set_auto_top_up(true)', '28000', 'not signed in', 'nobody sets it without acting');
SELECT pg_temp.enter('ada');
SELECT throws_ok('SELECT account.set_auto_top_up(' || args || ')', '22023', NULL, 'refused: ' || args)
  FROM unnest(ARRAY['NULL', 'true, NULL', 'true, -1', 'true, 1000000000000001', 'true, amount_micros => NULL', 'true, 1, 4999999', 'true, 1, 1000000001', 'false, -1']) args;
SELECT lives_ok(format('SELECT account.set_auto_top_up(false, %s, %s)', t, a), format('a threshold of %s and an amount of %s', t, a))
  FROM (VALUES (0, 5000000), (1, 1000000000)) ok (t, a);

-- A crossing
SELECT pg_temp.cash(1000);
SELECT account.set_auto_top_up(true, 500, 5000000);
SELECT is(pg_temp.requests(), 0::bigint, 'with the threshold available nothing is asked for');
SELECT account.charge(500, 'w', 'to the threshold');
SELECT is(pg_temp.requests(), 0::bigint, 'at the threshold neither');
SELECT account.charge(1, 'w', 'below');
SELECT results_eq('SELECT type::text, amount_micros, status FROM account.payments', $$VALUES ('auto_top_up', 5000000::bigint, 'pending')$$, 'below it a payment is made');
SELECT results_eq($$SELECT channel, recipient, payload ->> 'payment_id', payload ->> 'workspace_id', payload ->> 'amount_micros' FROM account_data.messages WHERE kind = 'top_up_request'$$,
    $$SELECT 'webhook', 'processor', id::text, account.current_workspace_id()::text, amount_micros::text FROM account.payments$$, 'and the processor is told');
SELECT account.charge(1, 'w', 'further below');
SELECT account.hold(1, 'w', 'a hold');
SELECT pg_temp.cash(10000);
SELECT account.charge(10000, 'w', 'up and down again');
SELECT account.set_auto_top_up(false);
SELECT account.set_auto_top_up(true, 600, 5000000);
SELECT is(pg_temp.requests(), 1::bigint, 'there is one request until it is confirmed or failed');

-- Confirmed
SELECT pg_temp.open() AS payment \gset
SELECT is((account.confirm_payment(:'payment', 'pi_1', 'https://receipt.test/1')).type::text, 'auto_top_up', 'a confirmation brings cash as auto_top_up');
SELECT is((account.confirm_payment(:'payment', 'pi_1', 'https://receipt.test/1')).amount_micros, 5000000::bigint, 'twice is once');
SELECT is(pg_temp.queued(), 0::bigint, 'a request that nobody took yet is withdrawn');
SELECT is((SELECT count(*)::int FROM account.transactions WHERE type = 'auto_top_up'), 1, 'one transaction has it');
SELECT account.charge(5000000, 'w', 'below again');
SELECT is(pg_temp.requests(), 2::bigint, 'and the next crossing asks again');
SELECT account.charge(10000000, 'w', 'far below', allow_negative => true);
SELECT account.confirm_payment(pg_temp.open(), 'pi_2');
SELECT is(pg_temp.requests(), 3::bigint, 'a top-up that is not enough asks for the next');
SELECT account.confirm_payment(pg_temp.open(), 'pi_3');
SELECT account.confirm_payment(pg_temp.open(), 'pi_4');
SELECT is(pg_temp.requests(), 4::bigint, 'until the threshold is there');

-- Failed
SELECT account.charge(4999998, 'w', 'below it is');
SELECT pg_temp.open() AS failed \gset
SELECT account.fail_payment(:'failed', 'card declined');
SELECT account.fail_payment(:'failed', 'card declined');
SELECT results_eq($$SELECT amount_micros, description, reference_id FROM account.transactions WHERE type = 'auto_top_up_failed'$$,
    format('SELECT 0::bigint, %L, %L::uuid', 'card declined', :'failed'), 'a failure is a transaction of nothing, once');
SELECT is(pg_temp.queued(), 0::bigint, 'its request is withdrawn');
SELECT is((SELECT retry_at - statement_timestamp() BETWEEN '59 minutes' AND '1 hour' FROM account_data.auto_top_ups WHERE is_enabled), true, 'the next waits for an hour');
SELECT account.charge(1, 'w', 'while it waits');
SELECT account.expire_credits();
SELECT is(pg_temp.open(), NULL, 'meanwhile nothing is asked for');
SELECT pg_temp.wait();
SELECT account.charge(1, 'w', 'after the wait');
SELECT isnt(pg_temp.open(), NULL, 'then the next write asks again');
SELECT account.fail_payment(pg_temp.open(), 'card declined');
SELECT is((SELECT retry_at - statement_timestamp() > '119 minutes' FROM account_data.auto_top_ups WHERE is_enabled), true, 'the wait doubles');
SELECT pg_temp.wait();
SELECT account.expire_credits();
SELECT isnt(pg_temp.open(), NULL, 'without a write, expire_credits asks');
SELECT account.confirm_payment(pg_temp.open(), 'pi_5');
SELECT is((SELECT failures FROM account_data.auto_top_ups WHERE is_enabled), 0, 'a confirmation forgets the failures');

-- Three in a row
SELECT account.charge(4999999, 'w', 'below for the third time');
SELECT account.fail_payment(pg_temp.open(), 'one');
SELECT pg_temp.wait();
SELECT account.expire_credits();
SELECT account.fail_payment(pg_temp.open(), 'two');
SELECT pg_temp.wait();
SELECT account.expire_credits();
SELECT pg_temp.open() AS third \gset
SELECT is((SELECT count(*)::int FROM account_data.messages WHERE payload ->> 'notice' = 'auto_top_up_turned_off'), 0, 'two failures are no alert');
UPDATE account_data.emails SET verified_at = now() WHERE email = 'ada@credit.test';
SELECT account.fail_payment(:'third', 'three');
SELECT is((SELECT is_enabled FROM account_data.auto_top_ups JOIN who USING (workspace_id) WHERE name = 'ada'), false, 'the third failure in a row turns it off');
SELECT results_eq($$SELECT recipient, payload ->> 'failures' FROM account_data.messages WHERE payload ->> 'notice' = 'auto_top_up_turned_off'$$, $$VALUES ('ada@credit.test', '3')$$, 'the owner is alerted');
SELECT is((SELECT count(*)::int FROM account_data.events WHERE resource_name = 'automatic top-up' AND action = 'turned_off' AND metadata ? 'failures'), 1, 'and an event says so');
SELECT pg_temp.wait();
SELECT account.charge(1, 'w', 'off is off');
SELECT is(pg_temp.open(), NULL, 'nothing is asked for any more');
SELECT account.confirm_payment(:'third', 'pi_6');
SELECT is((SELECT failures FROM account_data.auto_top_ups JOIN who USING (workspace_id) WHERE name = 'ada'), 0, 'money that comes after all counts');
SELECT account.charge(5000000, 'w', 'still off');
SELECT is(pg_temp.open(), NULL, 'and turns nothing on');
SELECT account.set_auto_top_up(true, 20000000);
SELECT is((SELECT amount_micros FROM account.payments WHERE id = pg_temp.open()), 100000000::bigint, 'enabling it below the threshold asks at once, by default for $100');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');

-- Every write that can end below does ask; each in a wallet of its own state.
CREATE FUNCTION pg_temp.asks(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    asked boolean;
BEGIN
    PERFORM account.set_auto_top_up(true, 100, 5000000);
    IF pg_temp.open() IS NOT NULL THEN RAISE 'it is below already'; END IF;
    EXECUTE statement;
    asked := pg_temp.open() IS NOT NULL;
    RAISE EXCEPTION USING errcode = 'UNDO1', message = asked;
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
    RETURN SQLERRM;
END
$$;
SELECT pg_temp.enter('bob');
SELECT account.grant_credits(:'bob', 60, 'promo', 'promo', '2100-01-01');
SELECT account.grant_credits(:'bob', 50, 'purchase', 'bought');
SELECT account.adjust_credits(:'bob', 40, 'gift', 'gift');
SELECT id AS hold FROM account.hold(20, 'w', 'held') \gset
SELECT id AS purchase FROM account.transactions WHERE idempotency_key = 'bought' \gset
SELECT ok(pg_temp.asks(statement), statement) FROM unnest(ARRAY[
    'SELECT account.charge(31, $$w$$, $$c$$)',
    'SELECT account.charge_many(ARRAY[(20, $$w$$, $$c1$$, NULL, NULL, NULL), (20, $$w$$, $$c2$$, NULL, NULL, NULL)]::account.charge_request[])',
    'SELECT account.hold(31, $$w$$, $$h$$)',
    format('SELECT account.adjust_credits(%L, -31, $$less$$, $$less$$)', :'bob'),
    format('SELECT account.refund(%L)', :'purchase'),
    'SELECT pg_temp.expire($$promo$$), account.expire_credits()']) statement;
SELECT ok(NOT pg_temp.asks(format('SELECT account.settle(%L, 20)', :'hold')), 'a settle takes what was reserved before');
SELECT ok(pg_temp.asks('SELECT account.charge(30, $$w$$, $$c$$), account.charge(1, $$w$$, $$d$$)'), 'the threshold itself is enough, one less is not');
SELECT is(pg_temp.open(), NULL, 'what is rolled back asks for nothing');

-- Who may
SELECT key FROM account.create_api_key('billing') \gset
SELECT FROM account.authenticate(:'key');
SELECT throws_ok('SELECT account.set_auto_top_up(true)', '42501', NULL, 'a key may not');
SELECT pg_temp.proven(:'bob', 'the ledger is proven, too');

-- A workspace that goes
SELECT pg_temp.enter('bob');
SELECT account.create_team('bobs-team', 'Bobs') AS team \gset
SELECT account.switch_workspace(:'team');
SELECT account.set_auto_top_up(true);
SELECT is((SELECT count(*)::int FROM account_data.messages WHERE kind = 'top_up_request' AND workspace_id = :'team'), 1, 'a team has asked for a top-up');
SELECT account.delete_team('DELETE');
SELECT is((SELECT count(*)::int FROM account_data.messages WHERE kind = 'top_up_request' AND workspace_id = :'team'), 0, 'once it is deleted nobody is to pay');
SELECT * FROM finish();
ROLLBACK;
