#!/usr/bin/env python3
"""Graphs that were measured in real builds and workflows: each runs, no task before its parents have ended, never more than -j at once; and a
second run does nothing. ORCH_TEST_DATA names a directory with more of them. TAP."""

import os
import shutil
import subprocess
import sys
import tempfile

srcdir = os.environ.get("srcdir", ".")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(srcdir, "tests", "lib"))
import graphs  # noqa: E402
import tap  # noqa: E402

ORCH = os.path.abspath(os.environ.get("ORCH", "orch"))
JOBS = 8
# seconds that the best schedule of a graph may sleep
SLEEP_MAX = 0.8
# above, starting the tasks is what is tested
SLEEPING_TASKS_MAX = 1100


def scale_of(tasks):
    longest = {}
    for task in tasks:
        longest[task.name] = task.seconds + max((longest[dep] for dep in task.deps), default=0)
    best = max(max(longest.values()), sum(task.seconds for task in tasks) / JOBS)
    return min(0.001, SLEEP_MAX / best) if len(tasks) <= SLEEPING_TASKS_MAX else 0


def orch(directory, *arguments):
    return subprocess.run([ORCH, "-C", directory, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600)


def run_one(tasks, directory):
    """What went wrong: two lists, of the first run and of the second."""
    log = os.path.join(directory, "log")
    graphs.logging_commands(tasks, "log", scale_of(tasks))
    graphs.write_orchfile(tasks, os.path.join(directory, "Orchfile"))

    first = []
    asked = orch(directory, "-q")
    if asked.returncode != 1:
        first.append("orch -q: exit status %d before the first run" % asked.returncode)
    done = orch(directory, "-j%d" % JOBS, "-s")
    if done.returncode != 0:
        first.append("exit status %d\n%s" % (done.returncode, done.stdout[-2000:]))
    entries = graphs.read_log(log)
    ran = {name for mark, name in entries if mark == "e"}
    if len(ran) != len(tasks):
        first.append("%d of %d tasks were run to their end" % (len(ran), len(tasks)))
    first += graphs.check_log(tasks, entries, JOBS)

    second = []
    for arguments in (["-q"], ["-j%d" % JOBS]):
        again = orch(directory, *arguments)
        if again.returncode != 0:
            second.append("%s: exit status %d\n%s" % (" ".join(arguments), again.returncode, again.stdout[-2000:]))
    if graphs.read_log(log) != entries:
        second.append("the second run ran %d tasks" % ((len(graphs.read_log(log)) - len(entries)) // 2))
    return first, second


def main():
    found = graphs.workload_files(srcdir)
    workloads = {name: graphs.read_workload(path) for name, path in found.items()}
    if os.environ.get("SANITIZER_FLAGS"):
        # each task costs several times as much there
        workloads = {name: tasks for name, tasks in workloads.items() if len(tasks) <= SLEEPING_TASKS_MAX}
    out = tap.Tap(2 * len(workloads) + 1)
    out.result("there are graphs", [] if workloads else ["none in tests/data/workflows"])
    for name, tasks in sorted(workloads.items(), key=lambda item: len(item[1])):
        directory = tempfile.mkdtemp(prefix="orch-workflow-")
        try:
            first, second = run_one(tasks, directory)
        finally:
            shutil.rmtree(directory)
        out.result("%s: %d tasks in an order that respects every edge, at most %d at once" % (name, len(tasks), JOBS), first)
        out.result("%s: a second run does nothing" % name, second)
    out.end()


if __name__ == "__main__":
    main()
