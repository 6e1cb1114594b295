# Bad input: what is wrong in an Orchfile or on the command line is said with its place, all of it at once, with exit status 2; nothing crashes or hangs.
# $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# wrong MESSAGE...: the Orchfile on standard input is an error for check, list and a run; each MESSAGE is on standard error
wrong() {
	local message command
	cat >Orchfile
	for command in check list -n; do
		run --separate-stderr timeout 20 "$ORCH" "$command"
		echo "orch $command: status $status, stderr: $stderr"
		[ "$status" -eq 2 ]
		for message; do
			[[ "$stderr" == *"$message"* ]]
		done
	done
	[ ! -e .orch ]
}

# small: no message is longer than a screen
small() {
	[ "${#stderr}" -lt 2000 ]
}

@test "unknown settings, blocks, statements, variables and streams" {
	wrong "Orchfile:2:2: error: unknown setting 'timout'; did you mean 'timeout'?" \
		"Orchfile:3:2: error: unknown setting 'x'" \
		"Orchfile:4:2: error: unknown block 'chek'; did you mean 'check'?" \
		"Orchfile:5:1: error: unknown statement 'incldue'; did you mean 'include'?" \
		"Orchfile:6:1: error: unknown statement 'pol'; did you mean 'pool'?" \
		"Orchfile:8:7: error: unknown variable 'modell'; did you mean 'model'?" \
		"Orchfile:9:4: error: no stream is named 'aa'; did you mean 'a'?" <<'END'
a:
	timout = 5m
	x = 3
	chek: true
incldue x
pol net = 3
model = m
b: 	{{modell}}
c: aa
END
}

@test "a file that is no stream: inputs" {
	: >data.csv
	wrong "Orchfile:1:4: error: 'data.csv' is a file, not a stream; use 'inputs = data.csv'" <<<'a: data.csv'
}

@test "a name in 'after' is shown where it stands, not where another one begins like it" {
	wrong "Orchfile:2:18: error: no stream is named 'build'; did you mean 'build-x'?" <<'END'
a:
	after = build-x build
	true
build-x:
	true
END
}

@test "missing colon" {
	wrong "Orchfile:1:4: error: missing ':' behind the name of a stream" \
		"Orchfile:3:13: error: expected ':', found the end of the line" <<'END'
a b
	true
for x in 1 2
	c{{x}}:
		true
d:
	true
END
}

@test "tabs and spaces" {
	printf 'a:\n\techo 1\n        echo 2\n' | wrong "Orchfile:3:1: error: tabs and spaces are mixed" "Orchfile:2:2: note: compared with"
	printf 'a:\n    timeout = 1m\n\tretries = 2\n\ttrue\n' | wrong "Orchfile:3:1: error: tabs and spaces are mixed"
	printf 'a:\n\t\techo 1\n\techo 2\n' | wrong "Orchfile:3:2: error: this line goes back to a depth that was never opened" "Orchfile:2:3: note:"
	printf 'x = 1\n\ty = 2\n' | wrong "Orchfile:2:2: error: this line is indented, but nothing above it takes indented lines"
}

@test "unterminated quotes and patterns" {
	wrong "Orchfile:1:3: error: unterminated quote" \
		"Orchfile:2:9: error: unterminated quote" \
		"Orchfile:4:8: error: unterminated quote" \
		"Orchfile:7:11: error: unterminated pattern: expected '/' at its end" \
		"Orchfile:9:10: error: unterminated pattern" <<'END'
a "title: b
include "x
b:
	env = X="abc
	true
project:
	redact = /abc
recover r:
	match = /abc
END
}

@test "invalid patterns, with pcre2's message and place" {
	wrong "Orchfile:2:13: error: 'redact': missing closing parenthesis" \
		"Orchfile:2:24: error: 'redact': quantifier does not follow a repeatable item" \
		"Orchfile:4:13: error: 'match': missing terminating ] for character class" \
		"Orchfile:6:13: error: 'done': " \
		"Orchfile:7:17: error: 'session': " <<'END'
project:
	redact = /(/ /ok/ /xy**/
recover r:
	match = /[a/
agent x:
	done = /a(?/
	session = /(?<s/
	run: true
a:
	true
END
}

@test "invalid patterns on the command line" {
	printf 'a:\n\ttrue\n' >Orchfile
	run --separate-stderr "$ORCH" '/[/'
	[ "$status" -eq 2 ]
	[ "$stderr" = "orch: pattern /[/, at character 2: missing terminating ] for character class" ]
	run --separate-stderr "$ORCH" list --only '/(x/' a
	[ "$status" -eq 2 ]
	run --separate-stderr "$ORCH" -n --except '/(x/'
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"missing closing parenthesis"* ]]
	run --separate-stderr "$ORCH" '/a'
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"a pattern is written /PATTERN/"* ]]
	run --separate-stderr "$ORCH" logs --grep '['
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"missing terminating ]"* ]]
	for nothing in '/zz/' 'q*' 'tag:q' ''; do
		run --separate-stderr "$ORCH" "$nothing"
		[ "$status" -eq 2 ]
		[[ "$stderr" == "orch: "* ]]
	done
}

