#!/usr/bin/env python3
"""What it costs to look: bytes that the views write to a terminal, and how often they wake up, measured on a pseudo-terminal of 120 columns and 40 rows.

Usage: views.py. ORCH is the program. The table goes between the markers of doc/performance.md in srcdir, and to standard output.
"""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time

ORCH = os.path.abspath(os.environ.get("ORCH", "orch"))
DOCUMENT = os.path.join(os.environ.get("srcdir", "."), "doc", "performance.md")
BEGIN, END = "<!-- views:begin -->", "<!-- views:end -->"
COLUMNS, ROWS = 120, 40
SECONDS = 5


class Terminal:
    """a program on a pseudo-terminal of its own"""

    def __init__(self, arguments, directory):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            environment = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8")
            for name in ("CI", "NO_COLOR", "TMUX", "ORCH_STATUS"):
                environment.pop(name, None)
            time.sleep(0.2)  # until the size is set
            os.execve(ORCH, [ORCH] + arguments, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def read(self, seconds):
        """bytes and pieces that come within so many seconds"""
        end, count, pieces = time.monotonic() + seconds, 0, 0
        while time.monotonic() < end:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                break
            try:
                part = os.read(self.fd, 65536)
            except OSError:
                break
            if not part:
                break
            count, pieces = count + len(part), pieces + 1
        return count, pieces

    def wake_ups(self):
        """voluntary switches of the program and of its copies, and their processor time in ms"""
        switches = ticks = 0
        pids = [self.pid]
        for pid in pids:
            pids += [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()
                     if "watch" in open(f"/proc/{p}/cmdline").read()]
            switches += int([line for line in open(f"/proc/{pid}/status") if line.startswith("voluntary")][0].split()[1])
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return switches, ticks * 1000 // os.sysconf("SC_CLK_TCK")

    def end(self, keys):
        os.write(self.fd, keys)
        self.read(2)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def orchfile(directory, streams, script):
    with open(os.path.join(directory, "Orchfile"), "w") as file:
        file.write("project:\n\tjobs = 2000\nnumbers = %s\nfor i in {{numbers}}:\n\ts{{i}}:\n\t\t%s\n"
                   % (" ".join(map(str, range(1, streams + 1))), script))


def stop(directory):
    subprocess.run([ORCH, "stop", "--now"], cwd=directory, stderr=subprocess.DEVNULL, check=True)


def row(name, terminal, keys):
    terminal.read(3)
    before = terminal.wake_ups()
    count, pieces = terminal.read(SECONDS)
    after = terminal.wake_ups()
    terminal.end(keys)
    return "| %s | %d | %d | %.1f | %.1f |" % (name, count / SECONDS, count / max(pieces, 1), (after[0] - before[0]) / SECONDS,
                                          (after[1] - before[1]) / SECONDS)


def main():
    quiet, talking = "exec sleep 1000", "while :; do echo \"at $(date +%s.%N)\"; sleep 0.2; done"
    rows = []
    for streams, script, what in ((20, quiet, "20 streams that say nothing"), (20, talking, "20 streams, each with 5 lines a second"),
                                  (1000, quiet, "1 000 streams that say nothing")):
        with tempfile.TemporaryDirectory() as directory:
            orchfile(directory, streams, script)
            terminal = Terminal([], directory)
            rows.append(row("live view, " + what, terminal, b"\x03\x03"))
            subprocess.run([ORCH, "--detach"], cwd=directory, stderr=subprocess.DEVNULL, check=True)
            try:
                rows.append(row("orch watch, " + what, Terminal(["watch"], directory), b"q"))
            finally:
                stop(directory)
            if script == quiet:
                rows.append(row("orch watch, that run when it is over", Terminal(["watch"], directory), b"q"))
    table = "\n".join(["| view of %d columns and %d rows | bytes a second | bytes an update | wake-ups a second | ms of processor a second |"
                       % (COLUMNS, ROWS), "| --- | --- | --- | --- | --- |"] + rows)
    print(table)
    with open(DOCUMENT) as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    with open(DOCUMENT, "w") as file:
        file.write(before + BEGIN + "\n" + table + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    sys.exit(main())
