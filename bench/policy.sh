#!/usr/bin/env bash
# account.has_role as a row-security policy on a million rows of a thousand teams, and the policies that
# account.register_resource makes, against no policy and against what people write, for a member of ten teams and of all.
# BENCH_SECONDS, BENCH_ROUNDS: longer runs. BENCH_ROWS: another size.
# shellcheck source=bench/lib.sh
. bench/lib.sh

seconds=${BENCH_SECONDS:-1}
rounds=${BENCH_ROUNDS:-3}
rows=${BENCH_ROWS:-1000000}
database=policy

roles=(bench_none bench_has_role bench_registered bench_any bench_in bench_exists)

unload()
{
	sql -d postgres -c 'SET client_min_messages = warning' -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" \
		"${roles[@]/#/-cDROP ROLE IF EXISTS }"
}

load()
{
	title "loading $rows rows"
	unload
	sql -d postgres -c "CREATE DATABASE $database" "${roles[@]/#/-cCREATE USER }" \
		-c 'ALTER ROLE bench_none BYPASSRLS'
	sql -d "$database" -v rows="$rows" -f bench/sql/load_policy.sql
}

# reads SCRIPT POLICY PERSON: a candidate that reads under a policy as that person.
reads()
{
	printf '%s' "bench/sql/policy_$1.sql:$database -U bench_$2 -D acts=0 -D rows=$rows -D who=" \
		"$(sql -d "$database" -c "SELECT id FROM people WHERE name = '$3'")"
}

# Nanoseconds of server CPU a row of a scan that lie above the same scan without a policy.
ns_over_none() # label
{
	awk -F '\t' -v label="$1" -v rows="$rows" 'NR == 1 { none = $4 } $1 == label { print ($4 - none) * 1000 / rows }' \
		"$bench_work/medians"
}

scans() # title rounds person... with PGOPTIONS set
{
	local person candidates=("no policy=$(reads scan none many)")
	title "$1"
	for person in "${@:3}"; do
		candidates+=("has_role, $person=$(reads scan has_role "$person")"
			"registered, $person=$(reads scan registered "$person")"
			"ANY (workspace_ids), $person=$(reads scan any "$person")"
			"IN memberships, $person=$(reads scan in "$person")"
			"EXISTS membership, $person=$(reads scan exists "$person")")
	done
	interleave "$2" "$seconds" 1 "${candidates[@]}"
}

# Pages that a query touches for a member of all teams, when it has run before, and when it is the first
# after a role changed in another session: what is read again is read by and by, as it is asked for.
pages_after_change() # label query
{
	local warm first
	read -r warm first < <(sql -d "$database" -v query="$2" -f bench/sql/policy_after_change.sql | xargs)
	printf '%-36s %9s pages, after a role change %s\n' "$1" "$warm" "$first"
	bench_line "pages: $1" 1 "$warm" ""
	bench_line "pages after a role change: $1" 1 "$first" ""
}

load
export PGOPTIONS='-c max_parallel_workers_per_gather=0'

PGOPTIONS+=' -c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off' \
	scans "reading every row" "$rounds" few many
for person in few many; do
	goal "ns a row over no policy, $person" "$(ns_over_none "has_role, $person")" '<=' 30
	goal "ns a row over no policy, registered, $person" "$(ns_over_none "registered, $person")" '<=' 30
done

scans "whatever plan is chosen, member of ten" "$rounds" few
goal "has_role by the index / no policy" "${ratio_of[has_role, few]}" '>=' 15

for clients in 2 8; do
	title "one row by its primary key"
	interleave "$rounds" "$((seconds * 2))" "$clients" "no policy=$(reads pk none many)" \
		"has_role, few=$(reads pk has_role few)" "has_role, many=$(reads pk has_role many)" \
		"registered, few=$(reads pk registered few)" "registered, many=$(reads pk registered many)" \
		"IN memberships, few=$(reads pk in few)"
	for person in few many; do
		goal "PK lookup, $person, $clients clients" "${ratio_of[has_role, $person]}" '>=' .95
		goal "PK lookup, registered, $person, $clients clients" "${ratio_of[registered, $person]}" '>=' .95
	done
done

title "after a role change"
pages_after_change "one row by its primary key" 'SELECT amount FROM things WHERE id = 4711'
pages_after_change "a hundred rows" 'SELECT amount FROM things WHERE id BETWEEN 4700 AND 4799'
pages_after_change "every row" 'SELECT count(*) FROM things'
unload
