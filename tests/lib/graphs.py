"""Graphs of tasks, and the three languages they are written in for tests and measurements: Orchfile, Makefile, build.ninja."""

import gzip
import os
import random
from dataclasses import dataclass, field


@dataclass
class Task:
    """`command` is one line of shell; `deps` and `order_only` are names of tasks."""

    name: str
    command: str = ":"
    deps: list = field(default_factory=list)
    order_only: list = field(default_factory=list)
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    seconds: float = 0.0


def read_workload(path):
    """The tasks of a .tsv or .tsv.gz (tests/data/README.md says what is in it), without commands: [Task], named t0, t1, ..."""
    opener = gzip.open if path.endswith(".gz") else open
    tasks = []
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            number, seconds, parents = line.rstrip("\n").split("\t")[:3]
            deps = [] if parents == "-" else ["t" + parent for parent in parents.split(",")]
            tasks.append(Task("t" + number, deps=deps, seconds=float(seconds)))
    return tasks


def workload_files(srcdir):
    """The graphs that are here: those that come with the sources, and all of ORCH_TEST_DATA. {name: path}"""
    found = {}
    for directory in (os.path.join(srcdir, "tests", "data", "workflows"), os.environ.get("ORCH_TEST_DATA", "")):
        if not os.path.isdir(directory):
            continue
        for name in sorted(os.listdir(directory)):
            for ending in (".tsv", ".tsv.gz"):
                if name.endswith(ending):
                    found.setdefault(name[: -len(ending)], os.path.join(directory, name))
    return found


def random_graph(seed, smallest=5, largest=40, order_only=0.1):
    """An acyclic graph; the same one for the same seed. Wide, long and dense ones come up about as often."""
    rng = random.Random(seed)
    count = rng.randint(smallest, largest)
    density = rng.choice((0.5, 1.0, 2.0, 3.5))
    reach = rng.choice((3, 10, count))
    tasks = []
    for number in range(count):
        task = Task("t%d" % number)
        nearest = range(max(0, number - reach), number)
        wanted = min(len(nearest), int(rng.expovariate(1 / density)) if number else 0)
        for parent in sorted(rng.sample(nearest, wanted)):
            (task.order_only if rng.random() < order_only else task.deps).append("t%d" % parent)
        tasks.append(task)
    return tasks


def layered_graph(layers, width, fan_in=3, seed=1):
    """Each task depends on `fan_in` random ones of the layer before."""
    rng = random.Random(seed)
    tasks = []
    for layer in range(layers):
        for number in range(width):
            task = Task("l%dn%d" % (layer, number))
            if layer:
                task.deps = ["l%dn%d" % (layer - 1, parent) for parent in sorted(rng.sample(range(width), fan_in))]
            tasks.append(task)
    return tasks


def logging_commands(tasks, log, scale=0.0, longest=None, least=0.002):
    """Gives each task a command that appends `s NAME` and `e NAME` to `log`, and sleeps `seconds * scale` in between (not at all below `least`)."""
    for task in tasks:
        pause = task.seconds * scale
        if longest is not None:
            pause = min(pause, longest)
        sleep = "sleep %.3f; " % pause if pause >= least else ""
        task.command = "echo s %s >> %s; %secho e %s >> %s" % (task.name, log, sleep, task.name, log)


def write_orchfile(tasks, path, jobs=None):
    with open(path, "w", encoding="utf-8") as out:
        if jobs:
            out.write("project:\n\tjobs = %d\n\n" % jobs)
        for task in tasks:
            order_only = " | " + " ".join(task.order_only) if task.order_only else ""
            deps = " " + " ".join(task.deps) if task.deps else ""
            out.write("%s:%s%s\n" % (task.name, deps, order_only))
            if task.inputs:
                out.write("\tinputs = %s\n" % " ".join(task.inputs))
            if task.outputs:
                out.write("\toutputs = %s\n" % " ".join(task.outputs))
            out.write("\t%s\n" % task.command)


def output_of(task):
    """What stands for the task in Makefile and build.ninja, which know files only."""
    return task.outputs[0] if task.outputs else task.name


def write_makefile(tasks, path, touch=False):
    """`touch`: the recipe also makes the file that stands for the task."""
    file_of = {task.name: output_of(task) for task in tasks}
    with open(path, "w", encoding="utf-8") as out:
        out.write(".SUFFIXES:\nMAKEFLAGS += -r --no-print-directory\nall: %s\n" % " ".join(file_of.values()))
        for task in tasks:
            order_only = " | " + " ".join(file_of[dep] for dep in task.order_only) if task.order_only else ""
            deps = " ".join(task.inputs + [file_of[dep] for dep in task.deps])
            command = task.command.replace("$", "$$") + (" && touch $@" if touch else "")
            out.write("%s: %s%s\n\t@%s\n" % (file_of[task.name], deps, order_only, command))


def write_ninja(tasks, path, touch=False, restat=False):
    file_of = {task.name: output_of(task) for task in tasks}
    with open(path, "w", encoding="utf-8") as out:
        # $out has a value in the rule only
        out.write("rule r\n command = $cmd%s\n description = run $out\n%s" % (" && touch $out" if touch else "", " restat = 1\n" if restat else ""))
        for task in tasks:
            order_only = " || " + " ".join(file_of[dep] for dep in task.order_only) if task.order_only else ""
            deps = " ".join(task.inputs + [file_of[dep] for dep in task.deps])
            command = task.command.replace("$", "$$")
            out.write("build %s: r %s%s\n cmd = %s\n" % (file_of[task.name], deps, order_only, command))


def ancestors(tasks, names):
    """`names` and all that they wait for."""
    by_name = {task.name: task for task in tasks}
    found, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += by_name[name].deps + by_name[name].order_only
    return found


def dependents(tasks, names):
    """`names` and all that is stale when they are: order-only dependencies do not count. `tasks` are in topological order."""
    found = set(names)
    for task in tasks:
        if any(dep in found for dep in task.deps):
            found.add(task.name)
    return found


def read_log(path):
    """[(mark, name)] of what logging commands wrote."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return [tuple(line.split()) for line in lines]


def check_log(tasks, entries, jobs, order_only=True):
    """What is wrong with the order of a log: a list of sentences, empty if nothing is. A parent that is not in the log was complete before."""
    problems, running, ended, started = [], 0, set(), {}
    by_name = {task.name: task for task in tasks}
    in_log = {name for mark, name in entries if mark == "s"}
    most = 0
    for mark, name in entries:
        if mark == "s":
            if name in started:
                problems.append("%s was run twice" % name)
            started[name] = True
            task = by_name[name]
            for parent in task.deps + (task.order_only if order_only else []):
                if parent in in_log and parent not in ended:
                    problems.append("%s started before %s ended" % (name, parent))
            running += 1
            most = max(most, running)
        else:
            ended.add(name)
            running -= 1
    if most > jobs:
        problems.append("%d at once with -j%d" % (most, jobs))
    return problems
