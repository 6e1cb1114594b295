# Options: how they are written, what is wrong with them, and the exit status.
# $ORCH names the program.

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	printf 'a:\n\techo one\nb: a\n\techo two\nsystem: b\n\techo three\n' >Orchfile
}

# wrong MESSAGE ARGUMENT...: status 2, the message on standard error, nothing on standard output
wrong() {
	local message=$1
	shift
	run --separate-stderr "$ORCH" "$@"
	echo "status $status, stderr: $stderr"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[[ "$stderr" == "orch: "* ]]
	[[ "$stderr" == *"$message"* ]]
}

bats_require_minimum_version 1.5.0

@test "unknown options are errors with the nearest known one" {
	wrong "unknown option '--dryrun'; did you mean '--dry-run'?" --dryrun
	wrong "unknown option '-Z'" -Z
	wrong "unknown option '--no-such'" --no-such
	wrong "unknown option '--jsn'; did you mean '--json'?" list --jsn
}

@test "abbreviations have to be unique" {
	wrong "could be any of --max-failures, --min-free" --m
	run "$ORCH" --dry
	[ "$status" -eq 0 ]
	[[ "$output" == *"3 streams to run"* ]]
}

@test "values of the wrong kind are errors" {
	wrong "-j: '0'" -j0
	wrong "-j: '0'" -j 0
	wrong "-j: 'x'" -jx
	wrong "--jobs: 'x'" --jobs=x
	wrong "--timeout: '5'" --timeout=5
	wrong "--min-free: 'much'" --min-free much
	wrong "--color: 'blue'" --color=blue
	wrong "--output: 'x'" --output=x
	wrong "-O: 'x' is not one of none, stream or line" -Ox
	wrong "--dry-run takes no value" --dry-run=yes
	wrong "-f needs a value" -f
	wrong "-s and -v" -s -v
	wrong "--json leaves standard output" --json -O line
}

@test "ways to write -j" {
	for words in "-j2" "-j 2" "--jobs=2" "--jobs 2" "-nj2" "-j"; do
		# shellcheck disable=SC2086
		run "$ORCH" -n $words
		[ "$status" -eq 0 ]
		[[ "$output" == *"3 streams to run"* ]]
	done
	run "$ORCH" plan -j 7 --json
	[[ "$output" == *'"jobs": 7'* ]]
	# bare -j takes no name for its value
	run "$ORCH" -n -j a
	[[ "$output" == *"1 stream to run"* ]]
}

@test "options may stand behind operands, and -- ends them" {
	run "$ORCH" a -n
	[ "$status" -eq 0 ]
	[[ "$output" == *"1 stream to run"* ]]
	run "$ORCH" -n -- a
	[ "$status" -eq 0 ]
	wrong "'-n'" -- -n
}

@test "-C, -f and --color also before a command" {
	mkdir -p sub/deep
	mv Orchfile sub/Other
	run "$ORCH" -C sub -f Other --color=never list
	[ "$status" -eq 0 ]
	[[ "$output" == *system*never* ]]
	run "$ORCH" -f sub/Other -n
	[ "$status" -eq 0 ]
	wrong "-C none" -C none list
	mv sub/Other sub/Orchfile
	run "$ORCH" -C sub -C deep list
	[ "$status" -eq 0 ]
	[[ "$output" == *system* ]]
}

@test "a mistyped command is neither stream nor command" {
	wrong "no stream and no command is named 'statsu'; did you mean 'orch status'?" statsu
	wrong "did you mean 'system'?" sytsem
	wrong "no stream is named 'status'" run status
	wrong "write it first: orch list" -n list
	rm Orchfile
	wrong "did you mean 'orch status'?" statsu
}

@test "run NAME runs the stream that is named like a command" {
	printf 'status:\n\techo ran\n' >Orchfile
	run "$ORCH" run status
	[ "$status" -eq 0 ]
	[[ "$output" == *ran* ]]
}

@test "NAME=value sets variables" {
	printf 'who = nobody\na:\n\techo "by {{who}}"\n' >Orchfile
	run "$ORCH" who=someone
	[ "$status" -eq 0 ]
	[[ "$output" == *"by someone"* ]]
	run "$ORCH" show a who=me
	[[ "$output" == *"by me"* ]]
}

