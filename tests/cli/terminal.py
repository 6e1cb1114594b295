#!/usr/bin/env python3
"""Streams with a terminal of their own, as a person meets them: real terminals, keys, windows, crashes. $ORCH names the
program, $srcdir the sources. TAP."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import Tap  # noqa: E402

ORCH = os.path.abspath(os.environ["ORCH"])
TALKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "talker.py")
DEADLINE = 60


class Wrong(Exception):
    pass


def until(what, condition):
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Wrong("in vain: " + what)
        time.sleep(0.02)


def is_there(pid):
    try:
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Person:
    """Somebody at a terminal who has started a program there."""

    def __init__(self, *argv, columns=91, rows=31):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.environ["TERM"] = "xterm"
            os.execv(argv[0], argv)

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def types(self, keys):
        os.write(self.fd, keys)

    def sees(self, text):
        end = time.monotonic() + DEADLINE
        while text.encode() not in self.seen:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise Wrong("never seen: %r in %r" % (text, self.seen[-2000:]))
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                more = b""
            if not more:
                raise Wrong("the program ended before it showed %r: %r" % (text, self.seen[-2000:]))
            self.seen += more
        self.seen = self.seen.split(text.encode(), 1)[1]

    def ends(self):
        """The program's exit status."""
        end = time.monotonic() + DEADLINE
        while select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                break
            if not more:
                break
            self.seen += more
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


