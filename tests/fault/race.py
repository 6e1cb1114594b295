#!/usr/bin/env python3
"""Two orch in one project, started at once, a hundred times: one runs, the other ends with 3 and says who holds it. TAP."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

srcdir = os.environ.get("srcdir", ".")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(srcdir, "tests", "lib"))
import tap  # noqa: E402

ORCH = os.path.abspath(os.environ.get("ORCH", "orch"))
TIMES = 1000 if os.environ.get("ORCH_TEST_LONG") == "1" else 100
DEADLINE_S = 60

# it runs until the other has been seen to end
ORCHFILE = """\
only:
	echo began >> effects
	until [ -e go ]; do sleep 0.02; done
"""


def start(top):
    return subprocess.Popen([ORCH, "-B", "--progress", "quiet", "-O", "none"], cwd=top, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def one_time(top):
    """What went wrong."""
    wrong = []
    for name in ("go", "effects"):
        if os.path.exists(os.path.join(top, name)):
            os.remove(os.path.join(top, name))
    both = [start(top), start(top)]
    until = time.monotonic() + DEADLINE_S
    while all(orch.poll() is None for orch in both) and time.monotonic() < until:
        time.sleep(0.002)
    ended = [orch for orch in both if orch.poll() is not None]
    with open(os.path.join(top, "go"), "w"):
        pass
    outputs = {}
    for orch in both:
        try:
            outputs[orch.pid] = orch.communicate(timeout=DEADLINE_S)[0]
        except subprocess.TimeoutExpired:
            orch.kill()
            outputs[orch.pid] = orch.communicate()[0]
            wrong.append("process %d does not end" % orch.pid)
    if sorted(orch.returncode for orch in both) != [0, 3]:
        wrong.append("exit statuses %s: %s" % ([orch.returncode for orch in both], list(outputs.values())))
    elif not ended or ended[0].returncode != 3:
        wrong.append("the one that was not to run did not end first")
    else:
        runner = both[0] if both[0].returncode == 0 else both[1]
        refused = both[1] if runner is both[0] else both[0]
        if "process %d" % runner.pid not in outputs[refused.pid]:
            wrong.append("who holds it (%d) is not said: %s" % (runner.pid, outputs[refused.pid].strip()))
    with open(os.path.join(top, "effects")) as f:
        begun = len(f.readlines())
    if begun != 1:
        wrong.append("the stream began %d times" % begun)
    return wrong


def main():
    results = tap.Tap(2)
    for kind in ("new", "old"):
        problems = []
        base = os.path.realpath(tempfile.mkdtemp(prefix="orch-race-"))
        for i in range(TIMES // 2):
            # a project without a state directory each time, or always the same one
            top = os.path.join(base, str(i) if kind == "new" else "same")
            os.makedirs(top, exist_ok=True)
            with open(os.path.join(top, "Orchfile"), "w") as f:
                f.write(ORCHFILE)
            problems += one_time(top)
        results.result("two at once, %d times, in a%s: one runs, the other ends with 3 and says who does"
                       % (TIMES // 2, " new directory each time" if kind == "new" else "n old directory"), problems)
        shutil.rmtree(base)
    results.end()


main()
