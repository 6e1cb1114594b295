#!/usr/bin/env python3
"""editors/: what vim itself, and a reader of TextMate grammars, make of an Orchfile; and that both know every setting there is."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import Tap  # noqa: E402

TOP = os.environ["srcdir"]
ORCH = os.path.abspath(os.environ["ORCH"])

# a line, and what words in it are
SAMPLE = [
    ("# a comment {{x}}", [("# a", "comment"), ("{{x}}", "comment")]),
    ("model ?= sonnet # why", [("model", "variable"), ("sonnet", "plain"), ("# why", "comment")]),
    ("towns=Ulm", [("towns", "variable"), ("Ulm", "plain")]),
    ("now != date", [("now", "variable"), ("date", "plain")]),
    ('include "parts/*.orch" # more', [("include", "keyword"), ('"parts', "string"), ("# more", "comment")]),
    ("include? mine.orch", [("include?", "keyword"), ("mine", "plain")]),
    ("project:", [("project", "keyword")]),
    ("\tname = a shop", [("name", "setting"), ("a shop", "plain")]),
    ("\tlimit-wait = 5h", [("limit-wait", "setting")]),
    ("pool heavy = 2", [("pool", "keyword"), ("heavy", "plain")]),
    ("defaults:", [("defaults", "keyword")]),
    ("    timeout = 30m", [("timeout", "setting"), ("30m", "plain")]),
    ("agent helper: claude", [("agent", "keyword"), ("helper", "plain")]),
    ("\trun: tool {{prompt}}", [("run", "block"), ("tool", "plain"), ("{{prompt}}", "template")]),
    ("recover wait-a-bit:", [("recover", "keyword")]),
    ("on stream-failure:", [("on", "keyword"), ("stream-failure", "plain")]),
    ("\tcat >> failures", [("cat", "plain")]),
    ('build-it "Build: {{model}} \\"now\\"": fetch | net', [("build-it", "stream"), ('"Build', "string"), ("{{model}}", "template"), ("fetch", "plain")]),
    ("\tinputs += src/**/*.c 'odd name'", [("inputs", "setting"), ("src", "plain"), ("'odd", "string")]),
    ("\tcheck: test -s out # no", [("check", "block"), ("test", "plain"), ("# no", "comment")]),
    ("\tevery 30s:", [("every 30s", "block")]),
    ("\t\tsend: go on", [("send", "block")]),
    ('\techo "$x" a#b {{towns}} ${y}', [("echo", "plain"), ('"$x"', "string"), ("#b", "plain"), ("{{towns}}", "template"), ("${y}", "plain")]),
    ("\tfoo=1 bar", [("foo", "plain")]),
    ("\tmake all: done", [("make", "plain"), ("all", "plain")]),
    ("for town in {{towns}} Bonn:", [("for", "keyword"), ("in", "keyword"), ("{{towns}}", "template"), ("Bonn", "plain")]),
    ("\tread-{{town}}.x \"The town\": build-it", [("read-", "stream"), ("{{town}}", "template"), (".x", "stream"), ('"The', "string"), ("build-it", "plain")]),
    ("\t\ttags = one", [("tags", "setting")]),
    ("a b c:", [("a b c", "stream")]),
    ("format: a", [("format", "stream")]),
    ("fortune in-a-can: a", [("fortune", "stream")]),
]
VIM = {"Comment": "comment", "Stream": "stream", "String": "string", "Variable": "variable", "Setting": "setting", "Block": "block",
       "Keyword": "keyword", "Template": "template", "": "plain"}
SCOPES = [("comment", "comment"), ("variable.other.template", "template"), ("string", "string"), ("keyword.declaration", "keyword"),
          ("keyword.control.block", "block"), ("support.type", "setting"), ("variable.other.assignment", "variable"),
          ("entity.name.function", "stream"), ("variable.parameter", "plain")]


def lines_with_settings():
    """The sample, and a line for each setting that the program knows."""
    text = subprocess.run([ORCH, "help", "settings"], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = sorted(set(re.findall(r"^  ([a-z][a-z-]*) ", text, re.M)))
    return names, [("\t%s = x" % name, [(name, "setting"), (" = x", "plain")]) for name in names]


def differences(lines, kind_at):
    found = []
    for number, (line, words) in enumerate(lines):
        for word, kind in words:
            start = line.index(word)
            # a template in a word is another kind
            end = start + len(word.split("{{")[0] if kind != "template" and kind != "comment" and "{{" in word else word) - 1
            for column in (start, end):
                if kind_at(number, column) != kind:
                    found.append("%r: %r in it is %s, not %s" % (line, line[column:], kind_at(number, column), kind))
    return found


def vim(lines, work):
    """What vim has at each place."""
    sample, result, script = (os.path.join(work, name) for name in ("Orchfile", "result", "script.vim"))
    with open(sample, "w") as file:
        file.write("".join(line + "\n" for line, _ in lines))
    with open(script, "w") as file:
        file.write("""set nocompatible nomore
