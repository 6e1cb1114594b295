#!/usr/bin/env python3
"""Every call that can fail does: the n-th open, write, sync, rename, spawn or mkdir that orch makes in a run of ten streams.

Whatever fails, and with whatever it fails: orch ends by itself and is not killed by a signal; what counts as complete then has its effect;
the exit status is 0 only if all is complete; else standard error says why; and the next run completes it. FAULT_CASES bounds how many are
tried of those that there are (the same ones each time); ORCH_TEST_LONG=1 tries all of them; FAULT_ONLY=write-5-ENOSPC-again tries one. TAP.
"""

import concurrent.futures
import errno
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

srcdir = os.environ.get("srcdir", ".")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(srcdir, "tests", "lib"))
import tap  # noqa: E402

ORCH = os.path.abspath(os.environ.get("ORCH", "orch"))
LIBRARY = os.path.abspath(os.path.join(os.environ.get("builddir", "."), "tests", "fault", "fault.so"))
LONG = os.environ.get("ORCH_TEST_LONG") == "1"
CASES = int(os.environ.get("FAULT_CASES", "380"))
WORKERS = 3
DEADLINE_S = 60

# as struct report of fault.c has them
FAMILIES = ["open", "create", "write", "sync", "rename", "spawn", "mkdir"]
REPORT = struct.Struct("=7QQq200s")

# what each can fail with in earnest; SHORT is a write that stops halfway, on a disk that is full
ERRORS = {
    "open": ["EMFILE", "EIO"],
    "create": ["ENOSPC"],
    "write": ["ENOSPC", "EIO", "SHORT"],
    "sync": ["EIO", "ENOSPC"],
    "rename": ["ENOSPC", "EIO"],
    "spawn": ["EAGAIN", "EMFILE"],
    "mkdir": ["ENOSPC", "EMFILE", "EIO"],
}
# and goes on failing with; processes and descriptors that stay short are waited for, which would never end
LASTING = {"create": ["ENOSPC"], "write": ["ENOSPC", "EIO", "SHORT"], "sync": ["EIO"], "rename": ["ENOSPC"], "mkdir": ["ENOSPC"]}
ENOUGH_LASTING = 3

STREAMS = ["copy", "total", "use", "checked", "left", "right", "detached", "again", "plain", "last"]
SCENARIOS = {
    "fresh": [],            # nothing has run before
    "changed": ["--json"],  # all is complete, and of an older input
    "forced": ["-B"],       # all is complete and runs once more
    "packed": ["-B"],       # likewise, and the stamps are in one file, as those of many streams are
    "idle": [],             # all is complete and nothing runs
    "adopt": [],            # an orch was killed, and two attempts of its have gone on
}

ORCHFILE = """\
defaults:
	inputs = source.txt

copy:
	outputs = out/copy
	mkdir -p out
	sh effect.sh copy

total: copy
	outputs = out/total
	sh effect.sh total
	echo "total=$(cat source.txt)" >> "$ORCH_OUTPUT"

use: total
	outputs = out/use
	[ {{total.total}} = "$(cat source.txt)" ]
	sh effect.sh use

checked: copy
	outputs = out/checked
	check: grep -q . out/checked
	sh effect.sh checked

left: copy
	outputs = out/left
	sh effect.sh left

right: copy
	outputs = out/right
	sh effect.sh right

detached: copy
	outputs = out/detached
	detach = yes
	sh effect.sh detached

again: copy
	outputs = out/again
	retries = 1
	backoff = 1ms
	[ "$ORCH_ATTEMPT" -gt 1 ]
	sh effect.sh again

plain: left right
	mkdir -p out
	sh effect.sh plain

last: use checked detached again plain
	outputs = out/last
	sh effect.sh last
"""

# they tell when they begin, and end when they are told to; the one that ended before anybody looked is to be settled
ADOPTED = """\
one:
	detach = yes
	echo begin one >> effects
	until [ -e go ]; do sleep 0.02; done
	echo end one >> effects

two:
	detach = yes
	echo begin two >> effects
	until [ -e go2 ]; do sleep 0.02; done
	echo end two >> effects

after: one two
	echo after >> effects
"""
ADOPTED_EFFECTS = sorted(["begin one", "end one", "begin two", "end two", "after"])

