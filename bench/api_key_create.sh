#!/usr/bin/env bash
# Making a key, sealed and with its event, against a transaction that inserts two rows. Both are four
# round trips: BEGIN, act_as, create_api_key, COMMIT and BEGIN, INSERT, INSERT, COMMIT.
# shellcheck source=bench/lib.sh
. bench/lib.sh

rounds=${BENCH_ROUNDS:-9}
seconds=${BENCH_SECONDS:-1}

sql -c 'DROP TABLE IF EXISTS people, plain_keys, plain_events' \
	-c 'DELETE FROM account_data.users' -c 'DELETE FROM account_data.workspaces' 2>/dev/null
sql -f bench/sql/load_people.sql
for clients in 2 8; do
	title "making a key"
	interleave "$rounds" "$seconds" "$clients" \
		"two-row INSERT transaction=bench/sql/create_plain.sql" \
		"create_api_key=bench/sql/create.sql"
	goal "create_api_key, $clients clients" "${ratio_of[create_api_key]}" '>=' .8
done
