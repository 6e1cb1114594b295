# Steering a run from outside: stop, pause, resume, retry, jobs; the socket and what may come over it.
# $ORCH names the program. Nothing waits for a time, only for what it is about to see.

bats_require_minimum_version 1.5.0
load ../lib/orch

setup() {
	orch_setup
	# in the arguments of every process that must not stay
	export MARK=orch-control-$$-$RANDOM$RANDOM
}

teardown() { orch_teardown; }

# talk: each line of standard input is sent as it is; prints what comes back until the other end closes or $1 lines came
talk() {
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(".orch/control.sock")
want = int(sys.argv[1])
data = sys.stdin.buffer.read()
got = b""
try:
    s.sendall(data)
    while got.count(b"\n") < want:
        more = s.recv(65536)
        if not more:
            break
        got += more
except (BrokenPipeError, ConnectionResetError):
    pass
sys.stdout.buffer.write(got)' "$1"
}

@test "stop ends the run politely and waits for its end" {
	orchfile <<-END
		polite:
		  trap 'echo asked >> polite; exit 0' TERM INT
		  : $MARK
		  touch begun; while :; do sleep 0.02; done
		after: polite
		  touch after
	END
	background
	until_true test -e begun
	expect 0 stop
	[[ $output == *"has ended: 0 completed, 0 failed, 1 skipped, 1 cancelled"* || $output == *"2 cancelled"* ]]
	[ -e polite ] && [ ! -e after ]
	[ ! -e .orch/control.sock ]
	nothing_left
	ends 1
	# and the next run can start at once
	orchfile <<-END
		quick:
		  true
	END
	expect 0
}

@test "stop --now does not ask" {
	orchfile <<-END
		deaf:
		  grace = 1h
		  trap '' TERM INT HUP
		  : $MARK
		  touch begun; while :; do sleep 0.02; done
	END
	background
	until_true test -e begun
	expect 0 stop --now
	nothing_left
	ends 1
}

@test "stopping streams skips what needs them, and the rest goes on" {
	orchfile <<-END
		a:
		  touch begun; exec sleep 100.$$
		b: a
		  touch b
		later: rest
		  touch later
		rest:
		  until [ -e finish ]; do sleep 0.02; done
		AUTH-1: rest
		  touch auth
		AUTH-2: rest
		  touch auth
		all: AUTH-1 AUTH-2
	END
	background -j4
	until_true test -e begun
	expect 0 stop a
	[[ $output == *"1 stream is being stopped"* ]]
	until_true is b skipped
	is a cancelled
	# a glob, a group, one that has not started
	expect 0 stop 'AUTH-*'
	[[ $output == *"2 streams are being stopped"* ]]
	is all skipped
	expect 2 stop all
	[[ $output == *"AUTH-1 was cancelled, so it cannot be stopped"* ]]
	expect 2 stop nosuch
	[[ $output == *"no stream is named 'nosuch'"* ]]
	touch finish
	ends 1
	[ -e later ] && [ ! -e auth ] && [ ! -e b ]
}

@test "pause lets nothing new start, resume lets it go on" {
	orchfile <<-END
		a:
		  touch begun; until [ -e finish ]; do sleep 0.02; done
		b: a
		  touch b
	END
	background
	until_true test -e begun
	expect 0 pause
	expect 0 pause
	touch finish
	until_true is a completed
	expect 0 status
	[[ $output == *"Paused: nothing new starts until 'orch resume'"* ]]
	[ ! -e b ]
	expect 0 resume
	ends 0
	[ -e b ]
	[ "$(grep -c '"type":"paused"' .orch/runs/*/journal.jsonl)" -eq 1 ]
	expect 0 status
	[[ $output != *Paused* ]]
}

@test "a paused run can be stopped" {
	orchfile <<-END
		a:
		  touch begun; until [ -e finish ]; do sleep 0.02; done
		b: a
		  touch b
	END
	background
	until_true test -e begun
	expect 0 pause
	touch finish
	until_true is a completed
	expect 0 stop
	ends 1
	[ ! -e b ]
}