# half done until it is done: what is overwritten is gone first
EFFECT = """\
: > out/$1
cat source.txt > out/$1
echo "$1 $(cat source.txt)" >> effects
"""


def plain_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("FAULT_") and name != "LD_PRELOAD"}


def run(directory, *arguments, faults=None):
    """(exit status or None if it hangs, standard output, standard error)"""
    environment = plain_environment()
    if faults is not None:
        environment.update(faults)
        environment["LD_PRELOAD"] = LIBRARY
        # a library of ours comes before the sanitizers' own
        environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([ORCH, *arguments], cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            status = process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = None
        out.seek(0)
        err.seek(0)
        return status, out.read().decode(errors="replace"), err.read().decode(errors="replace")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def wait_for(directory, condition):
    until = time.monotonic() + DEADLINE_S
    while not condition(read(os.path.join(directory, "effects")).splitlines()):
        if time.monotonic() > until:
            raise SystemExit("Bail out! waited in vain in %s" % directory)
        time.sleep(0.005)


def begin_and_kill(directory):
    """One attempt still runs, one has ended; their orch is gone."""
    process = subprocess.Popen([ORCH, "-j3"], cwd=directory, env=plain_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    wait_for(directory, lambda lines: {"begin one", "begin two"} <= set(lines))
    process.kill()
    process.wait()
    write(os.path.join(directory, "go2"), "")
    wait_for(directory, lambda lines: "end two" in lines)


def try_adoption(top, case):
    """As try_case(): whatever fails when it is adopted, no attempt is begun twice."""
    directory = os.path.join(top, name_of(case))
    shutil.copytree(os.path.join(top, "adopt"), directory)
    report = os.path.join(directory, "report")
    begin_and_kill(directory)
    # it is let go on when the next orch has taken it, or has given up
    opener = threading.Timer(0.1, write, (os.path.join(directory, "go"), ""))
    opener.start()
    status, _, err = run(directory, "-j3", faults=faults_of(case, report))
    opener.join()
    counts, failed, fd, path = read_report(report)
    wrong = []
    if status is None or status < 0 or status > 2:
        wrong.append("exit status %s" % status)
    elif status != 0 and fd != 2 and not err.strip():
        wrong.append("exit status %d, and no message" % status)
    wait_for(directory, lambda lines: "end one" in lines)
    status_again, _, err_again = run(directory, "-j3")
    if status_again != 0:
        wrong.append("the next run ends with %s: %s" % (status_again, err_again.strip()))
    effects = read(os.path.join(directory, "effects")).splitlines()
    # what is not detached runs again where it could not be written down
    if sorted(set(effects)) != ADOPTED_EFFECTS or len([line for line in effects if line != "after"]) != len(ADOPTED_EFFECTS) - 1:
        wrong.append("effects: %s" % ", ".join(effects))
    wrong += left_behind(directory)
    if os.environ.get("FAULT_VERBOSE") or wrong:
        print("# %s: status %s: %s" % (name_of(case), status, path), flush=True)
    if not wrong:
        shutil.rmtree(directory)
    else:
        wrong = ["%s (%s), exit status %s: %s" % (name_of(case), path, status, "; ".join(wrong)), err[-1500:]]
    return wrong, path if failed else None, counts


def pack(state):
    stamps = os.path.join(state, "stamps")
    names = [name for name in os.listdir(stamps) if not name.startswith("_")]
    write(os.path.join(stamps, "_pack"), "".join(read(os.path.join(stamps, name)) for name in names))
    for name in names:
        os.remove(os.path.join(stamps, name))
    os.remove(os.path.join(state, "stamps.index"))


def prepare(directory, scenario):
    os.makedirs(directory)
    if scenario == "adopt":
        write(os.path.join(directory, "Orchfile"), ADOPTED)
        return
    write(os.path.join(directory, "Orchfile"), ORCHFILE)
    write(os.path.join(directory, "effect.sh"), EFFECT)
    write(os.path.join(directory, "source.txt"), "one\n")
    if scenario != "fresh":
        status, _, err = run(directory, "-j3")
        if status != 0:
            raise SystemExit("Bail out! a run without faults ended with %s: %s" % (status, err))
    if scenario == "packed":
        pack(os.path.join(directory, ".orch"))
    if scenario == "changed":
        write(os.path.join(directory, "source.txt"), "second\n")


def faults_of(case, report):
    faults = {"FAULT_REPORT": report}
    if case:
        family, nth, name, lasting, _ = case
        faults.update(FAULT_FAMILY=family, FAULT_NTH=str(nth), FAULT_ERRNO=str(getattr(errno, "ENOSPC" if name == "SHORT" else name)),
                      FAULT_SHORT=str(int(name == "SHORT")), FAULT_LASTING=str(int(lasting)))
    return faults


def read_report(path):
    with open(path, "rb") as f:
        values = REPORT.unpack(f.read(REPORT.size))
    return dict(zip(FAMILIES, values)), values[7], values[8], values[9].split(b"\0")[0].decode(errors="replace")


def without_effect(directory):
    """Streams that count as complete and whose effect is not there."""
    status, out, err = run(directory, "list", "--json")
    if status != 0:
        return ["orch list: exit status %s: %s" % (status, err.strip())]
    source = read(os.path.join(directory, "source.txt")).strip()
    done = set(read(os.path.join(directory, "effects")).splitlines())
    wrong = []
    for stream in json.loads(out)["streams"]:
        name = stream["stream"] if "stream" in stream else stream["name"]
        if stream["state"] != "complete":
            continue
        if "%s %s" % (name, source) not in done:
            wrong.append("%s is complete and never ended" % name)
        if read(os.path.join(directory, "out", name)).strip() != source:
            wrong.append("%s is complete and its output is %r" % (name, read(os.path.join(directory, "out", name))))
    return wrong


def processes_in(directory):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink("/proc/%s/cwd" % pid) == directory:
                found.append(pid)
        except OSError:
            continue
    return found


def left_behind(directory):
    """A detached attempt goes on without orch; after the run that adopts it nothing does."""
    until = time.monotonic() + DEADLINE_S / 4
    while processes_in(directory) and time.monotonic() < until:
        time.sleep(0.01)
    left = processes_in(directory)
    return ["processes left: %s" % " ".join(left)] if left else []


def name_of(case):
    family, nth, error, lasting, scenario = case
    return "%s-%d-%s%s-%s" % (family, nth, error, "-lasting" if lasting else "", scenario)


def try_case(top, case):
    """(what went wrong, what failed)"""
    scenario = case[4]
    if scenario == "adopt":
        return try_adoption(top, case)[:2]
    directory = os.path.join(top, name_of(case))
    shutil.copytree(os.path.join(top, scenario), directory)
    report = os.path.join(directory, "report")
    status, out, err = run(directory, "-j3", *SCENARIOS[scenario], faults=faults_of(case, report))
    _, failed, fd, path = read_report(report)
    if failed and os.environ.get("FAULT_VERBOSE"):
        print("# %s: status %s: %s" % (name_of(case), status, path), flush=True)
    told = ("descriptor %d " % fd if fd >= 0 else "") + path
    wrong = []
    if failed == 0:
        # calls depend on when things end, so the last ones are not always there
        shutil.rmtree(directory)
        return wrong, None
    if status is None:
        wrong.append("it does not end")
    elif status < 0:
        wrong.append("killed by signal %d" % -status)
    elif status not in (0, 1, 2):
        wrong.append("exit status %d" % status)
    elif status != 0 and fd != 2 and not err.strip():
        wrong.append("exit status %d, and no message" % status)
    if status == 0 and fd == 1:
        wrong.append("exit status 0, and its output was lost")
    if status is not None and "ERROR: " in err and "Sanitizer" in err:
        wrong.append("a sanitizer speaks")
    if scenario == "idle" and len(read(os.path.join(directory, "effects")).splitlines()) > len(STREAMS):
        wrong.append("what was complete ran again")
    wrong += without_effect(directory)
    before = read(os.path.join(directory, "effects"))
    status_again, _, err_again = run(directory, "-j3")
    if status_again != 0:
        wrong.append("the next run ends with %s: %s" % (status_again, err_again.strip()))
    if status == 0 and read(os.path.join(directory, "effects")) != before:
        wrong.append("exit status 0, and the next run had something to do")
    wrong += ["after the next run: " + text for text in without_effect(directory)]
    wrong += left_behind(directory)
    source = read(os.path.join(directory, "source.txt")).strip()
    wrong += ["after the next run: the output of %s is not right" % name for name in STREAMS
              if read(os.path.join(directory, "out", name)).strip() != source]
    status_idle, _, _ = run(directory, "-q")
    if status_idle != 0:
        wrong.append("orch -q: exit status %s after the next run" % status_idle)
    if not wrong:
        shutil.rmtree(directory)
    else:
        wrong = ["%s (%s), exit status %s: %s" % (name_of(case), told, status, "; ".join(wrong)), err[-1500:]]
    return wrong, told


def spread(items, bound):
    """`bound` of them, as far apart as they can be"""
    if bound >= len(items):
        return items
    return [items[i * len(items) // bound] for i in range(bound)]


def all_cases(counts):
    once, lasting = [], []
    for scenario in SCENARIOS:
        for family in FAMILIES:
            numbers = range(1, counts[scenario][family] + 1)
            once += [(family, n, error, False, scenario) for n in numbers for error in ERRORS[family]]
            lasting += [(family, n, error, True, scenario) for error in LASTING.get(family, [])
                        for n in (numbers if LONG else spread(list(numbers), ENOUGH_LASTING))]
    return once, lasting


def main():
    if not sys.platform.startswith("linux"):
        print("1..0 # SKIP a library is preloaded only on Linux")
        return
    top = os.path.realpath(tempfile.mkdtemp(prefix="orch-fault-"))
    results = tap.Tap(2 + len(FAMILIES))
    counts = {}
    problems = []
    for scenario in SCENARIOS:
        prepare(os.path.join(top, scenario), scenario)
        if scenario == "adopt":
            wrong, _, counts[scenario] = try_adoption(top, ("none", 0, "EIO", False, scenario))
            problems += wrong
            print("# %s: %s" % (scenario, " ".join("%s %d" % item for item in counts[scenario].items())), flush=True)
            continue
        probe = os.path.join(top, "probe-" + scenario)
        shutil.copytree(os.path.join(top, scenario), probe)
        status, _, err = run(probe, "-j3", *SCENARIOS[scenario], faults=faults_of(None, os.path.join(probe, "report")))
        if status != 0:
            problems.append("%s: exit status %s: %s" % (scenario, status, err))
        counts[scenario] = read_report(os.path.join(probe, "report"))[0]
        problems += ["%s: no call of %s was counted" % (scenario, family) for family in FAMILIES
                     if counts[scenario][family] == 0 and scenario != "idle"]
        print("# %s: %s" % (scenario, " ".join("%s %d" % (family, counts[scenario][family]) for family in FAMILIES)), flush=True)
    results.result("without a fault ten streams complete, and the calls are counted", problems)

    once, lasting = all_cases(counts)
    possible = len(once)
    if not LONG:
        # what has few calls is tried in all places, or nearly: much depends on each
        idle = [case for case in once if case[4] == "idle"]
        adopt = [case for case in once if case[4] == "adopt"]
        rare = [case for case in once if case[4] not in ("idle", "adopt") and case[0] in ("sync", "rename", "spawn", "mkdir")]
        chosen = set(idle + adopt + rare)
        common = [case for case in once if case not in chosen]
        share = max(4, CASES - len(lasting)) // 4
        once = spread(idle, share) + spread(adopt, share) + spread(rare, share) + spread(common, share)
    cases = once + lasting
    only = os.environ.get("FAULT_ONLY")
    if only:
        cases = [case for case in cases + all_cases(counts)[0] if name_of(case) == only][:1]
    print("# %d cases of %d" % (len(cases), possible + len(lasting)), flush=True)
    wrong = {family: [] for family in FAMILIES}
    tried = {family: 0 for family in FAMILIES}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for case, (problems, told) in zip(cases, pool.map(lambda case: try_case(top, case), cases)):
            wrong[case[0]] += problems
            tried[case[0]] += told is not None
    for family in FAMILIES:
        results.result("%s fails: %d cases, no crash, no hang, nothing complete that is not, and the next run completes"
                       % (family, tried[family]), wrong[family])
    results.result("most calls that were to fail did", [] if only or sum(tried.values()) > len(cases) // 2 else [str(tried)])
    if any(wrong.values()):
        print("# kept: %s" % top)
    else:
        shutil.rmtree(top)
    results.end()


main()
