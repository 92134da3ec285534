#!/usr/bin/env bash
# Purging what has expired, in batches of a transaction each, out of a small trash and out of a large one,
# against one plain DELETE of as many rows from a copy of the trash without what the purge sees to.
# EXPIRY_ROWS, EXPIRY_SMALL, EXPIRY_LARGE, EXPIRY_BATCH: other sizes.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

expired=${EXPIRY_ROWS:-100000}
small=${EXPIRY_SMALL:-200000}
large=${EXPIRY_LARGE:-1000000}
batch=${EXPIRY_BATCH:-1000}

sql >/dev/null <<SQL
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS expiry CASCADE;
CREATE SCHEMA expiry;
SELECT account.sign_up('bench-expiry', 'bench-expiry@bench.test', 'us')
 WHERE NOT EXISTS (SELECT FROM account_data.users WHERE username = 'bench-expiry');
CREATE TABLE expiry.models (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), workspace_id uuid NOT NULL, name text NOT NULL,
    settings jsonb NOT NULL, bytes bigint NOT NULL);
DELETE FROM account_data.resources WHERE kind = 'bench_model';
SELECT account.register_resource('expiry.models', 'bench_model', size_column => 'bytes', policies => false);
CREATE TABLE expiry.plain (LIKE account_data.trash_items INCLUDING ALL);
SQL
workspace=$(sql -c "SELECT personal_workspace_id FROM account_data.users WHERE username = 'bench-expiry'")

# Milliseconds of each statement of a file.
times() { psql -Xq -v ON_ERROR_STOP=1 -c '\timing on' -o /dev/null -f "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }

# A trash of so many items, the oldest expired, a batch at each moment.
fill() # items
{
	sql -c 'TRUNCATE account_data.trash_items, account_data.trash_chunks, expiry.plain' \
		-c "INSERT INTO expiry.models (workspace_id, name, settings, bytes)
			SELECT '$workspace', 'model ' || n, jsonb_build_object('epochs', n, 'base', 'yolo11n.pt', 'imgsz', 640), 1000 FROM generate_series(1, $1) n" \
		-c 'SET account.trash_retention = 1' \
		-f "$bench_work/expire.sql" \
		-c 'RESET account.trash_retention' -c 'DELETE FROM expiry.models' -c 'SELECT pg_sleep(1)' \
		-c 'INSERT INTO expiry.plain SELECT * FROM account_data.trash_items' \
		-c 'VACUUM (ANALYZE) expiry.models' -c 'VACUUM (ANALYZE) account_data.trash_items' -c 'VACUUM (ANALYZE) expiry.plain' -c CHECKPOINT
}

# The condition on parent_id lets the plain one use the index that the purge uses.
echo 'DELETE FROM expiry.plain WHERE expires_at <= now() AND parent_id IS NULL;' >"$bench_work/plain.sql"
bench_repeat $((expired / batch)) "DELETE FROM expiry.models WHERE id IN (SELECT id FROM expiry.models LIMIT $batch);" >"$bench_work/expire.sql"
bench_repeat $((expired / batch)) "SELECT account.purge_expired($batch);" >"$bench_work/purge.sql"

measure() # items, into plain_ms, purge_ms and worst_ms
{
	fill "$1"
	plain_ms=$(times "$bench_work/plain.sql")
	times "$bench_work/purge.sql" >"$bench_work/batches"
	read -r purge_ms worst_ms < <(awk '{ sum += $1; if ($1 > worst) worst = $1 } END { print sum, worst }' "$bench_work/batches")
	[[ $(sql -c 'SELECT count(*) FROM account_data.trash_items') == $(($1 - expired)) ]] || { echo "not what had expired was purged" >&2; exit 1; }
	printf '%12s %12s %12s %12s\n' "$1" "$plain_ms" "$purge_ms" "$worst_ms"
	bench_line "plain DELETE, $1 items" 1 "$plain_ms" ""
	bench_line "purge_expired, $1 items" 1 "$purge_ms" ""
}

title "purging $expired expired items, $batch a transaction, milliseconds"
printf '%12s %12s %12s %12s\n' "trash" "plain" "purge" "worst batch"
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
measure "$small"
small_ms=$purge_ms
goal "purge / plain DELETE, a small trash" "$(ratio "$purge_ms" "$plain_ms")" '<=' 2.5
measure "$large"
goal "purge / plain DELETE, a large trash" "$(ratio "$purge_ms" "$plain_ms")" '<=' 2.5
goal "a large trash / a small one" "$(ratio "$purge_ms" "$small_ms")" '<=' 1.5
goal "worst batch, ms" "$worst_ms" '<=' 100
sql -c 'SET client_min_messages = warning' -c "DELETE FROM account_data.resources WHERE kind = 'bench_model'" -c 'DROP SCHEMA expiry CASCADE' \
	-c 'TRUNCATE account_data.trash_items, account_data.trash_chunks'