@test "retry runs again what failed, and what was skipped for it" {
	orchfile <<-END
		a:
		  test -e ok
		b: a
		  touch b
		other:
		  until [ -e finish ]; do sleep 0.02; done
		c: other
		  touch c
	END
	# without -k: the failure keeps c from starting, until a is tried again
	background -j2
	until_true is b skipped
	expect 2 retry b
	[[ $output == *"b was skipped because of what it depends on"* ]]
	expect 2 retry other
	[[ $output == *"other is running, so it cannot be tried again"* ]]
	touch ok
	expect 0 retry a
	until_true is b completed
	expect 2 retry a
	[[ $output == *"a has completed already"* ]]
	touch finish
	ends 0
	[ -e b ] && [ -e c ]
	ls .orch/runs/*/logs/a.2.log
}

@test "retry does not wait for the end of a backoff" {
	orchfile <<-END
		a:
		  retries = 1
		  backoff = 1h
		  test -e ok
	END
	background
	until_true is a backoff
	touch ok
	expect 0 retry a
	ends 0
}

@test "jobs changes the number of slots" {
	orchfile <<-END
		for n in 1 2 3 4:
		  s{{n}}:
		    touch begun-{{n}}; until [ -e finish ]; do sleep 0.02; done
	END
	background -j1
	until_true test -e begun-1
	[ ! -e begun-2 ]
	expect 2 jobs 0
	expect 2 jobs many
	expect 0 jobs 4
	until_true test -e begun-1 -a -e begun-2 -a -e begun-3 -a -e begun-4
	# fewer than run: they go on
	expect 0 jobs 1
	[ "$("$ORCH" status --json | grep -o '"jobs": *[0-9]*')" = '"jobs": 1' ]
	touch finish
	ends 0
}

@test "without a run: stop is content, the others say so" {
	orchfile <<-END
		a:
		  true
	END
	expect 0 stop
	[[ $output == *"nothing is running here"* ]]
	expect 0 stop a
	for command in pause resume 'retry a' 'jobs 3'; do
		# shellcheck disable=SC2086
		expect 1 $command
		[[ $output == *"nothing is running here"* ]]
	done
	expect 2 retry
	expect 2 jobs
	expect 2 pause now
	[ ! -e .orch ]
}

@test "garbage on the socket is answered, and harms nothing" {
	orchfile <<-END
		a:
		  touch begun; until [ -e finish ]; do sleep 0.02; done
	END
	background
	until_true test -e begun
	[ "$(stat -c %a .orch/control.sock)" = 600 ]
	printf '%s\n' 'hello' '' '[]' '"stop"' '{}' '{"request":7}' '{"request":"explode"}' '{"request":"jobs"}' '{"request":"jobs","jobs":-1}' \
		'{"request":"jobs","jobs":99999999999}' '{"request":"retry"}' '{"request":"stop","streams":"a"}' '{"request":"stop","streams":[]}' \
		'{"request":"stop","streams":[1]}' '{"request":"stop","streams":["nosuch"]}' '{"v":2,"request":"stop"}' '{"request":"stop"' >in
	head -c 3000 /dev/urandom | tr '\n' x >>in
	printf '\n{"request":"run"}\n' >>in
	talk 19 <in >answers
	cat answers
	[ "$(wc -l <answers)" -eq 19 ]
	[ "$(head -n 18 answers | grep -c '"ok":false,"error":"')" -eq 18 ]
	[[ $(tail -n 1 answers) == '{"v":1,"ok":true,"run":"'* ]]
	# a line without an end, and with many brackets
	head -c 300000 /dev/zero | tr '\0' x | talk 99 >answers
	grep -q 'at most 262144 bytes' answers
	{ head -c 60000 /dev/zero | tr '\0' '['; echo; } | talk 1 >answers
	grep -q '"ok":false' answers
	# one that asks and does not listen
	python3 - <<-'PYTHON'
		import socket
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(60)
		s.connect(".orch/control.sock")
		dropped = False
		try:
		    for n in range(200000):
		        s.sendall(b'{"request":"run"}\n' * 10)
		except OSError:
		    dropped = True
		assert dropped
	PYTHON
	touch finish
	ends 0
}

@test "a thousand clients take neither descriptors nor the place of a request" {
	orchfile <<-END
		a:
		  touch begun; until [ -e finish ]; do sleep 0.02; done
	END
	background
	until_true test -e begun
	python3 - "$pid" <<-'PYTHON'
		import os, resource, socket, sys
		resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
		clients = []
		for n in range(1000):
		    s = socket.socket(socket.AF_UNIX)
		    s.connect(".orch/control.sock")
		    s.settimeout(60)
		    clients.append(s)
		last = clients[-1]
		last.sendall(b'{"request":"run"}\n')
		assert b'"ok":true' in last.recv(4096)
		held = len(os.listdir("/proc/%s/fd" % sys.argv[1]))
		assert held < 64 + 60, held
		# those that were dropped know it
		assert clients[0].recv(1) == b""
	PYTHON
	expect 0 pause
	expect 0 resume
	touch finish
	ends 0
}

@test "a path longer than an address may be" {
	local name deep=$PWD
	name=$(printf 'directory-%.0s' 1 2 3 4 5 6 7 8 9)
	for _ in 1 2 3 4; do
		deep=$deep/$name
	done
	mkdir -p "$deep"
	cd "$deep"
	[ "${#PWD}" -gt 300 ]
	orchfile <<-END
		a:
		  touch begun; exec sleep 100.$$
	END
	background
	until_true test -e begun
	cd /
	expect 0 -C "$deep" pause
	expect 0 stop -f "$deep/Orchfile"
	ends 1
}

@test "a socket that a killed orch left is replaced, what is no socket is not" {
	orchfile <<-END
		a:
		  detach = no
		  touch begun; until [ -e finish ]; do sleep 0.02; done
	END
	background
	until_true test -e begun
	kill -KILL "$pid"
	wait "$pid" || :
	[ -S .orch/control.sock ]
	expect 1 pause
	rm begun
	background
	until_true test -e begun
	expect 0 pause
	expect 0 resume
	touch finish
	ends 0
	echo mine >.orch/control.sock
	rm finish
	orchfile <<-END
		b:
		  true
	END
	expect 0
	[[ $output == *"is in the way"* ]]
	[ "$(cat .orch/control.sock)" = mine ]
}

@test "stop ends what a killed orch left running, by each stream's own kill" {
	orchfile <<-END
		worker:
		  detach = yes
		  kill = TERM 20s KILL
		  trap 'echo asked >> polite; exit 0' TERM
		  : $MARK
		  touch begun; while :; do sleep 0.02; done
		deaf:
		  detach = yes
		  grace = 1h
		  trap '' TERM INT
		  : $MARK
		  touch begun2; while :; do sleep 0.02; done
	END
	background
	until_true test -e begun -a -e begun2
	kill -KILL "$pid"
	wait "$pid" || :
	pid=
	expect 0 stop nosuch
	[[ $output == *"none of these is running here"* ]]
	expect 0 stop worker
	[[ $output == *"worker (attempt 1 of run "*", whose orch is gone) was stopped"* ]]
	[ -e polite ]
	[ -n "$(marked)" ]
	expect 0 stop --now
	[[ $output == *"deaf (attempt 1 of run "* ]]
	nothing_left
	expect 0 stop
	[[ $output == *"nothing is running here"* ]]
}

@test "--detach goes on in the background, ps shows it, the end of the terminal does not end it" {
	orchfile <<-END
		a:
		  : $MARK
		  touch begun; until [ -e finish ]; do sleep 0.02; done
		b: a
		  touch b
	END
	# an own session, as a terminal has it, which ends when orch has returned
	run setsid --wait "$ORCH" --detach
	echo "$status: $output"
	[ "$status" -eq 0 ]
	[[ $output == *"goes on in the background, process "* ]]
	pid=${output#*process }
	pid=${pid%%;*}
	# it has begun: whoever looks sees it
	expect 0 status
	[[ $output == *"under way"* ]]
	expect 0 ps
	[[ $output == *running*"$PWD"* ]]
	expect 0 ps --json
	[[ $output == *'"state": "running"'* ]]
	expect 3 -B
	kill -HUP "$pid"
	until_true test -e begun
	expect 0 pause
	expect 0 ps
	[[ $output == *paused*"$PWD"* ]]
	expect 0 resume
	touch finish
	until_true test -e b
	until_true sh -c "! kill -0 $pid"
	pid=
	grep -q '2 streams: 2 completed' .orch/runs/*/console.log
	expect 0 ps
	[ "$output" = "Nothing is running." ]
	[ -z "$(ls "$XDG_STATE_HOME/orch/runs")" ]
	nothing_left
}

