# What one sees of a run: lines, output of streams, JSON, CI services, the live view, and a run looked at from outside.
# $ORCH names the program. The live view is looked at in a tmux of the test's own.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE CLICOLOR GITHUB_ACTIONS GITHUB_STEP_SUMMARY GITLAB_CI TMUX
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	export LC_ALL=C.UTF-8
	events=$BATS_TEST_DIRNAME/../../doc/events.md
}

teardown() {
	cd "$BATS_TEST_TMPDIR" || return 1
	: >go
	[ -z "${socket-}" ] || tmux -L "$socket" kill-server 2>/dev/null || true
	[ -z "${background-}" ] || { kill -9 "$background"; wait "$background"; } 2>/dev/null || true
}

# two that fail, two that are skipped for it, one that is well; what it prints must not reach a terminal as it is
mixed() {
	cat >Orchfile <<'END'
ok "All is well":
	echo fine
	printf '\033[31mred\033[0m \033[2J\033]0;title\007over\rwritten\n'
	printf '::error::injected\n##[error]injected\n'
bad "It fails": ok
	seq 30
	echo oops >&2
	exit 3
after: bad
	true
later: after
	true
sig: ok
	kill -SEGV $$
END
}

# wait_for COMMAND...: until it succeeds
wait_for() {
	local i
	for i in $(seq 150); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	echo "waited in vain: $*"
	return 1
}

@test "-O none, stream and line; the end of a failed log with the command to see the rest" {
	mixed
	run --separate-stderr "$ORCH" -j1 -k -O none
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[[ "$stderr" == *"orch: FAILED bad "*": exit status 3"*$'\n    | 30\n    | oops\n    orch logs bad\n'* ]]
	[[ "$stderr" != *$'| 1\n'* ]]
	[[ "$stderr" == *"orch: FAILED sig "*": killed by SIGSEGV"*$'\n    without output\n'* ]]
	rm -r .orch
	run --separate-stderr "$ORCH" -j1 -k -O stream
	[ "$status" -eq 1 ]
	[[ "$output" == "==> ok <=="$'\nfine\n'*$'\n==> bad <==\n1\n2\n'*$'\n30\noops' ]]
	[[ "$stderr" != *"| oops"* ]]
	rm -r .orch
	run --separate-stderr "$ORCH" -j1 -k -O line
	[ "${lines[0]}" = "ok | fine" ]
	[[ "$output" == *$'\nbad | 30\nbad | oops' ]]
	# elsewhere than on a terminal the default is a stream at a time
	rm -r .orch
	run --separate-stderr "$ORCH" -k
	[[ "$output" == "==> ok <=="* ]]
}

