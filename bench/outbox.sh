#!/usr/bin/env bash
# Eight takers empty a queue of 100,000 sealed messages, against a SKIP LOCKED table as people write
# it, which seals nothing; and what waking the listeners costs those who send.
# BENCH_MESSAGES, BENCH_ROUNDS, BENCH_SECONDS: other sizes.
# shellcheck source=bench/lib.sh
. bench/lib.sh

messages=${BENCH_MESSAGES:-100000}
rounds=${BENCH_ROUNDS:-5}
seconds=${BENCH_SECONDS:-2}
takers=8
database=outbox

load()
{
	title "loading $messages messages"
	sql -d postgres -c 'SET client_min_messages = warning' \
		-c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "CREATE DATABASE $database" \
		-c "ALTER DATABASE $database SET bench.each = $((messages / 100))"
	sql -d "$database" -f bench/sql/load_outbox.sql >/dev/null
}

# Messages a second, and server CPU a message, of as many transactions as empty the queue (or as given).
drain() # script messages-a-transaction [transactions]
{
	local each=$2 transactions=${3:-$((messages / $2))} before
	sql -d "$database" -f bench/sql/fill_outbox.sql >/dev/null
	before=$(server_ticks)
	pgbench -n -M prepared -c "$takers" -j 2 -t $((transactions / takers)) -f "bench/sql/$1.sql" \
		"$database" >"$bench_work/pgbench" 2>&1 || { cat "$bench_work/pgbench" >&2; return 1; }
	awk -v each="$each" -v us="$((($(server_ticks) - before) * 1000000 / $(getconf CLK_TCK)))" '
		/^number of transactions actually processed/ { n = $NF + 0 }
		/^tps = / { printf "%s\t%.4f", $3 * each, us / n / each }' "$bench_work/pgbench"
}

# The plain queue first: it is the reference.
race() # suffix messages-a-transaction [transactions]
{
	local round
	: >"$bench_work/rounds"
	for ((round = 1; round <= rounds; round++)); do
		printf '%s\tplain SKIP LOCKED\t%s\n' "$round" "$(drain "plain_take$1" "$2" "${3-}")"
		printf '%s\ttake_messages, mark_sent\t%s\n' "$round" "$(drain "outbox_take$1" "$2" "${3-}")"
	done >>"$bench_work/rounds"
	bench_medians <"$bench_work/rounds" >"$bench_work/medians"
	bench_report "$rounds" "$messages messages" "$takers"
}

load
title "messages a second, taken and marked by the hundred"
race "" 100
left=$(sql -d "$database" -c 'SELECT count(*) FROM account_data.messages')
goal "messages left" "$left" '<=' $((messages / 50))
goal "messages a second" "$(awk -F '\t' '/take_messages/ { print $2 }' "$bench_work/medians")" '>=' 5000
goal "outbox / plain SKIP LOCKED" "${ratio_of[take_messages, mark_sent]}" '>=' .8

title "messages a second, one at a time"
race _each 1 $((messages / 10))
goal "outbox / plain, one at a time" "${ratio_of[take_messages, mark_sent]}" '>=' .8

title "codes sent a second, with a notification at each commit and without"
sql -d "$database" -c 'TRUNCATE account_data.messages'
sql -d postgres -c "DROP ROLE IF EXISTS bench_quiet" -c "CREATE ROLE bench_quiet SUPERUSER LOGIN" \
	-c "ALTER ROLE bench_quiet SET account.outbox_notify = off"
interleave "$rounds" "$seconds" "$takers" \
	"add_email, outbox_notify off=bench/sql/outbox_send.sql:$database -U bench_quiet" \
	"add_email, outbox_notify on=bench/sql/outbox_send.sql:$database"
sql -d postgres -c "DROP DATABASE $database" -c "DROP ROLE bench_quiet"