@test "--detach that cannot begin says why, with the exit status that it has" {
	orchfile <<-END
		a: nosuch
		  true
	END
	expect 2 --detach
	[[ $output == *"nosuch"* ]]
	orchfile <<-END
		a:
		  touch begun; until [ -e finish ]; do sleep 0.02; done
	END
	for option in -n -q -t --json --progress=live; do
		expect 2 --detach $option
	done
	[ ! -e begun ]
	expect 0 --detach
	expect 3 --detach -B
	[[ $output == *"another "*"'orch status' shows it"* ]]
	expect 0 stop
	touch finish
	expect 0
	expect 0 --detach
	[[ $output == *"othing to do"* || $output == *complete* ]]
}

@test "--detach holds nothing that its caller waits for" {
	orchfile <<-END
		a:
		  touch begun; until [ -e finish ]; do sleep 0.02; done
	END
	# the pipe ends with the caller: cat does not wait for the copy
	"$ORCH" --detach 2>&1 9>&1 | cat >"$BATS_TEST_TMPDIR/out"
	grep -q 'goes on in the background' "$BATS_TEST_TMPDIR/out"
	[ ! -e finish ]
	expect 0 stop --now
}

@test "SIGHUP ends a run that is attached to its terminal" {
	orchfile <<-END
		a:
		  : $MARK
		  touch begun; while :; do sleep 0.02; done
	END
	background
	until_true test -e begun
	kill -HUP "$pid"
	ends 129
	nothing_left
}

