#!/usr/bin/env python3
"""A program for the terminal of a stream. It says what its terminal is, and what is typed into it.

talker.py lines: reads lines, as a shell does. talker.py paste: takes keys as they come and asks for pastes between
brackets, as agents do. A line or paste `end N` ends it with status N."""

import os
import re
import signal
import sys
import termios
import tty

terminal = all(os.isatty(fd) for fd in (0, 1, 2))


def say(text):
    cooked = termios.tcgetattr(1)[1] & termios.OPOST
    os.write(1, (text + ("\n" if cooked else "\r\n")).encode())


def say_size(*_):
    size = os.get_terminal_size(0)
    say("size %dx%d" % (size.columns, size.lines))


def take(text):
    say("got <%s>" % text.replace("\r", "|").replace("\n", "|"))
    match = re.fullmatch(r"end (\d+)", text)
    if match:
        sys.exit(int(match.group(1)))


def read_lines():
    rest = ""
    while True:
        rest += os.read(0, 65536).decode()
        while "\n" in rest:
            line, rest = rest.split("\n", 1)
            take(line)


def read_pastes():
    tty.setraw(0, termios.TCSAFLUSH)
    os.write(1, b"\033[?2004h")
    text = ""
    while True:
        more = os.read(0, 65536).decode()
        if text.endswith("\033[201~"):
            say("enter by itself" if more == "\r" else "enter was %r" % more)
            take(text[len("\033[200~"):-len("\033[201~")])
            text = ""
            continue
        text += more
        if text == "\003":
            sys.exit(9)


signal.signal(signal.SIGWINCH, say_size)
controlled = os.open("/dev/tty", os.O_RDWR) >= 0 and os.tcgetpgrp(0) == os.getpgrp()
say("terminal %s controlled %s leader %s kind %s tmux %s" % (
    terminal, controlled, os.getsid(0) == os.getpgrp(), os.environ.get("TERM"), "TMUX" in os.environ))
say_size()
say("pid %d" % os.getpid())
say("ready")
read_lines() if sys.argv[1:] == ["lines"] else read_pastes()
