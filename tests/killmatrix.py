#!/usr/bin/env python3
"""What is left when a build is killed: every way to kill it, with every kind of process that a command may leave.

Without arguments: orch alone, with `detach = no` and `detach = yes`, as TAP. With --table: orch, ninja, make and GNU
parallel (those that are installed), as the table of doc/reliability.md.

Each process that is started writes its own number down before the build is killed; only those are looked at, and
only those are ended when something goes wrong.
"""

import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ORCH = os.path.abspath(os.environ.get("ORCH", "./orch"))
DEADLINE_S = 30
GIVE_UP_S = 8  # how long another tool is waited for
AT_ONCE = 6

# What the command of the one stream is. `note` writes down the number of the shell that runs it, which `exec` keeps.
# "ready" is there when all have done so
KINDS = {
    "plain": "note; echo ready >ready; exec sleep 1000",
    "sh with child": "note; sh -c 'note; exec sleep 1000' & await 2; echo ready >ready; wait",
    "ignores TERM and INT": "trap '' TERM INT HUP; note; sh -c 'note; exec sleep 1000' & await 2; echo ready >ready;"
                            " while :; do wait; done",
    "setsid child": "note; setsid sh -c 'note; exec sleep 1000' & await 2; echo ready >ready; wait",
    "daemon": "note; setsid sh -c 'sh -c \"note; exec sleep 1000\" >/dev/null 2>&1 </dev/null &' & wait; await 2;"
              " echo ready >ready; exec sleep 1000",
    "daemon, no environment": "note; env -i PATH=\"$PATH\" setsid sh -c"
                              " 'sh -c \"note; exec sleep 1000\" >/dev/null 2>&1 </dev/null &' & wait; await 2;"
                              " echo ready >ready; exec sleep 1000",
    "holds the output": "note; (trap '' TERM INT HUP; exec sh -c 'note; exec sleep 1000') & await 2; echo ready >ready;"
                        " exec sleep 1000",
    "stopped": "note; echo ready >ready; kill -STOP $$; exec sleep 1000",
}
SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP, "KILL": signal.SIGKILL}


