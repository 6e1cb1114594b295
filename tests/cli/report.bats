# Reports: orch report and --report, each format, what is escaped, a run under way, and the page in a browser.
# $ORCH names the program.

bats_require_minimum_version 1.5.0

setup() {
	unset CI NO_COLOR CLICOLOR_FORCE
	: "${ORCH:?names the program to test}"
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir project
	cd project || return 1
	cat >Orchfile <<'END'
project:
	name = "demo"
fetch "Get <it> & go":
	printf '\033[31mred\033[0m & <script>alert(1)</script>\n\001\000\377]]>\n'
flaky: fetch
	retries = 2
	backoff = 1ms
	[ "$ORCH_ATTEMPT" = 2 ] || { echo first time; exit 7; }
lint: | fetch
	echo "src/a.c:1: wrong"
	exit 2
ship: flaky lint
	echo shipped
all: ship
END
}

# runs it once; it fails, as it should
run_all() {
	run "$ORCH" -k -s
	[ "$status" -eq 1 ]
}

# EXPRESSION on the document in $1, which is JSON
json() {
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

# a page that stands alone: balanced, nothing loaded, no script but its own, links that lead somewhere
check_page() {
	python3 - "$1" <<'END'
import html.parser, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
void = {"meta", "input", "br", "hr", "img", "link"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.targets, self.tags = [], set(), set(), set()
    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            assert not name.startswith("on") and name not in ("style", "src", "srcset"), (tag, name)
            if name == "id":
                assert value not in self.ids, value
                self.ids.add(value)
            if name == "href":
                assert value.startswith("#"), value
                self.targets.add(value[1:])
        if tag not in void:
            self.open.append(tag)
    def handle_endtag(self, tag):
        if tag not in void:
            assert self.open.pop() == tag, tag
page = Page()
page.feed(text)
page.close()
assert not page.open, page.open
assert page.targets <= page.ids, page.targets - page.ids
assert not page.tags & {"link", "img", "iframe", "object", "embed", "form"}, page.tags
policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
assert policy.startswith("default-src 'none'; style-src 'nonce-") and "unsafe" not in policy, policy
assert len(re.findall("<script", text)) == 1 and len(re.findall("<style", text)) == 1
assert "url(" not in text and "@import" not in text
END
}

@test "without a run there is nothing to report; a run that is none" {
	run "$ORCH" report
	[ "$status" -eq 2 ]
	[[ "$output" == *"nothing has run here yet"* ]]
	run_all
	run "$ORCH" report 20200101-000000
	[ "$status" -eq 2 ]
	[[ "$output" == *"there is no run '20200101-000000'"* ]]
	run "$ORCH" report ../../etc
	[ "$status" -eq 2 ]
	run "$ORCH" report -o report.pdf
	[ "$status" -eq 2 ]
	[[ "$output" == *"does not say which format"* ]]
	[ ! -e report.pdf ]
}

@test "HTML: stands alone, escapes what came from outside, colours the log" {
	run_all
	"$ORCH" report -o report.html
	check_page report.html
	grep -q '<span class="f1">red</span>' report.html
	grep -q 'Get &lt;it&gt; &amp; go' report.html
	run grep -c '<script>alert' report.html
	[ "$output" = 0 ]
	for id in failures timeline chain graph streams; do
		grep -q "<section id=\"$id\">" report.html
	done
	# the failure stands before everything else
	python3 -c 'import sys; t = open("report.html").read(); assert t.index("src/a.c:1: wrong") < t.index("id=\"timeline\"")'
	# there was no run before; now there is one
	run grep -c 'id="compare"' report.html
	[ "$output" = 0 ]
	run_all
	"$ORCH" report -o report.html
	check_page report.html
	grep -q 'Failed both times' report.html
	# it goes wherever it is sent, with the rights of any file
	[ "$(stat -c %a report.html)" = "$(printf '%o' $((0666 & ~$(umask))))" ]
	"$ORCH" report --format html >again.html
	check_page again.html
}

@test "JUnit XML is valid by the schema" {
	run_all
	"$ORCH" report -o report.xml
	xmllint --noout --schema "$srcdir/tests/data/junit/junit.xsd" report.xml
	python3 - <<'END'
import xml.etree.ElementTree as tree
suite = tree.parse("report.xml").getroot().find("testsuite")
assert suite.get("name") == "demo" and suite.get("failures") == "1" and suite.get("skipped") == "2", suite.attrib
cases = {case.get("name"): case for case in suite.findall("testcase")}
assert len(cases) == int(suite.get("tests")) == 5
failure = cases["lint"].find("failure")
assert failure.get("message") == "exit status 2" and failure.get("type") == "exit"
assert failure.text == "src/a.c:1: wrong\n"
assert "first time" in cases["flaky"].find("system-out").text
assert cases["fetch"].find("failure") is None
assert "lint" in cases["ship"].find("skipped").text
END
	# a log with everything that XML cannot hold
	printf 'bad:\n\tprintf "\\033[1mbold\\033[0m <a> & ]]> \\001\\000\\377 \\357\\277\\277\\n"\n\texit 1\n' >Orchfile
	run "$ORCH" -s --report hostile.xml
	[ "$status" -eq 1 ]
	xmllint --noout --schema "$srcdir/tests/data/junit/junit.xsd" hostile.xml
	python3 -c '
import xml.etree.ElementTree as tree
text = tree.parse("hostile.xml").getroot().find(".//failure").text
assert text.startswith("bold <a> & ]]> "), text
assert "\x1b" not in text and "\ufffd" in text'
}

@test "JSON" {
	run_all
	"$ORCH" report --format json >report.json
	[ "$(json report.json 'd["v"], d["project"], d["state"], d["exit_code"]')" = "(1, 'demo', 'failed', 1)" ]
	[ "$(json report.json '[(s["stream"], s["state"]) for s in d["streams"]]')" = "[('fetch', 'completed'), ('flaky', 'completed'), ('lint', 'failed'), ('ship', 'skipped'), ('all', 'skipped')]" ]
	[ "$(json report.json '[s["deps"] for s in d["streams"]]')" = "[[], ['fetch'], ['fetch'], ['flaky', 'lint'], ['ship']]" ]
	[ "$(json report.json '[a["outcome"] for a in d["streams"][1]["attempts"]]')" = "['exit', 'success']" ]
	[ "$(json report.json 'd["states"]["failed"], "before" in d, d["critical_path"][0]')" = "(1, False, 'fetch')" ]
	# every member is described
	python3 - "$srcdir/doc/json.md" <<'END'
import json, re, sys
text = open(sys.argv[1]).read()
text = text[text.index("## `orch report"):]
known = set(re.findall(r"`([a-z_]+)`", text))
def walk(value):
    if isinstance(value, dict):
        for key, below in value.items():
            assert key in known or key in states, key
            walk(below)
    elif isinstance(value, list):
        for below in value:
            walk(below)
states = {"waiting", "held", "ready", "running", "backoff", "completed", "failed", "skipped", "cancelled"}
walk(json.load(open("report.json")))
END
	run_all
	"$ORCH" report -o report.json
	[ "$(json report.json 'd["before"]["states"]["completed"]')" = 2 ]
}

@test "Markdown: nothing from outside has a meaning" {
	run_all
	"$ORCH" report -o report.md
	grep -q '^## .*<code>demo</code>: failed' report.md
	grep -q 'src/a.c&#58;1&#58; wrong' report.md
	run grep -c 'script>' report.md
	[ "$output" = 0 ]
}

@test "trace events: a track for each slot" {
	run_all
	"$ORCH" report -o report.trace.json
	[ "$(json report.trace.json 'sorted(e["name"] for e in d["traceEvents"] if e["ph"] == "X")')" = "['fetch', 'flaky', 'flaky', 'lint']" ]
	[ "$(json report.trace.json 'all(e["ts"] >= 0 and e["dur"] > 0 for e in d["traceEvents"] if e["ph"] == "X")')" = True ]
	[ "$(json report.trace.json '{e["tid"] for e in d["traceEvents"] if e["ph"] == "X"} <= {e["tid"] for e in d["traceEvents"] if e["name"] == "thread_name"}')" = True ]
}

@test "TSV has the columns of GNU parallel's joblog" {
	run_all
	"$ORCH" report -o report.tsv
	[ "$(wc -l <report.tsv)" -eq 5 ]
	[ "$(awk -F'\t' 'NF != 9' report.tsv)" = "" ]
	[ "$(awk -F'\t' '$9 == "lint" { print $2, $6, $7, $8 }' report.tsv)" = ": 17 2 0" ]
	command -v parallel >/dev/null && parallel --version 2>/dev/null | grep -q 'GNU parallel' || skip "no GNU parallel here"
	HOME=$PWD parallel --will-cite --joblog theirs.tsv ::: true 2>/dev/null
	[ "$(head -1 report.tsv)" = "$(head -1 theirs.tsv)" ]
}

@test "--report: each one at the end of the run, whose exit status stays" {
	mkdir below
	cd below || return 1
	run "$ORCH" -k -s --report r.html --report r.xml --report r.json --report ../r.md
	[ "$status" -eq 1 ]
	check_page r.html
	[ "$(json r.json 'd["state"]')" = failed ]
	[ -s r.xml ]
	[ -s ../r.md ]
	# nothing to do: a report all the same, since somebody waits for the file
	run "$ORCH" -s fetch --report none.xml --report none.html --report none.json
	[ "$status" -eq 0 ]
	check_page none.html
	[ "$(json none.json 'd["state"], d["streams"]')" = "('completed', [])" ]
	grep -q 'tests="0"' none.xml
}

@test "--report: what cannot be written is said before anything runs" {
	for file in r.txt no/r.xml .; do
		run "$ORCH" -s fetch --report "$file"
		[ "$status" -eq 2 ]
		[ ! -e .orch ]
	done
	run "$ORCH" -n --report r.html
	[ "$status" -eq 2 ]
	[[ "$output" == *"--report is about a run"* ]]
	# a device is written to, not replaced
	"$ORCH" -s fetch --report r.json
	"$ORCH" report -o /dev/stdout --format tsv | grep -q fetch
	"$ORCH" report -o - --format tsv | grep -q fetch
	if [ -c /dev/full ]; then
		run "$ORCH" report -o /dev/full --format html
		[ "$status" -eq 2 ]
		[[ "$output" == *"cannot write the report"* ]]
		[ -c /dev/full ]
	fi
}

@test "--report of a run that was interrupted" {
	printf 'first:\n\techo one\n\ttouch on\n\tsleep 60\nsecond: first\n\techo two\n' >Orchfile
	"$ORCH" -s --report r.json --report r.xml >/dev/null 2>&1 3>&- &
	pid=$!
	for _ in $(seq 300); do
		[ -e on ] && break
		sleep 0.1
	done
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	[ "$(json r.json 'd["state"], [s["state"] for s in d["streams"]], d["stopping"]')" = "('stopped', ['cancelled', 'cancelled'], 'SIGTERM')" ]
	grep -q 'failures="0" errors="0" skipped="2"' r.xml
}

@test "of a run under way" {
	mkfifo gate
	printf 'first:\n\techo one\nsecond: first\n\tcat gate\nthird: second\n\techo three\n' >Orchfile
	"$ORCH" -s >/dev/null 2>&1 3>&- &
	pid=$!
	for _ in $(seq 100); do
		"$ORCH" status second --json 2>/dev/null | grep -q '"state": "running",' && break
		sleep 0.1
	done
	"$ORCH" report -o running.json
	"$ORCH" report -o running.html
	"$ORCH" report -o running.xml
	echo go >gate
	wait "$pid"
	[ "$(json running.json 'd["state"], [s["state"] for s in d["streams"]]')" = "('running', ['completed', 'running', 'waiting'])" ]
	check_page running.html
	grep -q 'errors="0"' running.xml
	"$ORCH" report -o running.json
	[ "$(json running.json 'd["state"]')" = completed ]
}

@test "of a past run, without an Orchfile, with logs that are gone" {
	run_all
	first=$(ls .orch/runs)
	run_all
	rm Orchfile
	rm -r ".orch/runs/$first/logs"
	"$ORCH" report "$first" -o first.html
	check_page first.html
	grep -q 'Its log is no longer there' first.html
	[ "$("$ORCH" report "$first" --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["run"])')" = "$first" ]
	# what completed says what it depends on
	"$ORCH" report "$first" -o first.json
	[ "$(json first.json 'd["streams"][1]["deps"]')" = "['fetch']" ]
}

@test "2 000 streams, each with a log" {
	python3 -c '
for i in range(2000):
    print("s%d: %s\n\tseq %d%s" % (i, "s%d" % (i // 2) if i else "", i, "; exit 3" if i == 1999 else ""))' >Orchfile
	run "$ORCH" -k -s -j8 --report r.html --report r.xml --report r.md
	[ "$status" -eq 1 ]
	check_page r.html
	[ "$(stat -c %s r.html)" -lt 12000000 ]
	[ "$(stat -c %s r.md)" -lt 60000 ]
	[ "$(grep -c 'class="row"' r.html)" -eq 2000 ]
	if command -v xmllint >/dev/null; then
		xmllint --noout --schema "$srcdir/tests/data/junit/junit.xsd" r.xml
	fi
}

@test "the page in a browser: its script runs, and no other" {
	browser=$(command -v chromium || command -v chromium-browser) || skip "no chromium here"
	run_all
	"$ORCH" report -o report.html
	HOME=$PWD/home timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--user-data-dir="$PWD/home/profile" --enable-logging=stderr --dump-dom "file://$PWD/report.html" >dom.html 2>errors \
		|| skip "chromium cannot be started here"
	# the tools appear when the script has run
	grep -q '<div class="tools" id="tools">' dom.html
	[ "$(grep -c 'class="row"' dom.html)" -eq 5 ]
	run grep -E 'CONSOLE' errors
	[ "$output" = "" ]
}
