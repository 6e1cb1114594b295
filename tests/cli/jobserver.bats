# GNU make's jobserver: make, cargo and others inside of streams share the run's slots. A job says in $LOG when it begins and
# when it ends; where four are to be at work at once it waits until they are, so that nothing depends on how long it takes.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE MAKEFLAGS MAKELEVEL MFLAGS CARGO_MAKEFLAGS
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	export LOG=$BATS_TEST_TMPDIR/log
	: >"$LOG"
	# job NAME [AT-ONCE]: waits until so many have been at work at once, if it is one of the first
	cat >job <<-'END'
		#!/bin/sh
		echo "+ $1" >>"$LOG"
		left=1500
		while [ "${2:-0}" -gt "$(awk '$1 == "+" { n++ } $1 == "-" { n-- } n > most { most = n } END { print most + 0 }' "$LOG")" ]; do
			left=$((left - 1))
			[ $left -gt 0 ] || { echo "! $1" >>"$LOG"; exit 1; }
			sleep 0.02
		done
		echo "- $1" >>"$LOG"
	END
	chmod +x job
	printf 'all: $(addprefix job-,1 2 3 4 5 6 7 8)\njob-%%:\n\t@./job $(WHO)-$@ $(AT_ONCE)\n' >Makefile
}

# the Orchfile is standard input; two blanks stand for a tab
orchfile() {
	sed 's/^    /\t\t/; s/^  /\t/' >Orchfile
}

# expect STATUS ARGUMENT...: runs orch, and its status must be STATUS
expect() {
	local want=$1
	shift
	run timeout 60 "$ORCH" "$@"
	echo "status $status: $output"
	[ "$status" -eq "$want" ]
}

# the most that were at work at once
most() {
	awk '$1 == "+" { n++ } $1 == "-" { n-- } n > most { most = n } END { print most + 0 }' "$LOG"
}

