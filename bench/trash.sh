#!/usr/bin/env bash
# Deleting, restoring and purging a dataset with a million images, against the same tables without
# account: a cascading DELETE, and the INSERT of the same rows.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

rows=${TRASH_ROWS:-1000000}
rounds=${TRASH_ROUNDS:-3}

sql >/dev/null <<SQL
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS plain CASCADE;
DROP SCHEMA IF EXISTS kept CASCADE;
CREATE SCHEMA plain;
CREATE SCHEMA kept;
SELECT account.sign_up('bench-trash', 'bench-trash@bench.test', 'us')
 WHERE NOT EXISTS (SELECT FROM account_data.users WHERE username = 'bench-trash');
CREATE TABLE plain.datasets (id bigint PRIMARY KEY, workspace_id uuid NOT NULL, name text NOT NULL);
CREATE TABLE plain.images (id bigint PRIMARY KEY, dataset_id bigint NOT NULL REFERENCES plain.datasets ON DELETE CASCADE,
    path text NOT NULL, width integer, height integer, taken_at timestamptz);
CREATE INDEX ON plain.images (dataset_id);
CREATE TABLE kept.datasets (id bigint PRIMARY KEY, workspace_id uuid NOT NULL, name text NOT NULL);
CREATE TABLE kept.images (id bigint PRIMARY KEY, dataset_id bigint NOT NULL REFERENCES kept.datasets ON DELETE CASCADE,
    path text NOT NULL, width integer, height integer, taken_at timestamptz);
CREATE INDEX ON kept.images (dataset_id);
SELECT account.register_resource('kept.datasets', 'bench_dataset', policies => false)
 WHERE NOT EXISTS (SELECT FROM account_data.resources WHERE kind = 'bench_dataset');
CREATE TABLE plain.source AS SELECT n::bigint AS id, 1::bigint AS dataset_id, 'images/train/' || md5(n::text) || '.jpg' AS path,
    640 AS width, 480 AS height, now() + n * interval '1 second' AS taken_at FROM generate_series(1, $rows) n;
SQL
workspace=$(sql -c "SELECT personal_workspace_id FROM account_data.users WHERE username = 'bench-trash'")
user=$(sql -c "SELECT id FROM account_data.users WHERE username = 'bench-trash'")

# Milliseconds of the last of these statements, all in one session.
timed() # statement...
{
	local statement
	{
		# shellcheck disable=SC2016 # psql's shell expands BACKEND
		printf '%s\n' 'SELECT pg_backend_pid() AS pid \gset' '\setenv BACKEND :pid' '\o /dev/null'
		printf '%s\n' "SELECT account.act_as('$user', is_local => false);"
		for statement in "${@:1:$#-1}"; do printf '%s;\n' "$statement"; done
		printf '%s\n' '\timing on' "${*: -1};" '\timing off'
		# shellcheck disable=SC2016
		printf '%s\n' '\! grep RssAnon "/proc/$BACKEND/status" >&2'
	} | psql -Xq -v ON_ERROR_STOP=1 2>"$bench_work/rss" >"$bench_work/time"
	sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' "$bench_work/time" | tail -1
}

# Private memory of the backend of the last timed statement, in kB.
memory() { awk '/RssAnon/ { print $2 }' "$bench_work/rss"; }

fill() # schema
{
	sql -c "DELETE FROM $1.datasets WHERE false" \
		-c "INSERT INTO $1.datasets VALUES (1, '$workspace', 'd') ON CONFLICT DO NOTHING" \
		-c "INSERT INTO $1.images SELECT * FROM plain.source" -c "VACUUM (ANALYZE) $1.images"
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { print a / b }'; }

title "a dataset with $rows images, milliseconds"
printf '%-10s %10s %10s %10s %10s %10s\n' round "plain del" delete "plain ins" restore purge
for ((round = 1; round <= rounds; round++)); do
	sql -c 'TRUNCATE plain.datasets, plain.images' -c 'DELETE FROM kept.datasets' -c 'DELETE FROM account_data.trash_items' \
		-c 'DELETE FROM account_data.trash_chunks' -c 'VACUUM kept.images' \
		-c 'VACUUM account_data.trash_items' -c 'VACUUM account_data.trash_chunks' -c CHECKPOINT
	fill plain
	fill kept
	plain_delete=$(timed 'DELETE FROM plain.datasets')
	delete=$(timed 'DELETE FROM kept.datasets')
	delete_rss=$(memory)
	sql -c 'VACUUM plain.images' -c 'VACUUM kept.images'
	plain_insert=$(timed "INSERT INTO plain.datasets VALUES (1, '$workspace', 'd')" 'INSERT INTO plain.images SELECT * FROM plain.source')
	restore=$(timed 'SELECT account.restore(id) FROM account.trash')
	restore_rss=$(memory)
	[[ $(sql -c 'SELECT count(*) FROM kept.images') == "$rows" ]] || { echo "rows are missing" >&2; exit 1; }
	sql -c 'DELETE FROM kept.datasets'
	purge=$(timed 'SELECT account.purge(id) FROM account.trash')
	printf '%-10s %10s %10s %10s %10s %10s   memory: delete %s kB, restore %s kB\n' "$round" "$plain_delete" "$delete" \
		"$plain_insert" "$restore" "$purge" "$delete_rss" "$restore_rss"
	printf '%s\t%s\t%s\n' "$round" delete "$(ratio "$delete" "$plain_delete")" \
		"$round" restore "$(ratio "$restore" "$plain_insert")" \
		"$round" purge "$(ratio "$purge" "$plain_delete")" >>"$bench_work/trash"
done
median() { awk -v what="$1" '$2 == what { print $3 }' "$bench_work/trash" | sort -n | awk '{ a[NR] = $1 } END { printf "%.2f", a[int((NR + 1) / 2)] }'; }
goal "delete / plain cascade" "$(median delete)" '<=' 2.5
goal "restore / plain insert" "$(median restore)" '<=' 2.5
goal "purge / plain cascade" "$(median purge)" '<=' 0.5
goal "memory of a delete, MB" "$((delete_rss / 1024))" '<=' 64
goal "memory of a restore, MB" "$((restore_rss / 1024))" '<=' 64
