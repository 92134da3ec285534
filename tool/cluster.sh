# shellcheck shell=bash
# Private clusters: demo, bench and test, each under .dev/NAME with settings from tool/conf/NAME.conf.

socket_name=/.s.PGSQL.5432

cluster_tree() { if [[ $1 == test ]]; then echo assert; else echo release; fi; }
cluster_port() { case $1 in demo) echo 5432 ;; test) echo 5433 ;; bench) echo 5434 ;; esac; }
is_running() { [[ -S $dev/run/.s.PGSQL.$(cluster_port "$1") ]] && pg_ctl "$1" status >/dev/null; }

# Locks of this script (8, 9) must not outlive it in a server.
pg_ctl() # cluster action [option...]
{
	local cluster=$1
	shift
	as_server "$(pg_bin "$(cluster_tree "$cluster")")/pg_ctl" -D "$dev/$cluster/data" "$@" 8>&- 9>&-
}

# Clients from here on talk to this cluster, as its superuser.
use_cluster() # cluster
{
	PGHOST=$(realpath "$dev/run")
	PGPORT=$(cluster_port "$1")
	export PGHOST PGPORT PGUSER=postgres
}

# Runs a command with the tree's programs first in PATH.
client() # tree command [argument...]
{
	local tree=$1
	shift
	PATH=$(pg_bin "$tree"):$PATH "$@"
}

start_cluster() # cluster
{
	local cluster=$1 folder=$dev/$1 bin
	bin=$(pg_bin "$(cluster_tree "$cluster")")
	mkdir -p "$folder"
	give_to_server "$folder"
	if [[ ! -f $folder/data/PG_VERSION ]]; then
		say "making cluster .dev/$cluster/data"
		as_server "$bin/initdb" -D "$folder/data" -U postgres --auth=trust --locale=C.UTF-8 --no-sync \
			--no-instructions >/dev/null
	fi
	use_cluster "$cluster"
	cat "$top/tool/conf/common.conf" "$top/tool/conf/$cluster.conf" ${TEMP_CONFIG:+"$TEMP_CONFIG"} - <<-CONF |
		port = $PGPORT
		unix_socket_directories = '$PGHOST'
	CONF
		as_server tee "$folder/data/postgresql.conf" >/dev/null
	pg_ctl "$cluster" start -w -s -l "$folder/server.log" || {
		tail -n 20 "$folder/server.log" >&2
		die "cluster $cluster does not start, see .dev/$cluster/server.log"
	}
	say "started cluster $cluster"
}

stop_cluster() # cluster
{
	[[ -f $dev/$1/data/postmaster.pid ]] || return 0
	if pg_ctl "$1" status >/dev/null 2>&1; then
		pg_ctl "$1" stop -m fast -s
		say "stopped cluster $1"
	fi
}
