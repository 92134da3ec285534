#!/usr/bin/env bash
# The feed: the first page against one deep in a million events, unseen_count against a primary-key
# read; and what the triggers of a resource cost a row, against none and two PL/pgSQL audit triggers:
# one that keeps both rows whole, and one that, as account does, keeps who did it and what changed.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"

events=${ACTIVITY_EVENTS:-1000000}
rounds=${ACTIVITY_ROUNDS:-5}
seconds=${ACTIVITY_SECONDS:-2}

sql >/dev/null <<SQL
SET client_min_messages = warning;
SELECT account.sign_up('bench-activity', 'bench-activity@bench.test', 'us')
 WHERE NOT EXISTS (SELECT FROM account_data.users WHERE username = 'bench-activity');
INSERT INTO account_data.events (workspace_id, id, at, actor_kind, resource_type, resource_id, resource_name, action, link_id, digest)
    SELECT personal_workspace_id, ('00000000-' || lpad(to_hex(n >> 16), 4, '0') || '-7' || substr(lpad(to_hex(n & 65535), 4, '0'), 2) || '-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
        '2020-01-01'::timestamptz + n * interval '1 second', 'operator', 'model', n::text, 'model ' || n, 'created', gen_random_uuid(), sha256('x')
      FROM account_data.users, generate_series(1, $events) n WHERE username = 'bench-activity'
    ON CONFLICT DO NOTHING;
VACUUM ANALYZE account_data.events;
SELECT account.sign_up('bench-activity-' || n, 'bench-activity-' || n || '@bench.test', 'us') FROM generate_series(1, 100) n
 WHERE NOT EXISTS (SELECT FROM account_data.users WHERE username = 'bench-activity-' || n);
DROP TABLE IF EXISTS with_none, with_account, with_plpgsql, with_changes, plpgsql_audit, plpgsql_changes;
CREATE TABLE with_none (id bigint PRIMARY KEY, workspace_id uuid NOT NULL, name text, value integer);
CREATE TABLE with_account (LIKE with_none INCLUDING ALL);
CREATE TABLE with_plpgsql (LIKE with_none INCLUDING ALL);
CREATE TABLE with_changes (LIKE with_none INCLUDING ALL);
CREATE TABLE plpgsql_audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), op text, old jsonb, new jsonb);
CREATE OR REPLACE FUNCTION plpgsql_audit() RETURNS trigger LANGUAGE plpgsql AS
\$\$BEGIN INSERT INTO plpgsql_audit (op, old, new) VALUES (tg_op, CASE WHEN tg_op = 'UPDATE' THEN to_jsonb(old) END, to_jsonb(new)); RETURN NULL; END\$\$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON with_plpgsql FOR EACH ROW EXECUTE FUNCTION plpgsql_audit();
CREATE TABLE plpgsql_changes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), workspace_id uuid, actor text,
    row_id text, name text, op text, changes jsonb);
CREATE OR REPLACE FUNCTION plpgsql_changes() RETURNS trigger LANGUAGE plpgsql AS
\$\$BEGIN
    INSERT INTO plpgsql_changes (workspace_id, actor, row_id, name, op, changes)
    VALUES (new.workspace_id, coalesce(current_setting('app.user', true), session_user), new.id, new.name, tg_op, CASE WHEN tg_op = 'UPDATE' THEN (
        SELECT jsonb_object_agg(key, jsonb_build_array(o.value, n.value))
          FROM jsonb_each(to_jsonb(old)) o JOIN jsonb_each(to_jsonb(new)) n USING (key) WHERE o.value <> n.value) END);
    RETURN NULL;
END\$\$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON with_changes FOR EACH ROW EXECUTE FUNCTION plpgsql_changes();
DELETE FROM account_data.resources WHERE kind = 'bench_row';
SELECT account.register_resource('with_account', 'bench_row', policies => false);
SQL
workspace=$(sql -c "SELECT personal_workspace_id FROM account_data.users WHERE username = 'bench-activity'")
user=$(sql -c "SELECT id FROM account_data.users WHERE username = 'bench-activity'")
deep=$(sql -c "SELECT id FROM account_data.events WHERE workspace_id = '$workspace' ORDER BY id DESC OFFSET least($events, 200000) - 30 LIMIT 1")

