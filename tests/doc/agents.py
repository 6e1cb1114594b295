#!/usr/bin/env python3
"""doc/agents.md has a table for each profile that ships, and what stands in it of the settings is what src/lang/agents.orch says: the rows
whose name is in back quotes. The others are for people. `tests/doc/agents.py --write` writes those rows again."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import Tap  # noqa: E402

TOP = os.environ.get("srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DOC = os.path.join(TOP, "doc", "agents.md")
# what has a row; the patterns are told in words, since a table is no place for them
SHOWN = ["run", "resume", "account", "counts", "kill", "linger", "idle", "prompt-max", "env", "unset", "state"]
DEFAULTS = {"resume": "none: it starts anew", "linger": "60s, the default", "kill": "TERM 10s KILL, the default", "idle": "none"}
# what a person has to say of each
NEEDED = ["session", "done, failed", "cost, tokens", "own channel"]


def profiles():
    """name -> setting -> text, as they stand in the file; blocks line by line."""
    found, settings, block = {}, None, None
    with open(os.path.join(TOP, "src/lang/agents.orch")) as file:
        for line in file:
            line = line.rstrip("\n")
            if re.match(r"\S", line):
                head = re.match(r"agent (\w+):", line)
                settings = found.setdefault(head.group(1), {}) if head else None
                block = None
            elif settings is None or not line.strip():
                continue
            elif line.startswith("\t\t"):
                settings[block] = (settings[block] + "\n" + line.strip()).strip()
            elif re.match(r"\t[a-z-]+:$", line):
                block = line.strip()[:-1]
                settings[block] = ""
            elif not line.strip().startswith("#"):
                name, value = re.match(r"\t([a-z-]+)\s*= (.*)", line).groups()
                settings[name] = value.strip()
    return found


def cell(name, text):
    if name in ("run", "resume"):
        # the command itself; what stands around it is told in words
        lines = [part for part in text.split("\n") if not re.match(r"#|status=|rm |exit ", part)]
        text = " ".join(lines).replace(" || status=$?", "")
    return "`" + text.replace("|", "\\|") + "`"


def rows(settings):
    made = []
    for name in SHOWN:
        if name in settings:
            made.append((f"`{name}`", cell(name, settings[name])))
        elif name in DEFAULTS:
            made.append((f"`{name}`", DEFAULTS[name]))
    return made


def sections(text):
    """name of the profile -> (where its table begins, where it ends, its rows)."""
    found = {}
    for head in re.finditer(r"^### (\w+)\n\n((?:\|.*\n)*)", text, re.M):
        table = [tuple(part.strip() for part in re.split(r"(?<!\\)\|", line)[1:3]) for line in head.group(2).splitlines()[2:]]
        found[head.group(1)] = (head.start(2), head.end(2), table)
    return found


def main():
    with open(DOC) as file:
        text = file.read()
    known = profiles()
    if "--write" in sys.argv:
        for name, (start, end, table) in sorted(sections(text).items(), key=lambda item: -item[1][0]):
            words = [row for row in table if not row[0].startswith("`")]
            lines = [f"| {key} | {value} |\n" for key, value in words + rows(known[name])]
            text = text[:start] + "| | |\n| --- | --- |\n" + "".join(lines) + text[end:]
        with open(DOC, "w") as file:
            file.write(text)
        return 0
    there = sections(text)
    tap = Tap(1 + len(known))
    tap.result("doc/agents.md has a section for each profile, in their order", [] if list(there) == list(known) else [list(there), list(known)])
    for name, settings in known.items():
        table = dict(there.get(name, (0, 0, []))[2])
        wrong = [f"{key} | {value}\nis in the document: {table.get(key)}" for key, value in rows(settings) if table.get(key) != value]
        wrong += [f"{key} is in the document only" for key in table if key.startswith("`") and key not in dict(rows(settings))]
        wrong += [f"nothing is said of: {key}" for key in NEEDED if key not in table]
        tap.result(f"{name}: its table says what src/lang/agents.orch does (tests/doc/agents.py --write)", wrong)
    tap.end()


sys.exit(main())
