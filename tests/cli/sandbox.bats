# What a stream with a sandbox can reach: real bubblewrap, real Landlock, and scripts that try to get out. Where user
# namespaces are forbidden, as in some containers, every test sees that the stream is refused instead. $ORCH names the program.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup_file() {
	command -v bwrap >/dev/null || { echo 'bubblewrap is needed for these tests: ./bootstrap installs it' >&2; return 1; }
	# what orch needs, asked for without orch
	if bwrap --unshare-user --disable-userns --unshare-pid --cap-drop ALL --ro-bind / / --dev /dev --proc /proc true 2>/dev/null; then
		export CONFINES=yes
	else
		export CONFINES=no
	fi
	LANDLOCK=$(python3 -c 'import ctypes; print(max(0, ctypes.CDLL(None, use_errno=True).syscall(444, None, ctypes.c_size_t(0), 1)))')
	export LANDLOCK
}

setup() {
	export OWN=$ORCH
	unset CI NO_COLOR CLICOLOR_FORCE GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE TMPDIR
	: "${ORCH:?names the program to test}"
	export HOME=$BATS_TEST_TMPDIR/home GIT_CONFIG_NOSYSTEM=1
	export OUTSIDE=$BATS_TEST_TMPDIR/outside
	mkdir -p "$HOME" "$OUTSIDE" "$BATS_TEST_TMPDIR/project"
	git config --global user.name 'A User'
	git config --global user.email user@example.org
	git config --global init.defaultBranch main
	cd "$BATS_TEST_TMPDIR/project" || return 1
	git init -q
	printf 'one\n' >shared
	# for what must fail: without it, a script would go on
	printf '#!/bin/sh\nif "$@"; then echo "got out: $*"; exit 9; fi\n' >no
	chmod +x no
	git add shared no
	git commit -qm first
	started=()
}