act="SELECT account.act_as('$user', is_local => false) \\gset
"
printf '%s' "$act" >"$bench_work/setup"
{ printf '%s' "$act"; echo "SELECT count(*) FROM account.activity_page(from_at => '-infinity');"; } >"$bench_work/first.sql"
{ printf '%s' "$act"; echo "SELECT count(*) FROM account.activity_page(from_at => '-infinity', after_id => '$deep');"; } >"$bench_work/deep.sql"
{ printf '%s' "$act"; echo "SELECT account.unseen_count();"; } >"$bench_work/unseen.sql"
{ printf '%s' "$act"; echo "SELECT username FROM account_data.users WHERE id = '$user';"; } >"$bench_work/pk.sql"
sql -c "SELECT account.act_as('$user', is_local => false)" -c "SELECT account.mark_seen()" >/dev/null

title "pages of a million events"
interleave "$rounds" "$seconds" 2 "page 1=$bench_work/first.sql" "page 10000=$bench_work/deep.sql"
goal "time of page 10000 / page 1" "$(awk -v r="${ratio_of[page 10000]}" 'BEGIN { print 1 / r }')" '<=' 1.2
interleave "$rounds" "$seconds" 2 "primary key=$bench_work/pk.sql" "unseen_count=$bench_work/unseen.sql"
goal "time of unseen_count / primary key" "$(awk -v r="${ratio_of[unseen_count]}" 'BEGIN { print 1 / r }')" '<=' 1.2

for table in with_none with_account with_plpgsql with_changes; do
	sql >/dev/null <<-SQL
		TRUNCATE plpgsql_audit, plpgsql_changes;
		INSERT INTO $table SELECT n, personal_workspace_id, 'row ' || n, 0
		  FROM generate_series(1, 1000) n JOIN account_data.users ON username = 'bench-activity-' || n % 100 + 1;
		INSERT INTO $table SELECT n, '$workspace', 'row ' || n, 0 FROM generate_series(1001, 2000) n;
	SQL
	for from in 1 1001; do
		printf '\\set id random(%s, %s)\nUPDATE %s SET value = value + 1 WHERE id = :id;\n' "$from" $((from + 999)) "$table" >"$bench_work/$table.$from.sql"
	done
done
one_row() # the first id of a thousand
{
	interleave "$rounds" "$seconds" 8 "no trigger=$bench_work/with_none.$1.sql" "account=$bench_work/with_account.$1.sql" \
		"PL/pgSQL, both rows=$bench_work/with_plpgsql.$1.sql" "PL/pgSQL, what changed=$bench_work/with_changes.$1.sql"
}
title "one-row updates in a hundred workspaces"
one_row 1
goal "one-row update, a hundred workspaces" "${ratio_of[account]}" '>=' 0.7
title "one-row updates in one workspace"
one_row 1001
goal "one-row update, one workspace" "${ratio_of[account]}" '>=' 0.7

title "statements of 100,000 rows, milliseconds"
printf '%-14s %12s %12s\n' table insert update
for ((round = 1; round <= 3; round++)); do
	for table in with_none with_account with_plpgsql with_changes; do
		sql -c "DELETE FROM $table" -c "DELETE FROM account_data.trash_items" -c "VACUUM $table" >/dev/null
		times=$(psql -Xq -v ON_ERROR_STOP=1 -c '\timing on' -c "SET account.activity_row_limit = 1000000" \
			-c "INSERT INTO $table SELECT n, '$workspace', 'row ' || n, 0 FROM generate_series(1, 100000) n" \
			-c "UPDATE $table SET value = value + 1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -2 | tr '\n' ' ')
		read -r insert update <<<"$times"
		printf '%-14s %12s %12s\n' "$table" "$insert" "$update"
		printf '%s\t%s\t%s\n' "$table" "$insert" "$update" >>"$bench_work/bulk"
	done
done
best() { awk -v t="$1" -v c="$2" '$1 == t && (!m || $c < m) { m = $c } END { print m }' "$bench_work/bulk"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
goal "bulk insert with an event a row" "$(ratio "$(best with_account 2)" "$(best with_none 2)")" '<=' 3
goal "bulk update with an event a row" "$(ratio "$(best with_account 3)" "$(best with_none 3)")" '<=' 5
for table in with_plpgsql with_changes; do
	goal "$table bulk insert / account" "$(ratio "$(best $table 2)" "$(best with_account 2)")" '>=' 2
	goal "$table bulk update / account" "$(ratio "$(best $table 3)" "$(best with_account 3)")" '>=' 2
done
