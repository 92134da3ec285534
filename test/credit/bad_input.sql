-- Bad input: the right SQLSTATE, nothing written, the wallet usable after.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT pg_temp.enter('ada');
SELECT account.adjust_credits(:'ada', 1000, 'gift', 'cash');
SELECT id AS hold FROM account.hold(10, 't', 'h') \gset
SELECT id AS charge FROM account.charge(10, 't', 'c') \gset
SELECT max(seq) AS seq FROM account.transactions \gset

CREATE TEMP TABLE bad_amount (amount) AS VALUES ('0'), ('-1'), ('1000000000000001'), ('9223372036854775807'), ('-9223372036854775808'), ('NULL');
SELECT throws_ok(format(f, amount), '22023', NULL, format(f, amount))
  FROM bad_amount, unnest(ARRAY['SELECT account.charge(%s, $$x$$, $$k$$)', 'SELECT account.hold(%s, $$x$$, $$k$$)',
    format('SELECT account.settle(%L, %%s)', :'hold'), format('SELECT account.grant_credits(%L, %%s, $$promo$$, $$k$$)', :'ada'),
    'SELECT account.charge_many(ARRAY[(%s, $$x$$, $$k$$, NULL, NULL, NULL)]::account.charge_request[])']) f;
SELECT throws_ok(format('SELECT account.adjust_credits(%L, %s, $$x$$, $$k$$)', :'ada', amount), '22023', NULL, 'adjust_credits: ' || amount)
  FROM bad_amount WHERE amount <> '-1';
SELECT throws_ok(format('SELECT account.refund(%L, %s)', :'charge', amount), '22023', NULL, 'refund: ' || amount) FROM bad_amount WHERE amount <> 'NULL';
SELECT throws_ok('SELECT account.charge(9223372036854775808, $$x$$, $$k$$)', '42883', NULL, 'more than a bigint is no amount');

SELECT throws_ok(format(f, quote_nullable(key)), '22023', NULL, format('a key of %s characters: %s', length(key), left(f, 30)))
  FROM (VALUES (''), (repeat('k', 201)), (NULL)) bad (key), unnest(ARRAY['SELECT account.charge(1, $$x$$, %s)', 'SELECT account.hold(1, $$x$$, %s)',
    format('SELECT account.grant_credits(%L, 1, $$promo$$, %%s)', :'ada'), format('SELECT account.adjust_credits(%L, 1, $$x$$, %%s)', :'ada')]) f;
SELECT lives_ok(format('SELECT account.charge(1, $$x$$, %L)', repeat('ü', 200)), 'a key of 200 characters holds');

SELECT throws_ok(format('SELECT account.grant_credits(%L, 1, %L, $$k$$)', :'ada', 'loan'), '22P02', NULL, 'an unknown type');
SELECT throws_ok(format('SELECT account.grant_credits(%L, 1, %L, $$k$$)', :'ada', type), '22023', NULL, type || ' cannot be granted')
  FROM unnest(ARRAY['usage', 'refund', 'adjustment', 'expiry', 'hold', 'settle', 'release', 'auto_top_up_failed']) type;
SELECT throws_ok(format('SELECT account.grant_credits(%L, 1, $$promo$$, $$k$$, now())', :'ada'), '22023', NULL, 'a grant that has expired');
SELECT throws_ok(format('SELECT account.grant_credits(%L, 1, $$purchase$$, $$k$$, $$2100-01-01$$)', :'ada'), '22023', NULL, 'cash that expires');
SELECT throws_ok(format('SELECT account.grant_credits(%L, 1, $$promo$$, $$k$$)', gen_random_uuid()), 'P0002', NULL, 'credit for a workspace that is none');
SELECT throws_ok(format('SELECT account.adjust_credits(%L, 1, $$x$$, $$k$$)', gen_random_uuid()), 'P0002', NULL, 'a correction of one');
SELECT throws_ok('SELECT account.' || call, '22023', NULL, call)
  FROM unnest(ARRAY['charge(1, $$x$$, $$k$$, NULL)', 'charge(1, $$x$$, $$k$$, $$$$)', 'charge(1, $$x$$, $$k$$, details => NULL)',
    'charge(1, $$x$$, $$k$$, details => $$[]$$)', 'charge(1, $$x$$, $$k$$, details => $$7$$)', 'charge(1, repeat($$x$$, 1001), $$k$$)',
    'charge(1, $$x$$, $$k$$, allow_negative => NULL)', 'charge(1, $$x$$, $$k$$, details => jsonb_build_object($$a$$, repeat($$x$$, 20000)))',
    'charge(1, $$x$$, $$k$$, details => $${"a": [{"b": 1e131071}]}$$)', 'charge(1, $$x$$, $$k$$, details => $${"a": 1e-16383, "b": 1e-16383}$$)',
    'settle(gen_random_uuid(), 1, $${"a": 1e131071}$$)', 'charge_many(ARRAY[(1, $$x$$, $$k$$, NULL, $${"a": 1e131071}$$, NULL)]::account.charge_request[])',
    'hold(1, $$x$$, $$k$$, $$0$$)', 'hold(1, $$x$$, $$k$$, $$-1 day$$)', 'hold(1, $$x$$, $$k$$, NULL)', 'hold(1, $$x$$, $$k$$, $$101 years$$)',
    'hold(1, $$x$$, $$k$$, $$-178000000 years$$)', 'hold(1, $$x$$, $$k$$, $$2147483647 days$$)', 'create_promo_code($$x-1$$, 1, lasts => $$101 years$$)',
    'create_promo_code($$x-1$$, 1, lasts => $$0$$)', 'create_promo_code($$x-1$$, 1, lasts => $$-1 day$$)', 'create_promo_code($$x-1$$, 1, lasts => $$1 month -30 days$$)', 'create_promo_code($$x-1$$, 1, lasts => $$178000000 years$$)', 'settle(NULL, 1)', 'release(NULL)', 'refund(NULL)',
    'charge_many(NULL)', 'usage_report(now(), NULL)', 'usage_report(now(), now() - interval $$1 s$$)', 'usage_report($$-infinity$$, now())',
    'usage_report(now(), now(), $$minute$$)', 'usage_report($$1900-01-01$$, now(), $$hour$$)', 'usage_report(now(), now(), NULL)',
    'usage_total(now(), now() - interval $$1 s$$)', 'balance_at(NULL, now())']) call;
SELECT lives_ok($$SELECT account.create_promo_code('long', 1, lasts => '100 years')$$, 'a hundred years are not too many');
SELECT throws_ok(format('SELECT account.settle(%L, 1)', gen_random_uuid()), 'P0002', NULL, 'a hold that is none');

SELECT is((SELECT count(*) - 1 FROM account.transactions), :seq::bigint, 'nothing of all this was written');
SELECT lives_ok('SELECT account.charge(1, $$x$$, $$after$$)', 'and the wallet is as usable as before');

-- Sums that do not fit.
SELECT account.grant_credits(:'bob', 1000000000000000, 'purchase', 'a lot');
UPDATE account_data.wallets SET cash_micros = 9223372036854775807 WHERE workspace_id = :'bob';
SELECT throws_ok(format('SELECT account.grant_credits(%L, 1, $$purchase$$, $$too much$$)', :'bob'), '22003', NULL, 'an overflow is an error');
SELECT throws_ok(format('SELECT account.grant_credits(%L, 1, $$promo$$, $$too much$$)', :'bob'), '22003', NULL, 'in the total, too');
SELECT pg_temp.proven(:'ada', 'the ledger is proven');
SELECT * FROM finish();
ROLLBACK;
