# Writing: init, check, fmt, dump, and touch and reset.
# $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
}

@test "init writes an Orchfile that passes check, runs, and is in canonical form" {
	run --separate-stderr "$ORCH" init
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ "$stderr" == *"orch -n"* ]]
	run "$ORCH" check
	[ "$status" -eq 0 ]
	[[ "$output" == "Orchfile: "*" streams, no errors" ]]
	run "$ORCH" fmt --check
	[ "$status" -eq 0 ]
	run "$ORCH" greeting=Hi
	[ "$status" -eq 0 ]
	[[ "$output" == *"Hi from hello"* ]]
	run "$ORCH" -q greeting=Hi
	[ "$status" -eq 0 ]
}

@test "init never overwrites" {
	: >Orchfile
	run "$ORCH" init
	[ "$status" -eq 2 ]
	[ ! -s Orchfile ]
	rm Orchfile
	ln -s nowhere Orchfile
	run "$ORCH" init
	[ "$status" -eq 2 ]
	[ ! -e nowhere ]
	run "$ORCH" init -f Other
	[ "$status" -eq 0 ]
	[ -s Other ]
}

@test "check: all errors, exit status 2, JSON" {
	printf 'a: b\n\ttimout = 1\n\ttrue\n' >Orchfile
	run --separate-stderr "$ORCH" check
	[ "$status" -eq 2 ]
	[ "$output" = "Orchfile: 2 errors" ]
	[[ "$stderr" == *Orchfile:1:*Orchfile:2:* ]]
	run --separate-stderr "$ORCH" check --json
	[ "$status" -eq 2 ]
	[ "$(python3 -c 'import json, sys; print([x["line"] for x in json.loads(sys.argv[1])["diagnostics"]])' "$output")" = "[1, 2]" ]
	# as editors take it: where it begins and ends, in characters
	printf 'größe:\n\techo é{{höhe}}\nb: "ö"\n' >Orchfile
	run --separate-stderr "$ORCH" check --json
	[ "$(python3 -c '
import json, sys
lines = open("Orchfile").read().splitlines()
for d in json.loads(sys.argv[1])["diagnostics"]:
    assert d["line"] == d["end_line"]
    print(lines[d["line"] - 1][d["column"] - 1 : d["end_column"] - 1])
' "$output")" = $'größe\n"ö"' ]
	run "$ORCH" -f none check
	[ "$status" -eq 2 ]
	printf 'one:\n\ttrue\n' >Orchfile
	run "$ORCH" check
	[ "$output" = "Orchfile: 1 stream, no errors" ]
}

@test "fmt rewrites in place, keeps the mode, and is idempotent" {
	printf '# comment\na:\n    echo one\nb:   a\n    echo two\n' >Orchfile
	chmod 640 Orchfile
	run --separate-stderr "$ORCH" fmt --check
	[ "$status" -eq 1 ]
	[[ "${lines[0]}" == "--- Orchfile" ]]
	[[ "$output" == *"-    echo one"*"+	echo one"* ]]
	printf '%s\n' "$output" >patch
	cp Orchfile patched
	run "$ORCH" fmt
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(stat -c %a Orchfile)" = 640 ]
	grep -q '^# comment$' Orchfile
	if command -v patch >/dev/null; then
		patch -s patched patch
		cmp patched Orchfile
	fi
	run "$ORCH" fmt --check
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	before=$(stat -c %i Orchfile)
	"$ORCH" fmt
	[ "$(stat -c %i Orchfile)" = "$before" ]
	[ "$(find . -name 'Orchfile?*')" = "" ]
}

@test "fmt: standard input, named files, links, errors" {
	printf 'a:\n  true\n' >one
	ln -s one link
	run "$ORCH" fmt - <one
	[ "$status" -eq 0 ]
	[ "$output" = $'a:\n\ttrue' ]
	grep -q '^  true' one
	run "$ORCH" fmt link
	[ "$status" -eq 0 ]
	[ -L link ]
	grep -q $'^\ttrue' one
	printf 'a\n' >bad
	run --separate-stderr "$ORCH" fmt bad
	[ "$status" -eq 2 ]
	[[ "$stderr" == bad:1:* ]]
	[ "$(cat bad)" = a ]
	run "$ORCH" fmt none
	[ "$status" -eq 2 ]
}

@test "fmt --check shows a missing last newline" {
	printf 'a:\n\ttrue' >Orchfile
	run "$ORCH" fmt --check
	[ "$status" -eq 1 ]
	[[ "$output" == *'\ No newline at end of file'* ]]
}

@test "dump parses to the same" {
	cat >Orchfile <<'END'
x = 3
defaults:
	timeout = 5m
for n in 1 2:
	s{{n}} "Number {{n}}":
		echo {{n}} {{x}}
all: s1 s2
END
	"$ORCH" dump >Dumped
	run "$ORCH" -f Dumped list
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ "$output" == *"Number 2"* ]]
	"$ORCH" -f Dumped dump >Again
	cmp <(grep -v 'name =' Dumped) <(grep -v 'name =' Again)
	run "$ORCH" dump --json
	[[ "$output" == *'"v": 1'* ]]
}

