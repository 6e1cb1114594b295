# The example with ssh, against an sshd that this test starts on the loopback interface. $ORCH names the program, $srcdir the source
# directory.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}" "${srcdir:?names the source directory}"
	sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd) || { echo 'sshd is not installed (Debian: openssh-server)'; return 1; }
	cd "$BATS_TEST_TMPDIR" || return 1
	orch= daemon=
	# a directory that it wants, and that a system without a running sshd may lack
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f host_key
	ssh-keygen -q -t ed25519 -N '' -f key
	cp key.pub authorized_keys
	chmod 600 authorized_keys
	start_sshd
	export host=127.0.0.1
	export ssh="ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=$PWD/known -o LogLevel=ERROR -i $PWD/key -p $port"
	cp -R "$srcdir/examples/runner-ssh" example
	chmod -R u+w example
	rm -rf example/.orch example/out
}

# on a port that is free: who else wants it makes it fail, and then it is another one
start_sshd() {
	local try until
	for try in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + (RANDOM + $$) % 30000))
		cat >sshd_config <<-C
			Port $port
			ListenAddress 127.0.0.1
			HostKey $PWD/host_key
			PidFile none
			AuthorizedKeysFile $PWD/authorized_keys
			StrictModes no
			UsePAM no
			PasswordAuthentication no
			MaxStartups 100
		C
		"$sshd" -D -e -f "$PWD/sshd_config" >sshd.log 2>&1 3>&- &
		daemon=$!
		until=$((SECONDS + 30))
		while kill -0 "$daemon" 2>/dev/null && [ "$SECONDS" -lt "$until" ]; do
			! grep -q 'Server listening' sshd.log || return 0
			sleep 0.05
		done
		wait "$daemon" || :
	done
	cat sshd.log
	return 1
}

# only what a test itself started, by its id
teardown() {
	touch example/go
	[ -z "$orch" ] || kill -KILL "$orch" 2>/dev/null || :
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :
	wait
}

wait_for() {
	local until=$((SECONDS + 30))
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$until" ] || { echo "waited in vain for: $*"; cat out; return 1; }
		sleep 0.05
	done
}

@test "the example runs over there, and then has nothing to do" {
	run -0 "$ORCH" -C example -j4
	[[ $output == *'5 streams: 5 completed'* ]]
	[ "$(grep -c 'counted by a shell of ssh' example/out/total.txt)" -eq 4 ]
	run -0 "$ORCH" -C example -j4
	[[ $output == *'nothing to do'* ]]
}

@test "orch is killed, and the connection breaks: what runs over there goes on, once" {
	printf '\nlong:\n\techo begun >>begun; until test -e go; do sleep 0.05; done; echo over >>over\n' >>example/Orchfile
	"$ORCH" -C example long >out 2>&1 3>&- &
	orch=$!
	wait_for test -s example/begun
	kill -KILL "$orch"
	wait "$orch" || :
	kill "$daemon"
	wait "$daemon" || :
	"$ORCH" -C example long >out 2>&1 3>&- &
	orch=$!
	wait_for grep -q 'cannot be asked' out
	start_sshd
	touch example/go
	wait "$orch"
	orch=
	[ "$(cat example/begun)" = begun ]
	[ "$(cat example/over)" = over ]
}

@test "a stop ends what runs over there" {
	printf '\nlong:\n\techo $$ >pid; while :; do sleep 0.05; done\n' >>example/Orchfile
	"$ORCH" -C example long >out 2>&1 3>&- &
	orch=$!
	wait_for test -s example/pid
	kill -INT "$orch"
	local status=0
	wait "$orch" || status=$?
	orch=
	[ "$status" -eq 130 ]
	! kill -0 "$(cat example/pid)" 2>/dev/null
}
