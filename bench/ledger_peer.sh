#!/usr/bin/env bash
# A charge against a transfer of pgledger, on many wallets and on one. pgledger is no part of this
# repository: BENCH_PGLEDGER=/path/to/its/pgledger.sql, with its folder vendor/ beside it.
peer=${BENCH_PGLEDGER-}
[[ $peer ]] || { echo "pgledger is not measured: BENCH_PGLEDGER is not set"; exit; }

# shellcheck source=bench/wallets.sh
. bench/wallets.sh

# In a database of its own. Every wallet pays to an account of its own, so that only the wallets
# contend, as with account; ids that pgbench can make stand in for pgledger's.
sql -d postgres -c 'DROP DATABASE IF EXISTS bench_peer WITH (FORCE)' -c 'CREATE DATABASE bench_peer' 2>/dev/null
sql -d bench_peer -f "${peer%/*}/vendor/scoville-pgsql-ulid/uuid-to-ulid.sql" -f "$peer" >/dev/null
sql -d bench_peer >/dev/null <<SQL
SELECT count(*) FROM generate_series(1, $wallets) n, unnest(array['wallet', 'spent']) name, pgledger_create_account(name || n, 'USD');
UPDATE pgledger_accounts SET id = name;
VACUUM ANALYZE;
SQL

transfer() # wallets
{
	pick "$1"
	echo "SELECT id FROM pgledger_create_transfer('wallet' || :w, 'spent' || :w, 5, metadata => jsonb_build_object('key', :k1 || '-' || :k2));"
}
transfer "$wallets" >"$bench_work/transfer.sql"
transfer 1 >"$bench_work/transfer_hot.sql"

against_peer() # WHAT suffix clients times
{
	title "$1"
	interleave "$rounds" "$seconds" "$3" "pgbench -N=$bench_work/simple_update.sql" \
		"pgledger transfer=$bench_work/transfer$2.sql:bench_peer" "charge=$bench_work/charge$2.sql"
	goal "charge / pgledger transfer, $1" "$(over charge 'pgledger transfer')" '>=' "$4"
}

against_peer "$wallets wallets" '' 8 4
against_peer 'one wallet' _hot 8 10
against_peer 'one wallet, 32 clients' _hot 32 10
sql -d postgres -c 'DROP DATABASE bench_peer'
