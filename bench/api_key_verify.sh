#!/usr/bin/env bash
# Proving one key a statement, against pgbench's own primary-key SELECT on as many rows, which gives
# one integer, against one that gives the eight columns of a proof, and against PL/pgSQL with
# pgcrypto and a join of three tables. The last use of a key is noted by authenticate
# and admit, so these also run on a hundred keys in use: at most once a minute and key they write.
# shellcheck source=bench/lib.sh
. bench/lib.sh
# shellcheck source=bench/api_keys.sh
. bench/api_keys.sh

key_database "$large"
for clients in 1 2 8; do
	title "a verdict from $large keys"
	interleave "$rounds" "$seconds" "$clients" \
		"primary-key SELECT=$(keys_of pk "$database" "$large")" \
		"primary-key SELECT of 8 columns=$(keys_of pk_answer "$database" "$large")" \
		"verify_api_key=$(keys_of verify "$database" "$large")" \
		"PL/pgSQL, pgcrypto, three tables=$(keys_of verify_plain "$database" "$large")"
	((clients == 1)) || {
		goal "verify_api_key, $clients clients" "${ratio_of[verify_api_key]}" '>=' .97
		goal "verify_api_key against PL/pgSQL, $clients clients" "$(awk \
			-v a="${ratio_of[verify_api_key]}" -v b="${ratio_of[PL/pgSQL, pgcrypto, three tables]}" \
			'BEGIN { printf "%.2f", a / b }')" '>=' 1.8
	}
	title "a hundred of $large keys in use"
	interleave "$rounds" "$seconds" "$clients" \
		"primary-key SELECT=$(keys_of pk "$database" 100)" \
		"authenticate=$(keys_of authenticate "$database" 100)" \
		"admit=$(keys_of admit "$database" 100)"
	((clients == 1)) || {
		goal "authenticate, $clients clients" "${ratio_of[authenticate]}" '>=' .88
		goal "admit, $clients clients" "${ratio_of[admit]}" '>=' .80
	}
done
