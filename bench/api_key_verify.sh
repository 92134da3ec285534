#!/usr/bin/env bash
# Proving one key a statement, against pgbench's own primary-key SELECT on as many rows: one field of
# the answer against a SELECT of one column, the whole answer against a SELECT of its eight columns,
# for what a result costs to send is no part of proving a key. And against PL/pgSQL with pgcrypto and
# a join of three tables. The last use of a key is noted by authenticate and admit, so these also run
# on a hundred keys in use: at most once a minute and key they write.
# shellcheck source=bench/lib.sh
. bench/lib.sh
# shellcheck source=bench/api_keys.sh
. bench/api_keys.sh

key_database "$large"
for clients in 1 2 8; do
	title "a verdict from $large keys"
	interleave "$rounds" "$seconds" "$clients" \
		"SELECT of a column=$(keys_of pk "$database" "$large")" \
		"verify_api_key, a field=$(keys_of verify_field "$database" "$large")" \
		"SELECT of 8 columns=$(keys_of pk_answer "$database" "$large")" \
		"verify_api_key, the row=$(keys_of verify "$database" "$large")" \
		"PL/pgSQL, pgcrypto, three tables=$(keys_of verify_plain "$database" "$large")"
	((clients == 1)) || {
		goal "verify_api_key, a field, $clients clients" \
			"${ratio_of["verify_api_key, a field"]}" '>=' .97
		goal "verify_api_key, the row, $clients clients" \
			"$(over 'verify_api_key, the row' 'SELECT of 8 columns')" '>=' .97
		goal "verify_api_key against PL/pgSQL, $clients clients" \
			"$(over 'verify_api_key, the row' 'PL/pgSQL, pgcrypto, three tables')" '>=' 1.8
	}
	title "a hundred of $large keys in use"
	interleave "$rounds" "$seconds" "$clients" \
		"SELECT of a column=$(keys_of pk "$database" 100)" \
		"authenticate, a field=$(keys_of authenticate_field "$database" 100)" \
		"authenticate, the row=$(keys_of authenticate "$database" 100)" \
		"admit, a field=$(keys_of admit_field "$database" 100)" \
		"admit, the row=$(keys_of admit "$database" 100)"
	((clients == 1)) || {
		goal "authenticate, a field, $clients clients" "${ratio_of["authenticate, a field"]}" '>=' .88
		goal "admit, a field, $clients clients" "${ratio_of["admit, a field"]}" '>=' .80
		goal "admit, the row, $clients clients" "${ratio_of["admit, the row"]}" '>=' .80
	}
done