class Project:
    def __init__(self, directory, text):
        self.directory = directory
        self.orch = None
        self.pids = []
        environment = dict(os.environ, XDG_STATE_HOME=os.path.join(directory, "state"), TERM="dumb", TMUX="/nowhere,1,0")
        for name in ("CI", "NO_COLOR", "CLICOLOR_FORCE"):
            environment.pop(name, None)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(directory)
        with open("Orchfile", "w") as out:
            out.write(text.replace("TALKER", "python3 " + TALKER))

    def start(self, *arguments):
        self.orch = subprocess.Popen([ORCH, *arguments], stdin=subprocess.DEVNULL, stdout=open("out", "a"),
                                     stderr=subprocess.STDOUT, start_new_session=True)

    def run(self, *arguments):
        done = subprocess.run([ORCH, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=DEADLINE)
        return done.returncode, done.stdout.decode()

    def log(self, name="a.1"):
        text = b""
        for run in sorted(os.listdir(".orch/runs")) if os.path.isdir(".orch/runs") else []:
            path = ".orch/runs/%s/logs/%s.log" % (run, name)
            if os.path.exists(path):
                with open(path, "rb") as log:
                    text += log.read()
        return text.decode()

    def logs(self, text, name="a.1"):
        until("%r in the log of %s" % (text, name), lambda: text in self.log(name))

    def pid_of_work(self):
        self.logs("pid ")
        self.logs("ready")
        pid = int(re.search(r"pid (\d+)\r", self.log()).group(1))
        self.pids.append(pid)
        return pid

    def ends(self):
        try:
            return self.orch.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise Wrong("orch does not end: " + self.output())

    def output(self):
        with open("out") as out:
            return out.read()

    def strays(self):
        """Processes of this project: the work, its supervisor, tmux."""
        found = []
        for pid in os.listdir("/proc"):
            try:
                if pid.isdigit() and int(pid) != os.getpid() and is_there(int(pid)) and \
                        os.readlink("/proc/%s/cwd" % pid).startswith(os.path.realpath(self.directory)):
                    with open("/proc/%s/cmdline" % pid) as words:
                        found.append((int(pid), words.read().replace("\0", " ")))
            except OSError:
                continue
        return found

    def left(self):
        """What an attempt must not leave: processes, and files of its terminal."""
        try:
            until("nothing left", lambda: not self.strays())
        except Wrong:
            return ["left: %d %s" % stray for stray in self.strays()]
        problems = ["process %d is still there" % pid for pid in self.pids if is_there(pid)]
        for where, _, files in os.walk(".orch"):
            problems += ["left: %s/%s" % (where, name) for name in files if name.endswith(".tty")]
        return problems

    def close(self):
        for pid in ([self.orch.pid] if self.orch and self.orch.poll() is None else []) + self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.orch:
            self.orch.wait()
        until("the end of %s" % self.strays(), lambda: not self.strays())


def same(found, expected, what):
    if found != expected:
        raise Wrong("%s: expected %r, found %r" % (what, expected, found))


def has(text, part):
    if part not in text:
        raise Wrong("expected %r in %r" % (part, text))


WORK = """a:
	runner = RUNNER
	detach = DETACH
	run: exec TALKER HOW
"""


def work(runner, how="lines", detach="no"):
    return WORK.replace("RUNNER", runner).replace("HOW", how).replace("DETACH", detach)


TESTS = []


def test(what, *arguments):
    def add(function):
        TESTS.append((what, function, arguments))
        return function
    return add


KIND = {"pty": "xterm-256color", "tmux": "screen-256color"}


def has_a_terminal(directory, runner):
    project = Project(directory, """a:
	runner = %s
	run:
		exec TALKER lines

b:
	runner = %s
	check: test ! -t 1 && echo checked
	run:
		printf 'x\\033[1mbold\\033[0m\\n'; seq 100000; exit 7
""" % (runner, runner))
    try:
        project.start("-k")
        project.pid_of_work()
        has(project.log(), "terminal True controlled True leader True kind %s tmux False\r\n" % KIND[runner])
        until("b has ended", lambda: "\r\n100000\r\n" in project.log("b.1"))
        person = Person(ORCH, "attach", "a")
        person.sees("ready")
        person.types(b"end 3\r")
        same(project.ends(), 1, "status")
        has(project.output(), "FAILED a (2/2): exit status 3")
        has(project.output(), "FAILED b (1/2): exit status 7")
        log = project.log("b.1")
        same(log, "x\033[1mbold\033[0m\r\n" + "".join("%d\r\n" % n for n in range(1, 100001)), "the log of b")
        if runner == "pty":
            same(person.ends(), 0, "status of attach")
        return project.left()
    finally:
        project.close()


def can_be_looked_into(directory):
    project = Project(directory, work("pty"))
    try:
        project.start()
        project.pid_of_work()
        first = Person(ORCH, "attach", "a")
        first.sees("Ctrl-\\ leaves it")
        first.sees("ready")
        first.sees("size 91x31")
        first.types(b"one\r")
        first.sees("got <one>")
        first.resize(77, 22)
        first.sees("size 77x22")
        second = Person(ORCH, "attach", "--detach-key=^]", "a", columns=60, rows=20)
        second.sees("got <one>")
        first.sees("size 60x20")
        second.types(b"t\303\274wo\r")
        first.sees("got <t\374wo>")
        first.types(b"\034")
        first.sees("left the terminal of 'a', which goes on")
        same(first.ends(), 0, "status of attach")
        second.types(b"\035")
        second.sees("which goes on")
        same(second.ends(), 0, "status of attach")
        third = Person(ORCH, "attach", "a")
        third.sees("got <t\374wo>")
        third.types(b"end 0\r")
        third.sees("'a' has ended")
        same(third.ends(), 0, "status of attach")
        same(project.ends(), 0, "status")
        return project.left()
    finally:
        project.close()


def is_left_by_a_signal(directory):
    project = Project(directory, work("pty", "paste"))
    try:
        project.start()
        work_pid = project.pid_of_work()
        person = Person(ORCH, "attach", "a")
        person.sees("size 91x31")
        os.kill(person.pid, signal.SIGTERM)
        person.sees("which goes on")
        same(person.ends(), 0, "status of attach")
        lost = Person(ORCH, "attach", "a")
        lost.sees("size 91x31")
        os.close(lost.fd)  # its terminal is closed
        os.waitpid(lost.pid, 0)
        if not is_there(work_pid):
            raise Wrong("the work went with a terminal that looked into its own")
        person = Person(ORCH, "attach", "a")
        person.sees("ready")
        person.types(b"\003")  # a key for the program, not for attach
        person.sees("'a' has ended")
        person.ends()
        same(project.ends(), 1, "status")
        has(project.output(), "exit status 9")
        return project.left()
    finally:
        project.close()


def says_what_cannot_be_attached(directory):
    project = Project(directory, """a:
	run:
		echo ready; until [ -e go ]; do sleep 0.05; done

b:
	runner = pty
	run: true
	check: echo checking; until [ -e go ]; do sleep 0.05; done
""")
    try:
        status, said = project.run("attach", "a")
        same(status, 2, "status")
        has(said, "needs a terminal")

        def attach(name, expected, *more):
            person = Person(ORCH, "attach", *more, name)
            person.sees(expected)
            same(person.ends(), 2, "status of attach")

        attach("a", "nothing has run here yet")
        project.start()
        project.logs("ready")
        project.logs("checking", "b.1")
        attach("a", "'a' has no terminal: 'runner = pty' or 'tmux'")
        attach("b", "'b' is in its phase 'check', which has no terminal")
        attach("bb", "did you mean 'b'?")
        attach("a", "expected '^' and a letter", "--detach-key=x")
        open("go", "w").close()
        same(project.ends(), 0, "status")
        attach("b", "'b' does not run")
        return project.left()
    finally:
        project.close()


def is_ended(directory, runner, arguments, expected):
    project = Project(directory, """a:
	runner = %s
	kill = TERM 10s KILL
	run:
		sh -c 'trap "" HUP; exec setsid sleep 1000' & echo "pid $!"; echo ready; trap '' HUP; sleep 1000
""" % runner)
    try:
        project.start(*arguments)
        if not arguments:
            project.pid_of_work()
            same(project.run("stop")[0], 0, "status of stop")
        project.ends()
        has(project.output(), expected)
        return project.left()
    finally:
        project.close()


def is_adopted(directory, runner):
    project = Project(directory, work(runner, detach="yes"))
    try:
        project.start()
        pid = project.pid_of_work()
        project.orch.kill()
        project.orch.wait()
        if not is_there(pid):
            raise Wrong("it was ended with orch")
        person = Person(ORCH, "attach", "a")
        person.sees("ready")
        person.types(b"alone\r")
        person.sees("got <alone>")
        project.start()
        until("adopted", lambda: "goes on" in project.output())
        person.types(b"again\r")
        person.sees("got <again>")
        other = Person(ORCH, "attach", "a")
        other.sees("got <again>")
        other.types(b"end 4\r")
        same(project.ends(), 1, "status")
        has(project.output(), "exit status 4")
        person.ends()
        other.ends()
        return project.left() + [name for name in os.listdir(".orch") if name.startswith("tmux")]
    finally:
        project.close()


def ends_with_orch(directory, runner):
    project = Project(directory, work(runner))
    try:
        project.start()
        pid = project.pid_of_work()
        project.orch.kill()
        project.orch.wait()
        until("its end", lambda: not is_there(pid))
        return project.left()
    finally:
        project.close()


def stands_by_its_log(directory):
    """Whoever looks on badly or not at all holds nothing up."""
    project = Project(directory, """a:
	runner = pty
	run:
		echo ready; until [ -e go ]; do sleep 0.02; done
		head -c 30000000 /dev/zero | tr '\\0' x; echo; echo done
""")
    try:
        project.start()
        project.logs("ready")
        path = until("its socket", lambda: [os.path.join(where, name) for where, _, names in os.walk(".orch")
                                            for name in names if name.endswith(".tty")])[0]
        for says in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, struct.pack("II", 2, 5) + b"early",
                     struct.pack("IIIIII", 1, 16, 99, 2, 80, 24), struct.pack("IIIIII", 1, 16, 1, 7, 80, 24)):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
                stranger.sendall(says)
                if says:
                    stranger.settimeout(DEADLINE)
                    same(stranger.recv(100), b"", "answer to %r" % says)
        with socket.socket(socket.AF_UNIX) as sleeper:
            sleeper.connect(path)
            sleeper.sendall(struct.pack("IIIIII", 1, 16, 1, 2, 100, 50))
            open("go", "w").close()
            same(project.ends(), 0, "status")
        same(len(project.log()), len("ready\r\n") + 30000000 + len("\r\ndone\r\n"), "length of the log")
        return project.left()
    finally:
        project.close()


