# What the work of agents costs: in the summary, in reports, in the history. $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE GIT_DIR GIT_WORK_TREE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	cat >Orchfile <<'END'
agent paid:
	run: sh pay {{prompt}}
	cost = /^PAID cost=(?<cost>[0-9.]+)/
	tokens = /^PAID .*tokens=(?<tokens>[0-9]+)/

defaults:
	isolate = none

dear:
	agent = paid
	prompt: 1.25 3000

cheap: dear
	agent = paid
	prompt: 0.004 70

script: cheap
	echo no agent
END
	cat >pay <<'END'
set -- $(grep -E '^[0-9.]+ [0-9]+$' "$1")
echo "PAID cost=$1 tokens=$2"
END
}

json() {
	python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["v"] == 1; print(eval(sys.argv[1]))' "$1"
}

twice() {
	"$ORCH" >/dev/null 2>&1
	sed -i 's/1\.25 3000/2.5 5000/' Orchfile
	"$ORCH" -B --report run.html --report run.md --report run.json --report run.xml --report run.trace.json --report run.tsv >/dev/null 2>&1
}

@test "the summary and the end of the run say what it cost" {
	run "$ORCH"
	[ "$status" -eq 0 ]
	[[ "$output" == *", cost 1.25"* ]]
	grep '"type":"run_finished"' .orch/runs/*/journal.jsonl | grep -q '"cost_micros":1254000,"tokens":3070'
	[ "$("$ORCH" status --json | json '[d["status"]["cost_micros"], [s.get("cost_micros") for s in d["status"]["streams"]]]')" = "[1254000, [1250000, 4000, None]]" ]
	printf 'x:\n\techo\n' >None
	run "$ORCH" -f None
	[[ "$output" != *cost* ]]
	[ "$(grep -l cost_micros .orch/runs/*/journal.jsonl | wc -l)" -eq 1 ]
}

@test "reports have it, with the run before" {
	twice
	# a card, the streams with the dearest first, each attempt, and the comparison
	grep -q '<p class="k">Cost</p><p class="v">2.50</p><p class="n">5070 tokens</p>' run.html
	python3 - <<'END'
import re
page = open("run.html").read()
section = re.search(r'<section id="cost">.*?</section>', page, re.S).group(0)
rows = [re.sub(r"<[^>]*>", "|", row) for row in re.findall(r"<tr><td>.*?</tr>", section)]
rows = [[cell for cell in row.split("|") if cell] for row in rows]
assert rows == [["dear", "paid", "1", "5000", "2.50", "1.25"], ["cheap", "paid", "1", "70", "0.0040", "0.0040"]], rows
assert re.search(r'<tr><td>cost</td><td class="num">1.25</td><td class="num">2.50</td><td class="num worse">\+99 %</td></tr>', page), "comparison"
END
	grep -q 'cost \*\*2.50\*\* (the run before: 1.25)' run.md
	grep -q '| <code>dear</code> | completed | [0-9.]*s | 2.50 |' run.md
	[ "$(json '[d["cost_micros"], d["tokens"], d["before"]["cost_micros"]]' <run.json)" = "[2504000, 5070, 1254000]" ]
	[ "$(json '[(s.get("agent"), s.get("cost_micros"), s["attempts"][0].get("cost_micros")) for s in d["streams"]]' <run.json)" = "[('paid', 2500000, 2500000), ('paid', 4000, 4000), (None, None, None)]" ]
	python3 -c 'import json
events = [e for e in json.load(open("run.trace.json"))["traceEvents"] if e["ph"] == "X"]
assert [e["args"].get("cost_micros") for e in events] == [2500000, 4000, None], events'
	xmllint --noout --schema "$srcdir/tests/data/junit/junit.xsd" run.xml
}

@test "reports without agents say nothing of cost" {
	printf 'x:\n\techo\n' >None
	"$ORCH" -f None --report run.html --report run.md --report run.json >/dev/null 2>&1
	run ! grep -i '>cost<' run.html
	run ! grep -i cost run.md run.json
}

@test "the history of runs and of streams has it" {
	twice
	run "$ORCH" history
	[[ "${lines[1]}" == *"  cost 2.50" ]]
	[[ "${lines[2]}" == *"  cost 1.25" ]]
	[ "$("$ORCH" history --json | json '[r["cost_micros"] for r in d["runs"]]')" = "[2504000, 1254000]" ]
	run "$ORCH" history dear
	[[ "$output" == *"cost 2.50"*"cost 1.25"*"; cost 3.75 in all"* ]]
	[ "$("$ORCH" history dear --json | json '[d["cost_micros"], [r["cost_micros"] for r in d["runs"]]]')" = "[3750000, [2500000, 1250000]]" ]
	run "$ORCH" history --streams
	[[ "${lines[0]}" == *COST ]]
	[[ "$output" == *"dear"*"1.88"* ]]
	[ "$("$ORCH" history --streams --json | json '{s["stream"]: s.get("cost_micros") for s in d["streams"]}["script"]')" = None ]
}

@test "by account, where there are several: status, summary, reports, history; and of what budget" {
	cat >>Orchfile <<'END'

agent other: paid:
	account = company

more: dear
	agent = other
	prompt: 0.5 10
END
	run "$ORCH" --budget 10 --report run.html --report run.md --report run.json
	[ "$status" -eq 0 ]
	[[ "$output" == *$'\naccounts: paid 1.25, company 0.50'* ]]
	run "$ORCH" status
	[[ "$output" == *$'\nAll agents: cost 1.75, 3080 tokens; the budget is 10.00\nAccount paid: cost 1.25, 3070 tokens\nAccount company: cost 0.50, 10 tokens\n'* ]]
	run "$ORCH" status dear
	[[ "$output" == *$'\n  agent     paid, cost 1.25, 3000 tokens\n'* ]]
	[ "$("$ORCH" status --json | json '[(a["account"], a["cost_micros"], a["tokens"]) for a in d["status"]["accounts"]], d["status"]["budget_micros"]')" = "([('paid', 1254000, 3070), ('company', 500000, 10)], 10000000)" ]
	[ "$(json '[(a["account"], a["cost_micros"]) for a in d["accounts"]]' <run.json)" = "[('paid', 1254000), ('company', 500000)]" ]
	grep -q 'cost \*\*1.75\*\*; <code>paid</code> 1.25, <code>company</code> 0.50' run.md
	grep -q '<tr><td>company</td><td class="num">10</td><td class="num">0.50</td></tr>' run.html
	"$ORCH" -B >/dev/null 2>&1
	run "$ORCH" history
	[[ "$output" == *$'\naccount paid: cost 2.51, 6140 tokens\naccount company: cost 1.00, 20 tokens' ]]
	[ "$("$ORCH" history --json | json '[(a["account"], a["cost_micros"]) for a in d["accounts"]]')" = "[('paid', 2508000), ('company', 1000000)]" ]
}
