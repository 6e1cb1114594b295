#!/usr/bin/env python3
"""The dashboard in a real Chromium: a run as it goes, a log that grows, actions that work, tokens and pages that are refused,
names and logs that would do harm if they were markup. With --pictures DIRECTORY it takes the pictures of the README instead."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.environ.get("srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
from chromium import Chromium  # noqa: E402
from tap import Tap  # noqa: E402

ORCH = os.path.abspath(os.environ.get("ORCH", "./orch"))
DEADLINE = 30

ORCHFILE = """\
project:
	name = "shop <img src=x onerror=window.hacked=1>"
	jobs = 2

build "Build <script>window.hacked=1</script> & more":
	printf '\\033[31mred\\033[0m plain\\n'
	printf '<b>bold</b><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\\n'
	printf '\\033]0;title\\007\\033]8;;javascript:window.hacked=1\\033\\\\link\\033]8;;\\033\\\\ \\342\\200\\256txet \\377\\376 end\\n'
	until test -e go; do sleep 0.05; done
	echo 'it went on'

check "Check it": build
	echo checked

broken:
	test -e mended

after: broken
	echo after

waits:
	until test -e never; do sleep 0.05; done
"""
# one that listens, two that wait for a person
TALKATIVE = """\
listens:
	until grep -qs '^stop' "$ORCH_INBOX"; do sleep 0.05; done

ship "Ship <b>it</b>":
	approve = yes
	touch shipped

later: ship
	approve = yes
	touch later