@test "the summary: who failed, who was skipped and why, time, sum, speedup, the next step" {
	mixed
	run --separate-stderr "$ORCH" -k
	[ "$status" -eq 1 ]
	summary=${stderr##*orch: }
	echo "$summary"
	[[ "$summary" == *$'\n  failed   bad: exit status 3 (orch logs bad)\n'* ]]
	[[ "$summary" == *$'\n  failed   sig: killed by SIGSEGV (orch logs sig)\n'* ]]
	[[ "$summary" == *$'\n  skipped   after: depends on bad, which failed\n'* ]]
	[[ "$summary" == *$'\n  skipped   later: depends on after, which was skipped\n'* ]]
	[[ "$summary" == *$'\n5 streams: 1 completed, 2 failed, 2 skipped\n'* ]]
	[[ "$summary" == *$'\ntime '*", streams "*", speedup "*$'\nnext: mend what failed, then run '* ]]
}

@test "the summary of many streams shows the ends of logs again" {
	mixed
	printf 's%s:\n\techo\n' 1 2 3 4 5 6 >>Orchfile
	run --separate-stderr "$ORCH" -k -O none
	[ "$(grep -c '| oops' <<<"$stderr")" -eq 2 ]
	[[ "$stderr" == *$'\n  failed   bad: exit status 3\n      | 22\n'*$'      | oops\n      orch logs bad\n'* ]]
	[[ "$stderr" == *$'\n  failed   sig: killed by SIGSEGV\n      without output\n'* ]]
}

@test "-s, -v, --progress" {
	mixed
	run --separate-stderr "$ORCH" -s ok
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
	rm -r .orch
	for options in -s "--progress quiet"; do
		# shellcheck disable=SC2086
		run --separate-stderr "$ORCH" -k $options
		[ "$status" -eq 1 ]
		[ -z "$output" ]
		[[ "$stderr" == "orch: FAILED "* ]]
		[[ "$stderr" != *"orch: start"* && "$stderr" != *"orch: skip"* ]]
		[[ "$stderr" == *"5 streams: 1 completed, 2 failed, 2 skipped"* ]]
		rm -r .orch
	done
	run --separate-stderr "$ORCH" --progress plain -v ok
	[[ "$stderr" == "orch: run "*"orch: start  ok (1/1): never completed"*"orch: done   ok (1/1) in "* ]]
	run --separate-stderr "$ORCH" ok
	[ -z "$output" ]
	[ "$stderr" = "orch: nothing to do: 1 stream is complete" ]
}

@test "colours: only on a terminal, CLICOLOR_FORCE, NO_COLOR, --color" {
	mixed
	run --separate-stderr "$ORCH" -k -O none
	[[ "$stderr" != *$'\033'* ]]
	rm -r .orch
	CLICOLOR_FORCE=1 run --separate-stderr "$ORCH" -k -O none
	[[ "$stderr" == *$'\033[31mFAILED'* || "$stderr" == *$'\033[1;31mFAILED'* ]]
	rm -r .orch
	NO_COLOR=1 CLICOLOR_FORCE=1 run --separate-stderr "$ORCH" -k -O none
	[[ "$stderr" != *$'\033'* ]]
	rm -r .orch
	NO_COLOR=1 run --separate-stderr "$ORCH" -k -O none --color=always
	[[ "$stderr" == *$'\033['*FAILED* ]]
}

@test "--json: nothing but events on standard output, as doc/events.md says" {
	mixed
	sed -i '/^sig/i slow:\n\techo x\n\tfalse\n' Orchfile
	cat >conforms <<'END'
import json, re, sys

documented, name = {}, None
for line in open(sys.argv[1]):
    if line.startswith("### `"):
        name = line.split("`")[1]
        documented[name] = set()
    elif line.startswith("## "):
        name = None
    elif name and not line.startswith("{"):
        documented[name] |= set(re.findall(r"`([a-z_]+)`", line))
seq, seen, states = 0, [], {}
for line in sys.stdin:
    assert line.endswith("\n"), line
    event = json.loads(line)
    assert list(event)[:4] == ["v", "seq", "time", "type"], line
    assert event["v"] == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]), line
    kind = event["type"]
    seq += kind != "output"
    assert event["seq"] == seq, line
    extra = set(event) - {"v", "seq", "time", "type"} - documented[kind]
    assert not extra, (kind, extra)
    assert None not in event.values(), line
    if kind == "task":
        states[event["stream"]] = event["state"]
    seen.append(kind)
assert seen[0] == "run_started" and seen[-1] == "run_finished", seen
assert event["exit_code"] == int(sys.argv[2]), event
print(*("%s=%s" % pair for pair in sorted(states.items())))
END
	run --separate-stderr "$ORCH" -k --json --retries 1
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"FAILED"* ]]
	run python3 conforms "$events" 1 <<<"$output"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "after=skipped bad=failed later=skipped ok=completed sig=failed slow=failed" ]
	run --separate-stderr "$ORCH" --json ok
	[ "$status" -eq 0 ]
	[ -z "$output" ] || python3 conforms "$events" 0 <<<"$output"
	"$ORCH" -n --json | python3 -m json.tool >/dev/null
}

