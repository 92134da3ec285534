#!/usr/bin/env bash
# Proving 100,000 keys in one statement, against a nested loop over the primary key of as many rows.
# BENCH_HUGE=1 adds ten million keys.
# shellcheck source=bench/lib.sh
. bench/lib.sh
# shellcheck source=bench/api_keys.sh
. bench/api_keys.sh

# Microseconds of server CPU a key, from the last interleave.
per_key() { awk -F '\t' '{ printf "%-36s %6.2f us a key\n", $1, $4 / 100000 }' "$bench_work/medians"; }

sizes=(1000 "$large")
[[ -z ${BENCH_HUGE-} ]] || sizes+=(10000000)
for keys in "${sizes[@]}"; do
	key_database "$keys"
	title "100,000 of $keys keys in one statement"
	interleave "$rounds" "$seconds" 1 \
		"primary-key nested loop=bench/sql/bulk_pk.sql:$database" \
		"FROM verify_api_key=bench/sql/bulk_verify.sql:$database" \
		"verify_api_key in the target list=bench/sql/bulk_verify_target.sql:$database"
	per_key
	for form in 'FROM verify_api_key' 'verify_api_key in the target list'; do
		goal "time of $form, $keys keys" "$(awk -v r="${cpu_ratio_of[$form]}" 'BEGIN { printf "%.2f", 1 / r }')" \
			'<=' 1.25
	done
done
