# shellcheck shell=bash
# The measuring harness; a bench script sources it. ./dev bench sets PGHOST, PGDATABASE, PATH and
# BENCH_OUT. Machines differ and wander, so candidates take turns and only ratios are compared.
set -euo pipefail

bench_name=$(basename "$0" .sh)
bench_out=${BENCH_OUT:?run by ./dev bench}
bench_work=$(mktemp -d)
trap 'rm -rf "$bench_work"' EXIT

# shellcheck disable=SC2120 # bench scripts pass options
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

find_postmaster() { read -r postmaster <"$(sql -c 'SHOW data_directory')/postmaster.pid"; }
find_postmaster

title() { printf '\n%s\n' "$*"; }

# interleave ROUNDS SECONDS CLIENTS label=script.sql[:database [pgbench option...]] ...
# Runs every candidate once in each round, each round starting with another. Prints the medians of
# each one's tps and of the server's CPU time a transaction, and for both the median of the
# per-round ratios to the first candidate, the reference (more is better). On a busy machine the CPU
# time tells more; give one script two labels to see what the machine makes of no difference. The
# ratios stay in ratio_of[label] and cpu_ratio_of[label] for goal.
interleave()
{
	local rounds=$1 seconds=$2 clients=$3 round i candidate candidates run
	shift 3
	candidates=("$@")
	: >"$bench_work/rounds"
	for ((round = 0; round < rounds; round++)); do
		for ((i = 0; i < $#; i++)); do
			candidate=${candidates[(round + i) % $#]}
			run=$(pgbench_run "$seconds" "$clients" "${candidate#*=}") || return 1
			printf '%s\t%s\t%s\n' "$((round + 1))" "${candidate%%=*}" "$run" >>"$bench_work/rounds"
		done
	done
	bench_medians <"$bench_work/rounds" >"$bench_work/medians"
	bench_report "$rounds" "$seconds" "$clients"
}

# Transactions a second and microseconds of server CPU a transaction of one run; a run that fails
# stops the script with pgbench's own words.
pgbench_run() # seconds clients script.sql[:database [option...]]
{
	local seconds=$1 clients=$2 script=${3%%:*} database=$PGDATABASE words=() threads before after
	[[ $3 != *:* ]] || read -ra words <<<"${3#*:}"
	[[ -z ${words[0]-} || ${words[0]} == -* ]] || { database=${words[0]}; words=("${words[@]:1}"); }
	threads=$((clients < $(nproc) ? clients : $(nproc)))
	before=$(server_ticks) || return 1
	pgbench -n -M prepared -T "$seconds" -c "$clients" -j "$threads" -f "$script" "${words[@]}" \
		"$database" >"$bench_work/pgbench" 2>&1 || { cat "$bench_work/pgbench" >&2; return 1; }
	after=$(server_ticks) || return 1
	awk -v us="$(((after - before) * 1000000 / $(getconf CLK_TCK)))" '
		/^number of transactions actually processed/ { n = $NF }
		/^tps = / { printf "%s\t%.4f", $3, us / n }' "$bench_work/pgbench"
}

# CPU time of all backends that have ended. It counts only once the postmaster has reaped them, and
# until then their command line is empty; to go on earlier would charge it to the next candidate.
server_ticks()
{
	local tries=500 children child command
	while ((tries--)); do
		read -ra children <"/proc/$postmaster/task/$postmaster/children" || true
		for child in "${children[@]}"; do
			command=$(tr '\0' ' ' 2>/dev/null <"/proc/$child/cmdline") || command=
			[[ -n $command && $command != *'[local]'* ]] || { sleep .02; continue 2; }
		done
		awk '{ print $16 + $17 }' "/proc/$postmaster/stat"
		return
	done
	echo "a client is still connected to the bench cluster" >&2
	return 1
}

# round label tps cpu -> label, median tps, its median ratio, median cpu, its median ratio; in the
# order of first appearance
bench_medians()
{
	awk -F '\t' '
		function median(list, n,   i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
					t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
				}
			return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
		}
		!($2 in seen) { seen[$2]; label[++labels] = $2 }
		{ tps[$1, $2] = $3; cpu[$1, $2] = $4; rounds = $1 }
		END {
			for (l = 1; l <= labels; l++) {
				for (r = 1; r <= rounds; r++) {
					t[r] = tps[r, label[l]]
					c[r] = cpu[r, label[l]]
					t_ratio[r] = t[r] / tps[r, label[1]]
					c_ratio[r] = c[r] ? cpu[r, label[1]] / c[r] : 0
				}
				printf "%s\t%.0f\t%.3f\t%.1f\t%.3f\n", label[l], median(t, rounds),
					median(t_ratio, rounds), median(c, rounds), median(c_ratio, rounds)
			}
		}'
}

declare -A ratio_of=() cpu_ratio_of=()

bench_report() # rounds seconds clients
{
	local label tps ratio cpu cpu_ratio
	printf '\n%-36s %10s %7s %10s %7s   (%s clients, %s x %s s)\n' candidate tps ratio 'cpu us' ratio \
		"$3" "$1" "$2"
	while IFS=$'\t' read -r label tps ratio cpu cpu_ratio; do
		printf '%-36s %10s %7s %10s %7s\n' "$label" "$tps" "$ratio" "$cpu" "$cpu_ratio"
		# shellcheck disable=SC2034 # bench scripts read them
		{ ratio_of[$label]=$ratio; cpu_ratio_of[$label]=$cpu_ratio; }
		bench_line "$label" "$3" "$tps" "$ratio" "$cpu" "$cpu_ratio"
	done <"$bench_work/medians"
}

# A result for machines: time, bench, label, clients, value, ratio, and for a run CPU us and ratio.
bench_line() # label clients value ratio [cpu ratio]
{
	local IFS=$'\t'
	printf '%s\n' "$(date -u +%FT%TZ)"$'\t'"$bench_name"$'\t'"$*" >>"$bench_out/results.tsv"
}

# rss LABEL CALLS 'STATEMENT;' ['SETUP;'] prints how much private memory one backend gains over
# CALLS calls, after a tenth as many that fill its caches; the growth in kB is left in rss_kb.
rss()
{
	local label=$1 calls=$2 statement=$3 setup=${4-} before after
	{
		# shellcheck disable=SC2016 # psql's shell expands BACKEND
		local report='\! grep RssAnon "/proc/$BACKEND/status" >&2'
		printf '%s\n' "$setup" 'SELECT pg_backend_pid() AS pid \gset' '\setenv BACKEND :pid' '\o /dev/null'
		bench_repeat $((calls / 10)) "$statement"
		printf '%s\n' "$report"
		bench_repeat "$calls" "$statement"
		printf '%s\n' "$report"
	} | sql -f - 2>"$bench_work/rss" >/dev/null || { cat "$bench_work/rss" >&2; return 1; }
	read -r before after < <(awk '/RssAnon/ { printf "%s ", $2 } END { print "" }' "$bench_work/rss")
	rss_kb=$((after - before))
	printf '%-40s %9s kB over %s calls\n' "memory growth: $label" "$rss_kb" "$calls"
	bench_line "memory growth: $label" 1 "$rss_kb" ""
}

bench_repeat() { awk -v n="$1" -v line="$2" 'BEGIN { while (n-- > 0) print line }'; }

# goal NAME REACHED OP VALUE says whether a goal is met (op: >= or <=); a miss is said, not fatal.
goal()
{
	local verdict=miss
	awk -v a="$2" -v op="$3" -v b="$4" 'BEGIN { exit !(op == ">=" ? a + 0 >= b + 0 : a + 0 <= b + 0) }' &&
		verdict=pass
	printf 'goal  %-40s %s %s   reached %s   %s\n' "$1" "$3" "$4" "$2" "$verdict"
	bench_line "goal: $1 $3 $4" "" "$2" "$verdict"
}

# over CANDIDATE REFERENCE: the ratio between two candidates of the last interleave.
over() { awk -v a="${ratio_of[$1]}" -v b="${ratio_of[$2]}" 'BEGIN { printf "%.2f", a / b }'; }
