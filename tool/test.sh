# shellcheck shell=bash
# ./dev test: pg_prove over the pgTAP files, then one prove over the Perl ones, on a cluster of its own.

run_tests() # [path...]
{
	local pgtap=() tap=() only=() failed=0
	choose_tests "$@"
	((${#pgtap[@]} + ${#tap[@]})) || die "no test in ${*:-test}"
	[[ " ${tap[*]} " != *" test/client/"* ]] || need_node

	# glibc overwrites what is freed, so that a use of it later fails here and not by chance elsewhere
	export MALLOC_PERTURB_=165

	exec 8>"$dev/test.lock"
	flock -n 8 || die "another ./dev test runs in this checkout"
	trap stop_test_servers EXIT
	trap 'exit 130' INT TERM
	stop_test_servers
	rm -rf "$dev/test"
	start_cluster test
	make_test_database

	((${#pgtap[@]} == 0)) || run_pgtap "${pgtap[@]}" || failed=1
	((${#tap[@]} == 0)) || run_tap "${tap[@]}" || failed=1
	if ((failed)); then
		say "FAILED; logs: .dev/test/server.log, .dev/test/output, .dev/test/tap/tmp_check/log"
		return 1
	fi
}

# Sorts the files below the paths into the two runners' lists; a spec or an example stands for the
# Perl file that runs it, which then runs nothing else.
choose_tests() # [path...]
{
	local path file
	if (($# == 0)); then
		set -- "$top/test"
	else
		cd "$here"
	fi
	for path in "$@"; do
		[[ -e $path ]] || die "no test $path"
		while read -r file; do
			case $(realpath --relative-to="$top" "$file") in
				test/fuzz/*) ;;
				test/*.t) tap+=("${file#"$top/"}") ;;
				test/client/*.mjs | examples/*.mjs) tap+=(test/client/client.t) ;;
				test/race/*.spec) only+=("race_$(basename "$file" .spec)") tap+=(test/race/race.t) ;;
				examples/*.sql) only+=("regress_$(basename "$file" .sql)") tap+=(test/regress.t) ;;
				test/*.sql) pgtap+=("${file#"$top/"}") ;;
			esac
		done < <(find "$(realpath "$path")" -type f | sort)
	done
	cd "$top"
	readarray -t tap < <(((${#tap[@]} == 0)) || printf '%s\n' "${tap[@]}" | sort -u)
}

# node, and what test/client/package-lock.json names: under .dev, where every script of the built copy
# below finds it. Installed again when that file changes. node trusts the certificates that Debian does.
need_node()
{
	local lock=test/client/package-lock.json
	{ command -v node && command -v npm; } >/dev/null || need_packages nodejs npm
	[[ ! -d $dev/node_modules ]] || ! cmp -s $lock "$dev/package-lock.json" || return 0
	say "npm ci: $lock to .dev/node_modules"
	rm -rf "$dev/node_modules"
	cp test/client/package.json $lock "$dev"
	NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS-/etc/ssl/certs/ca-certificates.crt} \
		npm ci --prefix "$dev" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2 || {
		rm -f "$dev/package-lock.json"
		die "npm ci failed"
	}
}

make_test_database()
{
	client assert psql -Xq -d postgres -v ON_ERROR_STOP=1 <<-SQL
		CREATE DATABASE test;
		ALTER DATABASE test SET search_path = "\$user", public, tap;
		\connect test
		CREATE SCHEMA tap;
		GRANT USAGE ON SCHEMA tap TO PUBLIC;
		CREATE EXTENSION pgtap SCHEMA tap;
		CREATE EXTENSION account;
	SQL
}

run_pgtap() # file...
{
	say "pg_prove: ${#} pgTAP files"
	in_build pg_prove --psql-bin "$(pg_bin assert)/psql" -d test -h "$PGHOST" -p "$PGPORT" \
		-U "$PGUSER" --ext .sql -r "$@"
}

run_tap() # file...
{
	local out=$dev/test data=$dev/test/tap/tmp_check
	say "prove: ${#} TAP files"
	in_build \
		PERL5LIB="$(pg_test assert)/perl:$dev/build/assert/test/lib:$dev/build/assert/test/fault/lib" \
		PG_REGRESS="$(pg_test assert)/regress/pg_regress" \
		PG_ISOLATION_REGRESS="$(pg_test assert)/isolation/pg_isolation_regress" \
		TESTDIR="$out/tap" TESTDATADIR="$data" TESTLOGDIR="$data/log" PG_TEST_PORT_DIR="$out/ports" \
		ACCOUNT_OUTPUT="$out/output" ACCOUNT_ONLY="${only[*]}" \
		${ACCOUNT_POSTGRES:+PG_TEST_TIMEOUT_DEFAULT=1800} \
		prove "$@"
}

# Runs with the settings and the command given, as the server's user, in the built copy.
in_build() # [name=value...] command [argument...]
{
	as_server mkdir -p "$dev/test/tap/tmp_check/log" "$dev/test/output"
	as_server env -C "$dev/build/assert" PATH="$(pg_bin assert):$PATH" PGDATABASE=test "$@" 8>&-
}

# The shared cluster, and any that a Perl test was interrupted out of stopping.
stop_test_servers()
{
	local pid
	for pid in "$dev"/test/**/postmaster.pid; do
		as_server "$(pg_bin assert)/pg_ctl" stop -s -m immediate -D "$(dirname "$pid")" 2>/dev/null || true
	done
}
