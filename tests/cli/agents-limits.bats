# Usage limits that end in seconds: thirty streams on three accounts, a restart while an account is held, what the views say.
# $ORCH names the program.

bats_require_minimum_version 1.5.0

load ../lib/orch

setup() {
	orch_setup
	unset XDG_CONFIG_HOME
	export HOME=$BATS_TEST_TMPDIR/home GIT_CEILING_DIRECTORIES=$BATS_TEST_TMPDIR
	mkdir -p "$HOME/.config/orch"
	# the rules that ship, but for the minutes that they add
	{
		sed -n '/^recover usage-limit-event:/,/^$/p' "$srcdir/src/lang/agents.orch"
		sed -n '/^recover usage-limit:/,/^$/p' "$srcdir/src/lang/agents.orch"
	} | sed 's/^\tscope .*/&\n\tmargin  = 0s/' >"$HOME/.config/orch/agents.orch"
	[ "$(grep -c margin "$HOME/.config/orch/agents.orch")" -eq 2 ]
	cp "$BATS_TEST_DIRNAME/../lib/metered.py" .
}

teardown() { orch_teardown; }

# three agents, each of a program of its own, whose accounts allow so many prompts between limits
accounts() { # prompts, seconds
	local name
	for name in claude codex qwen; do
		printf 'agent %s: %s:\n' "my-$name" "$name"
		printf '\trun: python3 metered.py %s %s %s run %s < {{prompt}}\n' "$name" "$1" "$2" \
			"$([ $name = codex ] && echo - || echo '{{session}}')"
		printf '\tresume: python3 metered.py %s %s %s resume {{session}} < {{prompt}}\n' "$name" "$1" "$2"
	done
}

@test "thirty streams come through two limits of each of three accounts" {
	{
		accounts 4 1
		printf 'project:\n\tjobs = 9\ndefaults:\n\tisolate = none\n\tretries = 0\n'
		for i in $(seq 0 29); do
			set -- claude codex qwen
			shift $((i % 3))
			printf 's%d:%s\n\tagent = my-%s\n\tprompt: Make it.\n' "$i" "$([ "$i" -lt 20 ] || echo " s$((i - 19))")" "$1"
		done
	} >Orchfile
	expect 0
	[[ "$output" == *'30 streams: 30 completed'* ]]
	[ ! -e .orch/holds ]
	python3 - <<'E'
import collections, glob, json
calls = [json.loads(line) for line in open("calls.jsonl")]
limits = collections.Counter(c["account"] for c in calls if c["began_limit"])
assert limits == {"claude": 2, "codex": 2, "qwen": 2}, limits
events = [json.loads(line) for name in glob.glob(".orch/runs/*/journal.jsonl") for line in open(name)]
# what is tried again goes on with its session, and a limit counts against no retry
by_stream = collections.defaultdict(list)
for call in calls:
    by_stream[call["stream"]].append(call)
assert len(by_stream) == 30
refused = 0
for stream, tries in by_stream.items():
    assert [t["refused"] for t in tries] == [True] * (len(tries) - 1) + [False], (stream, tries)
    assert len({t["session"] for t in tries if t["session"] != "-"}) == 1 and all(t["how"] == "resume" for t in tries[1:]), (stream, tries)
    refused += len(tries) - 1
# those that were at work when it came to the limit, and nobody after that: nine slots, three accounts
assert 6 <= refused <= 6 * 9, refused
E
}

@test "orch is killed while an account is held: the next one waits for the rest of it" {
	{
		accounts 1 4
		printf 'defaults:\n\tisolate = none\n'
		for i in 1 2 3; do printf 's%d:\n\tagent = my-claude\n\tprompt: Make it.\n' "$i"; done
	} >Orchfile
	export METERED_LIMITS=1
	background -j1
	until_true grep -q 'is held until' "$BATS_TEST_TMPDIR/out"
	until_true is s2 held
	kill -KILL "$pid"
	wait "$pid" || true
	pid=
	[ "$(wc -l <.orch/holds)" -eq 1 ]
	expect 0 -j1
	# nobody asked in between
	python3 - <<'E'
import json
calls = [json.loads(line) for line in open("calls.jsonl")]
assert sum(c["refused"] for c in calls) == sum(c["began_limit"] for c in calls) == 1, calls
assert [(c["stream"], c["how"], c["refused"]) for c in calls] == [
    ("s1", "run", False), ("s2", "run", True), ("s2", "resume", False), ("s3", "run", False)], calls
assert len({c["session"] for c in calls}) == 3
E
	[ ! -e .orch/holds ]
}

# members of the picture that orch status --json has
picture() { "$ORCH" status --json | python3 -c 'import json, sys; d = json.load(sys.stdin)["status"]; print(eval(sys.argv[1]))' "$1"; }

@test "what is held, why and until when: in status, summary, on the screen; 'orch resume' ends it" {
	{
		accounts 1 600
		printf 'defaults:\n\tisolate = none\n'
		for i in 1 2; do printf 's%d:\n\tagent = my-claude\n\tprompt: Make it.\n' "$i"; done
	} >Orchfile
	background -j1
	until_true is s2 held
	run "$ORCH" status
	echo "$output"
	[[ "$output" =~ 'under way for '.*', about 10m'.*' left' || "$output" =~ 'under way for '.*', about 9m'.*' left' ]]
	[[ "$output" =~ $'\n'"Account claude: held until "[0-9]{2}:[0-9]{2}:[0-9]{2}" ("[0-9ms]*" left): rule 'usage-limit-event', by stream 's2'"$'\n' ||
		"$output" =~ $'\n'"Account claude: held until 20"[-0-9\ :]*" ("[0-9ms]*" left): rule 'usage-limit-event', by stream 's2'"$'\n' ]]
	[ "$(picture '[a["account"] for a in d["accounts"] if "held" in a and "until" in a]')" = "['claude']" ]
	# the next limit is far away
	sed -i 's/"limits": 1/"limits": 2/; s/"until": [0-9]*/"until": 1/' meter.claude
	"$ORCH" resume
	ends 0
	[ "$(picture '[a["account"] for a in d["accounts"] if "held" in a]')" = '[]' ]
	grep -q '"type":"account_held","account":"claude","until":"20.*Z","message":"rule ' .orch/runs/*/journal.jsonl
	grep -q '"type":"account_free","account":"claude","message":' .orch/runs/*/journal.jsonl
}

@test "a run that ends with 75 says when to go on; what a person ended since is not held" {
	{
		accounts 0 600
		printf 'defaults:\n\tisolate = none\na:\n\tagent = my-codex\n\tprompt: Make it.\n'
	} >Orchfile
	expect 75 --limit-wait 1s
	[[ "$output" =~ "next: account 'codex' is held until "[-0-9\ :]*"; 'orch resume' ends that before" ]]
	# the next run is told of it too
	expect 75 --limit-wait 1s
	[ "$(wc -l <calls.jsonl)" -eq 1 ]
	[ "$(picture '[a["held"] for a in d["accounts"]]')" = "[\"rule 'usage-limit', by stream 'a'\"]" ]
	"$ORCH" resume
	[ "$(picture '[a for a in d["accounts"] if "held" in a]')" = '[]' ]
}
