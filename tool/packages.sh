# shellcheck shell=bash
# Debian packages: deciding in one dpkg-query that all are there, installing those that are not.

# shellcheck disable=SC2034 # used by dev
build_packages=(
	build-essential
	libipc-run-perl
	libssl-dev
	libtap-parser-sourcehandler-pgtap-perl
	perl
	postgresql-15
	postgresql-15-cron
	postgresql-15-pgtap
	postgresql-server-dev-15
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
	command -v dpkg-query >/dev/null || die "this script needs Debian 12"
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
