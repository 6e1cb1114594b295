#!/usr/bin/env python3
"""Completion in the shells themselves: bash, zsh and fish on a pseudo-terminal, with keys pressed as a person would. Each has
the script once as `orch completion SHELL` prints it, which is what `make install` installs."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import Tap  # noqa: E402

ORCH = os.environ["ORCH"]
SOURCE = os.environ["srcdir"]
DEADLINE = 30
MANY = 10000

# typed, TAB, what then stands on the line; {file} and the like are filled in
CASES = [
    ("a command", "orch pl", "orch plan "),
    ("an option", "orch --dry", "orch --dry-run "),
    ("an option of a command", "orch prune --ke", "orch prune --keep "),
    ("a value behind =", "orch --progress=li", "orch --progress=live "),
    ("a value behind a blank", "orch plan --format me", "orch plan --format mermaid "),
    ("a value behind a letter", "orch -O st", "orch -O stream "),
    ("a stream", "orch bui", "orch build-all "),
    ("a stream of a command", "orch why lin", "orch why lint.c_1 "),
    ("a stream as an option's value", "orch --except lin", "orch --except lint.c_1 "),
    ("a stream behind options", "orch -k -j 4 bui", "orch -k -j 4 build-all "),
    ("a stream of another directory", "orch -C sub only-h", "orch -C sub only-here "),
    ("a stream of another file", "orch -f Other else", "orch -f Other elsewhere "),
    ("a variable", "orch tow", "orch town="),
    ("a file", "orch --report=re", "orch --report=result.html "),
    ("a file with a blank", "orch fmt odd", "orch fmt odd\\ name.orch "),
    ("a directory", "orch -C su", "orch -C sub/"),
    ("a shell", "orch completion fi", "orch completion fish "),
    ("a topic", "orch help setti", "orch help settings "),
    ("a run", "orch report 2", "orch report {run} "),
    ("a log of a run", "orch logs {run}:lin", "orch logs {run}:lint.c_1 "),
    ("nothing that fits", "orch why nosuch", "orch why nosuch"),
    ("no option behind --", "orch -- --dry", "orch -- --dry"),
    ("of ten thousand streams one", "orch -C many stream-98765", "orch -C many stream-98765 "),
]


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Shell:
    """A shell on a terminal of its own. ^T writes the line to a file and empties it."""

    def __init__(self, name, work):
        home = os.path.join(work, "home-" + name)
        os.makedirs(os.path.join(home, "fish"))
        self.line_file = os.path.join(home, "line")
        self.seen = b""
        self.name = name
        script = os.path.join(home, "completion")
        with open(script, "w") as file:
            subprocess.run([ORCH, "completion", name], check=True, stdout=file)
        if name == "bash":
            argv = ["bash", "--noprofile", "--rcfile", os.path.join(home, "rc"), "-i"]
            write(argv[3], """PS1='READY>'
source %s
bind 'set enable-bracketed-paste off' 'set bell-style none' 'set completion-query-items 0' 'set page-completions off'
save() { printf '%%s\\0' "$READLINE_LINE" > %s; READLINE_LINE=; READLINE_POINT=0; }
bind -x '"\\C-t": save'
""" % (script, self.line_file))
        elif name == "zsh":
            argv = ["zsh", "-d", "-i"]
            write(os.path.join(home, ".zshrc"), """PS1='READY>'
unsetopt beep
LISTMAX=100000
autoload -Uz compinit && compinit -u -D
source %s
save() { printf '%%s\\0' "$BUFFER" > %s; BUFFER= }
zle -N save
bindkey '^T' save
""" % (script, self.line_file))
        else:
            argv = ["fish", "--interactive"]
            write(os.path.join(home, "fish", "config.fish"), """function fish_prompt; echo -n 'READY>'; end