"""


def environment(directory):
    found = dict(os.environ, HOME=directory, XDG_STATE_HOME=directory + "/state", XDG_CONFIG_HOME=directory + "/config")
    for name in ("CI", "NO_COLOR", "CLICOLOR_FORCE"):
        found.pop(name, None)
    return found


class Session:
    """A project with its run and a server."""

    def __init__(self, directory, text, *options):
        self.directory = os.path.join(directory, "project")
        os.makedirs(self.directory, exist_ok=True)
        self.environment = environment(directory)
        with open(os.path.join(self.directory, "Orchfile"), "w") as out:
            out.write(text)
        self.processes = []
        self.address = self.serve(*options)
        self.base = self.address.split("#")[0]

    def serve(self, *options):
        server = subprocess.Popen([ORCH, "serve", "--port", "0", *options], cwd=self.directory, env=self.environment,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.processes.append(server)
        return server.stdout.readline().strip()

    def run(self, *options):
        run = subprocess.Popen([ORCH, "--progress", "quiet", *options], cwd=self.directory, env=self.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(run)
        end = time.monotonic() + DEADLINE
        while not os.path.exists(os.path.join(self.directory, ".orch", "control.sock")):
            if time.monotonic() > end:
                raise AssertionError("the run did not start")
            time.sleep(0.02)
        return run

    def touch(self, name):
        open(os.path.join(self.directory, name), "w").close()

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def state_of(name):
    return "[...document.querySelectorAll('.row')].find(x => x.querySelector('b').textContent === '%s')?.querySelector('.unseen').textContent.trim()" % name


def click(page, selector, text=None):
    page.until("[...document.querySelectorAll('%s')].some(x => !x.disabled && %s)" % (selector, "x.textContent.includes('%s')" % text if text else "true"))
    page.value("[...document.querySelectorAll('%s')].find(x => !x.disabled && %s).click()" % (selector, "x.textContent.includes('%s')" % text if text else "true"))


def shows_a_run(page, session):
    page.open(session.address)
    page.until("%s === 'running'" % state_of("build"))
    page.until("%s === 'failed'" % state_of("broken"))
    if "token" in page.value("location.href"):
        raise AssertionError("the token is still in the address: " + page.value("location.href"))


def log_grows(page, session):
    page.until("document.querySelector('.row')")
    page.value("[...document.querySelectorAll('.row')].find(x => x.textContent.includes('build')).click()")
    page.until("document.querySelector('.log').textContent.includes('end')")
    if page.value("document.querySelector('.log').textContent.includes('it went on')"):
        raise AssertionError("it went on too early")
    session.touch("go")
    page.until("document.querySelector('.log').textContent.includes('it went on')")
    page.until("%s === 'completed'" % state_of("build"))
    page.until("%s === 'completed'" % state_of("check"))


def text_is_text(page, session):
    if page.value("window.hacked"):
        raise AssertionError("a script from a name or a log was run")
    if page.value("document.querySelectorAll('main img, main script, main b b, .log b').length"):
        raise AssertionError("a name or a log became markup")
    text = page.value("document.querySelector('.log').textContent")
    for wanted in ("<b>bold</b><script>window.hacked=1</script>", "red plain", "link \ufffdtxet"):
        if wanted not in text:
            raise AssertionError("%r is not in %r" % (wanted, text))
    if "\x1b" in text or "\u202e" in text or "javascript" in text:
        raise AssertionError("control sequences are in %r" % text)
    if not page.value("[...document.querySelectorAll('.log span')].some(x => x.textContent === 'red' && x.style.color === 'var(--a1)')"):
        raise AssertionError("the colour is lost")
    page.until("document.querySelector('h1').textContent.includes('<img src=x')")
    page.until("document.querySelector('.about').textContent.includes('<script>window.hacked=1</script>')")


def actions_work(page, session):
    click(page, ".acts button", "Pause")
    page.until("document.querySelector('h1 + .pill').textContent === 'paused'")
    click(page, ".acts button", "Resume")
    page.until("document.querySelector('h1 + .pill').textContent === 'running'")
    session.touch("mended")
    click(page, ".acts button", "Retry failed")
    page.until("%s === 'completed'" % state_of("broken"))
    page.until("%s === 'completed'" % state_of("after"))
    click(page, ".tile button[data-act=more]")
    page.until("document.querySelector('.tile button[data-act=more]').parentElement.textContent.includes('/3')")
    # work would end: it is asked first
    click(page, ".acts button", "Stop run")
    page.until("document.querySelector('dialog').open")
    click(page, "dialog button", "Stop the run")
    page.until("['stopped', 'failed'].includes(document.querySelector('h1 + .pill').textContent)")


def people_are_asked(page, session):
    page.open(session.address)
    page.until("%s === 'held'" % state_of("ship"))
    page.until("document.querySelector('.notice.asks').textContent.includes('Waits for approval: ship')")
    click(page, ".notice.asks button", "Approve")
    page.until("document.querySelector('dialog').open")
    page.until("document.querySelector('dialog').textContent.includes('Ship <b>it</b>')")
    click(page, "dialog button", "Not now")
    click(page, ".notice.asks button", "Approve")
    click(page, "dialog button.main", "Approve")
    page.until("%s === 'completed'" % state_of("ship"))
    # and by the keyboard
    page.until("%s === 'held'" % state_of("later"))
    page.value("[...document.querySelectorAll('.row')].find(x => x.querySelector('b').textContent === 'later').click()")
    page.until("document.querySelector('button[data-act=one-approve]')")
    page.value("document.activeElement.blur()")
    page.key("a")
    click(page, "dialog button.main", "Approve")
    page.until("%s === 'completed'" % state_of("later"))
    page.until("!document.querySelector('.notice.asks')")
    with open(os.path.join(session.directory, ".orch", "runs", os.listdir(os.path.join(session.directory, ".orch", "runs"))[0], "journal.jsonl")) as file:
        if file.read().count('"type":"approved"') != 2:
            raise AssertionError("the journal does not say who approved")


def agents_are_told(page, session):
    page.value("[...document.querySelectorAll('.row')].find(x => x.querySelector('b').textContent === 'listens').click()")
    click(page, "button[data-act=one-send]")
    page.until("document.activeElement.tagName === 'TEXTAREA'")
    page.ask("Input.insertText", text="<script>window.hacked=1</script>\nq \u00e9\nstop")
    click(page, "dialog button.main", "Send")
    page.until("%s === 'completed'" % state_of("listens"))
    runs = os.path.join(session.directory, ".orch", "runs")
    with open(os.path.join(runs, os.listdir(runs)[0], "attempts", "listens.1.inbox"), encoding="utf-8") as file:
        if "<script>window.hacked=1</script>\nq \u00e9\nstop\n" not in file.read():
            raise AssertionError("the message is another one")
    if page.value("window.hacked"):
        raise AssertionError("a script from a message was run")


def keys_work(page, session):
    page.value("document.activeElement.blur()")
    page.key("/")
    page.until("document.activeElement.type === 'search'")
    page.ask("Input.insertText", text="aft")
    page.until("document.querySelectorAll('.row').length === 1")
    page.key("Escape")
    page.until("document.querySelectorAll('.row').length === 5")
    for key, wanted in (("2", ".lane a"), ("3", "svg.graph .node"), ("4", "tbody tr"), ("1", ".row")):
        page.key(key)
        page.until("document.querySelector('%s')" % wanted)
    page.key("j")
    page.until("document.querySelector('.row.chosen')")
    page.key("Escape")
    page.until("!document.querySelector('.row.chosen')")
    page.key("?")
    page.until("document.querySelector('dialog').open")
    page.key("Escape")
    page.until("!document.querySelector('dialog').open")
    page.key("g")
    page.until("document.querySelectorAll('.project').length === 1")


def nothing_unnamed(page, session):
    """What a screen reader is given: every control has a name, every view a role."""
    click(page, ".project")
    page.until("document.querySelector('.row')")
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    unnamed = [node["role"]["value"] for node in nodes if not node.get("ignored") and node.get("role", {}).get("value") in
               ("button", "link", "textbox", "searchbox", "combobox", "listbox", "option", "tab", "image", "dialog")
               and not node.get("name", {}).get("value")]
    roles = {node["role"]["value"] for node in nodes if not node.get("ignored")}
    for wanted in ("banner", "main", "navigation", "listbox", "option", "tablist", "tab", "heading", "status"):
        if wanted not in roles:
            raise AssertionError("there is no %s among %s" % (wanted, sorted(roles)))
    if unnamed:
        raise AssertionError("controls without a name: %s" % unnamed)
    page.size(360, 740)
    page.until("document.documentElement.scrollWidth <= 360")
    page.value("[...document.querySelectorAll('.row')][0].click()")
    page.until("document.querySelector('.detail').getBoundingClientRect().width === 360")
    page.until("document.documentElement.scrollWidth <= 360")
    page.size(1280, 800)


def wrong_token(page, session):
    page.open(session.base + "#token=0123")
    page.until("document.querySelector('.token')")
    if page.value("document.body.innerText.includes('build')"):
        raise AssertionError("something is shown")


def other_site(page, session):
    # a page of another origin on this machine: it can neither read nor act, nor put the dashboard into a frame
    page.open(session.other)
    page.until("document.readyState === 'complete' && location.href.startsWith('%s')" % session.other.split("#")[0])
    for what in ("fetch('%sapi/hello', {headers: {Authorization: 'Bearer %s'}})", "fetch('%sapi/act', {method: 'POST', mode: 'no-cors', body: '{}', headers: {'X': '%s'}})"):
        answer = page.value("(%s).then(x => x.type === 'opaque' ? 'opaque' : 'read ' + x.status, () => 'refused')" % (what % (session.base, session.address.split("token=")[1])))
        if answer not in ("refused", "opaque"):
            raise AssertionError("another origin got: " + answer)


def read_only(page, session):
    page.open(session.only)
    page.until("document.querySelector('.row')")
    if page.value("document.querySelectorAll('.acts button, .tile button').length"):
        raise AssertionError("there are buttons that cannot work")


def nothing_from_outside(page, session):
    strange = [address for address in page.addresses() if not address.startswith((session.base, "about:", "data:"))]
    if strange:
        raise AssertionError("it asked for %s" % strange)
    problems = [text for text in page.problems() if "favicon" not in text]
    if problems:
        raise AssertionError("\n".join(problems))


TESTS = [
    ("shows a run as it goes, and takes the token out of the address", shows_a_run),
    ("shows a log as it grows", log_grows),
    ("shows names and logs as the text that they are", text_is_text),
    ("pauses, resumes, retries, changes slots, stops after a question", actions_work),
    ("is used by the keyboard alone", keys_work),
    ("has a name for every control, and fits on a telephone", nothing_unnamed),
    ("asks for nothing from elsewhere, and has no errors", nothing_from_outside),
]
ASKED = [
    ("asks for approvals, and gives them after a question", people_are_asked),
    ("says something to who works there", agents_are_told),
]
FRESH = [
    ("shows nothing with a wrong token", wrong_token),
    ("tells another origin nothing", other_site),
    ("read-only has no buttons", read_only),
]


def test():
    tap = Tap(len(TESTS) + len(ASKED) + len(FRESH))
    directory = tempfile.mkdtemp(prefix="orch-dashboard-")
    browser = session = asked = None

    def check(text, call, page, session):
        try:
            call(page, session)
            tap.result(text)
        except (AssertionError, RuntimeError) as problem:
            tap.result(text, [problem])

    try:
        session = Session(directory, ORCHFILE)
        session.run("-k")
        browser = Chromium(directory)
        page = browser.page()
        for text, call in TESTS:
            check(text, call, page, session)
        asked = Session(os.path.join(directory, "asked"), TALKATIVE)
        asked.run()
        page = browser.page()
        for text, call in ASKED:
            check(text, call, page, asked)
        session.other = session.serve("--read-only")
        session.only = session.other
        for text, call in FRESH:
            check(text, call, browser.page(), session)
    finally:
        if browser:
            browser.close()
        for one in (session, asked):
            if one:
                one.close()
        shutil.rmtree(directory, ignore_errors=True)
    tap.end()


# --- pictures for the README, of a real run ---

PICTURED = """\
project:
	name = shop
	jobs = 6

