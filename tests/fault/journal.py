#!/usr/bin/env python3
"""The journal of a real run, cut at every byte and with every byte changed: at most the damaged tail is lost, nothing is claimed that did not
happen, and the next run is as if nothing had been. 2 500 changes; ORCH_TEST_LONG=1: of every byte. TAP."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

srcdir = os.environ.get("srcdir", ".")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(srcdir, "tests", "lib"))
import tap  # noqa: E402

ORCH = os.path.abspath(os.environ.get("ORCH", "orch"))
DAMAGE = os.path.abspath(os.path.join(os.environ.get("builddir", "."), "tests", "fault", "journal_damage"))
LONG = os.environ.get("ORCH_TEST_LONG") == "1"
# places at which the commands are run on the damaged journal
PLACES = 1000 if LONG else 30
DEADLINE_S = 300

ORCHFILE = """\
first "With an output":
	outputs = first.txt
	echo "one; \\"two\\"" > first.txt
	echo "n=1" >> "$ORCH_OUTPUT"

second: first
	check: true
	echo {{first.n}}

fails: first
	retries = 1
	backoff = 1ms
	[ -e now ]

third: second
	touch third

never: fails
	true
"""


def orch(top, *arguments):
    return subprocess.run([ORCH, *arguments], cwd=top, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=DEADLINE_S)


def looked_at(top, problems, where):
    """What status and history say."""
    said = []
    for arguments in (["status", "--json"], ["history", "--json"]):
        done = orch(top, *arguments)
        if done.returncode != 0:
            problems.append("%s: orch %s: exit status %s: %s" % (where, arguments[0], done.returncode, done.stderr.strip()))
            return None
        said.append(json.loads(done.stdout))
    return said


def run_again(top, source, problems, where):
    """The next run on a damaged journal does what is left, and the one after it nothing."""
    copy = top + "-again"
    shutil.copytree(top, copy, symlinks=True)
    with open(os.path.join(copy, "now"), "w"):
        pass
    done = orch(copy, "-j2")
    if done.returncode != 0:
        problems.append("%s: the next run: exit status %s: %s" % (where, done.returncode, done.stderr.strip()))
    elif orch(copy, "-q").returncode != 0:
        problems.append("%s: something is to do after the next run" % where)
    elif orch(copy, "status", "--json").returncode != 0:
        problems.append("%s: orch status after the next run" % where)
    shutil.rmtree(copy)


def main():
    results = tap.Tap(4)
    base = os.path.realpath(tempfile.mkdtemp(prefix="orch-journal-"))
    top = os.path.join(base, "project")
    scratch = os.path.join(base, "scratch")
    os.makedirs(top)
    os.makedirs(scratch)
    with open(os.path.join(top, "Orchfile"), "w") as f:
        f.write(ORCHFILE)
    done = orch(top, "-j2", "-k")
    runs = os.path.join(top, ".orch", "runs")
    journal = os.path.join(runs, os.listdir(runs)[0], "journal.jsonl")
    with open(journal, "rb") as f:
        text = f.read()
    results.result("a run with a failure leaves a journal of %d bytes" % len(text), [] if done.returncode == 1 and text else [done.stderr])

    damage = subprocess.run([DAMAGE, journal, "0" if LONG else "2500", "600" if LONG else "20"], cwd=scratch, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S * 4)
    print("# " + damage.stdout.splitlines()[-1] if damage.stdout else "# it printed nothing")
    results.result("exactly what was whole before the damage is read, and its stamps restored",
                   [] if damage.returncode == 0 else ["exit status %d" % damage.returncode] + damage.stdout.splitlines())

    problems = []
    again = []
    ends = [i + 1 for i, byte in enumerate(text) if byte == 10]
    with open(journal, "wb") as f:
        f.write(text)
    truth = looked_at(top, problems, "undamaged")
    happened = {stream["stream"]: stream.get("state") for stream in truth[0]["status"]["streams"]}
    for i in range(PLACES):
        at = i * len(text) // PLACES
        whole = max([end for end in ends if end <= at], default=0)
        said = []
        for name, damaged in (("cut after byte %d" % whole, text[:whole]), ("cut at byte %d" % at, text[:at]),
                              ("byte %d flipped" % at, text[:at] + bytes([text[at] ^ 0x11]) + text[at + 1:])):
            with open(journal, "wb") as f:
                f.write(damaged)
            said.append(looked_at(top, problems, name))
            if said[-1] is None:
                continue
            if said[-1] != said[0]:
                problems.append("%s: not the same is said as of what is before it" % name)
            for stream in said[-1][0].get("status", {}).get("streams", []):
                if stream.get("state") in ("completed", "failed") and stream["state"] != happened.get(stream["stream"]):
                    problems.append("%s: %s is said to be %s" % (name, stream["stream"], stream["state"]))
        if i % 10 == 0:
            run_again(top, text, again, "byte %d flipped" % at)
    results.result("orch status and orch history say what is before the damage, at %d places" % PLACES, problems)
    results.result("the next run after the damage completes, and the one after it has nothing to do", again)
    if results.failed:
        print("# kept: %s" % base)
    else:
        shutil.rmtree(base)
    results.end()


main()
