# A state directory that cannot be written: a clear message, a status that is not 0, no false stamp, no hang.
# $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	ORCH=$(readlink -f "$ORCH")
	cd "$BATS_TEST_TMPDIR" || return 1
	export ORCH LOG=$BATS_TEST_TMPDIR/log
	: >"$LOG"
}

# as_user COMMAND...: as somebody whom permissions bind
as_user() {
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	elif command -v setpriv >/dev/null; then
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	else
		skip "root, and no setpriv"
	fi
}

# a directory, and in it the program, that another user than root can reach, whatever lies above the test's own; a
# stream's log is in it too
reachable() {
	place=$(mktemp -d "${TMPDIR:-/tmp}/orch-badstate.XXXXXX")
	mkdir "$place/project"
	cp "$ORCH" "$place/orch"
	chmod 755 "$place" "$place/orch"
	chmod 777 "$place/project"
	ORCH=$place/orch
	LOG=$place/log
	: >"$LOG"
	chmod 666 "$LOG"
	cd "$place/project" || return 1
	as_user "$ORCH" --version >/dev/null || skip "another user cannot come here"
}

teardown() {
	cd /
	[ -z "${place:-}" ] || rm -rf -- "$place"
}

# mounted OPTIONS SCRIPT: the script, in ./disk, which is a small file system of its own
mounted() {
	local options=$1 script=$2
	mkdir -p disk
	unshare -m true 2>/dev/null || skip "no mount namespace for us"
	unshare -m sh -c 'mount -t tmpfs -o "$1" none disk 2>/dev/null || exit 99; cd disk; cp ../Orchfile .; eval "$2"' \
		sh "$options" "$script" || {
		local status=$?
		[ $status -ne 99 ] || skip "no tmpfs for us"
		return $status
	}
}

@test "a project directory that cannot be written" {
	reachable
	orchfile <<-'END'
		a:
		  echo a >>"$LOG"
	END
	chmod 555 .
	run as_user "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 2 ]
	[[ "$output" == "orch: "*".orch"*"ermission denied"* ]]
	[ ! -s "$LOG" ]
	run as_user "$ORCH" -n
	[ "$status" -eq 0 ]
	run as_user "$ORCH" touch a
	[ "$status" -eq 2 ]
	chmod 755 .
}

@test "a state directory that cannot be written" {
	reachable
	orchfile <<-'END'
		a:
		  echo a >>"$LOG"
	END
	run as_user "$ORCH"
	echo "status $status: $output"
	[ "$status" -eq 0 ]
	for where in .orch .orch/stamps .orch/runs; do
		as_user chmod 500 $where
		: >"$LOG"
		for words in "-B" "reset a" "touch a"; do
			# shellcheck disable=SC2086
			run as_user "$ORCH" $words
			echo "$where, $words: status $status: $output"
			# what does not need that part may succeed
			[ "$status" -ne 0 ] || [ "$where $words" = ".orch/runs reset a" ] || [ "$where $words" = ".orch/runs touch a" ]
			[ "$status" -eq 0 ] || [[ "$output" == *orch*"ermission denied"* ]]
		done
		[ "$where" != .orch/stamps ] || [ ! -s "$LOG" ]
		as_user chmod 700 $where
	done
	# and everything works again
	run as_user "$ORCH" -B
	[ "$status" -eq 0 ]
	run as_user "$ORCH" -q
	[ "$status" -eq 0 ]
}

@test "a state directory that cannot be read" {
	reachable
	orchfile <<-'END'
		a:
		  :
	END
	run as_user "$ORCH"
	[ "$status" -eq 0 ]
	as_user chmod 000 .orch
	for words in "" "-n" "-q" "list" "status" "why a" "logs a" "history"; do
		# shellcheck disable=SC2086
		run as_user "$ORCH" $words
		echo "$words: status $status: $output"
		[ "$status" -eq 2 ]
		[[ "$output" == *"ermission denied"* ]]
	done
	as_user chmod 700 .orch
}

@test "a file system that is read-only" {
	orchfile <<-'END'
		a:
		  echo a >>"$LOG"
		b: a
		  echo b >>"$LOG"
	END
	run mounted size=1m '
		mount -o remount,ro .
		"$ORCH"; echo "status $?"
		"$ORCH" -n; echo "dry $?"
		mount -o remount,rw .; "$ORCH" a; echo "first $?"; mount -o remount,ro .
		"$ORCH" -q a; echo "question $?"
		"$ORCH" a; echo "nothing $?"
		"$ORCH"; echo "again $?"'
	echo "$output"
	[[ "$output" == *"ead-only file system"*"status 2"* ]]
	[[ "$output" == *"dry 0"* ]]
	[[ "$output" == *"first 0"* ]]
	[[ "$output" == *"question 0"* ]]
	[[ "$output" == *"nothing 0"* ]]
	[[ "$output" == *"ead-only file system"*"again 2"* ]]
	[ "$(cat "$LOG")" = a ]
}