# only what this test started
teardown() {
	for pid in "${started[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# expect, where a sandbox can be had. Where not: nothing was run, and the reason is said; the test ends
confined() {
	if [ "$CONFINES" = yes ]; then
		expect "$@"
		return
	fi
	expect 1 "${@:2}"
	[[ "$output" == *'its sandbox could not be made, so it was not run: bwrap: '*"see 'orch doctor'"* ]]
	[ -z "$(git for-each-ref refs/heads/orch --format='%(objectname)' | grep -v "$(git rev-parse main)")" ]
	touch "$BATS_TEST_TMPDIR/refused"
}

refused() { [ -e "$BATS_TEST_TMPDIR/refused" ]; }

# a PATH with all that there is but bubblewrap
without_bubblewrap() {
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	find /usr/local/bin /usr/bin /bin -maxdepth 1 \( -type f -o -type l \) ! -name bwrap \
		-exec ln -sf -t "$BATS_TEST_TMPDIR/bin" {} +
	PATH=$BATS_TEST_TMPDIR/bin
}

# is a process there whose command line has this text?
runs() { grep -lzsF -e "$1" /proc/[0-9]*/cmdline >/dev/null; }
runs_not() { ! runs "$1"; }

@test "it writes its worktree, and nothing else" {
	# HOME and all else of this test lie in /tmp, of which it has its own: so it tries there, and in what is read-only
	orchfile <<-'E'
	a:
	  isolate = worktree
	  sandbox = worktree
	  setup: echo s >setup-was-here; ./no touch /usr/escaped
	  check: test -e new; ./no touch /usr/escaped
	  mkdir sub; echo new >sub/new; mv sub/new new; echo two >>shared
	  echo mine >/tmp/orch-sandbox-private; test "$TMPDIR" = /tmp
	  echo key=value >>"$ORCH_OUTPUT"
	  ./no touch /usr/escaped; ./no touch "$HOME/escaped"
	  ./no mount -o remount,bind,rw /; ./no mount -t tmpfs none /usr
	  ./no unshare --user --map-root-user true
	  ./no touch ../escaped; ./no touch ../../../escaped; ./no touch ../../escaped
	  ./no sh -c 'echo orch >/proc/sys/kernel/hostname'; ./no touch /sys/escaped
	  ./no test -w /proc/sys/kernel/core_pattern; ./no test -w /proc/sysrq-trigger
	  ./no git commit -qam sneaked; ./no git branch sneaked; ./no git config user.name sneaked
	  ./no mv .git moved; ./no rm .git; ./no ln -f shared .git
	  ls /proc/self/fd >fds
	  echo done
	b: a
	  test "{{a.key}}" = value; test -e /usr/bin/env
	E
	exec 9>"$BATS_TEST_TMPDIR/left-open"
	confined 0
	exec 9>&-
	if refused; then return; fi
	[[ "$output" == *done* ]]
	[ "$(git show orch/a:new)" = new ]
	[ "$(git show orch/a:shared)" = $'one\ntwo' ]
	[ "$(git log --format=%s main..orch/a)" = a ]
	[ "$(git branch --list | wc -l)" -eq 2 ]
	[ "$(git config user.name)" = 'A User' ]
	[ ! -e /usr/escaped ]
	[ ! -e /tmp/orch-sandbox-private ]
	[ ! -e "$HOME/escaped" ]
	[ "$(cd "$BATS_TEST_TMPDIR" && find . -name 'escaped*')" = '' ]
	[ "$(cat shared)" = one ]
	# its input, its log twice, and what ls opened; nothing that was open around orch
	[ "$(git show orch/a:fds | grep -cvx '[0-3]')" -eq 0 ] || { git show orch/a:fds; false; }
	git fsck --strict --no-dangling
}

@test "what it says of itself is heard, and what it hands on, with a worktree and without" {
	orchfile <<-'E'
	defaults:
	  sandbox = worktree
	own:
	  isolate = worktree
	  "$OWN" report note confined; "$OWN" report output one=1; echo two=2 >>"$ORCH_OUTPUT"
	none:
	  isolate = none
	  "$OWN" report note confined; "$OWN" report output one=1; echo two=2 >>"$ORCH_OUTPUT"
	  ./no touch .orch/escaped; ./no sh -c 'echo >>"$0"' .orch/lock
	after: own none
	  sandbox = off
	  test {{own.one}}{{own.two}}{{none.one}}{{none.two}} = 1212
	E
	confined 0
	if refused; then return; fi
	[ "$(cat .orch/runs/*/journal.jsonl | grep -c '"type":"note".*"message":"confined"')" -eq 2 ]
	[ ! -e .orch/escaped ]
}

@test "it sees and ends no process but its own" {
	sleep 1000 3>&- &
	started+=($!)
	export VICTIM=$!
	disown
	orchfile <<-'E'
	a:
	  isolate = worktree
	  sandbox = worktree
	  ./no kill -0 "$VICTIM"; ./no kill -KILL "$VICTIM"
	  ls -d /proc/[0-9]* | wc -l >processes
	E
	confined 0
	kill -0 "$VICTIM"
	if refused; then return; fi
	[ "$(git show orch/a:processes)" -lt 10 ]
}

@test "offline: no network, not even this machine's; without it there is one" {
	python3 -c '
import socket, sys
tcp = socket.create_server(("127.0.0.1", 0))
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0orch-test-%d" % tcp.getsockname()[1])
abstract.listen()
open(sys.argv[1] + ".new", "w").write(str(tcp.getsockname()[1]))
import os; os.rename(sys.argv[1] + ".new", sys.argv[1])
import time; time.sleep(600)
' "$BATS_TEST_TMPDIR/port" 3>&- &
	started+=($!)
	disown
	until_true test -e "$BATS_TEST_TMPDIR/port"
	LISTENS=$(cat "$BATS_TEST_TMPDIR/port")
	export LISTENS
	cat >ask.py <<-'E'
	import os, socket, sys
	for family, where in ((socket.AF_INET, ("127.0.0.1", int(os.environ["LISTENS"]))), (socket.AF_UNIX, "\0orch-test-" + os.environ["LISTENS"])):
	    with socket.socket(family) as one:
	        try:
	            one.connect(where)
	            print("connected")
	        except OSError as problem:
	            print("refused")
	E
	git add ask.py && git commit -qm ask
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	on:
	  sandbox = worktree
	  python3 ask.py >answer
	off:
	  sandbox = offline
	  python3 ask.py >answer
	  ls /sys/class/net >/dev/null
	E
	confined 0 -k
	if refused; then return; fi
	[ "$(git show orch/on:answer)" = $'connected\nconnected' ]
	[ "$(git show orch/off:answer)" = $'refused\nrefused' ]
}

@test "without a worktree it writes the project's directory, but not what git and orch keep there" {
	orchfile <<-'E'
	a:
	  sandbox = worktree
	  echo made >made; echo more >>shared
	  ./no touch .git/escaped; ./no mv .git moved; ./no touch .orch/escaped; ./no rm -r .orch/runs
	  touch ../escaped; ./no touch /usr/escaped
	E
	confined 0
	if refused; then return; fi
	# its /tmp, and so the directory above, is not ours
	[ ! -e ../escaped ]
	[ "$(cat made)" = made ]
	[ "$(cat shared)" = $'one\nmore' ]
	[ ! -e .git/escaped ]
	[ ! -e .orch/escaped ]
}

@test "a path with blanks, quotes and a link in it" {
	mkdir -p "../real 'dir\""
	ln -s "real 'dir\"" ../link
	cd ../link
	git init -q
	cp "$BATS_TEST_TMPDIR/project/no" .
	git add no
	git commit -q -m first
	orchfile <<-'E'
	a:
	  isolate = worktree
	  sandbox = worktree
	  echo here >file; ./no touch ../escaped
	E
	confined 0
	if refused; then return; fi
	[ "$(git show orch/a:file)" = here ]
}

@test "how it ended is told as without a sandbox" {
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	  sandbox = worktree
	one:
	  exit 1
	many:
	  exit 5
	missing:
	  orch-no-such-command
	killed:
	  kill -KILL $$
	checked:
	  check: exit 3
	  true
	E
	confined 1 -k
	if refused; then return; fi
	[[ "$output" == *'one: exit status 1 '* ]]
	[[ "$output" == *'many: exit status 5 '* ]]
	[[ "$output" == *'missing: exit status 127 '* ]]
	# bubblewrap says it as a shell does
	[[ "$output" == *'killed: exit status 137 '* ]]
	[[ "$output" == *'checked: '*'exit status 3 '* ]]
}

@test "a timeout: its work gets the signal, and the time to tidy up; nothing stays" {
	mark=$((RANDOM + 100000)).$$
	export mark
	orchfile <<-'E'
	a:
	  isolate = worktree
	  sandbox = worktree
	  timeout = 1s
	  trap 'echo tidied; exit 9' TERM
	  setsid sleep "1000.$mark" & while :; do sleep 0.05; done
	E
	confined 1
	if refused; then return; fi
	[[ "$output" == *tidied* ]]
	[[ "$output" == *'timed out'* || "$output" == *timeout* ]]
	until_true runs_not "1000.$mark"
}

@test "orch is killed: what shares its supervisor goes, what is detached is adopted and ends once" {
	export mark=$((RANDOM + 100000)).$$
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	  sandbox = worktree
	plain:
	  touch began; sleep "1000.$mark"
	kept:
	  detach = yes
	  echo once >>count; touch began; until [ -e "$ORCH_DIR/go" ]; do sleep 0.05; done; echo end >end
	E
	if [ "$CONFINES" != yes ]; then
		confined 1 -k
		return
	fi
	"$ORCH" -k >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	started+=($!)
	disown
	until_true test -e .orch/worktrees/kept/began -a -e .orch/worktrees/plain/began
	kill -KILL "${started[0]}"
	until_true runs_not "1000.$mark"
	touch .orch/worktrees/kept/go
	expect 0 kept
	[ "$(git show orch/kept:count)" = once ]
	[ "$(git show orch/kept:end)" = end ]
}

@test "check-ins are confined too" {
	orchfile <<-'E'
	a:
	  isolate = worktree
	  sandbox = worktree
	  every 100ms: touch came; ./no touch /usr/escaped || touch got-out
	  until [ -e came ]; do sleep 0.05; done
	E
	confined 0
	if refused; then return; fi
	[ ! -e /usr/escaped ]
	git cat-file -e orch/a:came
	run ! git cat-file -e orch/a:got-out
}

@test "a sandbox that cannot be made: the stream fails with the reason, and runs nothing" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho "bwrap: No permissions to create new namespace, likely because the kernel does not allow it" >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/bin/bwrap"
	chmod +x "$BATS_TEST_TMPDIR/bin/bwrap"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	orchfile <<-'E'
	a:
	  sandbox = worktree
	  touch ran
	E
	expect 1
	[[ "$output" == *"its sandbox could not be made, so it was not run: bwrap: No permissions to create new namespace, likely because the kernel does not allow it; see 'orch doctor'"* ]]
	[ ! -e ran ]
}

