#!/usr/bin/env bash
# Making a key, sealed and with its event, against a transaction that inserts two rows: into tables
# that have a primary key and nothing else, and into tables as an application has them. All are four
# round trips: BEGIN, act_as, create_api_key, COMMIT and BEGIN, INSERT, INSERT, COMMIT.
# shellcheck source=bench/lib.sh
. bench/lib.sh

rounds=${BENCH_ROUNDS:-7}
seconds=${BENCH_SECONDS:-1}
app='key and event of an application'

sql -d postgres -c 'SET client_min_messages = warning' -c 'DROP DATABASE IF EXISTS people' \
	-c 'CREATE DATABASE people'
export PGDATABASE=people
sql -f bench/sql/load_people.sql
for clients in 2 8; do
	title "making a key"
	interleave "$rounds" "$seconds" "$clients" \
		"two-row INSERT transaction=bench/sql/create_plain.sql" "$app=bench/sql/create_app.sql" \
		"create_api_key=bench/sql/create.sql"
	goal "create_api_key / two bare rows, $clients clients" "${ratio_of[create_api_key]}" '>=' .8
	goal "create_api_key / $app, $clients clients" "$(over create_api_key "$app")" '>=' .8
done
