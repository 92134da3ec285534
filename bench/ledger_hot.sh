#!/usr/bin/env bash
# Charges on one wallet that everybody uses, while a flush takes as long as this machine's, 160
# microseconds and 1 millisecond: with early lock release, without, and by hand. bench/slow_flush.c
# makes the disk slow. Every commit is flushed before its client is told.
# shellcheck source=bench/wallets.sh
. bench/wallets.sh
# shellcheck source=/dev/null
. tool/tree.sh

cc -O2 -Wall -Werror -shared -fPIC -o "$bench_out/slow_flush.so" bench/slow_flush.c

restart() # [NAME=value...]
{
	as_server env "$@" "$(type -P pg_ctl)" -D "$(sql -c 'SHOW data_directory')" restart -w -s -l "$bench_out/server.log"
	find_postmaster
}

slow_flush() { restart LD_PRELOAD="$bench_out/slow_flush.so" SLOW_FLUSH_US="$1"; }

# How long one client waits for a commit that does nothing else.
commit_ms()
{
	echo "SELECT pg_logical_emit_message(true, 'bench', '');" >"$bench_work/commit.sql"
	pgbench -n -M prepared -t 1000 -f "$bench_work/commit.sql" "$PGDATABASE" | awk '/^latency average/ { print $4 }'
}

hot() # clients FLUSH least-ratio-to-by-hand
{
	local by_hand='balance and entry by hand'
	title "one wallet, a flush of $2: a commit takes $(commit_ms) ms, synchronous_commit is $(sql -c 'SHOW synchronous_commit')"
	interleave "$rounds" "$seconds" "$1" "pgbench -N=$bench_work/simple_update.sql" \
		"$by_hand=$bench_work/by_hand_hot.sql" \
		"charge, late release=$bench_work/charge_hot.sql:postgresql:///$PGDATABASE?options=-caccount.early_lock_release%3Doff" \
		"charge=$bench_work/charge_hot.sql"
	goal "hot charge / pgbench -N, $2" "${ratio_of[charge]}" '>=' 1.2
	goal "hot charge / by hand, $2" "$(over charge "$by_hand")" '>=' "$3"
}

hot 8 "this machine's" 3
slow_flush 160
hot 8 '0.16 ms' 3
slow_flush 1000
hot 32 '1 ms' 10
restart