@test "ps shows what a killed orch left, believes no file, and cleans up" {
	expect 0 ps
	[ "$output" = "Nothing is running." ]
	orchfile <<-END
		worker:
		  detach = yes
		  : $MARK
		  touch begun; while :; do sleep 0.02; done
	END
	background
	until_true test -e begun
	kill -KILL "$pid"
	wait "$pid" || :
	pid=
	expect 0 ps
	[[ $output == *left*"$PWD"* ]]
	# from anywhere, and with files that say nothing or what is not so
	mkdir -p "$XDG_STATE_HOME/orch/runs"
	echo '{"v":1,"dir":"/nonexistent/project","run":"20200101-000000"}' >"$XDG_STATE_HOME/orch/runs/1.json"
	echo 'garbage' >"$XDG_STATE_HOME/orch/runs/2.json"
	cd /
	expect 0 ps --json
	[[ $output == *'"state": "left"'* && $output != *nonexistent* ]]
	[ ! -e "$XDG_STATE_HOME/orch/runs/1.json" ]
	cd - >/dev/null
	expect 0 stop
	expect 0 ps
	[ "$output" = "Nothing is running." ]
	nothing_left
}

@test "a thousand attempts are gone after one stop" {
	[ "$(ulimit -u)" = unlimited ] || [ "$(ulimit -u)" -gt 4000 ] || skip 'too few processes allowed'
	# shells that wait, each with $MARK among its arguments
	awk -v mark="$MARK" 'BEGIN { for (n = 0; n < 1000; n++) printf "s%d:\n\t: %s\n\techo >begun-%d\n\tsleep 1000\n\t:\n", n, mark, n }' >Orchfile
	background -j1000
	until_true sh -c '[ "$(ls | grep -c ^begun-)" -eq 1000 ]'
	expect 0 stop
	nothing_left
	ends 1
}

@test "streams that stand by for the next slot can be stopped and paused like all that wait, and take no slot that is taken away" {
	orchfile <<-END
		first:
		  priority = 1
		  touch begun; until [ -e finish ]; do sleep 0.02; done
		for n in 1 2 3 4 5 6 7 8:
		  s{{n}}:
		    touch in-{{n}}; until [ -e all ]; do sleep 0.02; done
	END
	background -j1
	until_true test -e begun
	expect 0 stop s2
	until_true is s2 cancelled
	expect 0 pause
	touch finish
	until_true is first completed
	[ ! -e in-1 ]
	expect 0 resume
	until_true test -e in-1
	[ ! -e in-3 ]
	expect 0 jobs 3
	until_true test -e in-3 -a -e in-4
	[ ! -e in-5 ]
	touch all
	ends 1
	[ ! -e in-2 ] && [ -e in-8 ]
	[ "$(grep -c '"type":"attempt_started"' .orch/runs/*/journal.jsonl)" -eq 8 ]
}