@test "twice the same stream: both places, also over files" {
	wrong "Orchfile:3:1: error: stream 'a' is declared twice" "Orchfile:1:1: note: the first declaration is here" <<'END'
a:
	true
a:
	false
END
	printf 'a:\n\ttrue\n' >more.orch
	wrong "error: stream 'a' is declared twice" "Orchfile:1:1" "more.orch:1:1" <<'END'
a:
	true
include more.orch
END
}

@test "a stream that depends on itself, cycles of two and of 1000" {
	wrong "Orchfile:1:4: error: stream 'a' depends on itself" <<<'a: a'
	wrong "Orchfile:2:1: error: circular dependency: b -> c -> b" <<'END'
a: b
b: c
c: b
END
	seq 0 999 | awk '{ print "s" $1 ": s" ($1 + 1) % 1000 }' >cycle
	whole=$(seq 0 999 | awk '{ printf "s%d -> ", $1 } END { print "s0" }')
	wrong "Orchfile:1:1: error: circular dependency: $whole" <cycle
}

@test "includes in a circle, and errors below an include: the chain" {
	wrong "Orchfile:1:9: error: circular include: Orchfile -> Orchfile" <<<'include Orchfile'
	echo 'include b.orch' >a.orch
	echo 'include a.orch' >b.orch
	wrong "In file included from a.orch:1:9," "from Orchfile:1:9:" "b.orch:1:9: error: circular include: a.orch -> b.orch -> a.orch" <<<'include a.orch'
	printf 'x:\n\tfoo = 3\n\ttrue\n' >b.orch
	wrong "In file included from a.orch:1:9," "from Orchfile:3:9:" "b.orch:2:2: error: unknown setting 'foo'" "Orchfile:2:2: error: unknown setting 'bar'" <<'END'
y:
	bar = 1
include a.orch
END
	wrong "Orchfile:1:9: error: " "none.orch" <<<'include none.orch'
}

@test "all errors of a file at once, as text and as JSON" {
	awk 'BEGIN { for (i = 0; i < 50; i++) printf "s%d: nobody%d\n\tnosuch%d = 1\n", i, i, i }' >many
	wrong "Orchfile:1:5: error" "Orchfile:2:2: error: unknown setting 'nosuch0'" "Orchfile:99:6: error: no stream is named 'nobody49'" "Orchfile:100:2: error" <many
	run --separate-stderr "$ORCH" check
	[ "$output" = "Orchfile: 100 errors" ]
	run --separate-stderr "$ORCH" check --json
	[ "$status" -eq 2 ]
	[ "$(python3 -c 'import json, sys; d = json.loads(sys.argv[1])["diagnostics"]; print(len(d), d[0]["line"], d[-1]["line"])' "$output")" = "100 1 100" ]
}

@test "lines of 1 MiB, and longer ones" {
	# "	echo " and the rest
	(printf 'a:\n\techo '; head -c 1048570 /dev/zero | tr '\0' x; printf '\nb: a\n') >Orchfile
	for command in check list -n "why a" "fmt --check" dump graph; do
		# shellcheck disable=SC2086
		run "$ORCH" $command
		[ "$status" -le 1 ]
	done
	(printf 'a:\n\techo '; head -c 1048571 /dev/zero | tr '\0' x; printf '\nb: a\n') | wrong "Orchfile:2:1: error: this line has more than 1 MiB"
	small
	local head
	for head in 'timeout = ' 'xyzzy = ' 'echo {{' 'env = '; do
		(printf 'a:\n\t%s' "$head"; head -c 1048000 /dev/zero | tr '\0' y; printf '}}\n') | wrong "Orchfile:2:"
		small
	done
	(head -c 1048000 /dev/zero | tr '\0' y; printf ': a\na:\n') | wrong "Orchfile:1:1: error: this name of a stream has 1048000 bytes"
	small
	(printf 'include '; head -c 1048000 /dev/zero | tr '\0' y; echo) | wrong "Orchfile:1:9: error"
	small
	(printf 'a:\n\tretries = '; yes "word" | head -n 200000 | tr '\n' ' '; echo) | wrong "Orchfile:2:12: error: 'retries = word word" "expected"
	small
}

@test "NUL bytes and invalid UTF-8" {
	printf 'a:\n\techo \0 x\n' | wrong "Orchfile:2:7: error: NUL byte" "echo ? x"
	printf 'a:\n\techo \377 x\n' | wrong "Orchfile:2:7: error: invalid UTF-8: byte 0xff"
	printf 'a:\n\techo \303' | wrong "Orchfile:2:7: error: invalid UTF-8: byte 0xc3"
	printf '\377\376a\0:\0\n\0' | wrong "Orchfile:1:1: error: invalid UTF-8"
	head -c 100000 /dev/urandom | tr '\n' '\0' | wrong "Orchfile:1:"
	run --separate-stderr "$ORCH" $'a\377\033[2J'
	[ "$status" -eq 2 ]
	[[ "$stderr" != *$'\033'* ]]
}

