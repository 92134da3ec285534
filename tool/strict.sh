# shellcheck shell=bash
# ./dev strict: ./dev test on a PostgreSQL that forgives nothing. It is built from Debian's source with its
# assertions on, which overwrites memory once it is freed, and it empties its caches at one lock in 200, as
# a message from another session may at any. That takes time: what waits for a server waits longer.
#
#   .dev/strict/source     Debian's source package, and the build
#   .dev/strict/postgres   what was built of it, laid out as Debian's
#   .dev/strict/account    the copy of the checkout that the tests run in

run_strict() # [path...]
{
	local paths=() path strict=$dev/strict
	for path in "$@"; do
		paths+=("$strict/account/$(realpath -e --relative-to="$top" "$here/$path")")
	done
	need_packages "${build_packages[@]}" bison flex libicu-dev liblz4-dev libreadline-dev libxml2-dev zlib1g-dev
	[[ -d $strict/postgres ]] || build_strict "$strict"
	echo 'debug_discard_caches = 200' >"$strict/settings.conf"
	copy_sources "$strict/account"
	ACCOUNT_POSTGRES=$strict/postgres TEMP_CONFIG=$strict/settings.conf \
		"$strict/account/dev" test "${paths[@]}"
}

build_strict() # folder
{
	local share=/usr/share/postgresql/$major lib=/usr/lib/postgresql/$major
	rm -rf "$1"
	mkdir -p "$1/source"
	say "getting the source of PostgreSQL $major"
	get_source "$1/source"
	cd "$1"/source/postgresql-*/
	loosen_source
	say "building it with assertions: $1/build.log"
	{
		./configure --prefix="$lib" --libdir="$lib/lib" --datadir="$share" --includedir=/usr/include/postgresql \
			--enable-cassert --enable-debug --enable-tap-tests --with-icu --with-lz4 --with-libxml CFLAGS='-O1 -g'
		make -j"$(nproc)"
		make install DESTDIR="$1/postgres.part"
	} >"$1/build.log" 2>&1 || die "cannot build PostgreSQL, see $1/build.log"
	mv "$1/postgres.part" "$1/postgres"
	cd "$top"
}

# With lists of its own: the system's may know no sources.
get_source() # folder
(
	cd "$1"
	mkdir -p lists/partial
	sed -n 's|^VERSION_CODENAME=\(.*\)|deb-src http://deb.debian.org/debian \1 main|p' /etc/os-release >sources.list
	apt=(apt-get -qq -o Dir::State::Lists="$1/lists" -o Dir::Etc::SourceList="$1/sources.list"
		-o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root)
	"${apt[@]}" update && "${apt[@]}" source "postgresql-$major" >source.log 2>&1
)

# Empties caches by chance: always, as debug_discard_caches = 1 asks, takes a hundred times as long. And
# to_jsonb of a row keeps the names of columns past their end when they are.
loosen_source()
{
	sed -i 's/recursion_depth < debug_discard_caches/recursion_depth == 0 \&\& debug_discard_caches > 0 \&\& random() % debug_discard_caches == 0/' \
		src/backend/utils/cache/inval.c
	sed -i '/&debug_discard_caches,/,/NULL, NULL, NULL/s/0, 5,/0, 1000000,/' src/backend/utils/misc/guc*.c
	sed -i 's/attname = NameStr(att->attname);/attname = pstrdup(NameStr(att->attname));/' src/backend/utils/adt/jsonb.c
}