@test "GitHub: groups, annotations, a summary" {
	mixed
	export CI=true GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=$PWD/summary
	run --separate-stderr "$ORCH" -j1 -k
	[ "$status" -eq 1 ]
	echo "$output"
	[[ "$output" == *$'::group::ok\n::stop-commands::'*$'\nfine\n'*$'\n::endgroup::\n'*"::error title=orch%3A bad failed::exit status 3%0A"*"oops%0Aorch logs bad"* ]]
	# what a stream prints is no command: between stop-commands and its token
	token=$(sed -n 's/^::stop-commands:://p' <<<"$output" | head -n 1)
	[[ "$output" == *"stop-commands::$token"*$'\n::error::injected\n'*"::$token::"* ]]
	grep -qF '| bad | **exit status 3** | 1 |' summary
	grep -qF 'skipped: depends on bad, which failed' summary
	grep -q '^### orch: 1 completed, 2 failed, 2 skipped' summary
	grep -qE '^Time [0-9.]+s, streams [0-9.]+s$' summary
}

@test "GitLab: sections" {
	mixed
	CI=true GITLAB_CI=true run --separate-stderr "$ORCH" -j1 -k
	[ "$status" -eq 1 ]
	[[ "$output" =~ ^section_start:[0-9]+:orch_1\[collapsed=true\]$'\r\033[0Kok\nfine\n' ]]
	[[ "$output" =~ section_end:[0-9]+:orch_1$'\r\033[0K' ]]
}

# ---- on a terminal ----

# terminal COLUMNS ROWS ARGUMENT...: orch in a terminal of that size; then "end STATUS", and whether what is typed is echoed
terminal() {
	local size=(-x "$1" -y "$2")
	shift 2
	socket=orch-output-$$-$BATS_TEST_NUMBER
	printf '%s\n' 'trap : INT' 'echo before' "'$ORCH' $*" 'echo "end $?"' 'case $(stty -a) in *" -echo "*) echo silent;; *) echo echoes;; esac' 'exec sleep 1000' >.sh
	tmux -f /dev/null -L "$socket" new-session -d "${size[@]}" "sh '$PWD/.sh'"
}

screen() {
	tmux -L "$socket" capture-pane -p "$@"
}

on_screen() {
	screen | grep -qE -- "$1"
}

# shows REGEX: waits for a line
shows() {
	wait_for on_screen "$1" || { screen; return 1; }
}

cursor() {
	tmux -L "$socket" display -p '#{cursor_flag}'
}

six() {
	cat >Orchfile <<'END'
wide "Wide characters":
	i=0
	while [ -e Orchfile ] && [ ! -e go ]; do
		i=$((i+1))
		printf '\033[31m日本語の出力です\033[0m \033[2J\033[9;9H\033]0;t\007%d 🎉 %s\n' $i "$(printf 'long %.0s' $(seq 30))"
		sleep 0.1
	done
for n in 2 3 4 5 6:
	s{{n}} "Stream number {{n}}":
		sleep 0.2
		echo working on {{n}}
		while [ -e Orchfile ] && [ ! -e go ]; do sleep 0.1; done
last: wide s2 s3
	echo last
	exit 4
after: last
	true
END
}