@test "an Orchfile without streams" {
	for text in '' '# only a comment' $'x = 1\n\ndefaults:\n\ttimeout = 1m'; do
		printf '%s' "$text" >Orchfile
		for options in "" -n -q -s -t -k some; do
			# shellcheck disable=SC2086
			run --separate-stderr "$ORCH" $options
			[ "$status" -eq 2 ]
			[ -z "$output" ]
			[[ "$stderr" == "orch: Orchfile has no streams; one is a line 'NAME:'"* ]]
		done
		for command in list plan graph; do
			run --separate-stderr "$ORCH" "$command"
			[ "$status" -eq 0 ]
			[[ "$stderr" == "orch: Orchfile has no streams"* ]]
		done
		run "$ORCH" check
		[ "$output" = "Orchfile: 0 streams, no errors" ]
		[ ! -e .orch ]
	done
}

@test "an Orchfile that is a directory, absent, or not to be read" {
	run --separate-stderr "$ORCH"
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"no Orchfile in"*"orch init"* ]]
	run --separate-stderr "$ORCH" -f none
	[ "$status" -eq 2 ]
	[[ "$stderr" == "orch: "*"'none'"*"No such file"* ]]
	mkdir Orchfile
	for command in run list check; do
		run --separate-stderr "$ORCH" $command
		[ "$status" -eq 2 ]
		[[ "$stderr" == *"'Orchfile': Is a directory"* ]]
	done
	rmdir Orchfile
	printf 'a:\n\ttrue\n' >Orchfile
	chmod 0 Orchfile
	if [ "$(id -u)" -ne 0 ]; then
		run --separate-stderr "$ORCH" list
	else
		# root reads everything, and another user may enter neither the directory of the test nor that of the program
		elsewhere=$(mktemp -d)
		chmod 755 "$elsewhere"
		mv Orchfile "$elsewhere"
		cp "$ORCH" "$elsewhere/orch"
		cd "$elsewhere"
		run --separate-stderr setpriv --reuid=65534 --clear-groups ./orch list
		cd "$BATS_TEST_TMPDIR"
		rm -rf "$elsewhere"
	fi
	echo "$stderr"
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"'Orchfile': Permission denied"* ]]
}

@test "-j" {
	printf 'a:\n\ttrue\n' >Orchfile
	for words in "-j 0" "-j0" "-j x" "-jx" "--jobs=x" "--jobs=0" "-j 99999999999999999999" "--jobs="; do
		# shellcheck disable=SC2086
		run --separate-stderr "$ORCH" $words
		echo "$words: status $status, $stderr"
		[ "$status" -eq 2 ]
		[[ "$stderr" == "orch: "*jobs*"number"* || "$stderr" == "orch: "*-j*"number"* || "$stderr" == *"'x'"* ]]
		[ ! -e .orch ]
	done
	# a negative number reads as an option
	run --separate-stderr "$ORCH" -j -1
	[ "$status" -eq 2 ]
}

@test "many warnings are counted where they are not what was asked for" {
	for i in 1 2 3 4 5 6; do
		printf 's%s:\n\tkeep = never\n\ttrue\n' "$i"
	done >Orchfile
	run --separate-stderr "$ORCH" list
	[ "$status" -eq 0 ]
	[ "$stderr" = "orch: Orchfile: 6 warnings; 'orch check' shows them" ]
	[ ! -e .orch ]
}

@test "a chain of 100 000 streams, with a stack of 256 KiB" {
	awk 'BEGIN { for (i = 0; i < 100000; i++) printf "s%d:%s\n\techo %d\n", i, i ? " s" i - 1 : "", i }' >Orchfile
	ulimit -s 256
	# COMMAND LINES: what it prints, in lines
	while read -r lines command; do
		# shellcheck disable=SC2086
		timeout 120 "$ORCH" $command >out 2>err || [ "$command" = "fmt --check" -o "$command" = -q ]
		echo "orch $command: $(wc -l <out) lines, $(head -c 300 err)"
		[ "$(wc -l <out)" -eq "$lines" ]
		[ ! -s err ]
	done <<'END'
1 check
100000 list
300004 plan
100000 graph
200003 graph --format dot
200000 graph --format mermaid
900004 graph --format json
3 why s99999
100001 -n
100001 -n s0+
0 -q
499998 fmt --check
400010 dump
1100018 dump --json
END
	"$ORCH" fmt
	"$ORCH" fmt --check
	echo 'more: s99999 nobody' >>Orchfile
	run --separate-stderr "$ORCH" list
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"error: no stream is named 'nobody'"* ]]
	sed -i '1s/.*/s0: s99999/' Orchfile
	run --separate-stderr "$ORCH" check
	[ "$status" -eq 2 ]
	[[ "$stderr" == *"circular dependency: s0 -> s99999 -> s99998 -> "*" -> s1 -> s0"* ]]
}
