#!/bin/sh
# Each public header is enough by itself, in C11 and in C++, under strict flags. TAP.
set -u
top=${srcdir:-.}
cc=${CC:-cc}
cxx=${CXX:-c++}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT INT TERM
strict='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror'

headers=$(cd "$top/include" && find . -name '*.h' | sed 's,^\./,,' | sort)
# shellcheck disable=SC2086
set -- $headers
echo "1..$(($# * 2))"
n=0
failed=0
try() { # text, command...
	text=$1
	shift
	n=$((n + 1))
	if "$@" >"$work/messages" 2>&1; then
		echo "ok $n - $text"
	else
		echo "not ok $n - $text"
		sed 's/^/#   /' "$work/messages"
		failed=1
	fi
}
for header; do
	# twice: the guard has to hold
	printf '#include "%s"\n#include "%s"\nint header_alone(void);\nint header_alone(void) { return 0; }\n' "$header" "$header" >"$work/alone.c"
	cp "$work/alone.c" "$work/alone.cc"
	# shellcheck disable=SC2086
	try "$header in C11" $cc -std=c11 $strict -I "$top/include" -c -o "$work/alone.o" "$work/alone.c"
	if command -v "${cxx%% *}" >/dev/null 2>&1; then
		# shellcheck disable=SC2086
		try "$header in C++" $cxx -std=c++11 $strict -I "$top/include" -c -o "$work/alone.o" "$work/alone.cc"
	else
		n=$((n + 1))
		echo "ok $n - $header in C++ # SKIP no C++ compiler"
	fi
done
exit $failed
