#!/usr/bin/env python3
"""Speed and memory of orch, as ratios against ninja and make in the same run: `make bench`.

Every figure is the median of runs that alternate between the tools, on the same graph, in a fresh directory below TMPDIR. The table goes to standard
output and between the markers of doc/performance.md; `--keep DIR` leaves the graphs there, so that the command lines of the table can be repeated.
`--only WORD` measures the lines that have that word in their name, and writes no file.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

srcdir = os.environ.get("srcdir", ".")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(srcdir, "tests", "lib"))

ORCH = os.path.abspath(os.environ.get("ORCH", "orch"))
PROBES = os.path.abspath(os.path.join(os.environ.get("builddir", "."), "tests", "bench"))
SPAWN_LIMIT, EDGE = os.path.join(PROBES, "spawn_limit"), os.path.join(PROBES, "edge")
DOCUMENT = os.path.join(srcdir, "doc", "performance.md")
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


# --- one command, measured by a process that is itself small: what a child takes from its parent counts as its own memory ------------

MEASURE = """
import json, os, sys, time
null = os.open("/dev/null", os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)]
start = time.monotonic()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - start
print(json.dumps([seconds, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]))
"""


def measure(command, directory, status=0):
    """(seconds, peak KiB)"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, *command], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    try:
        seconds, peak, code = json.loads(done.stdout)
    except ValueError:
        code = None
    if code != status:
        sys.exit("bench: %s in %s: exit status %s\n%s" % (shlex.join(command), directory, code, done.stderr[-2000:]))
    return seconds, peak


def alternate(rounds, *cases):
    """Each case is (command, directory, prepare); medians of seconds and KiB for each."""
    found = [([], []) for _ in cases]
    for _ in range(rounds):
        for (command, directory, prepare), (seconds, peaks) in zip(cases, found):
            if prepare:
                prepare(directory)
            took, peak = measure(command, directory)
            seconds.append(took)
            peaks.append(peak)
    return [(statistics.median(seconds), statistics.median(peaks)) for seconds, peaks in found]


# --- graphs ------------------------------------------------------------------------------------------------------------------------

# in a process of its own, so that their memory is gone afterwards
WRITE = """
import os, sys
sys.path.insert(0, sys.argv[1])
import graphs
top, kind, first, second = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
if kind == "layers":
    tasks = graphs.layered_graph(first, second)
else:
    tasks = [graphs.Task("t%d" % number) for number in range(first)]
os.makedirs(top + "/orch")
graphs.write_orchfile(tasks, top + "/orch/Orchfile")
for task in tasks:
    # files in one directory for each layer
    task.outputs = [task.name.replace("n", "/", 1)] if kind == "layers" else [task.name]
for tool, name in (("ninja", "build.ninja"), ("make", "Makefile")):
    os.makedirs(top + "/" + tool)
    for layer in range(first if kind == "layers" else 0):
        os.makedirs("%s/%s/l%d" % (top, tool, layer))
graphs.write_ninja(tasks, top + "/ninja/build.ninja")
graphs.write_makefile(tasks, top + "/make/Makefile")
# a complete build of them: outputs in the order of the graph, and ninja's log. Writing them takes seconds where building them takes minutes
if kind == "layers":
    with open(top + "/ninja/.ninja_log", "w") as log:
        log.write("# ninja log v5\\n")
        for task in tasks:
            for tool in ("ninja", "make"):
                path = "%s/%s/%s" % (top, tool, task.outputs[0])
                open(path, "w").close()
            mtime = os.stat("%s/ninja/%s" % (top, task.outputs[0])).st_mtime_ns
            # ninja's hash of the command `:`, the same for all
            log.write("0\\t1\\t%d\\t%s\\t2e49d2477c6737f0\\n" % (mtime, task.outputs[0]))
"""


