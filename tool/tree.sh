# shellcheck shell=bash
# The folder .dev, and in it two private copies of Debian's PostgreSQL with account built into each.
#
#   .dev/pg/release    .dev/build/release    demo, bench, psql
#   .dev/pg/assert     .dev/build/assert     test: assertions on, warnings are errors
#
# PostgreSQL finds its files relative to its programs, so a copy that keeps the layout under usr/
# is an installation of its own: "make install" into it needs no root and changes no other.

dev=			# the real path of .dev

pg_bin() { echo "$dev/pg/$1/usr/lib/postgresql/$major/bin"; }
pg_test() { echo "$dev/pg/$1/usr/lib/postgresql/$major/lib/pgxs/src/test"; }

# As root, servers and tests run as postgres; else as the caller. From /, which anyone may enter.
as_server()
(
	cd /
	((EUID)) || set -- runuser -u postgres -- env HOME=/nonexistent "$@"
	exec "$@"
)

# A server that runs as postgres must reach .dev: out of a closed home it moves to /var/tmp.
open_dev()
{
	dev=$top/.dev
	if ((EUID == 0)) && ! as_server test -x "$top"; then
		dev=$(moved_dev)
		if [[ $(readlink .dev) != "$dev" ]]; then
			say "user postgres cannot enter $top: .dev is a link to $dev"
			ln -sfn "$dev" .dev
		fi
	fi
	mkdir -p "$dev"
	[[ -O $dev && ! -L $dev ]] || die "$dev belongs to another user: remove it or be that user"
	open_run
}

moved_dev() { echo "/var/tmp/account-dev-$(printf %s "$top" | sha256sum | head -c 12)-$EUID"; }

# The socket folder: a socket's path holds 107 bytes, so a long one is a link to a short one.
open_run()
{
	local run=$dev/run short
	[[ -d $run ]] && return
	rm -f "$run"
	if ((${#run} + ${#socket_name} < 107)); then
		mkdir "$run"
	else
		short=$(mktemp -d /tmp/account-run.XXXXXX)
		ln -s "$short" "$run"
	fi
	give_to_server "$run/"
	chmod 700 "$run/"
}

give_to_server() { ((EUID)) || chown postgres: "$@"; }

remove_dev()
{
	[[ -L $dev/run ]] && rm -rf -- "$(readlink "$dev/run")"
	rm -rf -- "$dev"
	rm -f .dev
}

build_tree() # release|assert
{
	local tree=$1 options=()
	[[ $tree == assert ]] && options=(WERROR=1 ASSERTS=1)
	{
		flock 9
		copy_postgres "$tree"
		say "building .dev/build/$tree"
		copy_sources "$dev/build/$tree"
		make -s -C "$dev/build/$tree" -j"$(nproc)" PG_CONFIG="$(pg_bin "$tree")/pg_config" \
			"${options[@]}" install
	} 9>"$dev/build.lock"
}

# What is not ignored, as it is in the checkout; what was built in the folder stays.
copy_sources() # folder
{
	mkdir -p "$1"
	rsync -rlpt --delete --chmod=a+rX --exclude=/.git --exclude-from=.gitignore ./ "$1"
}

# Copies once, and again when Debian's packages change; over them what ./dev strict built.
copy_postgres() # release|assert
{
	local tree=$1 to=$dev/pg/$1 want
	want=$(package_versions "postgresql-$major" "postgresql-$major-*" "postgresql-server-dev-$major")
	[[ -f $to/packages && $(<"$to/packages") == "$want" ]] && return
	say "copying PostgreSQL $major to .dev/pg/$tree"
	if [[ $tree == assert ]]; then
		stop_cluster test
	else
		stop_cluster demo
		stop_cluster bench
	fi
	rm -rf "$to" "$dev/build/$tree"
	mkdir -p "$to" "$dev/build"
	rsync -rlptR --exclude="/usr/lib/postgresql/$major/lib/bitcode" --exclude='llvmjit*' \
		--exclude="/usr/share/postgresql/$major/man" \
		"/usr/lib/postgresql/$major" "/usr/share/postgresql/$major" /usr/include/postgresql "$to"
	[[ -z ${ACCOUNT_POSTGRES:-} ]] || rsync -rlpt "$ACCOUNT_POSTGRES/" "$to"
	[[ $("$(pg_bin "$tree")/pg_config" --sharedir) == "$to"/* ]] || die "$to is not self-contained"
	echo "$want" >"$to/packages"
}