def start_time(pid):
    """None if there is no such process, or only its zombie."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def state_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def wait_until(what, seconds):
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


class Case:
    """A project of its own with one command, a tool that runs it, and the processes that were noted."""

    def __init__(self, tool, kind, detach=None):
        self.top = tempfile.mkdtemp(prefix="killmatrix-")
        self.tool, self.kind, self.detach = tool, kind, detach
        self.noted = {}
        self.process = None
        # a program, so that it is found without an environment too
        os.mkdir(os.path.join(self.top, "bin"))
        self.write("bin/note", "#!/bin/sh\necho $PPID >>'%s/pids'\n" % self.top, 0o755)
        self.write("bin/await", "#!/bin/sh\nwhile [ \"$(wc -l <'%s/pids')\" -lt $1 ]; do sleep 0.01; done\n" % self.top,
                   0o755)
        self.write("job.sh", "echo begun >half; echo begun\n%s\n" % KINDS[kind], 0o755)
        self.environment = dict(os.environ, PATH=self.top + "/bin:" + os.environ["PATH"])
        getattr(self, "prepare_" + tool.replace(" ", "_"))()

    def write(self, name, text, mode=0o644):
        with open(os.path.join(self.top, name), "w") as f:
            f.write(text)
        os.chmod(os.path.join(self.top, name), mode)

    def read(self, name):
        try:
            with open(os.path.join(self.top, name)) as f:
                return f.read()
        except OSError:
            return ""

    def prepare_orch(self):
        self.write("Orchfile", "job:\n\tdetach = %s\n\tkill = INT 100ms TERM 100ms KILL\n\tgrace = 100ms\n\t"
                               "sh ./job.sh\n" % self.detach)
        self.command = [ORCH]

    def prepare_ninja(self):
        self.write("build.ninja", "rule r\n  command = sh ./job.sh\nbuild half: r\n")
        self.command = ["ninja", "-j2"]

    def prepare_make(self):
        self.write("Makefile", "half:\n\tsh ./job.sh\n")
        self.command = ["make", "-j2"]

    def prepare_GNU_parallel(self):
        self.command = ["parallel", "-j2", "sh", "./job.sh", ":::", "1"]

    def start(self):
        with open(os.path.join(self.top, "printed"), "a") as printed:
            # as a shell with job control does it: a group of its own, which is what a terminal interrupts
            self.process = subprocess.Popen(self.command, cwd=self.top, env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=printed, stderr=printed, start_new_session=True)

    def note_all(self):
        for line in self.read("pids").split():
            pid = int(line)
            if pid not in self.noted:
                self.noted[pid] = start_time(pid)

    def wait_ready(self):
        wait_until(lambda: self.read("ready") or self.process.poll() is not None, DEADLINE_S)
        if not self.read("ready"):
            return False
        self.note_all()
        if self.kind == "stopped":
            return wait_until(lambda: state_of(next(iter(self.noted))) == "T", DEADLINE_S)
        return True

    def alive(self):
        return [pid for pid, start in self.noted.items() if start and start_time(pid) == start]

    def kill(self, signo):
        if signo == signal.SIGINT:
            os.killpg(self.process.pid, signo)
        else:
            self.process.send_signal(signo)

    def wait_for_exit(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return self.process.returncode

    def record(self):
        for directory, _, files in os.walk(os.path.join(self.top, ".orch", "runs")):
            for name in files:
                if name.endswith(".job"):
                    return os.path.join(directory, name[:-len(".job")])
        return None

    def clean(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.note_all()
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.alive(), DEADLINE_S)
        # a supervisor may be about to write its last file
        wait_until(lambda: shutil.rmtree(self.top, ignore_errors=True) or not os.path.exists(self.top), 5)


class Wrong(Exception):
    pass


def expect(ok, what):
    if not ok:
        raise Wrong(what)


def none_left(case):
    expect(wait_until(lambda: not case.alive(), DEADLINE_S), "still running: %s" % case.alive())


def after_sigkill(case, way):
    """The stream was to go on without orch, and can be ended: by its control file, or by the next orch."""
    expect(len(case.alive()) == len(case.noted), "of %s only %s go on" % (list(case.noted), case.alive()))
    if way == "control":
        record = case.record()
        expect(record, "there is no record of it")
        with open(record + ".control", "w") as f:
            f.write("end\n")
        expect(wait_until(lambda: os.path.exists(record + ".exit"), DEADLINE_S), "there is no .exit")
        expect(not case.alive(), "still running: %s" % case.alive())
        with open(record + ".exit") as f:
            text = f.read()
        expect("\nsignal " in text or "\nstatus 0" not in text, "its exit file has:\n" + text)
        return
    case.start()
    expect(wait_until(lambda: "attempt goes on" in case.read("printed") or case.process.poll() is not None, DEADLINE_S),
           "the next orch did not adopt it")
    expect(case.process.poll() is None, "the next orch ended with %s:\n%s" % (case.process.returncode,
                                                                            case.read("printed")))
    expect(len(case.alive()) == len(case.noted), "the next orch ended it")
    expect(len(case.read("pids").split()) == len(case.noted), "it was started again")
    case.kill(signal.SIGTERM)
    status = case.wait_for_exit(DEADLINE_S)
    expect(status == 128 + signal.SIGTERM, "the next orch ended with %s" % status)
    expect(not case.alive(), "left by the next orch: %s" % case.alive())


def check(name, kind, detach, way):
    """None, or what was wrong."""
    signo = SIGNALS[name]
    case = Case("orch", kind, detach)
    try:
        case.start()
        expect(case.wait_ready(), "it did not begin:\n" + case.read("printed"))
        case.kill(signo)
        status = case.wait_for_exit(DEADLINE_S)
        left = case.alive()
        if signo == signal.SIGKILL:
            expect(status == -signal.SIGKILL, "exit status %s" % status)
            if detach == "yes":
                after_sigkill(case, way)
            else:
                none_left(case)
        else:
            expect(status == 128 + signo, "exit status %s:\n%s" % (status, case.read("printed")))
            # not a moment later
            expect(not left, "left: %s" % left)
        expect(case.read("half") == "begun\n", "the half work is gone")
        return None
    except Wrong as wrong:
        return str(wrong)
    finally:
        case.clean()


def tap():
    cases = []
    for name in SIGNALS:
        for kind in KINDS:
            for detach in ("no", "yes"):
                for way in ("control", "adopted") if name == "KILL" and detach == "yes" else (None,):
                    cases.append((name, kind, detach, way))
    print("1..%d" % len(cases))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for number, (one, wrong) in enumerate(zip(cases, pool.map(lambda one: check(*one), cases)), 1):
            name, kind, detach, way = one
            print("%sok %d - SIG%s, %s, detach = %s%s" % ("not " if wrong else "", number, name, kind, detach,
                                                         ", then " + way if way else ""))
            for line in (wrong or "").splitlines():
                print("# " + line)
            sys.stdout.flush()
            failed += wrong is not None
    return 1 if failed else 0


def cell(tool, detach, name, kind):
    """What the table has: how many were left, and how the tool ended."""
    case = Case(tool, kind, detach)
    try:
        case.start()
        if not case.wait_ready():
            return "?", None, None
        case.kill(SIGNALS[name])
        status = case.wait_for_exit(GIVE_UP_S)
        if status is None:
            return "H%d" % len(case.alive()), None, None
        # whoever is about to end is not left
        wait_until(lambda: not case.alive(), 1.5)
        return str(len(case.alive())), status, bool(case.read("half"))
    finally:
        # its supervisor ends it, and all else that it started
        record = case.record()
        if record and os.path.exists(record + ".control"):
            with open(record + ".control", "w") as f:
                f.write("signal 9\n")
        case.clean()


def table():
    tools = [("orch, detach = no", "orch", "no"), ("orch, detach = yes", "orch", "yes")]
    for program, tool in (("ninja", "ninja"), ("make", "make"), ("parallel", "GNU parallel")):
        if shutil.which(program):
            tools.append((tool, tool, None))
        else:
            print("(%s is not installed)" % program, file=sys.stderr)
    rows = [(tool, name) for tool in tools for name in SIGNALS]
    print("| tool | killed by | " + " | ".join(KINDS) + " | half output | exit status |")
    print("|---|---|" + "---|" * len(KINDS) + "---|---|")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {row: [pool.submit(cell, row[0][1], row[0][2], row[1], kind) for kind in KINDS] for row in rows}
        for row in rows:
            got = [one.result() for one in asked[row]]
            kept = {half for _, _, half in got if half is not None}
            ends = []
            for _, status, _ in got:
                text = "none" if status is None else "SIG%s" % signal.Signals(-status).name[3:] if status < 0 else \
                    str(status)
                if text not in ends:
                    ends.append(text)
            print("| %s | SIG%s | %s | %s | %s |" % (
                row[0][0], row[1], " | ".join(left for left, _, _ in got),
                "kept" if kept == {True} else "removed" if kept == {False} else "both" if kept else "-", ", ".join(ends)))
            sys.stdout.flush()
    return 0


# what this was started with is passed on: under nohup(1) nothing would end by SIGHUP
for name in SIGNALS:
    if name not in ("KILL", "INT"):
        signal.signal(SIGNALS[name], signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(table() if sys.argv[1:] == ["--table"] else tap())
