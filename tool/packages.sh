# shellcheck shell=bash
# Debian packages: deciding in one dpkg-query that all are there, installing those that are not.

# The PostgreSQL that is built for and run: PG_MAJOR, or the one this Debian has.
if [[ -z $major ]]; then
	if grep -qs '^VERSION_ID="13"' /etc/os-release; then major=17; else major=15; fi
fi

# shellcheck disable=SC2034 # used by dev
build_packages=(
	build-essential
	libipc-run-perl
	libssl-dev
	libtap-parser-sourcehandler-pgtap-perl
	perl
	"postgresql-$major"
	"postgresql-$major-cron"
	"postgresql-$major-pgtap"
	"postgresql-server-dev-$major"
	rsync
)

package_versions() # package...
{
	dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p' || true
}

need_packages() # package...
{
	local installed package missing=() as_root=()
	command -v dpkg-query >/dev/null || die "this script needs Debian"
	installed=$(package_versions "$@")
	for package in "$@"; do
		[[ $'\n'$installed == *$'\n'"$package "* ]] || missing+=("$package")
	done
	((${#missing[@]})) || return 0

	say "installing ${missing[*]}"
	if ((EUID)); then
		command -v sudo >/dev/null || die "run as root, or install sudo: packages are missing"
		as_root=(sudo)
	fi
	"${as_root[@]}" bash tool/install "${missing[@]}"
}
