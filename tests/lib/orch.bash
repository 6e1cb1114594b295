# For tests of the program at the command line. $ORCH names it; `load ../lib/orch`, then orch_setup or plain_setup in setup().

# The environment of no user: what decides how orch looks and where it keeps things. HOME is left as it is
plain_setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
	pid=
}

# likewise, and in an empty directory of its own
orch_setup() {
	plain_setup
	mkdir "$BATS_TEST_TMPDIR/project"
	cd "$BATS_TEST_TMPDIR/project" || return 1
}

# only what a test itself started, by its id; whatever else a failure leaves ends by itself
orch_teardown() {
	[ -z "${pid:-}" ] || kill -KILL "$pid" 2>/dev/null || :
}

# the Orchfile (or $1) is standard input; two blanks stand for a tab. It is there whole, or not at all
orchfile() {
	local file=${1:-Orchfile}
	sed 's/^    /\t\t/; s/^  /\t/' >"$file.new" && mv "$file.new" "$file"
}

# expect STATUS ARGUMENT...: runs orch, and its status must be STATUS
expect() {
	local want=$1
	shift
	run "$ORCH" "$@"
	echo "orch $* -> status $status: $output"
	[ "$status" -eq "$want" ]
}

# has TEXT: what orch printed last has it
has() {
	local text=$1
	[[ $output == *"$text"* ]] || {
		echo "not in the output: $text"
		return 1
	}
}

# until_true COMMAND...: waits until it succeeds, a minute at most
until_true() {
	local end=$((SECONDS + 60))
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "in vain: $*"
			cat "$BATS_TEST_TMPDIR/out" 2>/dev/null
			return 1
		fi
		sleep 0.02
	done
}

# background ARGUMENT...: orch; $pid
background() {
	"$ORCH" "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	pid=$!
}

# ends STATUS: the orch in the background ends with it
ends() {
	local got=0
	wait "$pid" || got=$?
	pid=
	echo "status $got:"
	cat "$BATS_TEST_TMPDIR/out"
	[ "$got" -eq "$1" ]
}

# is STREAM STATE: as the journal has it
is() {
	"$ORCH" status "$1" | grep -q "^  state     $2\b"
}

# processes with $MARK among their arguments, for looking only
marked() {
	local file
	: "${MARK:?}"
	for file in /proc/[0-9]*/cmdline; do
		if tr '\0' ' ' 2>/dev/null <"$file" | grep -q -- "$MARK"; then
			file=${file#/proc/}
			echo "${file%/cmdline}"
		fi
	done 2>/dev/null
}

nothing_left() {
	local left
	left=$(marked)
	echo "left: ${left:-none}"
	[ -z "$left" ]
}
