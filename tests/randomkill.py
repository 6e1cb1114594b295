#!/usr/bin/env python3
"""orch is killed with SIGKILL at random moments and started again, until its graph is complete.

With `detach = yes` every stream's effect is there exactly once, in a legal order; with `detach = no` at least once, never
two of a stream at a time. In neither case is there a stamp without its effect, or a process left at the end. The seed is
printed; RANDOMKILL_SEED repeats a run. ORCH_TEST_LONG=1 does it 2 000 times instead of 300.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ORCH = os.path.abspath(os.environ.get("ORCH", "./orch"))
LONG = os.environ.get("ORCH_TEST_LONG") == "1"
KILLS = {"yes": 2000 if LONG else 300, "no": 500 if LONG else 100}
STREAMS = 200
QUICK_STREAMS = 800
DEADLINE_S = 60

seed = int(os.environ.get("RANDOMKILL_SEED", time.time_ns() % 1000000))
rng = random.Random(seed)
count = 0


def result(ok, what, detail=""):
    global count
    count += 1
    print("%sok %d - %s" % ("" if ok else "not ", count, what))
    for line in detail.splitlines()[:20]:
        print("# " + line)
    sys.stdout.flush()
    return ok


def make_project(top, detach, quick):
    """Layers of streams; each leaves a line when it begins and one when it ends, in one write each. Of quick ones so many end before a kill that
    their stamps share a file."""
    deps = {}
    with open(os.path.join(top, "Orchfile"), "w") as f:
        f.write("defaults:\n\tdetach = %s\n\tkill = TERM 200ms KILL\n\n" % detach)
        for i in range(QUICK_STREAMS if quick else STREAMS):
            name = "s%03d" % i
            earlier = range(max(0, i - 30), i)
            deps[name] = sorted("s%03d" % d for d in rng.sample(earlier, min(len(earlier), rng.randint(0, 3))))
            wait = "" if quick else "\tsleep 0.0%d\n" % rng.randint(1, 9)
            f.write("%s: %s\n\techo 'begin %s' >> effects\n%s\techo 'end %s' >> effects\n\n" % (name, " ".join(deps[name]), name, wait, name))
    return deps


def processes_of(top):
    """Those that were started by a run in that directory: by their environment, or where they are."""
    found = []
    mark = ("ORCH_DIR=" + top).encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as f:
                environment = f.read().split(b"\0")
            here = os.readlink("/proc/%s/cwd" % pid) == top and int(pid) != os.getpid()
        except OSError:
            continue
        if mark in environment or here:
            found.append(int(pid))
    return found


def wait_for_none(top):
    until = time.monotonic() + DEADLINE_S
    while processes_of(top):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def stamps(top):
    directory = os.path.join(top, ".orch", "stamps")
    names = os.listdir(directory) if os.path.isdir(directory) else []
    # what begins with a dot is not one yet
    found = {name for name in names if not name.startswith(".") and name != "_pack"}
    if "_pack" in names:
        with open(os.path.join(directory, "_pack")) as f:
            # the last one may be half written
            for text in f.read().split("orch-stamp 1\n")[1:]:
                lines = text.splitlines()
                if lines[-1].startswith("end ") and lines[1] != "removed":
                    found.add(lines[0].split()[1])
    return found


def ended(top):
    try:
        with open(os.path.join(top, "effects")) as f:
            return {line.split()[1] for line in f if line.startswith("end ")}
    except FileNotFoundError:
        return set()


def judge(top, deps, detach):
    """What is wrong with the effects of a complete graph."""
    wrong = []
    begun, done = {}, {}
    position = {}
    with open(os.path.join(top, "effects")) as f:
        for number, line in enumerate(f):
            what, name = line.split()
            (begun if what == "begin" else done).setdefault(name, []).append(number)
            position.setdefault(name, {})[what] = number
    for name in deps:
        begins, ends = begun.get(name, []), done.get(name, [])
        if not ends:
            wrong.append("%s never ended" % name)
            continue
        if detach == "yes" and (len(begins), len(ends)) != (1, 1):
            wrong.append("%s began %d times and ended %d times" % (name, len(begins), len(ends)))
        # one that was killed has no end; two at a time would show as two ends without a beginning between them
        merged = sorted([(n, "begin") for n in begins] + [(n, "end") for n in ends])
        for (_, before), (_, after) in zip([(0, "end")] + merged, merged):
            if before == after == "end":
                wrong.append("%s ran twice at a time" % name)
        for dep in deps[name]:
            if done.get(dep) and min(begins) < min(done[dep]):
                wrong.append("%s began before %s had ended" % (name, dep))
    return wrong


def run(detach):
    kills, graphs, shared, false_stamps, wrong, unfinished = 0, 0, 0, [], [], 0
    while kills < KILLS[detach]:
        top = os.path.realpath(tempfile.mkdtemp(prefix="orch-randomkill-"))
        graphs += 1
        deps = make_project(top, detach, detach == "no" and graphs % 2 == 0)
        while True:
            orch = subprocess.Popen([ORCH, "-j8", "--progress", "quiet", "-O", "none"], cwd=top, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                output, _ = orch.communicate(timeout=rng.uniform(0.001, 0.12 if detach == "yes" else 0.4))
            except subprocess.TimeoutExpired:
                orch.send_signal(signal.SIGKILL)
                orch.communicate()
                kills += 1
                before = stamps(top)
                shared += os.path.exists(os.path.join(top, ".orch", "stamps", "_pack"))
                missing = before - ended(top)
                if missing:
                    false_stamps.append("graph %d, kill %d: %s" % (graphs, kills, sorted(missing)))
                continue
            if orch.returncode != 0:
                wrong.append("graph %d: exit status %d: %s" % (graphs, orch.returncode, output.decode(errors="replace")[-500:]))
            break
        again = subprocess.run([ORCH, "-q"], cwd=top, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               timeout=DEADLINE_S)
        unfinished += again.returncode != 0
        wrong += ["graph %d: %s" % (graphs, text) for text in judge(top, deps, detach)]
        if not wait_for_none(top):
            wrong.append("graph %d: processes left: %s" % (graphs, processes_of(top)))
        if wrong or false_stamps:
            print("# kept: %s" % top)
            break
        shutil.rmtree(top)
    print("# at %d of the kills stamps shared a file" % shared)
    title = "detach = %s: killed %d times over %d graphs of %d streams and more: " % (detach, kills, graphs, STREAMS)
    result(not wrong, title + ("every effect exactly once, in order" if detach == "yes" else "every effect, never two at a time, nothing left"),
           "\n".join(wrong))
    result(not false_stamps, title + "no stamp without its effect", "\n".join(false_stamps))
    result(unfinished == 0, title + "complete at the end")


print("# seed %d" % seed)
print("1..6")
run("yes")
run("no")