defaults:
	retries = 1

parts = api auth cart catalog search mail payments admin

for part in {{parts}}:
	build-{{part}} "Write the {{part}} service":
		for i in $(seq 1 22); do
			printf '\\033[36m%s\\033[0m wrote src/{{part}}/handler_%d.c\\n' "$(date +%T)" $i
			test $((i % 7)) != 0 || printf '\\033[33mwarning:\\033[0m line %d: a variable is not used\\n' $((i * 31))
			sleep 0.$(( (i * 7 + ${#ORCH_STREAM}) % 4 + 1 ))
		done
		printf '\\033[1;32mdone\\033[0m: 14 files changed, 612 insertions\\n'
	test-{{part}} "Tests of the {{part}} service": build-{{part}}
		for i in $(seq 1 12); do echo "ok $i - {{part}} answers request $i"; sleep 0.2; done
		test {{part}} != mail || { printf '\\033[31mnot ok 13\\033[0m - the queue is empty\\n  expected 0, got 3\\n'; exit 1; }

integrate "Bring the services together": test-api test-auth test-cart test-catalog test-search test-payments test-admin
	for i in $(seq 1 20); do echo "merging part $i"; sleep 0.2; done

newsletter "A letter to everybody": test-mail
	echo sent

end-to-end "Buy something as a customer would": integrate
	echo bought

handbook "Write the handbook": build-api build-auth
	for i in $(seq 1 30); do echo "chapter $i"; sleep 0.2; done

release "Ship it": end-to-end handbook
	echo shipped
"""


def pictures(out):
    out = os.path.abspath(out)
    os.makedirs(out, exist_ok=True)
    directory = tempfile.mkdtemp(prefix="orch-pictures-")
    browser = session = None
    try:
        session = Session(directory, PICTURED, "--here")
        browser = Chromium(directory)
        pages = [browser.page(1280, 760), browser.page(1280, 760, dark=True), browser.page(390, 760)]
        session.run("-k")
        for page in pages:
            page.open(session.address)
            page.until("document.querySelectorAll('.row').length > 5")
        pages[0].until("document.querySelectorAll('.dot.s-completed').length > 3 || view.head.states.completed > 7", 25)
        here = pages[0].value("location.hash")
        for page, view, name in ((pages[0], "streams/build-payments", "dashboard"), (pages[1], "graph/test-cart", "dashboard-graph"),
                                 (pages[2], "streams", "dashboard-phone"), (pages[0], "timeline", "dashboard-timeline")):
            page.value("location.hash = '%s/%s'" % (here, view))
            page.until({"graph": "document.querySelector('svg.graph')", "timeline": "document.querySelector('.lane a')"}.get(
                view.split("/")[0], "document.querySelector('.row')"))
            if "/" in view:
                page.until("document.querySelectorAll('.log .block div').length > 3")
            page.value("new Promise(done => setTimeout(done, 300))")
            page.picture(os.path.join(out, name + ".png"))
    finally:
        if browser:
            browser.close()
        if session:
            session.close()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--pictures":
        pictures(sys.argv[2])
    else:
        test()