@test "without bubblewrap: offline is refused; a worktree is kept by Landlock, or refused" {
	without_bubblewrap
	sleep 1000 3>&- &
	started+=($!)
	export VICTIM=$!
	disown
	orchfile <<-'E'
	defaults:
	  isolate = worktree
	off:
	  sandbox = offline
	  touch ran
	a:
	  sandbox = worktree
	  mkdir sub; echo new >sub/new; mv sub/new new; echo two >>shared; "$OWN" report output key=value
	  : >/dev/null; echo t >"$TMPDIR/t"
	  ./no touch /usr/escaped; ./no touch "$HOME/escaped"; ./no touch ../escaped; ./no touch ../../../escaped
	  ./no sh -c 'echo more >>../../../shared'; ./no truncate -s 0 ../../../shared; ./no mv ../../../shared stolen
	  ./no mount -t tmpfs none /usr; ./no git commit -qam sneaked; ./no git branch sneaked
	bare:
	  isolate = none
	  sandbox = worktree
	  touch ran
	E
	expect 1 -k
	[[ "$output" == *'off'*'cannot run: sandbox = offline: '*'bubblewrap (bwrap), which is not installed'* ]]
	[[ "$output" == *'bare'*'cannot run: sandbox = worktree: '* ]]
	[ ! -e ran ]
	run ! git cat-file -e orch/off:ran
	[ "$(cat shared)" = one ]
	[ "$(git branch --list '*sneaked')" = '' ]
	[ "$(cd "$BATS_TEST_TMPDIR" && find . -name 'escaped*')" = '' ]
	expect $((LANDLOCK < 3)) a
	if [ "$LANDLOCK" -lt 3 ]; then
		[[ "$output" == *"Landlock is none or too old"* ]]
		return
	fi
	"$ORCH" logs a
	[ "$(git show orch/a:new)" = new ]
	[ "$(git show orch/a:shared)" = $'one\ntwo' ]
	# said once a run, and what it is not
	rm .orch/stamps/a
	expect 0 a
	[ "$(grep -c 'bubblewrap is not installed' <<<"$output")" -eq 1 ]
	[ -z "$(find .orch/runs -name '*.tmp')" ]
	if [ "$LANDLOCK" -ge 6 ]; then
		orchfile <<-'E'
		killer:
		  isolate = worktree
		  sandbox = worktree
		  ./no kill -KILL "$VICTIM"
		E
		expect 0
		kill -0 "$VICTIM"
	fi
}