def cannot_write_its_log(directory):
    project = Project(directory, "a:\n\trunner = pty\n\trun: head -c 30000000 /dev/zero; sleep 1000\n")
    try:
        status = subprocess.run(["sh", "-c", "ulimit -f 6000; exec \"$0\" >/dev/null 2>out", ORCH], timeout=DEADLINE).returncode
        same(status, 1, "status")
        has(project.output(), "killed by SIGHUP: what it prints cannot be written to its log: File too large")
        return project.left()
    finally:
        project.close()


def fails_without_its_server(directory, kill):
    deep = os.path.join(directory, "deep" * 20, "deeper" * 10)  # longer than the address of a socket may be
    os.makedirs(deep)
    project = Project(deep, work("tmux", detach="yes").replace("a:\n", "a:\n\tretries = 1\n\tbackoff = 0s 0s\n"))
    try:
        project.start()
        pid = project.pid_of_work()
        server = [stray for stray in project.strays() if "tmux -D" in stray[1]]
        same(len(server), 1, "tmux servers")
        if kill:
            os.kill(server[0][0], signal.SIGKILL)
        else:
            same(subprocess.run(["tmux", "-N", "-S", "tmux.sock", "kill-session", "-t", "=a-1"], cwd=".orch",
                                env=dict(os.environ, TMUX="")).returncode, 0, "status of tmux")
        until("the end of the work", lambda: not is_there(pid))
        until("what it is said to be", lambda: "its tmux window is gone" in project.output())
        project.logs("ready", "a.2")
        person = Person(ORCH, "attach", "a")
        person.sees("ready")
        person.types(b"end 0\r")
        same(project.ends(), 0, "status")
        has(project.output(), "done   a")
        person.ends()
        events = subprocess.run(["cat"] + ["%s/journal.jsonl" % run.path for run in os.scandir(".orch/runs")],
                                stdout=subprocess.PIPE).stdout.decode()
        has(events, '"outcome":"signal"')
        return project.left() + [name for name in os.listdir(".orch") if name.startswith("tmux")]
    finally:
        project.close()