@test "dump parses to the same: quotes, comments and braces in texts that have no names any more" {
	cat >Orchfile <<'END'
project:
	name = "my {{{{x}} # project"
	redact = /{{{{a #b/
on finish: echo {{{{a}}
a "Title {{{{q}} \\ \" # x":
	env = A="a\nb" B=a\nb C="x\"y\\z" D='$x "q"' HASH=#x E= L={{attempt}}"{{{{z}}"
	env:
		H="x y" z
		I='x y
		M={{{{q}} # c
	inputs = '#c' 'd"e' "it's" x\y "{{{{y}}"
	tags = "a\nb"
	check: echo {{{{x}} # foo
	setup:
		# first
		echo {{{{b}}
	tasks:
		# one
		do {{{{x}} {{stream}}
	isolate = worktree
	commit = "#42 fix {{{{x}}"
	every 10m: send: hi # there {{{{
	echo {{{{a}}
b:
	isolate = worktree
	commit = " say "it" = "x" "
	echo {{{{a}} {{attempt}}
END
	"$ORCH" dump >Dumped
	"$ORCH" -f Dumped dump >Again
	diff Dumped Again
	diff <("$ORCH" dump --json | grep -Ev '"(line|file|from)"') <("$ORCH" -f Dumped dump --json | grep -Ev '"(line|file|from)"')
	"$ORCH" dump --json | grep -qF '"value": "#42 fix {{x}}"'
}

@test "touch and reset" {
	printf 'a:\n\techo ran >>ran\nb: a\n\techo ran >>ran\nall: b\n' >Orchfile
	run --separate-stderr "$ORCH" touch a
	[[ "$stderr" == *"1 stream now counts as complete"* ]]
	run --separate-stderr "$ORCH" touch a b
	[ "$status" -eq 0 ]
	[[ "$stderr" == *"2 streams now count as complete"* ]]
	run "$ORCH" touch b
	[ "$output" = "orch: 1 stream now counts as complete" ]
	run "$ORCH"
	[ "$status" -eq 0 ]
	[ ! -e ran ]
	run "$ORCH" reset 'b*'
	[ "$status" -eq 0 ]
	run "$ORCH" -q
	[ "$status" -eq 1 ]
	run "$ORCH" -t
	[ "$status" -eq 0 ]
	[ ! -e ran ]
	run "$ORCH" -q
	[ "$status" -eq 0 ]
	run "$ORCH" touch nobody
	[ "$status" -eq 2 ]
	run "$ORCH" touch all
	[ "$status" -eq 2 ]
	[[ "$output" == *group* ]]
}