@test "a worktree's .git that leads git elsewhere is put back, and the stream fails" {
	without_bubblewrap
	orchfile <<-'E'
	a:
	  isolate = worktree
	  sandbox = worktree
	  echo work >work; mv .git away; git init -q .; git config filter.x.clean "touch $PWD/../../../ran; cat"
	  echo '* filter=x' >.gitattributes
	E
	expect 1
	[ ! -e ran ]
	if [ "$LANDLOCK" -lt 3 ]; then
		return
	fi
	[[ "$output" == *"it replaced the file .git of its worktree"*"what it put there is now '"*"/worktrees/a.git-1'"* ]]
	[ -f .orch/worktrees/a/.git ]
	[ "$(git -C .orch/worktrees/a symbolic-ref HEAD)" = refs/heads/orch/a ]
	[ ! -e ran ]
	# what it did is kept all the same
	git cat-file -e refs/orch/wip/a/1:work
}

# an agent that keeps its sessions in the home directory, as the real ones do. Two blanks stand for a tab
stateful() {
	export AGENT_HOME=$HOME
	orchfile <<-'E'
	agent mine:
	  state = ~/.mine/ ~/.mine.json ~/.missing.json
	  done  = /^finished$/
	  run:
	    cat {{prompt}} >/dev/null
	    echo "session $ORCH_ATTEMPT $IS_SANDBOX" >>~/.mine/sessions
	    echo changed >~/.mine.json
	    touch ~/escaped ~/.other/escaped || true
	    ./no touch /usr/escaped; ./no touch ../escaped
	    echo work >work
	    echo finished
	defaults:
	  isolate = worktree
	  sandbox = worktree
	a:
	  agent = mine
	  prompt: x
	  check: ./no sh -c 'echo more >>~/.mine/sessions'
	E
	mkdir "$HOME/.other"
	echo first >"$HOME/.mine.json"
}

stateful_was_kept() {
	[ "$(git show orch/a:work)" = work ]
	[ "$(cat "$HOME/.mine/sessions")" = 'session 1 1' ]
	[ "$(cat "$HOME/.mine.json")" = changed ]
	[ ! -e "$HOME/.missing.json" ]
	[ -z "$(find "$BATS_TEST_TMPDIR" -name 'escaped*')" ]
}

@test "an agent writes what its program keeps below the home directory, its check does not" {
	stateful
	confined 0
	if refused; then return; fi
	stateful_was_kept
}

@test "the same by Landlock" {
	[ "$LANDLOCK" -ge 3 ] || skip 'no Landlock here: refused as the test above has it'
	stateful
	without_bubblewrap
	expect 0
	stateful_was_kept
}

@test "what an agent keeps must be a path, and cannot be all that there is to protect" {
	printf 'agent mine:\n\tstate = .mine\n\trun: x\na:\n\tagent = mine\n\tprompt: x\n' >Orchfile
	expect 2
	[[ "$output" == *"'.mine' is neither an absolute path nor one below the home directory"* ]]
	printf 'agent mine:\n\tstate = %s\n\trun: touch ran\na:\n\tagent = mine\n\tsandbox = worktree\n\tprompt: x\n' "$BATS_TEST_TMPDIR" >Orchfile
	expect 1
	[[ "$output" == *"agent mine: state: the project lies in '"*"': then nothing would be confined"* ]]
	run ! git cat-file -e orch/a:ran
}
