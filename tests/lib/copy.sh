#!/bin/sh
# copy.sh DIR: the sources of this tree (what git tracks, and new files that it does not ignore), and configure, into DIR. A file whose
# content did not change is not touched, one that is gone here is removed there.
set -eu
to=${1:?usage: copy.sh DIR}
mkdir -p "$to"
list=$(mktemp)
trap 'rm -f "$list" "$list.old"' EXIT INT TERM
{
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard
	else
		# a release, without git
		find . -type f ! -path './build/*' ! -path '*/.orch/*' ! -path '*/.deps/*' ! -path '*/.libs/*' \
			! -name '*.o' ! -name '*.lo' ! -name '*.la' ! -name config.h ! -name config.status ! -name config.log ! -name Makefile ! -name libtool ! -name stamp-h1 | sed 's,^\./,,'
	fi
	# made by autoreconf: the copy need not do it again
	for made in aclocal.m4 configure config.h.in Makefile.in build-aux/*; do
		[ ! -f "$made" ] || echo "$made"
	done
} | sort -u | while IFS= read -r file; do
	[ -f "$file" ] && printf '%s\n' "$file"
done >"$list"
while IFS= read -r file; do
	case $file in */*) [ -d "$to/${file%/*}" ] || mkdir -p "$to/${file%/*}" ;; esac
	cmp -s "$file" "$to/$file" || cp -p "$file" "$to/$file"
done <"$list"
if [ -f "$to/.copied" ]; then
	sort "$to/.copied" | comm -23 - "$list" | while IFS= read -r gone; do rm -f "$to/$gone"; done
fi
cp "$list" "$to/.copied"
