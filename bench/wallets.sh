# shellcheck shell=bash
# Wallets for the benches of the ledger, and what is measured on them; a bench script sources it.
# Users are md5('u1') and on, their workspaces md5('w1') and on. ACCOUNT_BENCH_SECONDS and _ROUNDS
# set how long the candidates run.
# shellcheck source=bench/lib.sh
. bench/lib.sh

wallets=${ACCOUNT_BENCH_WALLETS:-10000}
# shellcheck disable=SC2034 # bench scripts read them
{
	rounds=${ACCOUNT_BENCH_ROUNDS:-3}
	seconds=${ACCOUNT_BENCH_SECONDS:-4}
}

# Fills PGDATABASE with wallets of account, wallets kept by hand, and pgbench's tables.
make_wallets()
{
	[[ $(sql -c "SELECT to_regclass('bench.wallets')") == '' ]] || return 0
	pgbench -i -q -s 20 "$PGDATABASE" >/dev/null 2>&1
	sql >/dev/null <<-SQL
		SET client_min_messages = warning;
		CREATE SCHEMA bench;
		INSERT INTO account_data.users (id, username, region, personal_workspace_id)
		SELECT md5('u' || n)::uuid, 'bench-' || n, 'us', md5('w' || n)::uuid FROM generate_series(1, $wallets) n;
		INSERT INTO account_data.workspaces (id, kind, slug, name, region)
		SELECT md5('w' || n)::uuid, 'personal', 'bench-' || n, 'Bench', 'us' FROM generate_series(1, $wallets) n;
		INSERT INTO account_data.members (workspace_id, user_id, role)
		SELECT md5('w' || n)::uuid, md5('u' || n)::uuid, 'owner' FROM generate_series(1, $wallets) n;
		SELECT count(account.grant_credits(md5('w' || n)::uuid, 1000000000000, 'purchase', 'cash')) FROM generate_series(1, $wallets) n;
		SELECT count(account.grant_credits(md5('w' || n)::uuid, 1000000000, 'promo', 'promo', '2100-01-01')) FROM generate_series(1, $wallets) n;
		CREATE TABLE bench.wallets (id integer PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 40);
		CREATE TABLE bench.entries (wallet integer, seq bigserial, amount bigint, key text UNIQUE, at timestamptz DEFAULT now(), PRIMARY KEY (wallet, seq));
		INSERT INTO bench.wallets SELECT n, 1000000000000 FROM generate_series(1, $wallets) n;
		VACUUM ANALYZE;
	SQL
}

# pgbench -N as a script, so that it takes its turns like the others.
simple_update()
{
	cat <<-'SQL'
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
}

# One of the first so many wallets, and a key nobody used.
pick() # wallets
{
	printf '\\set w random(1, %s)\n\\set k1 random(1, 1000000000)\n\\set k2 random(1, 1000000000)\n' "$1"
}

# What people write: a balance and an entry in one statement, with a key.
by_hand() # wallets
{
	pick "$1"
	cat <<-'SQL'
		WITH w AS (UPDATE bench.wallets SET balance = balance - 5 WHERE id = :w AND balance >= 5 RETURNING id)
		INSERT INTO bench.entries (wallet, amount, key) SELECT id, -5, :k1 || '-' || :k2 FROM w;
	SQL
}

# One statement: prove, act and charge. FROM comes before the target list.
charge() # wallets
{
	pick "$1"
	cat <<-'SQL'
		SELECT (account.charge(5, 'training', :k1 || '-' || :k2)).id FROM account.act_as(md5('u' || :w)::uuid);
	SQL
}

make_wallets
simple_update >"$bench_work/simple_update.sql"
by_hand "$wallets" >"$bench_work/by_hand.sql"
by_hand 1 >"$bench_work/by_hand_hot.sql"
charge "$wallets" >"$bench_work/charge.sql"
charge 1 >"$bench_work/charge_hot.sql"