def dies_while_nobody_looks(directory):
    project = Project(directory, work("tmux", detach="yes"))
    try:
        project.start()
        pid = project.pid_of_work()
        project.orch.kill()
        project.orch.wait()
        server = [stray for stray in project.strays() if "tmux -D" in stray[1]][0][0]
        os.kill(server, signal.SIGKILL)
        until("the end of the work", lambda: not is_there(pid))
        until("nothing left", lambda: not project.strays())
        project.start()
        same(project.ends(), 1, "status")
        has(project.output(), "FAILED a (1/1): killed by SIGHUP: its tmux window is gone")
        return project.left()
    finally:
        project.close()


def takes_messages(directory, runner, how):
    project = Project(directory, work(runner, how, detach="yes"))
    try:
        project.start()
        project.pid_of_work()

        def send(text):
            same(project.run("send", "a", text)[0], 0, "status of send")

        send("Say \"hello\" to $USER; \303\274ber `all`")
        project.logs("got <Say \"hello\" to $USER; \303\274ber `all`>")
        if how == "paste":
            project.logs("enter by itself")
            send("one\ntwo\n\nfour")
            project.logs("got <one|two||four>")
            long = "%s" % ("x" * 59 + "\n") * 1000
            send(long)
            project.logs("got <%s>" % long.rstrip().replace("\n", "|"))
        else:
            send("y" * 4095)
            until("a warning", lambda: "its program reads whole lines" in project.output())
        project.orch.kill()
        project.orch.wait()
        project.start()
        until("adopted", lambda: "goes on" in project.output())
        until("it listens", lambda: project.run("send", "a", "after the crash")[0] == 0)
        project.logs("got <after the crash>")
        send("end 0")
        same(project.ends(), 0, "status")
        if "enter was" in project.log():
            raise Wrong("Enter did not come by itself: " + project.log())
        return project.left()
    finally:
        project.close()


def needs_tmux(directory):
    project = Project(directory, work("tmux"))
    bare = os.path.join(directory, "bin")
    os.mkdir(bare)
    for name in ("sh", "git", "env"):
        if shutil.which(name):
            os.symlink(shutil.which(name), os.path.join(bare, name))
    before = os.environ["PATH"]
    os.environ["PATH"] = bare
    try:
        status, said = project.run()
        same(status, 2, "status")
        has(said, "'a': 'runner = tmux' needs tmux, which is not here: install the package tmux")
        return project.left()
    finally:
        os.environ["PATH"] = before
        project.close()


