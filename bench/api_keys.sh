# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the benches
# Databases of API keys for the benches that prove keys; sourced after lib.sh.
# BENCH_SECONDS, BENCH_ROUNDS: longer runs. BENCH_KEYS: the large database, a million keys.

seconds=${BENCH_SECONDS:-1}
rounds=${BENCH_ROUNDS:-7}
large=${BENCH_KEYS:-1000000}

# key_database KEYS leaves in $database the name of a database that holds so many keys. It is kept
# until the install script or the loading changes.
key_database()
{
	local keys=$1 mark
	database=keys_$keys
	mark=$(cat "$(pg_config --sharedir)"/extension/account--*.sql bench/sql/load_api_keys.sql | sha256sum)
	[[ $(sql -d postgres -c "SELECT shobj_description(oid, 'pg_database') FROM pg_database
		WHERE datname = '$database'") == "${mark%% *}" ]] && return
	title "loading $keys keys into database $database"
	sql -d postgres -c 'SET client_min_messages = warning' \
		-c "DROP DATABASE IF EXISTS $database" -c "CREATE DATABASE $database"
	sql -d "$database" -v keys="$keys" -f bench/sql/load_api_keys.sql
	sql -d postgres -c CHECKPOINT -c "COMMENT ON DATABASE $database IS '${mark%% *}'"
}

# keys_of SCRIPT DATABASE RANGE: a candidate that draws from the first RANGE keys of a database.
keys_of() { echo "bench/sql/$1.sql:$2 -D keys=$3"; }
