-- Many changes of one wallet in one transaction: what is found where it was written is what the table says.
BEGIN;
SELECT no_plan();
\ir setup.psql

-- How often this transaction went through the indexes of wallets and grants.
CREATE FUNCTION pg_temp.index_scans() RETURNS bigint LANGUAGE sql AS
    $$SELECT sum(idx_scan)::bigint FROM pg_stat_xact_user_tables WHERE schemaname = 'account_data' AND relname IN ('wallets', 'grants')$$;
CREATE FUNCTION pg_temp.charge_many_times(prefix text, times integer) RETURNS bigint LANGUAGE sql AS
    $$SELECT count(account.charge(1, 'w', prefix || n)) FROM generate_series(1, times) n$$;

SELECT pg_temp.enter('ada');
SELECT account.grant_credits(:'ada', 1000, 'purchase', 'cash');
SELECT account.grant_credits(:'ada', 300, 'promo', 'first', '2100-01-01', 10);
SELECT account.grant_credits(:'ada', 100, 'promo', 'second', '2100-01-01', 20);
SELECT pg_temp.charge_many_times('a', 2);

SELECT pg_temp.index_scans() AS before \gset
SELECT is(pg_temp.charge_many_times('b', 198), 198::bigint, 'a wallet is charged many times');
SELECT is(pg_temp.index_scans(), :before::bigint, 'and found each time without a look at what was before');
SELECT is(pg_temp.wallet(), '1000 cash, 200 promotional, 0 debt, 0 reserved, 1200 available', 'each charge counts');

-- A savepoint that is rolled back.
SAVEPOINT s;
SELECT is(pg_temp.charge_many_times('c', 150), 150::bigint, 'charges after a savepoint');
ROLLBACK TO s;
SELECT is(pg_temp.wallet(), '1000 cash, 200 promotional, 0 debt, 0 reserved, 1200 available', 'are as if they had never been');
SELECT is(pg_temp.charge_many_times('d', 150), 150::bigint, 'charges after that');
SELECT is(pg_temp.wallet(), '1000 cash, 50 promotional, 0 debt, 0 reserved, 1050 available', 'go on from before the savepoint');

-- From one grant to the next, past what was granted or reserved in between.
SELECT account.charge(60, 'w', 'both');
SELECT is(pg_temp.parts('both'), 'second -50, cash -10', 'the grant that is next burns after the one before');
SELECT account.grant_credits(:'ada', 10, 'promo', 'sooner', '2100-01-01', 1);
SELECT account.charge(1, 'w', 'sooner-1');
SELECT is(pg_temp.parts('sooner-1'), 'sooner -1', 'a grant that came since comes first');
SELECT account.hold(9, 'h', 'h');
SELECT account.charge(1, 'w', 'held');
SELECT is(pg_temp.parts('held'), 'cash -1', 'what was reserved since is left alone');

-- Two wallets in turn.
SELECT pg_temp.enter('bob');
SELECT account.grant_credits(:'bob', 50, 'promo', 'bob', '2100-01-01');
SELECT account.charge(1, 'w', 'bob-1');
SELECT pg_temp.enter('ada');
SELECT account.charge(1, 'w', 'ada-1');
SELECT pg_temp.enter('bob');
SELECT account.charge(1, 'w', 'bob-2');
SELECT is(pg_temp.parts('bob-2'), 'bob -1', 'the wallet of another workspace is another');
SELECT is((SELECT count(*)::int FROM account.verify_ledger() WHERE NOT ok), 0, 'every ledger is proven');

SELECT finish();
ROLLBACK;