@test "a make inside has the slots that nobody else needs" {
	orchfile <<-'END'
		built:
		  make -s WHO=a AT_ONCE=4
	END
	expect 0 -j4
	[ "$(most)" -eq 4 ]
	[ "$(grep -c '^-' "$LOG")" -eq 8 ]
	[[ "$(cat .orch/runs/*/logs/built.1.log)" != *jobserver* ]]
	# with one slot there is nothing to share
	: >"$LOG"
	orchfile <<-'END'
		built:
		  make -s WHO=a
		  echo "flags: ${MAKEFLAGS-none}"
	END
	: >"$LOG"
	expect 0 -j1
	[ "$(most)" -eq 1 ]
	grep -qx "flags: none" .orch/runs/*/logs/built.1.log
}

@test "several makes and streams are never more than there are slots, and never fewer where there is work" {
	orchfile <<-'END'
		one:
		  make -s WHO=one AT_ONCE=4
		two:
		  make -s WHO=two AT_ONCE=4
		for n in 1 2 3 4 5 6:
		  plain{{n}}:
		    ./job plain{{n}}
		three: one
		  make -s WHO=three
	END
	expect 0 -j4
	[ "$(most)" -eq 4 ]
	[ "$(grep -c '^-' "$LOG")" -eq 30 ]
}

@test "streams that idle leave their share to a make that begins later" {
	orchfile <<-'END'
		idle:
		  while [ ! -e done ]; do sleep 0.05; done
		other:
		  while [ ! -e done ]; do sleep 0.05; done
		make:
		  sleep 0.5
		  make -s WHO=make AT_ONCE=4
		  : >done
	END
	expect 0 -j6
	[ "$(most)" -eq 4 ]
}

@test "who dies with tokens gives them back" {
	orchfile <<-'END'
		thief:
		  dd if=/dev/fd/98 bs=1 count=1 2>/dev/null | grep -q +
		  dd if=/dev/fd/98 bs=1 count=1 2>/dev/null | grep -q +
		  dd if=/dev/fd/98 bs=1 count=1 2>/dev/null | grep -q +
		  kill -9 $$
		after: | thief
		  when = always
		  make -s WHO=after AT_ONCE=4
	END
	expect 1 -j4 -k
	[[ "$output" == *"killed by SIGKILL"* ]]
	[ "$(most)" -eq 4 ]
	# a make killed in the middle of its work, too
	orchfile <<-'END'
		killed:
		  make -s WHO=killed AT_ONCE=4 &
		  until grep -q -- - "$LOG"; do sleep 0.02; done
		  kill -9 $!
		  exit 1
		after: | killed
		  when = always
		  : >"$LOG"
		  make -s WHO=after AT_ONCE=4
	END
	: >"$LOG"
	expect 1 -j4 -k
	[ "$(most)" -eq 4 ]
}

@test "nobody gets more by writing tokens that it never had" {
	orchfile <<-'END'
		forger:
		  printf '%01000d' 0 >/dev/fd/99
		  make -s WHO=forger AT_ONCE=3
		  : >done
		idle:
		  while [ ! -e done ]; do sleep 0.05; done
		  ./job idle
	END
	expect 0 -j4
	[ "$(most)" -eq 3 ]
}

@test "a stream's weight is its make's" {
	orchfile <<-'END'
		heavy:
		  weight = 3
		  make -s WHO=heavy AT_ONCE=3
		  : >done
		idle:
		  while [ ! -e done ]; do sleep 0.05; done
	END
	expect 0 -j4
	[ "$(most)" -eq 3 ]
}

@test "jobserver = off, and MAKEFLAGS of one's own" {
	orchfile <<-'END'
		off:
		  jobserver = off
		  echo "flags: ${MAKEFLAGS-none}"
		  make -s WHO=off
		own:
		  env = MAKEFLAGS=k
		  echo "flags: $MAKEFLAGS"
		unset:
		  unset = MAKEFLAGS
		  echo "flags: ${MAKEFLAGS-none}"
		on: | off own unset
		  echo "flags: $MAKEFLAGS"
	END
	MAKEFLAGS=' -j9 --jobserver-auth=3,4 -- NAME=value' expect 0 -j3
	grep -qx "flags:  -- NAME=value" .orch/runs/*/logs/off.1.log
	grep -qx "flags: k" .orch/runs/*/logs/own.1.log
	grep -qx "flags: none" .orch/runs/*/logs/unset.1.log
	grep -qx "flags:  -j3 --jobserver-auth=98,99 -- NAME=value" .orch/runs/*/logs/on.1.log
	[ "$(most)" -eq 1 ]
}

# client: a client of a jobserver that is a FIFO, as the manual of GNU make has it (no make of before 4.4 and no old cargo
# is one): client.py NAME JOBS [AT-ONCE]. One of its jobs is for nothing, each other one has a token
client() {
	cat >client.py <<-'END'
		import os, re, subprocess, sys, threading

		path = re.findall(r"--jobserver-auth=fifo:(\S+)", os.environ["MAKEFLAGS"])[-1]
		fifo_in, fifo_out = os.open(path, os.O_RDONLY), os.open(path, os.O_WRONLY)
		lock, left, running, failed = threading.Condition(), list(range(int(sys.argv[2]))), 0, 0

		def work(token):
		    global running, failed
		    with lock:
		        if not left:
		            return False
		        name = f"{sys.argv[1]}-{left.pop()}"
		        running += 1
		    status = subprocess.run(["./job", name] + sys.argv[3:]).returncode
		    if token:
		        os.write(fifo_out, token)
		    with lock:
		        running -= 1
		        failed += status != 0
		        lock.notify()
		    return True

		def helper():
		    while True:
		        token = os.read(fifo_in, 1)
		        if not work(token):
		            os.write(fifo_out, token)
		            return

		for _ in range(8):
		    threading.Thread(target=helper, daemon=True).start()
		while work(b""):
		    pass
		with lock:
		    lock.wait_for(lambda: running == 0)
		sys.stdout.flush()
		os._exit(failed > 0)
	END
}

@test "fifo: what finds it by its path has the slots that nobody else needs" {
	client
	orchfile <<-'END'
		defaults:
		  jobserver = fifo
		built:
		  python3 client.py built 12 4
		  echo "flags: $MAKEFLAGS"
		  : >done
		idle: | built
		  echo idle
		checked: | idle
		  check: python3 client.py check 8 4
		  echo checked
		last: | checked
		  jobserver = pipe
		  make -s WHO=make AT_ONCE=4
	END
	expect 0 -j4
	[ "$(most)" -eq 4 ]
	[ "$(grep -c '^-' "$LOG")" -eq 28 ]
	grep -qx "flags:  -j4 --jobserver-auth=fifo:$PWD/.orch/runs/.*/attempts/built.1.tokens" .orch/runs/*/logs/built.1.log
	# nothing is left, and nobody inherits what it does not need
	[ -z "$(find .orch -type p)" ]
	expect 0 -B -j4 idle built
	[ -z "$(find .orch -type p)" ]
}

