# shellcheck shell=bash
# ./dev matrix: ./dev test on the PostgreSQL of each Debian suite, in a chroot of that suite.
#
#   .dev/matrix/SUITE        the chroot; kept, and brought up to date before each run
#   .dev/matrix/SUITE.log    all that the last run said

suites=(bookworm trixie sid)

run_matrix() # [suite or path...]
{
	local chosen=() paths=() argument suite failed=0
	((EUID == 0)) || die "matrix makes chroots: run it as root"
	need_packages debootstrap rsync
	for argument in "$@"; do
		if [[ $argument == */* ]]; then
			paths+=("/account/$(realpath -e --relative-to="$top" "$here/$argument")")
		else
			chosen+=("$argument")
		fi
	done
	((${#chosen[@]})) || chosen=("${suites[@]}")

	mkdir -p "$dev/matrix"
	exec 7>"$dev/matrix/lock"
	flock -n 7 || die "another ./dev matrix runs in this checkout"
	for suite in "${chosen[@]}"; do
		test_suite "$suite" "${paths[@]}" >"$dev/matrix/$suite.log" 2>&1 || failed=1
		say_result "$suite"
	done
	((failed == 0)) || die "matrix: not all passed; logs: .dev/matrix/*.log"
}

test_suite() # suite [path...]
{
	local root=$dev/matrix/$1 major
	make_chroot "$1" "$root" && copy_sources "$root/account" || return
	shift
	in_chroot "$root" sh -c 'apt-get -qq update && apt-get -qq -y dist-upgrade' || return
	major=$(in_chroot "$root" apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-//p')
	in_chroot "$root" env PG_MAJOR="$major" /account/dev test "$@"
}

make_chroot() # suite folder
{
	[[ ! -d $2 ]] || return 0
	rm -rf -- "$2.part"
	debootstrap --variant=minbase "$1" "$2.part" && mv "$2.part" "$2"
}

# In namespaces of its own: what is mounted or started in there ends with the command.
in_chroot() # folder command [argument...]
{
	# shellcheck disable=SC2016 # expanded by the inner shell
	DEBIAN_FRONTEND=noninteractive unshare --mount --pid --fork --kill-child bash -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && chroot "$0" "$@"' "$@" 7>&-
}

# One line: which PostgreSQL, and what each of the two runners counted.
say_result() # suite
{
	local packages=$dev/matrix/$1/account/.dev/pg/assert/packages log=$dev/matrix/$1.log server counted
	server=$(sed -n '1s/^postgresql-//p' "$packages" 2>/dev/null || true)
	counted=$(sed -nE 's/^Files=([0-9]+), Tests=([0-9]+),.*/\1 files, \2 tests/p; s/^Result: //p' "$log")
	counted=${counted:-$(tail -n 1 "$log")}
	printf '%s: PostgreSQL %s: %s\n' "$1" "${server#* }" "${counted//$'\n'/, }"
}
