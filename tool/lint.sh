# shellcheck shell=bash
# ./dev lint: layout of the C, shell scripts, whitespace; sizes are only warned about.

cmd_lint()
{
	local failed=0
	need_packages clang-format shellcheck
	lint_format || failed=1
	lint_shell || failed=1
	lint_whitespace || failed=1
	lint_sizes
	((failed == 0)) || die "lint: see above"
	say "lint: clean"
}

lint_format()
{
	local sources=(src/**/*.[ch] bench/*.c)
	((${#sources[@]})) || return 0
	say "clang-format: ${#sources[@]} files"
	clang-format --dry-run --Werror --ferror-limit=3 "${sources[@]}"
}

lint_shell()
{
	say "shellcheck"
	shellcheck -xa dev .ci/run tool/install bench/*.sh test/**/*.sh
}

# Trailing blanks and last lines without an end, in what people write.
lint_whitespace()
{
	local file bad=0
	say "whitespace"
	while IFS= read -r -d '' file; do
		grep -nHE '[[:blank:]]+$' "$file" >&2 && bad=1
		[[ -z $(tail -c 1 "$file") ]] || { echo "$file: no newline at the end" >&2; bad=1; }
	done < <(find . \( -name .git -o -name .dev -o -name expected -o -name corpus \) -prune -o \
		-type f \( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.t' -o -name '*.p[lm]' \
		-o -name '*.spec' -o -name '*.mjs' -o -name '*.md' -o -name '*.conf' -o -name '*.json' -o -name dev \
		-o -name Makefile \) -print0)
	return $bad
}

# The guides: functions at most 70 lines with a median of 20, C files 500, SQL files 300, tests 250.
lint_sizes()
{
	local sources=(src/**/*.c)
	say "sizes"
	warn_longer 500 src/**/*.c
	warn_longer 300 sql/**/*.sql
	warn_longer 250 test/**/*.{sql,t,spec}
	((${#sources[@]} == 0)) || function_lengths "${sources[@]}" | sort -n | awk '
		{ lines[NR] = $1 }
		$1 > 70 { print "warning: " $2 ": function of " $1 " lines (guide: 70)" }
		END {
			median = lines[int((NR + 1) / 2)]
			if (median > 20) print "warning: median function has " median " lines (guide: 20)"
		}' >&2
}

warn_longer() # limit [file...]
{
	local limit=$1
	shift
	(($#)) || return 0
	awk -v limit="$limit" '
		ENDFILE { if (FNR > limit) print "warning: " FILENAME ": " FNR " lines (guide: " limit ")" }
	' "$@" >&2
}

# "lines file:line" of every C function.
function_lengths() # file...
{
	awk 'FNR == 1 { start = 0 }
		/^[A-Za-z_].*\(/ && !/;[ \t]*$/ { named = 1 }
		/^\{/ { start = named ? FNR : 0 }
		/^\}/ { if (start) print FNR - start + 1, FILENAME ":" start; start = named = 0 }' "$@"
}
