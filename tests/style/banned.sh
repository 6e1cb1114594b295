#!/bin/sh
# What must not stand in the sources: calls without a bound, open ends, lines that no screen shows. TAP.
set -u
top=${srcdir:-.}
cd "$top" || exit 99
export LC_ALL=C
columns=120

# what the build makes, where it is made among the sources
made='! -path grammar/parser.c ! -path grammar/parser.h ! -path grammar/scanner.c ! -path src/lang/agents_text.c ! -path src/lang/runners_text.c ! -name *_assets.c ! -path src/web/assets.c'
set -f # that pattern is for find
# shellcheck disable=SC2086
own_files=$(find src include grammar examples -type f -name '*.[chly]' $made | sort)
all_files=$(
	find src include grammar tests examples doc .ci m4 -type f ! -path '*/.orch/*' ! -path '*/out/*' ! -path 'tests/data/*' \
		\( -name '*.[chly1-9]' -o -name '*.sh' -o -name '*.bats' -o -name '*.bash' -o -name '*.py' -o -name '*.md' -o -name Orchfile -o -name run \) \
		$made | sort
	for f in bootstrap configure.ac Makefile.am Orchfile README.md LICENSE src/LAYERS; do [ -f "$f" ] && echo "$f"; done
)
set +f

echo 1..8
n=0
failed=0
report() { # text, findings
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		printf '%s\n' "$2" | head -20 | sed 's/^/#   /'
		failed=1
	fi
}

# calls in code; a name in a comment or a string is no call, so comments are taken out first
calls() { # pattern, files
	pattern=$1
	shift
	awk -v pattern="$pattern" '
	FNR == 1 { comment = 0 }
	{
		line = $0
		text = ""
		while (line != "") {
			if (comment) {
				end = index(line, "*/")
				if (!end) { line = ""; break }
				line = substr(line, end + 2); comment = 0
			} else {
				start = index(line, "/*")
				if (!start) { text = text line; break }
				text = text substr(line, 1, start - 1); line = substr(line, start + 2); comment = 1
			}
		}
		sub(/\/\/.*/, "", text)
		if ((" " text) ~ ("[^A-Za-z0-9_]" pattern "[ \t]*\\("))
			print FILENAME ":" FNR ": " $0
	}' "$@"
}

# shellcheck disable=SC2086
{
report 'no strcpy, strcat, sprintf, vsprintf, gets, strtok, atoi' "$(calls '(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|tmpnam|mktemp)' $own_files)"
report 'no system() or popen(): commands go through os/child' "$(calls '(system|popen)' $own_files)"
report 'no exit() outside the program and allocation' "$(calls '(exit|_exit|abort)' $own_files | grep -v -e '^src/cli/' -e '^src/util/alloc.c:' -e '^src/os/' -e '^examples/')"
words="TO""DO|FIX""ME|X""XX"
report 'no open ends' "$(grep -nE "\\b($words)\\b" $all_files /dev/null)"
report 'no white space at the end of a line' "$(grep -nE '[[:blank:]]+$' $all_files /dev/null)"
report 'C is indented with tabs' "$(grep -nE '^ +[^ *]' $own_files)"
# a message stays on one line, so that it can be searched for
report "no line of C but messages is longer than $columns columns" "$(for f in $own_files; do case $f in grammar/*) continue ;; esac; expand -t8 "$f" | awk -v f="$f" -v max=$columns 'length($0) > max && !/"/ { print f ":" NR ": " length($0) " columns" }'; done)"
report 'every file ends with a newline' "$(for f in $all_files; do [ -s "$f" ] && [ -n "$(tail -c1 "$f")" ] && echo "$f"; done)"
}
exit $failed