function fish_greeting; end
set -g fish_autosuggestion_enabled 0
source %s
function save; printf '%%s\\0' (commandline) > %s; commandline ''; end
bind \\ct save
""" % (script, self.line_file))
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(os.path.join(work, "project"))
            environment = {
                "PATH": os.path.dirname(ORCH) + ":" + os.environ["PATH"],
                "HOME": home, "ZDOTDIR": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home,
                "XDG_STATE_HOME": home, "TERM": "xterm", "LC_ALL": "C.UTF-8", "COLUMNS": "100", "LINES": "40",
            }
            for kept in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
                if kept in os.environ:
                    environment[kept] = os.environ[kept]
            os.execvpe(argv[0], argv, environment)
        self.wait(lambda: b"READY>" in self.seen)

    def wait(self, condition):
        until = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError("the shell shows: %r" % self.seen[-600:])
            if select.select([self.fd], [], [], 0.02)[0]:
                self.seen += os.read(self.fd, 65536)

    def line_after(self, typed):
        """What stands on the line when `typed` and TAB were typed."""
        self.press(typed + "\t\x14")
        self.wait(self.has_line)
        with open(self.line_file) as file:
            line = file.read()
        os.unlink(self.line_file)
        return line.rstrip("\0")

    def has_line(self):
        try:
            with open(self.line_file) as file:
                return file.read().endswith("\0")
        except FileNotFoundError:
            return False

    def press(self, keys):
        self.seen = b""
        keys = keys.encode()
        while keys:
            keys = keys[os.write(self.fd, keys):]

    def listed(self, typed, wanted):
        """Are these words shown when `typed` and TAB were typed (for bash twice)? The last thing to do with a shell."""
        self.press(typed + ("\t\t" if self.name == "bash" else "\t"))

        def plain():
            return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r|\x0f", b"", self.seen).decode("utf-8", "replace")
        self.wait(lambda: all(word in plain() for word in wanted))

    def end(self):
        os.close(self.fd)
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


def make_project(work):
    project = os.path.join(work, "project")
    os.makedirs(os.path.join(project, "sub"))
    os.makedirs(os.path.join(project, "many"))
    write(os.path.join(project, "Orchfile"), """town = Ulm

build-all "Everything: [all] of it":
	echo build

lint.c_1 "The second": build-all
	echo lint