@test "fifo: never more than there are slots, and never fewer where there is work" {
	client
	orchfile <<-'END'
		one:
		  jobserver = fifo
		  python3 client.py one 20 4
		two:
		  jobserver = fifo
		  python3 client.py two 20 4
		make:
		  make -s WHO=make AT_ONCE=4
		for n in 1 2 3 4 5 6:
		  plain{{n}}:
		    ./job plain{{n}}
		heavy: one two make
		  jobserver = fifo
		  weight = 3
		  python3 client.py heavy 8 3
	END
	expect 0 -j4
	[ "$(most)" -eq 4 ]
	[ "$(grep -c '^-' "$LOG")" -eq 62 ]
}

@test "fifo: who dies with tokens gives them back" {
	client
	orchfile <<-'END'
		defaults:
		  jobserver = fifo
		thief:
		  fifo=${MAKEFLAGS##*=fifo:}
		  exec 8<>"$fifo"
		  dd bs=1 count=1 2>/dev/null <&8 | grep -q +
		  dd bs=1 count=1 2>/dev/null <&8 | grep -q +
		  dd bs=1 count=1 2>/dev/null <&8 | grep -q +
		  kill -9 $$
		after: | thief
		  when = always
		  python3 client.py after 8 4
		killed: | after
		  when = always
		  python3 client.py killed 8 4 &
		  until grep -q '^- killed' "$LOG"; do sleep 0.02; done
		  kill -9 $!
		  exit 1
		last: | killed
		  when = always
		  : >"$LOG"
		  python3 client.py last 8 4
	END
	expect 1 -j4 -k
	[[ "$output" == *"killed by SIGKILL"* ]]
	[ "$(most)" -eq 4 ]
	grep -q '^- last' "$LOG"
	[ -z "$(find .orch -type p)" ]
}

@test "fifo: nothing is made of what was not given, once it has been returned" {
	client
	orchfile <<-'END'
		forger:
		  jobserver = fifo
		  fifo=${MAKEFLAGS##*=fifo:}
		  printf '%01000d' 0 >"$fifo"
		  # eaten, but for what was offered
		  exec 8<>"$fifo"
		  until [ "$(python3 -c 'import array, fcntl, termios; n = array.array("i", [0]); fcntl.ioctl(8, termios.FIONREAD, n); print(n[0])' 8<&8)" -le 1 ]; do sleep 0.05; done
		  python3 client.py forger 8 3
		  : >done
		idle:
		  while [ ! -e done ]; do sleep 0.05; done
		  ./job idle
	END
	expect 0 -j4
	[ "$(most)" -eq 3 ]
}

@test "fifo: an agent's program finds it without the shims, also when orch is gone" {
	client
	orchfile <<-'END'
		agent thing:
		  run: [ "$(command -v make)" = "$MAKE_HERE" ] && { cat client.py | env -u ORCH_JOBSERVER python3 - {{stream}} 8 ${ARGS-}; }
		one:
		  agent = thing
		  jobserver = fifo
		  prompt: do it
		  env = ARGS=4
	END
	MAKE_HERE=$(command -v make) expect 0 -j4
	[ "$(most)" -eq 4 ]
	[ -z "$(find .orch -type p)" ]
	# one that goes on when orch has been killed: its FIFO can still be opened, also by who comes late
	: >"$LOG"
	orchfile <<-'END'
		agent thing:
		  run: echo $PPID >begun; until [ -e go ]; do sleep 0.05; done; python3 client.py late 3; echo "ended $?" >>"$LOG"
		late:
		  agent = thing
		  jobserver = fifo
		  prompt: do it
	END
	"$ORCH" -j4 >out 2>&1 3>&- &
	local orch=$! left=600
	until [ -s begun ]; do
		left=$((left - 1))
		[ $left -gt 0 ]
		sleep 0.05
	done
	kill -9 "$orch"
	wait "$orch" || true
	: >go
	until grep -q ended "$LOG"; do
		left=$((left - 1))
		[ $left -gt 0 ]
		sleep 0.05
	done
	grep -qx "ended 0" "$LOG"
	[ "$(grep -c '^- late' "$LOG")" -eq 3 ]
	# the next run takes it over
	expect 0 -j4
}

@test "fifo: where it cannot be, and in a directory whose name MAKEFLAGS cannot carry" {
	client
	orchfile <<-'END'
		defaults:
		  jobserver = fifo
		boxed:
		  sandbox = worktree
		  echo "flags: ${MAKEFLAGS-none}"
	END
	expect 0 -j4
	grep -qx "flags: none" .orch/runs/*/logs/boxed.1.log
	expect 0 -B -j1
	grep -qx "flags: none" .orch/runs/*/logs/boxed.1.log
	mkdir "a b"
	cd "a b" || return 1
	cp ../job ../Makefile .
	orchfile <<-'END'
		one:
		  jobserver = fifo
		  echo "flags: ${MAKEFLAGS-none}"
		two: one
		  jobserver = fifo
		  true
		three: two
		  make -s WHO=three AT_ONCE=4
	END
	expect 0 -j4
	[ "$(grep -c "cannot stand in MAKEFLAGS" <<<"$output")" -eq 1 ]
	[[ "$output" == *"cannot share their slots"*"'jobserver = pipe'"* ]]
	grep -qx "flags: none" .orch/runs/*/logs/one.1.log
	[ "$(most)" -eq 4 ]
	[ -z "$(find .orch -type p)" ]
}

@test "cargo inside shares them too" {
	command -v cargo >/dev/null || skip "there is no cargo here"
	mkdir -p main/src
	printf '[package]\nname = "main"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n' >main/Cargo.toml
	echo 'fn main() {}' >main/src/main.rs
	for n in 1 2 3 4 5 6; do
		mkdir -p "part$n/src"
		printf '[package]\nname = "part%s"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n' "$n" >"part$n/Cargo.toml"
		: >"part$n/src/lib.rs"
		echo 'fn main() { let job = std::env::var("JOB").unwrap();
			assert!(std::process::Command::new(job).args([env!("CARGO_PKG_NAME"), "3"]).status().unwrap().success()); }' >"part$n/build.rs"
		echo "part$n = { path = \"../part$n\" }" >>main/Cargo.toml
	done
	orchfile <<-'END'
		crate:
		  cd main
		  JOB=$PWD/../job cargo build -q --offline -j 6
	END
	expect 0 -j3
	[ "$(most)" -eq 3 ]
	[ "$(grep -c '^-' "$LOG")" -eq 6 ]
}

# outer: a Makefile whose one recipe runs orch in `inner`, with make's jobserver
outer() {
	mkdir inner
	mv Orchfile job Makefile inner/
	printf 'all: orch $(OTHERS)\norch:\n\t%sMAKEFLAGS="$(MAKEFLAGS)" $(ORCH) -C inner $(ARGS)\nother-%%:\n\t@inner/job $@ $(AT_ONCE)\n' "$1" >Makefile
}

@test "started by a make it takes its slots from there, and gives them back" {
	orchfile <<-'END'
		for n in 1 2 3 4 5 6:
		  s{{n}}:
		    ./job s{{n}} 4
		inside:
		  make -s WHO=inside AT_ONCE=4
	END
	outer +
	run timeout 60 make -j4 OTHERS="other-1 other-2 other-3"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(most)" -eq 4 ]
	[ "$(grep -c '^-' "$LOG")" -eq 17 ]
	# make counts its tokens at its end
	[[ "$output" != *okens* ]]
	# a -j of its own does without
	: >"$LOG"
	sed -i 's/ 4$//' inner/Orchfile
	run timeout 60 make -j2 ARGS="-B -j6 s1 s2 s3 s4 s5 s6"
	[ "$status" -eq 0 ]
	[[ "$output" != *okens* && "$output" == *"6 at once"* ]]
}

@test "started by a make it gives its slots back when it is stopped" {
	orchfile <<-'END'
		for n in 1 2 3:
		  s{{n}}:
		    echo {{n}} >>started
		    exec sleep 60
	END
	outer +
	sed -i 's/^other-/stop:\n\tuntil [ -e inner\/started ] \&\& [ $$(wc -l <inner\/started) -eq 3 ]; do sleep 0.05; done\n\t$(ORCH) -C inner stop\nother-/' Makefile
	run timeout 60 make -k -j4 OTHERS=stop
	echo "$output"
	[ "$status" -eq 2 ]
	[[ "$output" == *"3 cancelled"* && "$output" != *okens* ]]
	# ended by a signal
	rm inner/started
	sed -i 's/$(ORCH) -C inner stop/read pid rest <inner\/.orch\/lock; kill $$pid/' Makefile
	run timeout 60 make -k -j4 OTHERS=stop ARGS=-B
	echo "$output"
	[ "$status" -eq 2 ]
	[[ "$output" == *"SIGTERM"*"3 cancelled"* && "$output" != *okens* ]]
}

@test "a make that does not hand its jobserver on is said" {
	orchfile <<-'END'
		s:
		  :
	END
	outer ''
	run timeout 60 make -j3
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"jobserver of the make around it cannot be reached"*"'+' in front"* ]]
	[[ "$output" == *"4 at once"* ]]
}

@test "an agent's program that closes what it inherits shares them by the shims" {
	cat >agent.py <<-'END'
		import os, subprocess, sys
		# as the real ones: nothing above 2 gets through
		assert subprocess.run(["sh", "-c", "cd /proc/$$/fd; echo *"], capture_output=True, text=True).stdout.split()[-1] < "4"
		sys.exit(subprocess.run(["make", "-s", "WHO=" + sys.argv[1]] + sys.argv[2:]).returncode)
	END
	orchfile <<-'END'
		agent thing:
		  run: python3 agent.py {{stream}} ${ARGS-}
		two:
		  agent = thing
		  prompt: do it
		  env = ARGS=AT_ONCE=4
		one:
		  agent = thing
		  prompt: do it
		  check: make -s WHO=check
		alone: one two
		  agent = thing
		  jobserver = off
		  prompt: do it
		  check: ! command -v make | grep shims
	END
	expect 0 -j4
	[ "$(most)" -eq 4 ]
	[ "$(grep -c '^-' "$LOG")" -eq 32 ]
	[ -z "$(find .orch -type p)" ]
	# alone it had but its own slot
	grep ' alone-' "$LOG" >alone
	[ "$(LOG=alone most)" -eq 1 ]
}

@test "an agent killed in the middle gives its slots back" {
	orchfile <<-'END'
		agent thing:
		  run: setsid make -s WHO=killed AT_ONCE=4 & until grep -q -- - "$LOG"; do sleep 0.02; done; kill -9 $$
		killed:
		  agent = thing
		  prompt: do it
		after: | killed
		  when = always
		  : >"$LOG"
		  make -s WHO=after AT_ONCE=4
	END
	expect 1 -j4 -k
	[ "$(most)" -eq 4 ]
}
