# orch doctor: what is there, what is missing, what for, and how to get it. $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	export HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$HOME" "$BATS_TEST_TMPDIR/project" "$BATS_TEST_TMPDIR/bin"
	cd "$BATS_TEST_TMPDIR/project" || return 1
}

# field NAME FIELD, of the JSON in $output
field() {
	python3 -c '
import json, sys
checks = {check["name"]: check for check in json.loads(sys.argv[1])["checks"]}
print(checks[sys.argv[2]][sys.argv[3]])' "$output" "$1" "$2"
}

doctor() {
	run --separate-stderr "$ORCH" doctor --json
	echo "status $status: $output $stderr"
}

# a program of that name, first in PATH, from standard input
program() {
	cat >"$BATS_TEST_TMPDIR/bin/$1"
	chmod +x "$BATS_TEST_TMPDIR/bin/$1"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

@test "each thing is there, or is said what it is for and how to get it" {
	run "$ORCH" doctor
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *'git version 2.'* ]]
	doctor
	[ "$status" -eq 0 ]
	for name in git directory bubblewrap landlock cgroups proc 'open files' terminal tmux sbatch gh glab agents; do
		[ -n "$(field "$name" purpose)" ]
		[[ "$(field "$name" state)" =~ ^(ok|limited|missing)$ ]]
	done
	[ "$(field git needed)" = True ]
	[ "$(field proc state)" = ok ]
}

@test "bubblewrap is tried, not only looked for" {
	if bwrap --unshare-user --disable-userns --unshare-pid --unshare-net --cap-drop ALL --ro-bind / / --dev /dev --proc /proc true; then
		doctor
		[ "$(field bubblewrap state)" = ok ]
	fi
	program bwrap <<-'E'
	#!/bin/sh
	echo 'bwrap: No permissions to create new namespace' >&2
	exit 1
	E
	doctor
	[ "$status" -eq 0 ]
	[ "$(field bubblewrap state)" = missing ]
	[ "$(field bubblewrap found)" = 'it cannot make a sandbox here: bwrap: No permissions to create new namespace' ]
	[[ "$(field bubblewrap advice)" == *'user namespaces'* ]]
}

@test "git is too old, fails, or is not there: exit status 1" {
	program git <<-'E'
	#!/bin/sh
	echo 'git version 2.37.9'
	E
	doctor
	[ "$status" -eq 1 ]
	[ "$(field git state)" = missing ]
	[ "$(field git found)" = 'git version 2.37.9' ]
	[ "$(field git advice)" = 'install git 2.38 or later' ]
	program git <<-'E'
	#!/bin/sh
	exit 1
	E
	doctor
	[ "$status" -eq 1 ]
	program git <<-'E'
	#!/bin/sh
	echo 'git version 3.0'
	E
	doctor
	[ "$status" -eq 0 ]
}

@test "an agent that is installed is found, one of the Orchfile's own too" {
	program my-agent <<-'E'
	#!/bin/sh
	true
	E
	printf 'agent mine:\n\trun: my-agent --work\na:\n\ttrue\n' >Orchfile
	doctor
	[ "$(field agents state)" = ok ]
	[[ ", $(field agents found)," == *', mine,'* ]]
}