class Graphs:
    """Made when they are asked for."""

    def __init__(self, top):
        self.top = top

    def get(self, kind, first, second=0):
        name = "%s-%d" % (kind, first * (second or 1))
        path = os.path.join(self.top, name)
        if os.path.isdir(path):
            return path
        print("bench: writing %s" % name, file=sys.stderr)
        subprocess.run([sys.executable, "-c", WRITE, os.path.join(srcdir, "tests", "lib"), path, kind, str(first), str(second)], check=True)
        if kind == "layers":
            self.complete(path)
        return path

    def complete(self, path):
        listed = subprocess.run(["ninja", "-n"], cwd=path + "/ninja", stdout=subprocess.PIPE, text=True, check=True).stdout
        if "no work to do" not in listed:
            # a ninja with another form of its log
            print("bench: building it with ninja", file=sys.stderr)
            subprocess.run(["ninja", "--quiet"], cwd=path + "/ninja", check=True)
        subprocess.run([ORCH, "-t", "-s"], cwd=path + "/orch", check=True)
        if subprocess.run([ORCH, "-q"], cwd=path + "/orch").returncode != 0:
            sys.exit("bench: orch -t left something to do")
        fresh = path + "/stale"
        os.makedirs(fresh)
        for tool, name in (("orch", "Orchfile"), ("ninja", "build.ninja")):
            os.makedirs("%s/%s" % (fresh, tool))
            os.link("%s/%s/%s" % (path, tool, name), "%s/%s/%s" % (fresh, tool, name))


def forget(directory):
    """Moved aside, and removed at the end of all: ext4 does not give out the inodes of files that were removed in the last seconds, and searches
    past them, which would be measured in whatever makes files next."""
    state = os.path.join(directory, ".orch")
    if os.path.exists(state):
        os.rename(state, "%s.old.%d" % (state, time.monotonic_ns()))
    for name in (".ninja_log", ".ninja_deps"):
        if os.path.exists(os.path.join(directory, name)):
            os.remove(os.path.join(directory, name))


# --- the lines of the table --------------------------------------------------------------------------------------------------------


class Line:
    def __init__(self, name, measured, target, passed, commands):
        # `passed` is None where there is no target
        self.name, self.measured, self.target, self.passed, self.commands = name, measured, target, passed, commands


def ms(seconds):
    return "%.1f ms" % (seconds * 1000) if seconds < 1 else "%.2f s" % seconds


def against(name, orch, ninja, limit, commands, more="", ratio=None):
    ratio = ratio or orch / ninja
    return Line(name, "%s : %s = **%.2f**%s" % (ms(orch), ms(ninja), ratio, more), "at most %.2f of ninja" % limit, ratio <= limit, commands)


def nothing_to_do(graphs):
    for layers, width, rounds, most in ((100, 100, 11, 0.5), (100, 1000, 7, 0.33)):
        path = graphs.get("layers", layers, width)
        count = layers * width
        (orch, orch_peak), (ninja, ninja_peak), (make, _) = alternate(
            rounds, ([ORCH], path + "/orch", None), (["ninja"], path + "/ninja", None), (["make"], path + "/make", None))
        commands = "layers-%d/orch: orch; ../ninja: ninja" % count
        yield against("nothing to do, %d streams in 100 layers" % count, orch, ninja, most, commands, " (make: %s)" % ms(make))
        if count == 100000:
            yield Line("memory of the same, %d streams" % count,
                       "%.1f MB : %.1f MB = **%.2f**" % (orch_peak / 1024, ninja_peak / 1024, orch_peak / ninja_peak), "at most 0.80 of ninja",
                       orch_peak <= 0.8 * ninja_peak, commands)


def dry_run(graphs):
    path = graphs.get("layers", 100, 1000) + "/stale"
    (orch, _), (ninja, _) = alternate(7, ([ORCH, "-n"], path + "/orch", None), (["ninja", "-n"], path + "/ninja", None))
    yield against("dry run (-n), all of 100000 streams stale", orch, ninja, 1, "layers-100000/stale/orch: orch -n >/dev/null; ../ninja: ninja -n >/dev/null")