@test "operands are counted" {
	wrong "orch why needs STREAM" why
	wrong "'b' is given too" why a b
	wrong "takes no operand" prune x
	wrong "'y' is given too" history x y
	wrong "orch touch needs" touch
}

@test "help and version" {
	for words in help --help -h "run --help" "help run" "logs -h" "help settings" "help targets" "help exit"; do
		# shellcheck disable=SC2086
		run --separate-stderr "$ORCH" $words
		[ "$status" -eq 0 ]
		[ -n "$output" ]
		[ -z "$stderr" ]
	done
	run "$ORCH" help
	for name in run status logs plan why graph list show history touch reset init check fmt dump help version; do
		[[ "$output" == *$'\n'"  $name "* ]]
		run "$ORCH" "$name" --help
		[ "$status" -eq 0 ]
		[[ "$output" == "Usage: orch $name"* ]]
		run "$ORCH" help
	done
	run "$ORCH" --version
	[[ "$output" == "orch "* ]]
	first=$output
	run "$ORCH" version
	[ "$output" = "$first" ]
	wrong "did you mean 'orch help status'?" help stauts
}

@test "exit status: 0, 1, 2" {
	run "$ORCH" -q
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[ ! -e .orch ]
	run "$ORCH"
	[ "$status" -eq 0 ]
	run "$ORCH" -q
	[ "$status" -eq 0 ]
	printf 'bad:\n\texit 7\n' >Orchfile
	run "$ORCH"
	[ "$status" -eq 1 ]
	printf 'bad\n' >Orchfile
	run "$ORCH"
	[ "$status" -eq 2 ]
}

@test "nothing to do is said, and not with -s" {
	"$ORCH" -s
	run --separate-stderr "$ORCH"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ "$stderr" == "orch: nothing to do: 3 streams are complete" ]]
	run "$ORCH" -s
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "all errors of an Orchfile at once, on standard error" {
	printf 'a: nowhere\n\ttimout = 3\n\techo\n' >Orchfile
	for words in "" -n list plan check "why a" "touch a"; do
		# shellcheck disable=SC2086
		run --separate-stderr "$ORCH" $words
		[ "$status" -eq 2 ]
		[[ "$stderr" == *"Orchfile:1:4: error: "* ]]
		[[ "$stderr" == *"Orchfile:2:2: error: unknown setting 'timout'; did you mean 'timeout'?"* ]]
	done
}

@test "SIGINT ends a run in order with 130, SIGTERM with 143" {
	printf 'long:\n\techo up >started\n\tsleep 60\nnext: long\n\techo never\n' >Orchfile
	for signal in INT TERM; do
		rm -f started
		"$ORCH" >out 2>&1 3>&- &
		pid=$!
		for _ in $(seq 200); do
			[ -e started ] && break
			sleep 0.05
		done
		[ -e started ]
		kill -"$signal" "$pid"
		code=0
		wait "$pid" || code=$?
		cat out
		[ "$code" -eq "$([ "$signal" = INT ] && echo 130 || echo 143)" ]
		run "$ORCH" status
		[[ "$output" == *finished* ]]
	done
}

@test "a second run in the project ends with 3" {
	printf 'long:\n\techo up >started\n\tsleep 60\n' >Orchfile
	"$ORCH" >out 2>&1 3>&- &
	pid=$!
	for _ in $(seq 200); do
		[ -e started ] && break
		sleep 0.05
	done
	run --separate-stderr "$ORCH"
	[ "$status" -eq 3 ]
	[[ "$stderr" == *"$pid"* ]]
	run "$ORCH" touch long
	[ "$status" -eq 3 ]
	kill -TERM "$pid"
	wait "$pid" || true
}

@test "--json: events and nothing else on standard output" {
	run --separate-stderr "$ORCH" --json
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -gt 5 ]
	for line in "${lines[@]}"; do
		[[ "$line" == '{"v":1,'*'}' ]]
	done
	[[ "${lines[0]}" == *'"type":"run_started"'* || "${lines[0]}" == *'run'*'start'* ]]
}