let &runtimepath = '%s,' . $VIMRUNTIME
filetype plugin on
syntax on
edit %s
let s:out = [&filetype . ' ' . &commentstring . ' ' . (&errorformat =~# 'rror' ? 'errors' : '')]
for s:line in range(1, line('$'))
  call add(s:out, join(map(range(1, col([s:line, '$']) - 1), 'synIDattr(synID(s:line, v:val, 1), "name")'), ','))
endfor
call writefile(s:out, '%s')
qall!
""" % (os.path.join(os.path.abspath(TOP), "editors/vim"), sample, result))
    done = subprocess.run(["vim", "-Nu", "NONE", "-i", "NONE", "-n", "-es", "-S", script], env=dict(os.environ, HOME=work, TERM="dumb"), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not os.path.exists(result):
        return "vim wrote nothing, status %d: %s" % (done.returncode, done.stdout), None
    with open(result) as file:
        first, *rest = file.read().split("\n")
    return first, [[VIM.get(name.replace("orchfile", ""), name) for name in line.split(",")] for line in rest]


def vim_make(work):
    """What :make puts into the list of errors."""
    directory = os.path.join(work, "wrong")
    os.mkdir(directory)
    with open(os.path.join(directory, "Orchfile"), "w") as file:
        file.write("a:\n\techo\n\nb: nosuch\n\techo {{x}}\n")
    with open(os.path.join(directory, "script.vim"), "w") as file:
        file.write("""set nocompatible nomore
let &runtimepath = '%s,' . $VIMRUNTIME
filetype plugin on
edit Orchfile
silent make!
call writefile(map(filter(getqflist(), 'v:val.valid'), 'bufname(v:val.bufnr) . " " . v:val.lnum . " " . v:val.col . " " . v:val.type . v:val.text'), 'result')
qall!
""" % os.path.join(os.path.abspath(TOP), "editors/vim"))
    subprocess.run(["vim", "-Nu", "NONE", "-i", "NONE", "-n", "-es", "-S", "script.vim"], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=work, TERM="dumb", PATH=os.path.dirname(ORCH) + ":" + os.environ["PATH"]))
    try:
        with open(os.path.join(directory, "result")) as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return ["vim wrote nothing"]


class Grammar:
    """As much of TextMate as this grammar uses: rules for one line, captures, includes."""

    def __init__(self, path):
        with open(path) as file:
            self.document = json.load(file)
        self.rules = self.flat(self.document["patterns"])

    def flat(self, patterns):
        rules = []
        for rule in patterns:
            assert set(rule) <= {"include", "patterns", "match", "name", "captures"}, "not known to this test: %s" % rule
            if "include" in rule:
                rules += self.flat([self.document["repository"][rule["include"][1:]]])
            elif "patterns" in rule:
                rules += self.flat(rule["patterns"])
            else:
                rules.append((re.compile(rule["match"]), rule))
        return rules

    def scopes(self, line, rules=None, start=0, end=None, base=""):
        """The scope of each place of the line, innermost."""
        end = len(line) if end is None else end
        scopes = [base] * len(line)
        at = start
        while at < end:
            best = None
            for pattern, rule in self.rules if rules is None else rules:
                match = pattern.search(line, at, end)
                if match and match.end() > match.start() and (best is None or match.start() < best[0].start()):
                    best = (match, rule)
            if best is None:
                break
            match, rule = best
            for place in range(match.start(), match.end()):
                scopes[place] = rule.get("name", base)
            for number, capture in rule.get("captures", {}).items():
                first, last = match.span(int(number))
                inner = self.scopes(line, self.flat(capture.get("patterns", [])), first, last, capture.get("name", rule.get("name", base)))
                scopes[first:last] = inner[first:last]
            at = match.end()
        return scopes

    def kinds(self, line):
        kinds = []
        for scope in self.scopes(line):
            kinds.append(next((kind for prefix, kind in SCOPES if scope.startswith(prefix)), scope or "plain"))
        return kinds


def main():
    names, settings = lines_with_settings()
    lines = SAMPLE + settings
    work = tempfile.mkdtemp(prefix="orch-editors-")
    tap = Tap(6)
    try:
        tap.result("there are settings", [] if len(names) > 50 else ["read only %s" % names])
        if shutil.which("vim"):
            first, kinds = vim(lines, work)
            tap.result("vim knows the file by its name", [] if first == "orchfile # %s errors" else [first])
            tap.result("vim shows what is what", differences(lines, lambda n, c: kinds[n][c]) if kinds else ["it did not run"])
            errors = vim_make(work)
            tap.result("vim has the errors that orch check finds", [] if len(errors) == 2 and errors[0].startswith("Orchfile 4 4 eno stream is named") and
                       errors[1].startswith("Orchfile 5 9 e") else errors)
        else:
            tap.result("vim has the errors that orch check finds", ["no vim: ./bootstrap installs it"])
            tap.result("vim knows the file by its name", ["no vim: ./bootstrap installs it"])
            tap.result("vim shows what is what", ["no vim: ./bootstrap installs it"])
        grammar = Grammar(os.path.join(TOP, "editors/orchfile.tmLanguage.json"))
        kinds = [grammar.kinds(line) for line, _ in lines]
        tap.result("the TextMate grammar says what is what", differences(lines, lambda n, c: kinds[n][c]))
        tap.result("a difference would be found", [] if differences(lines, lambda n, c: "plain") else ["no differences"])
    finally:
        shutil.rmtree(work)
    tap.end()


main()