def independent(graphs):
    def beside(one, other):
        """What others do with the machine changes from round to round: so the median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(one, other))

    for count, rounds in ((1000, 15), (10000, 8)):
        path = graphs.get("independent", count)
        limits, leasts = [], []
        found = ([], [], [])
        for number in range(rounds):
            logs = os.path.join(path, "logs.%d" % number)
            os.mkdir(logs)
            for directory, seconds in (([], limits), ([logs], leasts)):
                seconds.append(float(subprocess.run([SPAWN_LIMIT, str(count), "2", *directory], check=True, stdout=subprocess.PIPE, text=True).stdout))
            cases = (([ORCH, "-j2", "-s"], path + "/orch"), (["ninja", "-j2", "--quiet"], path + "/ninja"), (["make", "-j2", "-s"], path + "/make"))
            for (command, directory), seconds in zip(cases, found):
                forget(directory)
                seconds.append(measure(command, directory)[0])
        orch, ninja, make = (statistics.median(seconds) for seconds in found)
        commands = "independent-%d/orch: mv .orch .orch.old; orch -j2 -s; ../ninja: rm -f .ninja_log; ninja -j2 --quiet; spawn_limit %d 2" % (count, count)
        yield against("%d streams of `:` at -j2" % count, orch, ninja, 1, commands, " (make: %s)" % ms(make),
                      beside(found[0], found[1]))
    yield Line("the least for those %d with a session and a log for each" % count, "%s; of that orch takes **%.2f**, ninja without them %.2f"
               % (ms(statistics.median(leasts)), beside(found[0], leasts), beside(found[1], leasts)), "", None, commands + " logs")
    rate = beside(limits, found[0])
    yield Line("dispatch: those %d, against spawning alone" % count, "%s : %s, **%.2f** of its rate" % (ms(orch), ms(statistics.median(limits)), rate),
               "at least 0.85 of the rate", rate >= 0.85, commands)


def start_up(graphs):
    path = graphs.get("independent", 10)
    for name, option in (("--version", "--version"), ("-n of ten streams", "-n")):
        (orch, _), (ninja, _) = alternate(41, ([ORCH, option], path + "/orch", None), (["ninja", option], path + "/ninja", None))
        yield Line("start-up: %s" % name, "%s : %s = **%+.1f ms**" % (ms(orch), ms(ninja), (orch - ninja) * 1000), "at most ninja + 2 ms", orch - ninja <= 0.002,
                   "independent-10/orch: orch %s; ../ninja: ninja %s" % (option, option))


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
            return [int(pid) for pid in children.read().split()]
    except OSError:
        return []


def switches_of(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as status:
            total += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    return total


def peak_of(pid):
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def sleeping(graphs):
    path = os.path.join(graphs.top, "sleeping-1000")
    seconds = 20
    os.makedirs(path, exist_ok=True)
    forget(path)
    with open(path + "/Orchfile", "w") as out:
        for number in range(1000):
            out.write("t%d:\n\texec sleep %d\n" % (number, seconds))
    start = time.monotonic()
    run = subprocess.Popen([ORCH, "-j1000", "-s"], cwd=path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # all are there, below their supervisor; then nothing happens until the first ends
    count = 0
    while count < 1000 and time.monotonic() - start < seconds - 6:
        time.sleep(0.1)
        ours = [run.pid] + children_of(run.pid)
        count = sum(len(children_of(pid)) for pid in ours[1:])
    time.sleep(1)
    before = sum(switches_of(pid) for pid in ours)
    time.sleep(4)
    switches = sum(switches_of(pid) for pid in ours) - before
    peak = sum(peak_of(pid) for pid in ours)
    code = run.wait()
    if code != 0 or count < 1000:
        sys.exit("bench: 1000 sleeping streams: %d at once, exit status %d" % (count, code))
    yield Line("memory with 1000 attempts at once", "**%.1f MB**" % (peak / 1024), "under 30 MB", peak < 30 * 1024, "sleeping-1000: orch -j1000 -s; VmHWM of /proc/PID/status, of orch and its supervisor")
    yield Line("wake-ups in 4 s, 1000 attempts asleep", "**%d**" % switches, "0", switches == 0, "the same; ctxt_switches of /proc/PID/task/*/status, of both")


EDGES, ASLEEP = 300, 1000


def gaps(path):
    """Sorted: from the end of a line's process to the start of the next one's."""
    with open(path) as lines:
        times = [tuple(int(word) for word in line.split()) for line in lines]
    return sorted((after[0] - before[1]) / 1e9 for before, after in zip(times, times[1:]))


def edges(graphs):
    path = os.path.join(graphs.top, "edges")
    os.makedirs(path, exist_ok=True)
    forget(path)
    found = {name: os.path.join(path, name) for name in ("orch", "alone")}
    for out in found.values():
        if os.path.exists(out):
            os.remove(out)
    with open(path + "/Orchfile", "w") as out:
        out.write("project:\n\tshell = %s %s\n\ndefaults:\n\tdetach = no\n\n" % (EDGE, found["orch"]))
        for number in range(EDGES):
            out.write("e%d:%s\n\t:\n" % (number, " e%d" % (number - 1) if number else ""))
        for number in range(ASLEEP):
            out.write("s%d:\n\tpriority = 1\n\tsleep\n" % number)
    run = subprocess.Popen([ORCH, "-j%d" % (ASLEEP + 1), "-s"], cwd=path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (os.path.exists(found["orch"]) and len(gaps(found["orch"])) == EDGES - 1):
        time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    if run.wait() != 130:
        sys.exit("bench: %d edges with %d streams asleep: exit status %d" % (EDGES, ASLEEP, run.returncode))
    subprocess.run([EDGE, found["alone"], "alone", str(EDGES)], check=True)
    took, alone = (gaps(out) for out in found.values())
    # a process takes time to end, and one to begin, whoever sees to it
    least = statistics.median(alone)
    own = [gap - least for gap in took]
    late = own[len(own) * 99 // 100]
    yield Line("from the end of a dependency to the start of the next, %d asleep" % ASLEEP,
               "median %s, 99th percentile %s; without the %s that spawning alone takes: %s, **%s**"
               % (ms(statistics.median(took)), ms(took[len(took) * 99 // 100]), ms(least), ms(statistics.median(own)), ms(late)),
               "99th percentile under 2 ms", late < 0.002, "edges: mv .orch .orch.old; orch -j%d -s; edge alone.out alone %d" % (ASLEEP + 1, EDGES))


def one_gigabyte(graphs):
    path = os.path.join(graphs.top, "gigabyte")
    command = "dd if=/dev/zero bs=64k count=16384 status=none"
    os.makedirs(path, exist_ok=True)
    with open(path + "/Orchfile", "w") as out:
        out.write("big:\n\t%s\n" % command)

    def clean(directory):
        forget(directory)
        if os.path.exists(directory + "/out"):
            os.remove(directory + "/out")
        os.sync()

    (orch, _), (shell, _) = alternate(7, ([ORCH, "-s"], path, clean), (["sh", "-c", command + " > out"], path, clean))
    clean(path)
    yield Line("a stream that prints 1 GB", "%s : %s = **%.2f**" % (ms(orch), ms(shell), orch / shell), "at most 1.05 of the shell's >file", orch <= 1.05 * shell,
               "gigabyte: mv .orch .orch.old; orch -s; sh -c '%s > out'" % command)


WORKTREES, FILES = 100, 5000


def worktrees(graphs):
    """Each side once, in a repository of its own: half a million files are made by each."""
    path = os.path.join(graphs.top, "worktrees")
    git = "git -c user.name=bench -c user.email=bench@localhost"
    for side in ("orch", "git"):
        top = "%s/%s/r" % (path, side)
        for number in range(FILES):
            directory = "%s/d%d" % (top, number // 100)
            os.makedirs(directory, exist_ok=True)
            with open("%s/f%d" % (directory, number), "w") as out:
                out.write("%d\n%s" % (number, "x" * 2000))
        subprocess.run("git init -q -b main && git add . && %s commit -qm first" % git, shell=True, cwd=top, check=True)
        # nothing of the repository itself is to be read from or written to the disk meanwhile
        subprocess.run(["git", "gc", "-q"], cwd=top, check=True)
    with open(path + "/orch/r/Orchfile", "w") as out:
        out.write("project:\n\tworktrees = ../worktrees\n\ndefaults:\n\tisolate = worktree\n\tkeep = always\n\n")
        out.write("for n in %s:\n\ts{{n}}:\n\t\t:\n" % " ".join(str(n) for n in range(WORKTREES)))
    add = "i=0; while [ $i -lt %d ]; do git worktree add -q -b orch/s$i ../worktrees/s$i 2>/dev/null || exit; i=$((i + 1)); done" % WORKTREES
    os.sync()
    by_git, _ = measure(["sh", "-c", add], path + "/git/r")
    os.sync()
    orch, peak = measure([ORCH, "-j16", "-s"], path + "/orch/r")
    made = len(os.listdir(path + "/orch/worktrees"))
    if made != WORKTREES or len(os.listdir(path + "/git/worktrees")) != WORKTREES:
        sys.exit("bench: %d worktrees instead of %d" % (made, WORKTREES))
    yield Line("%d worktrees of a repository with %d files, against `git worktree add` one after the other" % (WORKTREES, FILES),
               "%s : %s = **%.2f** (peak of orch: %.1f MB; load %.1f)" % (ms(orch), ms(by_git), orch / by_git, peak / 1024, os.getloadavg()[0]),
               "at most 1.00 of git", orch <= by_git, "worktrees/orch/r: orch -j16 -s; ../../git/r: %s" % add)


# what makes many files comes first: see forget()
PARTS = (independent, edges, start_up, nothing_to_do, dry_run, sleeping, one_gigabyte)
# takes minutes, and half a million files for each side: it has a section of its own in the document
ON_REQUEST = (worktrees,)


# --- the table ---------------------------------------------------------------------------------------------------------------------


def machine():
    model = "unknown processor"
    try:
        with open("/proc/cpuinfo") as info:
            model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    except OSError:
        pass
    versions = [subprocess.run([tool, "--version"], stdout=subprocess.PIPE, text=True).stdout.splitlines()[0] for tool in ("ninja", "make")]
    return "%d x %s, Linux %s; ninja %s, %s" % (os.cpu_count(), model, platform.release(), versions[0], versions[1])


def table(lines):
    text = ["Measured on %s." % machine(), "", "| what | orch : ninja | target | |", "| --- | --- | --- | --- |"]
    text += ["| %s | %s | %s | %s |" % (line.name, line.measured, line.target, {True: "pass", False: "**miss**", None: ""}[line.passed]) for line in lines]
    text += ["", "To repeat a line, in the directory that `make bench BENCH='--keep DIR'` leaves (`spawn_limit` and `edge` are in `tests/bench`):", ""]
    seen = []
    for line in lines:
        if line.commands not in seen:
            seen.append(line.commands)
            text.append("- %s: `%s`" % (line.name, line.commands))
    return "\n".join(text)


def write_document(text):
    try:
        with open(DOCUMENT, encoding="utf-8") as document:
            whole = document.read()
        before, rest = whole.split(BEGIN, 1)
        _, after = rest.split(END, 1)
    except (OSError, ValueError):
        sys.exit("bench: %s has no %s and %s" % (DOCUMENT, BEGIN, END))
    with open(DOCUMENT, "w", encoding="utf-8") as document:
        document.write("%s%s\n%s\n%s%s" % (before, BEGIN, text, END, after))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", metavar="DIR", help="make the graphs there and leave them")
    parser.add_argument("--only", metavar="WORD", action="append", help="of: " + ", ".join(part.__name__ for part in PARTS + ON_REQUEST))
    options = parser.parse_args()

    for tool in (ORCH, SPAWN_LIMIT, EDGE, "ninja", "make"):
        if not shutil.which(tool):
            sys.exit("bench: no %s" % tool)
    for name in list(os.environ):
        if name.startswith("MAKE") or name in ("MFLAGS", "CI", "GITHUB_ACTIONS", "GITLAB_CI"):
            del os.environ[name]
    top = os.path.abspath(options.keep) if options.keep else tempfile.mkdtemp(prefix="orch-bench-")
    lines = []
    try:
        graphs = Graphs(top)
        for part in PARTS + ON_REQUEST if options.only else PARTS:
            if options.only and not any(word in part.__name__ for word in options.only):
                continue
            for line in part(graphs):
                lines.append(line)
                verdict = {True: "pass", False: "MISS", None: ""}[line.passed]
                print("%-4s  %s: %s (%s)" % (verdict, line.name, line.measured.replace("*", ""), line.target or "for comparison"), flush=True)
    finally:
        if not options.keep:
            shutil.rmtree(top, ignore_errors=True)
    if not options.only:
        write_document(table(lines))
    sys.exit(1 if any(line.passed is False for line in lines) else 0)


if __name__ == "__main__":
    main()
