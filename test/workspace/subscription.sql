-- Subscriptions: periods, seats, cancelling, licences, and what lapses by the clock.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SET LOCAL TimeZone = 'America/New_York';
\ir ../lib/subscription.psql
SELECT account.act_as(:'ann', :'team');

-- Nothing yet

SELECT results_eq('SELECT plan, status, seats_taken FROM account.subscription', $$VALUES ('free', 'none', 4::bigint)$$, 'a workspace begins on free');
SELECT is(pg_temp.error(call), format('P0002 subscription of workspace %s does not exist', :'team'), call || ' needs a subscription')
  FROM unnest('{SELECT account.cancel_subscription(),SELECT account.resume_subscription(),SELECT account.change_cycle(''yearly''),SELECT account.set_seats(4)}'::text[]) call;

-- Starting

SELECT account.start_subscription(:'team', 'pro', 'monthly', 'evt_1', 5, NULL, 'sub_1') AS first \gset
SELECT is(:'first'::timestamptz, (SELECT ((started_at AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC' FROM account.subscription), 'a monthly period is a month of UTC');
SELECT results_eq('SELECT plan, status, cycle, seats, seat_price_micros, period_ends_at FROM account.subscription',
    format('VALUES (''pro'', ''active'', ''monthly'', 5, 29000000::bigint, %L::timestamptz)', :'first'), 'it puts the workspace on the plan at once');
SELECT is(account.start_subscription(:'team', 'pro', 'monthly', 'evt_1', 5, NULL, 'sub_1'), :'first'::timestamptz, 'the same event gives the same result');
SELECT is(pg_temp.error(format('SELECT account.start_subscription(%L, ''pro'', %L, ''evt_1'', %s, NULL, ''sub_1'')', :'team', cycle, seats)),
    '22023 invalid idempotency_key: it belongs to another request', 'the same event with another request') FROM (VALUES ('yearly', 5), ('monthly', 4)) v (cycle, seats);
SELECT is(pg_temp.error(format('SELECT account.renew_subscription(%L, ''evt_1'')', :'team')), '22023 invalid idempotency_key: it belongs to another request',
    'the same event with another function');
SELECT is(pg_temp.error(format('SELECT account.start_subscription(%L, ''pro'', ''monthly'', ''evt_2'')', :'team')), '55000 workspace has that plan', 'a plan is not started twice');
SELECT is((SELECT count(*) FROM account_data.subscription_events), 1::bigint, 'one event was served');
SELECT is_empty('SELECT pg_temp.news()', 'what the processor says needs no message to it');

-- Renewing

SELECT account.renew_subscription(:'team', 'evt_3') AS second \gset
SELECT is(account.renew_subscription(:'team', 'evt_3'), :'second'::timestamptz, 'a renewal counts once for its event');
SELECT results_eq('SELECT period_started_at, period_ends_at > period_started_at FROM account.subscription', format('VALUES (%L::timestamptz, true)', :'first'),
    'the next period follows the last one');
SELECT pg_temp.pass('70 days');
SELECT is((SELECT status FROM account.subscription), 'ended', 'a period that is not renewed is over');
SELECT isnt(account.renew_subscription(:'team', 'evt_4'), NULL, 'a payment may come late');
SELECT is((SELECT status FROM account.subscription), 'active', 'and brings the plan back');
SELECT pg_temp.pass('1 year');
SELECT cmp_ok(account.renew_subscription(:'team', 'evt_5'), '>', statement_timestamp() + interval '27 days', 'much later it pays for a period from now');
SELECT account.renew_subscription(:'team', 'evt_6', NULL, statement_timestamp() + interval '100 days') AS stated \gset
SELECT is(:'stated'::timestamptz, (SELECT period_ends_at FROM account.subscription), 'the processor may state the end');
SELECT pg_temp.pass('101 days');
SELECT is(account.renew_subscription(:'team', 'evt_6', NULL, :'stated'), :'stated'::timestamptz, 'a repeated event gives its result also when that end is past');

-- The 31st stays the 31st

UPDATE account_data.subscriptions SET period_started_at = '2090-01-01Z', period_ends_at = '2091-01-31 03:00Z', anchored_at = '2090-12-31 03:00Z', periods = 1;
SELECT is(account.renew_subscription(:'team', 'feb'), '2091-02-28 03:00Z', 'February ends on its 28th');
SELECT is(account.renew_subscription(:'team', 'mar'), '2091-03-31 03:00Z', 'and March on its 31st again');
DELETE FROM account_data.subscriptions;

-- Cancelling and resuming

SELECT account.start_subscription(:'team', 'pro', 'yearly', 'evt_10', 5, NULL, 'sub_2') AS ends_at \gset
SELECT isnt((SELECT credits_due_at FROM account_data.subscriptions), NULL, 'a yearly subscription has credit due each month');
SELECT is(account.cancel_subscription(), :'ends_at'::timestamptz, 'cancelling keeps the plan to the end of the period');
SELECT results_eq('SELECT plan, status, cancelled_at <= statement_timestamp() FROM account.subscription', $$VALUES ('pro', 'cancelled', true)$$, 'the view shows both');
SELECT is((SELECT credits_due_at FROM account_data.subscriptions), NULL, 'monthly credits stop at once');
SELECT results_eq('SELECT pg_temp.news()', $$VALUES ('{"kind": "subscription_cancelled", "to": "processor", "seats": 5, "provider_ref": "sub_2"}'::jsonb)$$, 'the processor is told');
SELECT is(pg_temp.error('SELECT account.' || call), '55000 subscription is cancelled', 'not when cancelled: ' || call)
  FROM unnest('{cancel_subscription(),change_cycle(''monthly''),set_seats(5)}'::text[]) call;
SELECT is(pg_temp.error(format('SELECT account.renew_subscription(%L, ''evt_11'')', :'team')), '55000 subscription is cancelled', 'nor is it renewed');
SELECT is(account.resume_subscription(), :'ends_at'::timestamptz, 'it can be resumed before that');
SELECT is((SELECT status FROM account.subscription), 'active', 'and is as before');
SELECT isnt((SELECT credits_due_at FROM account_data.subscriptions), NULL, 'with monthly credits');
SELECT is(pg_temp.error('SELECT account.resume_subscription()'), '55000 subscription is not cancelled', 'but only once');
SELECT results_eq('SELECT pg_temp.news() ->> ''kind''', $$VALUES ('subscription_resumed')$$, 'the processor is told of that too');
SELECT account.cancel_subscription();
SELECT pg_temp.pass('366 days');
SELECT results_eq('SELECT plan, status FROM account.subscription', $$VALUES ('free', 'ended')$$, 'with its period it ends, and no job has to run');
SELECT is(pg_temp.error('SELECT account.resume_subscription()'), '55000 subscription has ended', 'then it is too late to resume');
SELECT isnt(account.start_subscription(:'team', 'pro', 'monthly', 'evt_12', 5, NULL, 'sub_3'), NULL, 'and a new one may start');
SELECT results_eq('SELECT status, cancelled_at FROM account.subscription', $$VALUES ('active', NULL::timestamptz)$$, 'which is not cancelled');
SELECT count(*) FROM pg_temp.news();

-- Changing the cycle

SELECT account.change_cycle('yearly');
SELECT results_eq('SELECT cycle, next_cycle FROM account.subscription', $$VALUES ('monthly', 'yearly')$$, 'the cycle changes with the next period');
SELECT account.change_cycle('yearly');
SELECT results_eq('SELECT pg_temp.news()', $$VALUES ('{"kind": "cycle_changed", "to": "processor", "seats": 5, "next_cycle": "yearly", "provider_ref": "sub_3"}'::jsonb)$$,
    'the processor is told once');
SELECT account.change_cycle('monthly');
SELECT is((SELECT next_cycle FROM account.subscription), NULL, 'it can be changed back');
SELECT account.change_cycle('yearly');
SELECT cmp_ok(account.renew_subscription(:'team', 'evt_13'), '>', statement_timestamp() + interval '390 days', 'the next period is a year');
SELECT results_eq('SELECT cycle, next_cycle, seat_price_micros FROM account.subscription', $$VALUES ('yearly', NULL::text, 290000000::bigint)$$, 'at the price of a year');
DELETE FROM account_data.subscriptions;
SELECT count(*) FROM pg_temp.news();

-- Seats

SELECT account.start_subscription(:'team', 'pro', 'monthly', 'evt_20', 2, statement_timestamp() + interval '30 days');
SELECT results_eq('SELECT pg_temp.news()', $$VALUES ('{"kind": "seats_added", "to": "processor", "seats": 4, "added_seats": 2, "amount_micros": 58000000}'::jsonb)$$,
    'each member has a paid seat: those missing are added, for the rest of the period');
SELECT pg_temp.pass('15 days');
SELECT account.set_seats(5);
SELECT results_eq($$SELECT n ->> 'added_seats', round((n ->> 'amount_micros')::numeric, -4), n ->> 'seats' FROM pg_temp.news() n$$,
    $$VALUES ('1', 14500000::numeric, '5')$$, 'a seat added in the middle of a period costs half of it');
SELECT account.set_seats(4);
SELECT results_eq('SELECT seats, next_seats FROM account.subscription', 'VALUES (5, 4)', 'fewer seats are for the next period');
SELECT results_eq($$SELECT n ->> 'kind', n ->> 'next_seats', n ->> 'amount_micros' FROM pg_temp.news() n$$, $$VALUES ('seats_changed', '4', NULL::text)$$, 'and give nothing back');
SELECT account.set_seats(4);
SELECT is_empty('SELECT pg_temp.news()', 'asking again changes nothing');
SELECT is(pg_temp.error('SELECT account.set_seats(3)'), '55000 seats are taken', 'not fewer than there are members');
SELECT is(pg_temp.error('SELECT account.set_seats(6)'), 'PT402 plan limit reached: members', 'nor more than the plan allows');
SELECT account.override_limit(:'team', 'members', 6);
SELECT lives_ok('SELECT account.set_seats(6)', 'unless an operator allows more');
SELECT is((SELECT next_seats FROM account.subscription), NULL, 'more seats take back that they were to be fewer');
SELECT account.set_seats(4), account.renew_subscription(:'team', 'evt_21');
SELECT results_eq('SELECT seats, next_seats FROM account.subscription', 'VALUES (4, NULL::integer)', 'a renewal has the seats that were asked for');
SELECT account.renew_subscription(:'team', 'evt_22', 6);
SELECT is((SELECT seats FROM account.subscription), 6, 'or those the processor was paid for');

SELECT account.end_limit_override(:'team', 'members');

-- Another plan in the place of one that runs

SELECT account.set_plan('max', 99000000, 990000000), account.set_plan_limit('max', 'members', 9);
SELECT isnt(account.start_subscription(:'team', 'max', 'monthly', 'evt_50', 4), NULL, 'another plan may start in the place of one that runs');
SELECT results_eq('SELECT plan, seats FROM account.subscription', $$VALUES ('max', 4)$$, 'and is in force at once');
SELECT results_eq($$SELECT action, resource_name FROM account_data.events WHERE resource_type = 'billing' ORDER BY id DESC LIMIT 1$$, $$VALUES ('started', 'max')$$, 'as an event');

-- Bad input, and nothing is written

SELECT account.start_subscription(:'zoe_home', 'pro', 'monthly', 'zoe_1');
CREATE TEMP TABLE written AS SELECT (SELECT jsonb_agg(s ORDER BY workspace_id) FROM account_data.subscriptions s) AS rows,
    (SELECT count(*) FROM account_data.subscription_events) AS served, (SELECT count(*) FROM account_data.events) AS events, (SELECT count(*) FROM account_data.messages) AS messages;
SELECT throws_ok(format('SELECT account.' || call, :'eva_home'), state, NULL, 'refused: ' || call) FROM (VALUES
    ('start_subscription(NULL, ''pro'', ''monthly'', ''k'')', '22023'), ('start_subscription(%L, NULL, ''monthly'', ''k'')', '22023'),
    ('start_subscription(%L, ''gold'', ''monthly'', ''k'')', 'P0002'), ('start_subscription(%L, ''free'', ''monthly'', ''k'')', '22023'),
    ('start_subscription(%L, ''enterprise'', ''monthly'', ''k'')', '22023'), ('start_subscription(%L, ''pro'', ''weekly'', ''k'')', '22023'),
    ('start_subscription(%L, ''pro'', NULL, ''k'')', '22023'), ('start_subscription(%L, ''pro'', ''monthly'', NULL)', '22023'),
    ('start_subscription(%L, ''pro'', ''monthly'', '''')', '22023'), ('start_subscription(%L, ''pro'', ''monthly'', repeat(''k'', 201))', '22023'),
    ('start_subscription(%L, ''pro'', ''monthly'', ''k'', 0)', '22023'), ('start_subscription(%L, ''pro'', ''monthly'', ''k'', -5)', '22023'),
    ('start_subscription(%L, ''pro'', ''monthly'', ''k'', NULL)', '22023'), ('start_subscription(%L, ''pro'', ''monthly'', ''k'', 2147483647)', '22023'),
    ('start_subscription(%L, ''pro'', ''monthly'', ''k'', 2)', '22023'), ('start_subscription(%L, ''pro'', ''monthly'', ''k'', 1, statement_timestamp())', '22023'),
    ('start_subscription(%L, ''pro'', ''monthly'', ''k'', 1, ''infinity'')', '22023'), ('start_subscription(%L, ''pro'', ''monthly'', ''k'', 1, NULL, '''')', '22023'),
    ('start_subscription(''00000000-0000-0000-0000-000000000000'', ''pro'', ''monthly'', ''k'')', 'P0002'),
    ('renew_subscription(NULL, ''k'')', '22023'), ('renew_subscription(%L, NULL)', '22023'), ('renew_subscription(%L, ''k'')', 'P0002'),
    ('renew_subscription(%L, ''k'', 0)', '22023'), ('renew_subscription(''00000000-0000-0000-0000-000000000000'', ''k'')', 'P0002'),
    ('provision_enterprise(NULL, ''2100-01-01'')', '22023'), ('provision_enterprise(%L, NULL)', '22023'), ('provision_enterprise(%L, statement_timestamp())', '22023'),
    ('provision_enterprise(%L, ''infinity'')', '22023'), ('provision_enterprise(%L, ''2100-01-01'', 2)', '22023'), ('provision_enterprise(%L, ''2100-01-01'', NULL, ''free'')', '22023'),
    ('provision_enterprise(%L, ''2100-01-01'', NULL, ''gold'')', 'P0002'), ('provision_enterprise(''00000000-0000-0000-0000-000000000000'', ''2100-01-01'')', 'P0002'),
    ('change_cycle(NULL)', '22023'), ('change_cycle(''weekly'')', '22023'), ('set_seats(NULL)', '22023'), ('set_seats(0)', '22023'), ('set_seats(1000001)', '22023')) bad (call, state);
SELECT throws_ok(format('SELECT account.' || call, :'team'), state, NULL, 'refused: ' || call) FROM (VALUES
    ('start_subscription(%L, ''pro'', ''monthly'', ''k'', 6)', 'PT402'), ('renew_subscription(%L, ''k'', 10)', 'PT402'),
    ('renew_subscription(%L, ''k'', NULL, statement_timestamp() + interval ''1 hour'')', '22023'), ('provision_enterprise(%L, ''2100-01-01'', 51)', 'PT402')) bad (call, state);
SELECT throws_ok('SELECT account_data.maintain_subscriptions(' || n || ')', '22023', NULL, 'refused: ' || n || ' rows') FROM unnest('{NULL,0,-1}'::text[]) n WHERE n IS NOT NULL;
SELECT results_eq('TABLE written', 'SELECT (SELECT jsonb_agg(s ORDER BY workspace_id) FROM account_data.subscriptions s), (SELECT count(*) FROM account_data.subscription_events),
    (SELECT count(*) FROM account_data.events), (SELECT count(*) FROM account_data.messages)', 'after all of these nothing is written');

-- Who may

SELECT account.act_as(:'eva', :'team');
SELECT throws_ok('SELECT account.' || call, '42501', 'permission denied for this operation', 'an editor may not: ' || call)
  FROM unnest('{cancel_subscription(),resume_subscription(),change_cycle(''yearly''),set_seats(5)}'::text[]) call;
SELECT is((SELECT plan FROM account.subscription), 'max', 'but reads the plan');
SELECT account.act_as(:'ann', :'team');
SELECT key FROM account.create_api_key('billing') \gset
SELECT account.authenticate(:'key');
SELECT throws_ok('SELECT account.' || call, '42501', 'permission denied for this operation', 'the key of an owner may not: ' || call)
  FROM unnest('{cancel_subscription(),resume_subscription(),change_cycle(''yearly''),set_seats(5)}'::text[]) call;
SELECT account.reset_principal();
SELECT throws_ok('SELECT account.' || call, '28000', 'not signed in', 'nobody may: ' || call)
  FROM unnest('{cancel_subscription(),resume_subscription(),change_cycle(''yearly''),set_seats(5)}'::text[]) call;
SELECT throws_ok('SELECT * FROM account.subscription', '28000', 'not signed in', 'nor read the view');
CREATE ROLE sub_user;
CREATE ROLE sub_service;
CREATE ROLE sub_operator;
SELECT account.grant_usage('sub_user'), account.grant_service('sub_service'), account.grant_operator('sub_operator');
SELECT is((SELECT array_agg(has_function_privilege(r, f, 'EXECUTE')) FROM unnest('{sub_user,sub_service,sub_operator}'::text[]) r), may, 'who may call ' || f)
  FROM (VALUES ('account.start_subscription(uuid,text,text,text,integer,timestamptz,text)', '{f,t,f}'::boolean[]),
               ('account.renew_subscription(uuid,text,integer,timestamptz)', '{f,t,f}'), ('account.provision_enterprise(uuid,timestamptz,integer,text)', '{f,f,t}'),
               ('account.override_limit(uuid,text,bigint,timestamptz)', '{f,f,t}'), ('account.end_limit_override(uuid,text)', '{f,f,t}'),
               ('account.cancel_subscription()', '{t,t,f}')) v (f, may);

-- A workspace takes its subscription along

DELETE FROM account_data.workspaces WHERE id = :'team';
SELECT is_empty(format('SELECT FROM account_data.subscriptions WHERE workspace_id = %L UNION ALL SELECT FROM account_data.subscription_events WHERE workspace_id = %1$L', :'team'),
    'a workspace takes its subscription along');

SELECT * FROM finish();
ROLLBACK;
