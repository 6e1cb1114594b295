#!/bin/sh
# Folders of src/ are layers: holds every `#include "..."` against src/LAYERS, and every third-party header to its one
# includer. TAP, one line a folder and one a header.
set -u
top=${srcdir:-.}
cd "$top" || exit 99
export LC_ALL=C

third_party='uv.h=src/os/loop.c pcre2.h=src/util/regex.c jansson.h=src/util/json.c xxhash.h=src/util/digest.c git2.h=src/vcs/lib2.c microhttpd.h=src/web/http.c'

# the generated parser and scanner may lie in grammar/ too: only what was written counts
files=$(find src include grammar -type f \( -name '*.[chly]' \) ! -path grammar/parser.c ! -path grammar/parser.h ! -path grammar/scanner.c | sort)

# shellcheck disable=SC2086
awk -v third_party="$third_party" '
function folder_of(path,    parts, n) {
	n = split(path, parts, "/")
	if (parts[1] == "src")
		return n > 2 ? parts[2] : "src"
	if (parts[1] == "include")
		return "orch"
	return parts[1]
}
function problem(key, text) {
	problems[key] = problems[key] "#   " text "\n"
}
FILENAME == "src/LAYERS" {
	sub(/#.*/, "")
	if ($0 ~ /^[ \t]*$/)
		next
	colon = index($0, ":")
	if (!colon || split(substr($0, 1, colon - 1), head, /[ \t]+/) < 2) {
		problem("LAYERS", "src/LAYERS:" FNR ": expected FOLDER NUMBER: FOLDERS")
		next
	}
	layer[head[1]] = head[2]
	count = split(substr($0, colon + 1), names, /[ \t]+/)
	for (i = 1; i <= count; i++)
		if (names[i] != "")
			may[head[1], names[i]] = 1
	folders[++folder_count] = head[1]
	next
}
FNR == 1 {
	from = folder_of(FILENAME)
	seen[from]++
	if (!(from in layer))
		problem("LAYERS", FILENAME ": folder " from " is not in src/LAYERS")
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	path = quoted[2]
	if (path == "config.h" || path == "orch.h")
		next
	to = path
	sub(/\/.*/, "", to)
	if (path !~ /\//)
		problem(from, FILENAME ":" FNR ": \"" path "\" has no folder: write \"" from "/" path "\"")
	else if (to != from && !((from, to) in may) && !((from, path) in may))
		problem(from, FILENAME ":" FNR ": " from " may not include " path)
	else if (to != from && (to in layer) && layer[to] > layer[from])
		problem(from, FILENAME ":" FNR ": " path " is of a higher layer")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, angled, /[<>]/)
	if (angled[2] ~ /^(orch|util|os|event|graph|lang|state|vcs|runner|sched|exec|api|control|ui|listener|cli)\//)
		problem(from, FILENAME ":" FNR ": our own headers are included with quotes")
	users[angled[2]] = users[angled[2]] " " FILENAME
}
END {
	headers = split(third_party, pairs, " ")
	print "1.." folder_count + headers + 1
	n = 0
	result("src/LAYERS names every folder", problems["LAYERS"])
	for (i = 1; i <= folder_count; i++)
		result("layer " folders[i] " (" seen[folders[i]] + 0 " files)", problems[folders[i]])
	for (i = 1; i <= headers; i++) {
		split(pairs[i], pair, "=")
		text = ""
		split(users[pair[1]], by, " ")
		for (j in by)
			if (by[j] != pair[2])
				text = text "#   " by[j] " includes <" pair[1] ">, which is for " pair[2] " alone\n"
		result("<" pair[1] "> is included by " pair[2] " alone", text)
	}
	exit failed > 0
}
function result(text, why) {
	n++
	if (why == "")
		print "ok " n " - " text
	else {
		printf "not ok %d - %s\n%s", n, text, why
		failed++
	}
}
' src/LAYERS $files
