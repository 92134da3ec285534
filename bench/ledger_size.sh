#!/usr/bin/env bash
# What a large ledger costs: one more charge against an empty one, a page of the statement, a usage
# report, and the proof of it all. ACCOUNT_BENCH_ROWS=10000000 is the size that counts: that many
# transactions in one wallet, and a tenth as many spread over the others.
# shellcheck source=bench/wallets.sh
. bench/wallets.sh

rows=${ACCOUNT_BENCH_ROWS:-200000}
full=bench_full

# A request of charge_many: five micro-dollars for the nth piece of work.
request="(5, 'work', n || '-grow', (array['training', 'inference', 'storage', 'export'])[n % 4 + 1], jsonb_build_object('gpu_type', 'gpu ' || n % 3), NULL)::account.charge_request"

batches()
{
	local first
	for ((first = 1; first <= rows; first += 10000)); do
		echo "SELECT count(c) FROM account.charge_many((SELECT array_agg($request) FROM generate_series($first, least($first + 9999, $rows)) n)) c;"
	done
}

sql -d postgres -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $full WITH (FORCE)" \
	-c "CREATE DATABASE $full"
sql -d "$full" -c 'CREATE EXTENSION account' 2>/dev/null
PGDATABASE=$full make_wallets
title "filling a ledger with $rows transactions"
sql -d "$full" <<SQL
SELECT clock_timestamp() AS start \gset
SELECT FROM account.act_as(md5('u1')::uuid, is_local => false);
\o /dev/null
$(batches)
SELECT count(c) FROM generate_series(2, $wallets) w, LATERAL account.act_as(md5('u' || w)::uuid) p,
  LATERAL account.charge_many((SELECT array_agg($request) FROM generate_series(1, greatest(1, $rows / 10 / $wallets)) n WHERE p.role >= 'editor')) c;
\o
SELECT 'charge_many: ' || (count(*) / extract(epoch FROM clock_timestamp() - :'start'))::bigint || ' rows a second' FROM account_data.transactions;
VACUUM ANALYZE account_data.transactions;
CHECKPOINT;
SELECT pg_size_pretty(sum(pg_relation_size(oid))) || ' of tables and indexes, a million rows: '
  || pg_size_pretty((sum(pg_relation_size(oid)) * 1000000 / (SELECT count(*) FROM account_data.transactions))::bigint)
  FROM pg_class WHERE relname LIKE 'transactions%';
SQL

inverse() { awk -v r="${ratio_of[$1]}" 'BEGIN { printf "%.2f", 1 / r }'; }

# Random keys of one wallet fall all over its part of the unique index, so that after a checkpoint
# nearly every charge logs a whole page of it, as it would in any unique index; keys in order do not.
sed "s/:k1 || '-' || :k2/'z' || clock_timestamp() || :client_id/" "$bench_work/charge_hot.sql" >"$bench_work/charge_ordered.sql"

for wanted in "$wallets wallets=charge" 'one wallet, random keys=charge_hot' 'one wallet, keys in order=charge_ordered'; do
	title "a charge on ${wanted%=*}, empty and with $rows transactions"
	script=$bench_work/${wanted#*=}.sql
	interleave "$rounds" "$seconds" 8 "empty=$script" "full=$script:$full" "empty again=$script"
	goal "time of a charge, full / empty, ${wanted%=*}" "$(inverse full)" '<=' 1.1
done

# A query of the one whose ledger is full.
reader() # query
{
	printf "SELECT account.act_as(md5('u1')::uuid, is_local => false) \\\\gset\n%s;\n" "$1"
}

title 'fifty rows of the statement'
reader 'SELECT * FROM account.transactions ORDER BY seq DESC LIMIT 50' >"$bench_work/newest.sql"
reader "SELECT * FROM account.transactions WHERE seq <= $rows / 2 ORDER BY seq DESC LIMIT 50" >"$bench_work/deep.sql"
reader "SELECT * FROM account_data.transactions WHERE workspace_id = md5('w1')::uuid ORDER BY seq DESC LIMIT 50" >"$bench_work/bare.sql"
interleave "$rounds" "$seconds" 2 "the table=$bench_work/bare.sql:$full" "newest page=$bench_work/newest.sql:$full" \
	"deep page=$bench_work/deep.sql:$full"
goal 'time of a deep page / newest' "$(awk -v a="${ratio_of[newest page]}" -v b="${ratio_of[deep page]}" 'BEGIN { printf "%.2f", a / b }')" '<=' 1.2

# Milliseconds of a query in a session of its own, the median of three after one that warms up.
milliseconds() # query
{
	{
		reader "$1" | sed '$s/^/\\o \/dev\/null\n\\timing on\n/'
		bench_repeat 3 "$1;"
	} | sql -d "$full" -f - | awk '/^Time: / { print $2 }' | tail -n 3 | sort -n | sed -n 2p
}

title "a report over thirty days with all $rows transactions"
period="now() - interval '30 days', now() + interval '1 hour'"
bare=$(PGOPTIONS='-c max_parallel_workers_per_gather=0' milliseconds "SELECT date_trunc('day', created_at), category, -sum(amount_micros), count(*) FROM account_data.transactions WHERE workspace_id = md5('w1')::uuid AND created_at >= now() - interval '30 days' AND created_at < now() + interval '1 hour' AND type IN ('usage', 'settle') GROUP BY 1, 2 ORDER BY 1, 2")
printf '%-40s %12s ms\n' 'GROUP BY day, category, one process' "$bare"
for report in "'day'" "'day', 'category'" "'hour', 'category'" "'day', 'user'" "'day', 'gpu_type'"; do
	time=$(milliseconds "SELECT * FROM account.usage_report($period, $report)")
	printf '%-40s %12s ms\n' "usage_report by $report" "$time"
	bench_line "usage_report by $report, ms" 1 "$time" ""
	[[ $report != "'day', 'category'" ]] ||
		goal 'time of usage_report / GROUP BY' "$(awk -v a="$time" -v b="$bare" 'BEGIN { printf "%.2f", a / b }')" '<=' 1.1
done

# The most private memory a session gains while it runs a query, in kB.
peak_growth() # query
{
	{
		# shellcheck disable=SC2016 # psql's shell expands BACKEND
		printf '%s\n' "SELECT count(*) FROM account.verify_ledger(md5('w2')::uuid);" \
			'SELECT pg_backend_pid() AS pid \gset' '\setenv BACKEND :pid' '\o /dev/null' \
			'\! while grep RssAnon "/proc/$BACKEND/status" >&2; do sleep .05; done 2>&1 | cat >&2 &' "$1;"
	} | sql -d "$full" -f - 2>&1 >/dev/null |
		awk '/RssAnon/ { first = first ? first : $2; most = $2 > most ? $2 : most } END { print most - first }'
}

title "the proof of $rows transactions"
verify="SELECT transactions, ok FROM account.verify_ledger(md5('w1')::uuid)"
[[ $(sql -d "$full" -c "$verify") == *'|t' ]] || { echo 'the ledger is not sound' >&2; exit 1; }
goal 'verify_ledger, rows a second' "$(awk -v ms="$(milliseconds "$verify")" -v rows="$rows" 'BEGIN { printf "%.0f", rows / ms * 1000 }')" '>=' 300000
goal 'verify_ledger, growth of memory, kB' "$(peak_growth "$verify")" '<=' 4096

sql -d postgres -c "DROP DATABASE $full"