@test "a full disk before the run" {
	orchfile <<-'END'
		a:
		  echo a >>"$LOG"
	END
	run mounted size=64k '
		cat /dev/zero >fill 2>/dev/null
		"$ORCH"; echo "status $?"
		"$ORCH" -q; echo "question $?"
		rm fill
		"$ORCH"; echo "then $?"
		"$ORCH" -q; echo "complete $?"'
	echo "$output"
	[[ "$output" == *"o space left"* ]]
	[[ "$output" != *"status 0"* ]]
	[[ "$output" == *"question 1"* ]]
	[[ "$output" == *"then 0"* ]]
	[[ "$output" == *"complete 0"* ]]
}

@test "no inode left" {
	orchfile <<-'END'
		a:
		  echo a >>"$LOG"
	END
	for inodes in 4 6 8 10 12; do
		run mounted "size=1m,nr_inodes=$inodes" '
			"$ORCH"; echo "status $?"
			"$ORCH" -q; echo "question $?"'
		echo "$inodes: $output"
		if [[ "$output" == *"status 0"* ]]; then
			[[ "$output" == *"question 0"* ]]
		else
			[[ "$output" == *"o space left"* ]]
		fi
	done
	[[ "$output" == *"status"* ]]
}

@test "a disk that a stream fills: the run ends in order, and nothing false is recorded" {
	orchfile <<-'END'
		before:
		  echo before >>"$LOG"
		fill: before
		  cat /dev/zero >fill 2>/dev/null || :
		  echo filled >>"$LOG"
		after: fill
		  echo after >>"$LOG"
	END
	run mounted size=128k '
		timeout 20 "$ORCH" -j1; echo "status $?"
		"$ORCH" status; echo "looked $?"
		rm fill
		sed -i "s/cat .*/:/" Orchfile
		"$ORCH" -j1; echo "then $?"
		"$ORCH" -q; echo "complete $?"'
	echo "$output"
	[[ "$output" == *"o space left"*"free some space"*"status 2"* || "$output" == *"free some space"*"o space left"*"status 2"* ]]
	[[ "$output" == *"looked 0"* ]]
	[[ "$output" == *"then 0"* ]]
	[[ "$output" == *"complete 0"* ]]
	# "fill" could not be recorded, so it ran once more; "after" once
	[ "$(sort "$LOG" | uniq -c | tr -s ' \n' ' ')" = " 1 after 1 before 2 filled " ]
}

@test "a journal that cannot be written any more ends what runs" {
	orchfile <<-'END'
		fill:
		  priority = 1
		  until test -e ../up; do sleep 0.01; done
		  cat /dev/zero >fill 2>/dev/null || :
		long:
		  priority = 1
		  trap 'echo ended >>"$LOG"; exit 1' TERM
		  touch ../up
		  while :; do sleep 0.02; done
		for a in 1 2 3 4 5 6 7 8 9:
		  for b in 1 2 3 4 5 6 7 8 9:
		    more-{{a}}{{b}}:
		      :
	END
	sed -i 's/^\t\t  /\t\t\t/' Orchfile
	run mounted size=256k '
		timeout 30 "$ORCH" -k -j2; echo "status $?"
		"$ORCH" status >/dev/null; echo "looked $?"
		rm fill
		"$ORCH" -q; echo "question $?"'
	echo "$output"
	[[ "$output" == *"cannot write the journal"*"free some space"*"status 2"* ]]
	[[ "$output" == *"looked 0"* ]]
	[[ "$output" == *"question 1"* ]]
	[ "$(cat "$LOG")" = ended ]
}

@test "a stream that removes the state directory" {
	orchfile <<-'END'
		s:
		  rm -rf .orch
		t: s
		  echo t >>"$LOG"
	END
	run timeout 20 "$ORCH"
	echo "status $status: $output"
	[ "$status" -ne 0 ]
	[ "$status" -lt 124 ]
	[ -n "$output" ]
	orchfile <<-'END'
		s:
		  :
	END
	run timeout 20 "$ORCH"
	[ "$status" -eq 0 ]
}