@test "live: six streams at 80x24, resized, typed over, and a clean end" {
	six
	terminal 80 24 -j6
	shows '^▸ s6 .* working on 6$'
	shows '日本語の出力です *[0-9]+ 🎉 long'
	screen
	[ "$(screen | grep -c .)" -eq 8 ]
	[ "$(screen | head -n 1)" = before ]
	shows '^\[0/8\] 6 running, 2 waiting  [0-9]+s$'
	[ "$(cursor)" = 0 ]
	tmux -L "$socket" resize-window -x 40 -y 6
	shows '^\[0/8\] 6 running, 2 waiting'
	tmux -L "$socket" resize-window -x 100 -y 30
	shows '^▸ s6 .* working on 6$'
	# what is typed moves nothing
	tmux -L "$socket" send-keys x y Enter Enter Enter
	second=$(screen | sed -n 's/^\[0.*  //p')
	later() { [ "$(screen | sed -n 's/^\[0.*  //p')" != "$second" ]; }
	wait_for later
	screen
	[ "$(screen | grep -c '^▸ s2')" -eq 1 ]
	: >go
	shows '^end 1$'
	screen
	[ "$(screen | grep -c '^▸')" -eq 0 ]
	[ "$(screen | grep -c '^✓')" -eq 6 ]
	shows '^✗ last  exit status 4'
	shows '^    \| last$'
	shows '^  failed   last: exit status 4 \(orch logs last\)$'
	shows '^  skipped   after: depends on last, which failed$'
	shows '^8 streams: 6 completed, 1 failed, 1 skipped$'
	[ "$(cursor)" = 1 ]
	shows '^echoes$'
}

@test "live: Ctrl-C" {
	six
	terminal 80 24 -j6
	shows '^\[0/8\] 6 running'
	tmux -L "$socket" send-keys C-c
	shows '^end 130$'
	screen
	[ "$(screen | grep -c '^▸')" -eq 0 ]
	[ "$(screen | grep -c -F '^C')" -eq 0 ]
	shows 'stopped: .*SIGINT'
	shows "^next: run 'orch.*' again to continue"
	[ "$(cursor)" = 1 ]
	shows '^echoes$'
}

@test "live: 200 running streams in 24 lines" {
	printf 'for n in %s:\n\ts{{n}}:\n\t\twhile [ -e Orchfile ] && [ ! -e go ]; do sleep 0.5; done\n' "$(seq 200 | tr '\n' ' ')" >Orchfile
	terminal 80 24 -j200
	shows '^\[0/200\] 200 running'
	screen
	shows '[0-9]+ more'
	[ "$(screen | grep -c .)" -le 24 ]
	: >go
	shows '^end 0$'
	shows '^200 streams: 200 completed$'
	[ "$(cursor)" = 1 ]
	[ "$(screen | grep -c '^▸')" -eq 0 ]
}

@test "on a terminal: what a stream prints cannot disturb it; TERM=dumb is plain" {
	mixed
	terminal 80 70 -j1 -k -O stream --progress plain
	shows '^end 1$'
	shows '^before$'
	shows '^::error::injected$'
	[ "$(tmux -L "$socket" display -p '#{pane_title}')" != title ]
	tmux -L "$socket" kill-server
	rm -r .orch
	printf '%s\n' 'export TERM=dumb' "'$ORCH' -k -O none" 'echo "end $?"' 'exec sleep 1000' >.sh
	tmux -f /dev/null -L "$socket" new-session -d -x 80 -y 40 "sh '$PWD/.sh'"
	shows '^end 1$'
	shows '^orch: FAILED bad '
	[ "$(screen -e | grep -c $'\033')" -eq 0 ]
}

# ---- from outside ----

