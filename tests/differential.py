#!/usr/bin/env python3
"""The same random graphs as Orchfile, Makefile and build.ninja: the same tasks run, in a legal order, with the same exit status. TAP.

Every task has an input file of its own and an output whose content is made from its input, its recipe and the outputs that it depends on,
so that a change reaches all that depends on it, by content as well as by time. Each tool has its own directory and is led through the same
changes; what a recipe did it appends to a log, and the logs are compared.

Where the tools differ by design, the comparison is made to mean something, or the difference itself is tested:
- orch looks at content, ninja and make at times: a changed input changes its content too. A file that is only touched, or an output that
  is removed and comes out the same again, makes orch do less (`by design` below).
- orch and ninja remember recipes; make does not: there the task's input is touched when its recipe changes.
- Without -k the tools choose among tasks that are ready in an order of their own, so which of them were still started before the failure
  is their own affair: then what is compared is that only stale tasks ran, that the failed one did and nothing that depends on it, the exit
  status, and that the next run does exactly the rest.
- ninja has no -B, -t and -q; orch is compared with make there.
- A task that depends on others only by order is not stale when they are, in all three.

ORCH_SEEDS="1 2 3" chooses graphs; a failed result names its seed.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

srcdir = os.environ.get("srcdir", ".")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(srcdir, "tests", "lib"))
import graphs  # noqa: E402
import tap  # noqa: E402

ORCH = os.path.abspath(os.environ.get("ORCH", "orch"))
SEEDS = [int(word) for word in os.environ.get("ORCH_SEEDS", "").split()] or list(range(1, 26))

WRITERS = {"orch": ("Orchfile", graphs.write_orchfile), "make": ("Makefile", graphs.write_makefile), "ninja": ("build.ninja", graphs.write_ninja)}


class Tool:
    """One of the three, in its own directory."""

    def __init__(self, name, top, tasks):
        self.name = name
        self.directory = os.path.join(top, name)
        self.tasks = tasks
        self.file_of = {task.name: graphs.output_of(task) for task in tasks}
        for sub in ("in", "out", "fail"):
            os.makedirs(os.path.join(self.directory, sub))
        for task in tasks:
            self.change_input(task.name, "first")
        self.write()

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self):
        name, writer = WRITERS[self.name]
        writer(self.tasks, self.path(name))

    def change_input(self, task, text):
        with open(self.path("in", task), "w", encoding="utf-8") as out:
            out.write("%s %s\n" % (task, text))

    def touch_input(self, task):
        os.utime(self.path("in", task))

    def set_failing(self, task, failing):
        if failing:
            open(self.path("fail", task), "w", encoding="utf-8").close()
        else:
            os.remove(self.path("fail", task))

    def command(self, options, targets):
        files = [self.file_of[target] for target in targets]
        if self.name == "orch":
            return [ORCH, *options, *targets]
        if self.name == "make":
            return ["make", *options, *(files or ["all"])]
        # as many failures as there may be
        return ["ninja", *["-k0" if option == "-k" else option for option in options], *files]

    def run(self, *options, targets=()):
        """(exit status, [(mark, task)], what it printed)"""
        log = self.path("log")
        if os.path.exists(log):
            os.remove(log)
        done = subprocess.run(self.command(options, targets), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120)
        return done.returncode, graphs.read_log(log), done.stdout

    def listed(self, targets=()):
        """(what -n lists, exit status)"""
        status, _, printed = self.run("-n", targets=targets)
        names = set(self.file_of)
        found = set()
        for line in printed.splitlines():
            words = line.split()
            if self.name == "orch":
                # `t1  reason`; the last line counts
                found |= {words[0]} & names if words else set()
            elif self.name == "ninja":
                # `[1/2] run out/t1`
                found |= {word[4:] for word in words if word.startswith("out/")} & names
            elif "echo s " in line:
                # the recipe
                found |= {line.split("echo s ", 1)[1].split()[0]} & names
        return found, status

    def tree(self):
        """Everything below the directory, but for the log that the test itself removes."""
        found = {}
        for directory, _, files in os.walk(self.directory):
            for name in [*files, "."]:
                path = os.path.normpath(os.path.join(directory, name))
                state = os.stat(path)
                found[path] = (state.st_mtime_ns, state.st_size, state.st_ino)
        return found


def recipe(task, version):
    """One line of shell. A task fails while fail/NAME is there, before it has made anything."""
    parts = " ".join(["in/" + task.name, *("out/" + dep for dep in task.deps)])
    return ("echo s %(name)s >> log; test ! -e fail/%(name)s && echo %(version)s | cat - %(parts)s | cksum > out/%(name)s && echo e %(name)s >> log"
            % {"name": task.name, "version": version, "parts": parts})


class Comparison:
    def __init__(self, seed, top):
        self.seed = seed
        self.rng = random.Random(seed * 1000 + 7)
        self.tasks = graphs.random_graph(seed)
        self.names = [task.name for task in self.tasks]
        for task in self.tasks:
            task.inputs = ["in/" + task.name]
            task.outputs = ["out/" + task.name]
            task.command = recipe(task, "v1")
        self.tools = {name: Tool(name, top, self.tasks) for name in WRITERS}
        self.jobs = "-j%d" % self.rng.randint(1, 4)
        self.problems = []
        self.counter = 0

    def problem(self, text):
        self.problems.append("seed %d, %d tasks, %s: %s" % (self.seed, len(self.tasks), self.jobs, text))

    def tick(self):
        # file times have the grain of the kernel's clock tick
        time.sleep(0.012)

    def edit(self, task):
        """The input of `task` changes, for all tools."""
        self.tick()
        self.counter += 1
        for tool in self.tools.values():
            tool.change_input(task, "change %d" % self.counter)

    def started(self, entries):
        return {name for mark, name in entries if mark == "s"}

    def expect(self, what, tool, options, ran, status_is_zero=True, targets=()):
        """Runs it; exactly `ran` must be run."""
        status, entries, printed = tool.run(*options, targets=targets)
        got = self.started(entries)
        if got != ran:
            self.problem("%s: %s %s ran %s too much and %s too little" % (what, tool.name, " ".join(options), sorted(got - ran), sorted(ran - got)))
        if (status == 0) != status_is_zero:
            self.problem("%s: %s %s: exit status %d\n%s" % (what, tool.name, " ".join(options), status, printed[-600:]))
        for text in graphs.check_log(self.tasks, [entry for entry in entries], int(self.jobs[2:])):
            if "at once" not in text or status_is_zero:
                self.problem("%s: %s: %s" % (what, tool.name, text))

    def all_expect(self, what, ran, tools=("ninja", "make", "orch"), options=None, status_is_zero=True, targets=()):
        for name in tools:
            self.expect(what, self.tools[name], [self.jobs] if options is None else options, ran, status_is_zero, targets)

    def nothing(self, what):
        self.all_expect(what, set())

    # the steps; each starts and ends with everything built, but for the first

    def first_run(self):
        if self.rng.random() < 0.5:
            targets = self.rng.sample(self.names, min(2, len(self.names)))
            wanted = graphs.ancestors(self.tasks, targets)
            self.all_expect("first run of targets", wanted, targets=targets)
            self.all_expect("first run of the rest", set(self.names) - wanted)
        else:
            self.all_expect("first run", set(self.names))

    def nothing_changed(self):
        self.nothing("nothing changed")
        for name, tool in self.tools.items():
            found, status = tool.listed()
            if found or status != 0:
                self.problem("nothing changed: %s -n lists %s, exit status %d" % (name, sorted(found), status))
        for name in ("make", "orch"):
            if self.tools[name].run("-q")[0] != 0:
                self.problem("nothing changed: %s -q says that something is to do" % name)

    def one_input(self):
        task = self.rng.choice(self.names)
        stale = graphs.dependents(self.tasks, [task])
        self.edit(task)
        for name, tool in self.tools.items():
            before = tool.tree()
            found, status = tool.listed()
            if found != stale or status != 0:
                self.problem("input of %s changed: %s -n lists %s, not %s; exit status %d" % (task, name, sorted(found), sorted(stale), status))
            # make and ninja may write what they like
            if name == "orch" and tool.tree() != before:
                self.problem("orch -n wrote something")
        for name in ("make", "orch"):
            before = self.tools[name].tree()
            status, entries, _ = self.tools[name].run("-q")
            if status != 1 or entries:
                self.problem("input of %s changed: %s -q: exit status %d, ran %s" % (task, name, status, sorted(self.started(entries))))
            if name == "orch" and self.tools[name].tree() != before:
                self.problem("orch -q wrote something")
        self.all_expect("input of %s changed" % task, stale)
        self.nothing("after one input")

    def one_recipe(self):
        task = self.rng.choice(self.tasks)
        self.tick()
        task.command = recipe(task, "v%d" % (self.counter + 2))
        self.counter += 1
        for tool in self.tools.values():
            tool.write()
        self.tools["make"].touch_input(task.name)
        self.all_expect("recipe of %s changed" % task.name, graphs.dependents(self.tasks, [task.name]))
        self.nothing("after one recipe")

    def one_failure(self, keep_going):
        """A task near the front fails; it, what depends on it and some that do not are stale."""
        task = self.rng.choice(self.names[: max(1, len(self.names) // 2)])
        other = self.rng.choice(self.names)
        stale = graphs.dependents(self.tasks, [task, other])
        self.edit(task)
        self.edit(other)
        # an order-only dependency must have been built for its dependents to run
        blocked = set()
        for each in self.tasks:
            if each.name in stale and any(dep == task or dep in blocked for dep in each.deps + each.order_only):
                blocked.add(each.name)
        for tool in self.tools.values():
            tool.set_failing(task, True)
        rest = {}
        if keep_going:
            self.all_expect("%s fails, -k" % task, stale - blocked, options=[self.jobs, "-k"], status_is_zero=False)
            rest = {name: blocked | {task} for name in self.tools}
        else:
            for name, tool in self.tools.items():
                status, entries, _ = tool.run(self.jobs)
                got = self.started(entries)
                if status == 0 or task not in got or not got <= stale - blocked:
                    self.problem("%s fails: %s: exit status %d, ran %s of %s" % (task, name, status, sorted(got), sorted(stale - blocked)))
                rest[name] = (stale - got) | {task}
        for tool in self.tools.values():
            tool.set_failing(task, False)
        for name in self.tools:
            self.all_expect("%s fails no longer" % task, rest[name], tools=(name,))
        self.nothing("after a failure")

    def always(self):
        target = self.rng.choice(self.names)
        self.all_expect("-B %s" % target, graphs.ancestors(self.tasks, [target]), tools=("make", "orch"), options=[self.jobs, "-B"], targets=[target])
        # in make the outputs are newer now than what depends on them
        later = graphs.dependents(self.tasks, graphs.ancestors(self.tasks, [target])) - graphs.ancestors(self.tasks, [target])
        self.all_expect("after -B", later, tools=("make",))
        self.all_expect("after -B, by design: the same content", set(), tools=("orch", "ninja"))

    def by_design(self):
        task = self.rng.choice(self.names)
        stale = graphs.dependents(self.tasks, [task])
        self.tick()
        for tool in self.tools.values():
            tool.touch_input(task)
        self.all_expect("input of %s touched" % task, stale, tools=("make", "ninja"))
        self.all_expect("by design: input of %s touched" % task, set(), tools=("orch",))
        self.tick()
        for tool in self.tools.values():
            os.remove(tool.path("out", task))
        self.all_expect("output of %s removed" % task, stale, tools=("make", "ninja"))
        self.all_expect("by design: output of %s removed" % task, {task}, tools=("orch",))
        self.nothing("after an output was removed")

    def touched(self):
        task = self.rng.choice(self.names)
        self.edit(task)
        self.all_expect("input of %s changed, -t" % task, set(), tools=("make", "orch"), options=["-t"])
        for name in ("make", "orch"):
            if self.tools[name].run("-q")[0] != 0:
                self.problem("after -t: %s -q says that something is to do" % name)
        self.all_expect("after -t", set(), tools=("make", "orch"))
        again = self.rng.choice(self.names)
        self.edit(again)
        self.all_expect("input of %s changed after -t" % again, graphs.dependents(self.tasks, [again]), tools=("make", "orch"))

    STEPS = (
        ("the first run", first_run),
        ("nothing changed: run, -n, -q", nothing_changed),
        ("one input changed: -n, -q, run", one_input),
        ("one recipe changed", one_recipe),
        ("one fails, with -k; then it does not", lambda self: self.one_failure(True)),
        ("one fails, without -k; then it does not", lambda self: self.one_failure(False)),
        ("-B", always),
        ("differences by design", by_design),
        ("-t", touched),
    )


def main():
    needed = [tool for tool in ("make", "ninja") if not shutil.which(tool)]
    if needed:
        print("1..0 # SKIP no %s here" % " and ".join(needed))
        return
    os.environ.pop("MAKEFLAGS", None)
    os.environ["LC_ALL"] = "C"
    out = tap.Tap(len(Comparison.STEPS))
    print("# seeds: %s" % " ".join(map(str, SEEDS)))
    top = tempfile.mkdtemp(prefix="orch-differential-")
    try:
        comparisons = [Comparison(seed, os.path.join(top, str(seed))) for seed in SEEDS]
        for title, step in Comparison.STEPS:
            problems = []
            for comparison in comparisons:
                # what a step left in a state that was not expected would only repeat itself
                if not comparison.problems:
                    step(comparison)
                    problems += comparison.problems
            out.result("%s: %d graphs" % (title, len(comparisons)), problems)
    finally:
        shutil.rmtree(top)
    out.end()


if __name__ == "__main__":
    main()
