#!/usr/bin/env bash
# What a thousand times as many keys cost, against what a thousand times as many rows cost a
# primary-key SELECT. BENCH_HUGE=1 goes on to ten million.
# shellcheck source=bench/lib.sh
. bench/lib.sh
# shellcheck source=bench/api_keys.sh
. bench/api_keys.sh

sizes=("$large")
[[ -z ${BENCH_HUGE-} ]] || sizes+=(10000000)
key_database 1000
small=$database
for keys in "${sizes[@]}"; do
	key_database "$keys"
	title "from 1000 to $keys keys"
	interleave "$rounds" "$seconds" 2 \
		"primary-key SELECT of 1000=$(keys_of pk "$small" 1000)" \
		"primary-key SELECT of $keys=$(keys_of pk "$database" "$keys")" \
		"verify_api_key of 1000=$(keys_of verify "$small" 1000)" \
		"verify_api_key of $keys=$(keys_of verify "$database" "$keys")"
	goal "growth of verify_api_key / of primary key" "$(awk \
		-v pk="${cpu_ratio_of[primary-key SELECT of $keys]}" \
		-v small="${cpu_ratio_of[verify_api_key of 1000]}" \
		-v large="${cpu_ratio_of[verify_api_key of $keys]}" \
		'BEGIN { printf "%.3f", (small / large) * pk }')" '<=' 1.05
done
