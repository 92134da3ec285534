-- The end of subscriptions and licences: who is told, credit by the month, what lapses by the clock.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
\ir ../lib/subscription.psql
SELECT account.act_as(:'ann', :'team');

-- When the time is over: who is told, and what is left

SELECT account.start_subscription(:'team', 'pro', 'monthly', 'evt_22', 4);
UPDATE account_data.emails SET verified_at = statement_timestamp() WHERE user_id IN (:'ann', :'eva');
SELECT is(account_data.maintain_subscriptions(10), 0::bigint, 'while it runs there is nothing to do');
SELECT pg_temp.pass('100 days');
SELECT is((SELECT count(*) FROM account.limits), 10::bigint, 'what there is can be read');
SELECT is((SELECT count(*) FROM account_data.members WHERE workspace_id = :'team'), 4::bigint, 'nobody is removed');
SELECT is(account_data.maintain_subscriptions(10), 1::bigint, 'maintenance notes it');
SELECT results_eq($$SELECT n ->> 'kind', n ->> 'to', n ->> 'notice', n ->> 'role', n ->> 'has_access' FROM pg_temp.news() n ORDER BY 2$$,
    $$VALUES ('notice', 'ann@cast.test', 'subscription_ended', 'owner', 'true'), ('notice', 'eva@cast.test', 'subscription_ended', 'editor', 'false')$$,
    'and tells the people, where they have a verified address');
SELECT is(account_data.maintain_subscriptions(10), 0::bigint, 'once');
SELECT isnt(account.renew_subscription(:'team', 'evt_23'), NULL, 'a renewal brings the plan back');
SELECT account.override_limit(:'team', 'members', 9);
SELECT pg_temp.pass('40 days');
SELECT is(account_data.maintain_subscriptions(1), 1::bigint, 'and its end is noted again');
SELECT results_eq($$SELECT n ->> 'role', n ->> 'has_access' FROM pg_temp.news() n ORDER BY 1$$, $$VALUES ('editor', 'true'), ('owner', 'true')$$,
    'members whom an override allows keep their access');
SELECT account.end_limit_override(:'team', 'members');
DELETE FROM account_data.subscriptions;

-- Credit of the months of a year

SELECT account.start_subscription(:'team', 'pro', 'yearly', 'evt_30', 4);
SELECT pg_temp.pass('65 days');
SELECT is(account_data.maintain_subscriptions(10), 1::bigint, 'months that have begun bring their credit');
SELECT cmp_ok((SELECT credits_due_at FROM account_data.subscriptions), '>', statement_timestamp(), 'to the month that has not');
SELECT is(account_data.maintain_subscriptions(10), 0::bigint, 'once');
SELECT account.cancel_subscription(), pg_temp.pass('60 days');
SELECT is(account_data.maintain_subscriptions(10), 0::bigint, 'none when cancelled');
SELECT account.resume_subscription();
SELECT cmp_ok((SELECT credits_due_at FROM account_data.subscriptions), '>', statement_timestamp(), 'nor made up for when resumed');
UPDATE account_data.subscriptions SET credits_due_at = period_started_at + interval '11 months';
SELECT pg_temp.pass('230 days'), account_data.maintain_subscriptions(10);
SELECT is((SELECT credits_due_at FROM account_data.subscriptions), NULL, 'after the twelfth month the renewal is next');
SELECT count(*) FROM pg_temp.news();

-- Licences

SELECT account.provision_enterprise(:'team', statement_timestamp() + interval '2 years');
SELECT results_eq('SELECT plan, status, is_licence, seats, seat_price_micros FROM account.subscription', $$VALUES ('enterprise', 'active', true, 50, NULL::bigint)$$,
    'a licence has as many seats as its plan');
SELECT results_eq($$SELECT pg_temp.news() ->> 'kind'$$, $$VALUES ('subscription_cancelled')$$, 'the processor is to stop the subscription it replaces');
SELECT is(pg_temp.error('SELECT account.' || call), '55000 workspace has a licence', 'a licence is not the admin''s: ' || call)
  FROM unnest('{cancel_subscription(),resume_subscription(),change_cycle(''monthly''),set_seats(9)}'::text[]) call;
SELECT is(pg_temp.error(format('SELECT account.' || call, :'team')), '55000 workspace has a licence', 'nor the processor''s: ' || call)
  FROM unnest('{"start_subscription(%L, ''pro'', ''monthly'', ''evt_40'')","renew_subscription(%L, ''evt_41'')"}'::text[]) call;
SELECT account.provision_enterprise(:'team', statement_timestamp() + interval '3 years', 40);
SELECT results_eq($$SELECT seats, period_ends_at > statement_timestamp() + interval '2 years 11 months' FROM account.subscription$$, 'VALUES (40, true)', 'its end and seats can be moved');
SELECT is_empty('SELECT pg_temp.news()', 'with no message');
SELECT pg_temp.pass('4 years');
SELECT results_eq('SELECT plan, subscribed_plan, status FROM account.subscription', $$VALUES ('free', 'enterprise', 'lapsed')$$, 'at its end it lapses, and no job has to run');
SELECT is(pg_temp.error('SELECT account.cancel_subscription()'), '55000 subscription has ended', 'nothing is left but its renewal');
SELECT account.provision_enterprise(:'team', statement_timestamp() + interval '1 year');
SELECT is((SELECT status FROM account.subscription), 'active', 'which brings it back');
SELECT pg_temp.pass('2 years');
SELECT isnt(account.start_subscription(:'team', 'pro', 'monthly', 'evt_42', 4), NULL, 'after a licence a subscription may start');

SELECT * FROM finish();
ROLLBACK;
