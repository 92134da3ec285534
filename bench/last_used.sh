#!/usr/bin/env bash
# What noting the last use of a key costs, against the same authenticate where nothing is noted: in
# a read-only transaction. A key in use is written at most once a minute; the second part has the
# worst case, where nearly every key is used for the first time.
# shellcheck source=bench/lib.sh
. bench/lib.sh
# shellcheck source=bench/api_keys.sh
. bench/api_keys.sh

key_database "$large"
read_only="postgresql:///$database?options=-cdefault_transaction_read_only%3Don"
for clients in 2 8; do
	title "a hundred of $large keys in use"
	interleave "$rounds" "$seconds" "$clients" \
		"authenticate, nothing noted=$(keys_of authenticate "$read_only" 100)" \
		"authenticate=$(keys_of authenticate "$database" 100)"
	goal "noting the use, $clients clients" "${ratio_of[authenticate]}" '>=' .95
done
title "all of $large keys in use"
interleave "$rounds" "$seconds" 8 \
	"authenticate, nothing noted=$(keys_of authenticate "$read_only" "$large")" \
	"authenticate=$(keys_of authenticate "$database" "$large")"
