#!/usr/bin/env bash
# What a charge costs, against pgbench's own simple-update on the same machine and in the same run.
# ACCOUNT_BENCH_SECONDS and _ROUNDS set how long; ACCOUNT_BENCH_ROWS=10000000 grows a ledger first.
# shellcheck source=bench/lib.sh
. bench/lib.sh

rounds=${ACCOUNT_BENCH_ROUNDS:-3}
seconds=${ACCOUNT_BENCH_SECONDS:-4}
wallets=10000

pgbench -i -q -s 20 "$PGDATABASE" >/dev/null 2>&1

sql -q <<SQL
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS bench;
INSERT INTO account_data.users (id, username, region, personal_workspace_id)
SELECT md5('u' || n)::uuid, 'bench-' || n, 'us', md5('w' || n)::uuid FROM generate_series(1, $wallets) n;
INSERT INTO account_data.workspaces (id, kind, slug, name, region)
SELECT md5('w' || n)::uuid, 'personal', 'bench-' || n, 'Bench', 'us' FROM generate_series(1, $wallets) n;
INSERT INTO account_data.members (workspace_id, user_id, role)
SELECT md5('w' || n)::uuid, md5('u' || n)::uuid, 'owner' FROM generate_series(1, $wallets) n;
SELECT count(account.grant_credits(id, 1000000000000, 'purchase', 'cash')) FROM account_data.workspaces;
SELECT count(account.grant_credits(id, 1000000000, 'promo', 'promo', '2100-01-01')) FROM account_data.workspaces;
CREATE TABLE bench.wallets (id integer PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 40);
CREATE TABLE bench.entries (wallet integer, seq bigserial, amount bigint, key text UNIQUE, at timestamptz DEFAULT now(), PRIMARY KEY (wallet, seq));
INSERT INTO bench.wallets SELECT n, 1000000000000 FROM generate_series(1, $wallets) n;
VACUUM ANALYZE;
SQL

cat >"$bench_work/simple_update.sql" <<'SQL'
\set aid random(1, 2000000)
\set bid random(1, 20)
\set tid random(1, 200)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
SQL

# What people write: a balance and an entry in one statement, with a key.
cte()
{
	cat <<SQL
\set w random(1, $1)
\set k1 random(1, 1000000000)
\set k2 random(1, 1000000000)
WITH w AS (UPDATE bench.wallets SET balance = balance - 5 WHERE id = :w AND balance >= 5 RETURNING id)
INSERT INTO bench.entries (wallet, amount, key) SELECT id, -5, :k1 || '-' || :k2 FROM w;
SQL
}

# One statement: prove, act and charge.
charge()
{
	cat <<SQL
\set w random(1, $1)
\set k1 random(1, 1000000000)
\set k2 random(1, 1000000000)
SELECT c.id FROM account.act_as(md5('u' || :w)::uuid) p, account.charge(5, 'training', :k1 || '-' || :k2) c WHERE p.role >= 'editor';
SQL
}

cte "$wallets" >"$bench_work/cte.sql"
cte 1 >"$bench_work/cte_hot.sql"
charge "$wallets" >"$bench_work/charge.sql"
charge 1 >"$bench_work/charge_hot.sql"

title "charges on $wallets wallets"
interleave "$rounds" "$seconds" 8 "pgbench -N=$bench_work/simple_update.sql" "balance and entry by hand=$bench_work/cte.sql" \
	"charge=$bench_work/charge.sql"
goal "charge / pgbench -N" "${ratio_of[charge]}" '>=' 1.0

title "charges on one wallet"
interleave "$rounds" "$seconds" 8 "pgbench -N=$bench_work/simple_update.sql" "balance and entry by hand=$bench_work/cte_hot.sql" \
	"charge=$bench_work/charge_hot.sql"
goal "hot charge / pgbench -N" "${ratio_of[charge]}" '>=' 1.2
goal "hot charge / by hand" "$(awk -v a="${ratio_of[charge]}" -v b="${ratio_of[balance and entry by hand]}" 'BEGIN { printf "%.2f", a / b }')" '>=' 3

# A thousand charges in one call; each entry is compared with a single charge.
cat >"$bench_work/charge_many.sql" <<SQL
\set w random(1, $wallets)
\set k1 random(1, 1000000000)
\set k2 random(1, 1000000000)
SELECT count(c) FROM account.act_as(md5('u' || :w)::uuid) p, account.charge_many((SELECT array_agg((5, 'training', :k1 || '-' || :k2 || '-' || n, NULL, NULL, NULL)::account.charge_request) FROM generate_series(1, 1000) n)) c WHERE p.role >= 'editor';
SQL
title "a thousand charges in one call"
interleave "$rounds" "$seconds" 8 "charge=$bench_work/charge.sql" "charge_many=$bench_work/charge_many.sql"
goal "charge_many an entry / charge" "$(awk -v r="${ratio_of[charge_many]}" 'BEGIN { printf "%.1f", r * 1000 }')" '>=' 10

# A ledger of many rows: proven, paged and reported; and the cost of one more charge.
rows=${ACCOUNT_BENCH_ROWS:-300000}
sql -q <<SQL >/dev/null
SELECT FROM account.act_as(md5('u1')::uuid, is_local => false);
SELECT format('SELECT count(c) FROM account.charge_many((SELECT array_agg((5, ''work'', ''grow-%s-'' || n, NULL, NULL, NULL)::account.charge_request) FROM generate_series(1, 10000) n)) c', batch)
FROM generate_series(1, $rows / 10000) batch \gexec
VACUUM ANALYZE account_data.transactions;
SQL
title "a ledger of $rows transactions"
sql <<SQL
SELECT FROM account.act_as(md5('u1')::uuid, is_local => false);
SELECT clock_timestamp() AS start \gset
SELECT transactions, ok FROM account.verify_ledger(md5('w1')::uuid) \gset
SELECT 'verify_ledger: ' || (:transactions / extract(epoch FROM clock_timestamp() - :'start'))::bigint || ' rows a second, ok: ' || :'ok';
SELECT clock_timestamp() AS start \gset
SELECT count(*) AS rows FROM (SELECT * FROM account.transactions ORDER BY seq DESC LIMIT 50) page \gset
SELECT 'a page of the statement: ' || (extract(epoch FROM clock_timestamp() - :'start') * 1000)::numeric(10, 2) || ' ms';
SELECT clock_timestamp() AS start \gset
SELECT count(*) AS rows FROM account.usage_report(now() - interval '1 day', now() + interval '1 hour', 'hour', 'category') \gset
SELECT 'a usage report over all of it: ' || (extract(epoch FROM clock_timestamp() - :'start') * 1000)::numeric(10, 2) || ' ms';
SELECT pg_size_pretty(sum(pg_relation_size(oid))) || ' of tables and indexes a million rows: '
  || pg_size_pretty((sum(pg_relation_size(oid)) * 1000000 / (SELECT count(*) FROM account_data.transactions))::bigint)
  FROM pg_class WHERE relname LIKE 'transactions%';
SQL

rss "verify_ledger" 10 "SELECT * FROM account.verify_ledger(md5('w1')::uuid);"