""")
    write(os.path.join(project, "Other"), "elsewhere:\n\ttrue\n")
    write(os.path.join(project, "sub", "Orchfile"), "only-here:\n\ttrue\n")
    write(os.path.join(project, "many", "Orchfile"), "".join(
        'stream-9%04d "Number %d of many":\n\techo %d\n\n' % (n, n, n) for n in range(MANY)))
    write(os.path.join(project, "result.html"), "")
    write(os.path.join(project, "odd name.orch"), "")
    subprocess.run([ORCH, "-s"], cwd=project, check=True, stdout=subprocess.DEVNULL)
    return project, os.listdir(os.path.join(project, ".orch", "runs"))[0]


def static_checks(tap, work):
    problems = []
    for shell in ("bash", "zsh", "fish"):
        printed = subprocess.run([ORCH, "completion", shell], stdout=subprocess.PIPE, check=True).stdout
        with open(os.path.join(SOURCE, "src/cli/assets/completion." + shell), "rb") as file:
            if printed != file.read():
                problems.append("orch completion %s is not the file that is installed" % shell)
    tap.result("the scripts are printed as they are installed", problems)

    # a command or option with a new kind of value says here what it is
    free = {"N", "SEED", "TIME", "SIZE", "RE", "FORM", "MODE", "VIEW", "WHEN", "TEXT", "NAME", "PORT", "KEY", "REQUEST",
            "BRANCH", "REGEX", "COMMAND", "STATE", "ADDRESS", "MESSAGE", "TITLE", "COUNT", "AMOUNT", "PERCENT", "R", "D", "X"}
    with open(os.path.join(SOURCE, "src/cli/complete.c")) as file:
        known = set(re.findall(r'^\t\{"(\S+)", \w+\},$', file.read(), re.M))
    overview = subprocess.run([ORCH, "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z]+)  +[A-Z]", overview, re.M)
    problems = [] if len(known) > 5 and len(commands) > 20 else ["read %s and %s" % (known, commands)]
    for command in commands:
        usage = subprocess.run([ORCH, command, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        operands = usage.splitlines()[0].split("[OPTION]...", 1)[1]
        whole = re.sub(r"RUN:\[STREAM\[\.N\]\]", " ", operands)
        words = set(re.findall(r"NAME=value|[A-Z]+", whole)) | set(re.findall(r"^ +(?:-\w, )?--[a-z-]+\[?=(\S+?)\]?(?: |$)", usage, re.M))
        problems += ["%s: %s" % (command, word) for word in words if word not in known | free]
    tap.result("every kind of value can be completed, or is free text", problems)


def asks(tap, project):
    def answer(*words, cwd=project):
        done = subprocess.run([ORCH, "completion", "--candidates", "--", *words], cwd=cwd, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        return done.stdout if done.returncode == 0 and not done.stderr else "status %d: %s" % (done.returncode, done.stderr)

    write(os.path.join(project, "sub", "Broken"), "a: nosuch\n\techo {{x}}\n")
    wrong = []
    for words, wanted in (
            (("-f", "sub/Broken", "why", ""), "words\n"),
            (("-C", "no/such", "why", "zzz"), "words\n"),
            (("why", "build-all", ""), "words\n"),
            (("--nosuch", "why", "bui"), "words\nbuild-all\tEverything: [all] of it\n"),
            (("-fsub/Orchfile", "o"), "words\nonly-here\n"),
            (("-f", "sub/Orchfile", "why", "o"), "words\nonly-here\n"),
            (("fmt", "-fx"), "files -f\n"),
            (("jobs", ""), "words\n"),
            (("report", "pro"), "words\nprogress\n"),
            (("report", "done", ""), "words\n"),
            (("-j", "4", "why", "bui"), "words\nbuild-all\tEverything: [all] of it\n"),
            (("why", "-f", "x", "build-all", "bui"), "words\n"),
            (("-j", "bui"), "words\nbuild-all\tEverything: [all] of it\n"),
            (("logs", "nosuch:"), "words\n")):
        if answer(*words) != wanted:
            wrong.append("%s: %r" % (words, answer(*words)))
    tap.result("what cannot be read completes to nothing, without a message", wrong)


def main():
    work = tempfile.mkdtemp(prefix="orch-completion-")
    shells = ("bash", "zsh", "fish")
    tap = Tap(3 + len(shells) * (len(CASES) + 1))
    try:
        project, run = make_project(work)
        static_checks(tap, work)
        asks(tap, project)
        for name in shells:
            if not shutil.which(name):
                for _ in range(len(CASES) + 1):
                    tap.result(name, ["%s is not installed: ./bootstrap installs it" % name])
                continue
            shell = Shell(name, work)
            try:
                for text, typed, wanted in CASES:
                    wanted = wanted.format(run=run)
                    line = shell.line_after(typed.format(run=run))
                    # which one does not matter: a directory may be open for more, quotes may be of another kind
                    same = line == wanted or (typed != wanted and " " in wanted and line.rstrip(" ") == wanted.rstrip(" ")) or \
                        (line.endswith(" ") == wanted.endswith(" ") and shlex.split(line) == shlex.split(wanted))
                    tap.result("%s: %s" % (name, text), [] if same else ["%r, wanted %r" % (line, wanted)])
                wanted = ["build-all", "lint.c_1"] + ([] if name == "bash" else ["Everything: [all] of it", "The second"])
                shell.listed("orch why ", wanted)
                tap.result("%s: a list%s" % (name, "" if name == "bash" else " with titles"))
            except TimeoutError as error:
                tap.result(name + ": an answer in time", [error])
                sys.exit(1)
            finally:
                shell.end()
    finally:
        shutil.rmtree(work)
    tap.end()


main()
