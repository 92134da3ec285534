#!/usr/bin/env bash
# A backend must not grow over a million calls, a thousand in a statement and a hundred thousand in
# statements of their own.
# shellcheck source=bench/lib.sh
. bench/lib.sh
# shellcheck source=bench/api_keys.sh
. bench/api_keys.sh

key_database 1000
export PGDATABASE=$database
for door in verify_api_key authenticate admit; do
	rss "1,000 calls of $door a statement" 1000 \
		"SELECT count(account.$door(key_of(i))) FROM generate_series(1, 1000) i;"
	goal "kB gained by a million calls of $door" "$rss_kb" '<=' 64
	rss "a call of $door a statement" 100000 "SELECT * FROM account.$door('ul_' || repeat('0', 30) || '1000000001');"
	goal "kB gained by as many statements" "$rss_kb" '<=' 64
done