@test "status, logs and history while a run is under way" {
	cat >Orchfile <<'END'
first:
	echo one
second "The second": first
	echo two
	echo 'to be found'
	while [ -e Orchfile ] && [ ! -e go ]; do sleep 0.1; done
	echo three
third: second
	true
other:
	true
END
	"$ORCH" -j1 -O none >/dev/null 2>&1 3>&- &
	background=$!
	is_running() { "$ORCH" status | grep -q '^running .*second' && "$ORCH" logs second | grep -q found; }
	wait_for is_running
	run "$ORCH" status
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "Run "*"under way for "*", process $background" ]]
	[ "${lines[1]}" = "1 running, 2 waiting, 1 completed" ]
	[[ "$output" == *"waiting "*"other"*"waits for a slot"* ]]
	[[ "$output" == *"running "*"second"*"to be found"* ]]
	[[ "$output" == *"waiting "*"third"*"waits for second"* ]]
	[ "$("$ORCH" status --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["v"], d["state"], d["status"]["states"]["running"])')" = "1 running 1" ]
	run "$ORCH" status second
	[[ "$output" == *"to be found"* ]]
	run "$ORCH" logs second
	[ "$output" = $'two\nto be found' ]
	run "$ORCH" logs second --grep 'f.und'
	[ "$output" = 'to be found' ]
	run "$ORCH" logs
	[[ "$output" == *"second | two"* ]]
	run "$ORCH" history
	[[ "${lines[1]}" == *running* ]]
	timeout 20 "$ORCH" logs -f second >followed 3>&- &
	follower=$!
	wait_for grep -q found followed
	: >go
	wait "$follower"
	[ "$(tail -n 1 followed)" = three ]
	wait "$background"
	background=
	run "$ORCH" status
	[[ "${lines[0]}" == "Run "*"finished in "*"exit status 0" ]]
	run timeout 20 "$ORCH" status --watch
	[ "$status" -eq 0 ]
	[[ "$output" == *"4 completed"* ]]
	run "$ORCH" history
	[[ "${lines[1]}" == *"status  0"* ]]
	[ "$("$ORCH" history --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["v"], len(d["runs"]), d["runs"][0]["completed"])')" = "1 1 4" ]
}

@test "status --watch on a terminal: a stream is a line; Ctrl-C ends the watching only" {
	six
	"$ORCH" -j6 -O none >/dev/null 2>&1 3>&- &
	background=$!
	is_running() { "$ORCH" status | grep -q 'long long'; }
	wait_for is_running
	terminal 60 24 status --watch
	shows '^waiting +last +- +waits for wide, s2, s3$'
	screen
	[ "$(screen | grep -c '^running')" -eq 6 ]
	[ "$(screen | grep -c '^ *long')" -eq 0 ]
	tmux -L "$socket" send-keys C-c
	shows 'end 130$'
	[ "$(cursor)" = 1 ]
	kill -0 "$background"
	: >go
	wait "$background" || [ $? -eq 1 ]
	background=
}

@test "what is to be run again is repeated if it is short" {
	printf 'for n in %s:\n\tstream-{{n}}:\n\t\t[ ! -e fail ]\n' "$(seq 50 | tr '\n' ' ')" >Orchfile
	: >fail
	run --separate-stderr "$ORCH" -k -j4 stream-1 stream-2
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"next: mend what failed, then run '"*"stream-1 stream-2' again; what completed is not repeated"* ]]
	run --separate-stderr "$ORCH" -k -j4 $(seq -f stream-%g 50)
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"next: mend what failed, then run the same command again; what completed is not repeated"* ]]
}

@test "status, logs and history after orch was killed" {
	printf 'a:\n\techo begun\n\twhile [ -e Orchfile ] && [ ! -e go ]; do sleep 0.1; done\nb: a\n\ttrue\n' >Orchfile
	"$ORCH" -O none >/dev/null 2>&1 3>&- &
	background=$!
	is_running() { "$ORCH" logs a | grep -q begun; }
	wait_for is_running
	kill -9 "$background"
	wait "$background" || true
	background=
	run "$ORCH" status
	[ "$status" -eq 0 ]
	echo "$output"
	[[ "${lines[0]}" == "Run "*"crashed"* ]]
	[[ "$output" == *" a "* ]]
	run "$ORCH" logs a
	[ "$output" = begun ]
	run "$ORCH" history
	[[ "${lines[1]}" == *crashed* ]]
	: >go
	run --separate-stderr timeout 30 "$ORCH" -j2
	[ "$status" -eq 0 ]
	run "$ORCH" status
	[[ "${lines[0]}" == *"finished in "* ]]
}