def cannot_have_a_window(directory):
    project = Project(directory, work("tmux"))
    bare = os.path.join(directory, "bin")
    os.mkdir(bare)
    with open(os.path.join(bare, "tmux"), "w") as program:
        program.write("#!/bin/sh\necho 'no terminal for you' >&2\nexit 1\n")
    os.chmod(program.name, 0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = bare + ":" + before
    try:
        status, said = project.run()
        same(status, 1, "status")
        has(said, "FAILED a (1/1): cannot run: the tmux server could not be started: no terminal for you")
        return project.left()
    finally:
        os.environ["PATH"] = before
        project.close()


def has_many_windows(directory):
    project = Project(directory, "project:\n\tjobs = 12\n\trunner = tmux\n\n" + "".join(
        "s.%d:\n\trun: tty; echo number %d\n\n" % (n, n) for n in range(40)))
    try:
        project.start()
        same(project.ends(), 0, "status")
        for n in range(40):
            has(project.log("s.%d.1" % n), "number %d\r\n" % n)
        return project.left()
    finally:
        project.close()


test("tmux: its server is killed: a failure, and the next attempt has another", True)(fails_without_its_server)
test("tmux: its window is closed: a failure", False)(fails_without_its_server)
test("tmux: its server is killed when orch was: the next orch says so")(dies_while_nobody_looks)
test("tmux: is missing")(needs_tmux)
test("tmux: does not start")(cannot_have_a_window)
test("tmux: forty streams, some at once")(has_many_windows)
for each in sorted(KIND):
    test("%s: a terminal of its own, its exit status, its log byte for byte" % each, each)(has_a_terminal)
    test("%s: stopped as a whole" % each, each, (), "cancel a")(is_ended)
    test("%s: ended by its timeout" % each, each, ("--timeout=1s",), "timed out")(is_ended)
    test("%s: goes on when orch is killed, and is adopted" % each, each)(is_adopted)
    test("%s: ends with orch where it is not to outlive it" % each, each)(ends_with_orch)
def is_not_read(directory):
    project = Project(directory, "a:\n\trunner = pty\n\trun: echo ready; sleep 1000 </dev/null\n")
    try:
        project.start()
        project.logs("ready")
        same(project.run("send", "a", "is anybody there?")[0], 0, "status of send")
        until("a warning", lambda: "its program has not read it for 30 s" in project.output())
        project.run("stop")
        project.ends()
        return project.left()
    finally:
        project.close()


if os.environ.get("ORCH_TEST_LONG"):
    test("pty: a message that nobody reads")(is_not_read)
for each in sorted(KIND):
    test("%s: messages to a program that takes pastes" % each, each, "paste")(takes_messages)
test("pty: who looks on badly or not at all holds nothing up")(stands_by_its_log)
test("pty: a log that cannot be written is a failure")(cannot_write_its_log)
test("pty: messages to a program that reads lines", "pty", "lines")(takes_messages)
test("attach: looks in, types, passes the size on, leaves, comes back")(can_be_looked_into)
test("attach: leaves when its own terminal goes; Ctrl-C is for the program")(is_left_by_a_signal)
test("attach: says what has no terminal")(says_what_cannot_be_attached)


def main(half):
    """The tests of which half() is true; or those with one of the words of the command line in their names."""
    wanted = sys.argv[1:]
    tests = [each for each in TESTS if (any(word in each[0] for word in wanted) if wanted else half(each[0]))]
    tap = Tap(len(tests))
    for what, function, arguments in tests:
        directory = tempfile.mkdtemp(prefix="orch-terminal-")
        try:
            tap.result(what, function(directory, *arguments) or ())
        except (Wrong, OSError, subprocess.TimeoutExpired) as wrong:
            problems = [wrong]
            if os.path.exists("out"):
                problems += open("out").read().splitlines()
            tap.result(what, problems)
        os.chdir("/")
        shutil.rmtree(directory, ignore_errors=True)
    tap.end()


if __name__ == "__main__":
    main(lambda what: not what.startswith("tmux"))
