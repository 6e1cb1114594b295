#!/usr/bin/env python3
"""doc/schema: what every --json prints is what its schema says, and nothing that its schema does not know. The schema of events is
made from the table in src/event/event.c: `tests/doc/schema.py --write` writes it again."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import jsonschema

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import Tap  # noqa: E402

TOP = os.environ.get("srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SCHEMAS = os.path.join(TOP, "doc", "schema")
DEADLINE = 30


def event_schema():
    with open(os.path.join(TOP, "src/event/event.c")) as file:
        source = re.sub(r"\\\n\s*", " ", file.read())
    fields = dict(re.findall(r"\bF\(\s*(\w+),\s*(\w+)\)", re.search(r"#define FIELDS\(F\)(.*)", source).group(1)))
    types = re.findall(r'\bT\(\s*\w+,\s*"(\w+)",\s*(?:true|false),\s*((?:\s*N\(\s*\w+\))*)', re.search(r"#define TYPES\(T\)(.*)", source).group(1))

    def words(table):
        return re.findall(r'\] = "([^"]+)"', re.search(table + r"\[\w+\] = \{(.*?)\};", source, re.S).group(1))
    kinds = {
        "TEXT": {"type": "string"}, "NUMBER": {"type": "integer"},
        "TIME": {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"},
        "STATE": {"enum": words("state_names")}, "OUTCOME": {"enum": words("outcome_names")},
    }
    common = {
        "v": {"const": 1}, "seq": {"type": "integer", "minimum": 1},
        "time": {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"},
    }
    definitions = {}
    for name, members in types:
        properties = dict(common, type={"const": name})
        for member in re.findall(r"N\(\s*(\w+)\)", members):
            properties[member] = kinds[fields[member]]
        properties["sum"] = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
        definitions[name] = {"type": "object", "required": ["v", "seq", "time", "type"], "properties": properties}
    unknown = {"type": "object", "required": ["v", "type"], "properties": {"type": {"type": "string", "not": {"enum": list(definitions)}}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of orch --json and of a journal; doc/events.md says what the members mean",
        "anyOf": [{"$ref": "#/$defs/" + name} for name in definitions] + [unknown],
        "$defs": definitions,
    }


def as_text(schema):
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def close(schema):
    """The schemas let later versions add members; here one that is not described is a mistake."""
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            close(value)
    elif isinstance(schema, list):
        for value in schema:
            close(value)
    return schema


def strict(name):
    with open(os.path.join(SCHEMAS, name + ".json")) as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    if name == "event":
        schema["anyOf"].pop()
    return jsonschema.Draft202012Validator(close(schema))


def problems_of(validator, document, text):
    found = []
    for error in validator.iter_errors(document):
        inner = min(error.context, key=lambda e: (e.validator == "const", len(e.context)), default=error) if error.context else error
        found.append("%s: %s: %s" % (text, "/".join(map(str, error.absolute_path)) or "the whole", inner.message[:300]))
    return found


ORCHFILE = """project:
	name = demo
	jobs = 3

town = Ulm

pool heavy = 2

agent helper:
	run: cat {{prompt}} > /dev/null; echo PAID 1.25 300
	cost = /^PAID (?<cost>[0-9.]+)/
	tokens = /^PAID [0-9.]+ (?<tokens>[0-9]+)/

recover again:
	kind = exit
	retries = 1

defaults:
	timeout = 1m

a "First":
	inputs = in.txt
	outputs = a.txt
	echo {{town}} > a.txt

b: a
	retries = 1
	backoff = 1ms
	pool = heavy
	echo "k=v" >> "$ORCH_OUTPUT"
	[ "$ORCH_ATTEMPT" = 2 ]

bad: a
	exit 3

after: bad | b
	echo x

all: a b

paid:
	isolate = none
	agent = helper
	prompt: work
"""


class Project:
    def __init__(self, orch, work):
        self.orch, self.dir = orch, os.path.join(work, "project")
        os.mkdir(self.dir)
        self.environment = dict(os.environ, XDG_STATE_HOME=os.path.join(work, "state"), XDG_CONFIG_HOME=os.path.join(work, "config"))
        for name, text in (("Orchfile", ORCHFILE), ("in.txt", "in\n"), ("Bad", 'ä "x": nosuch\n\techo {{x}}\n\nb:\n\ttimeout = 5\n\nb:\n\ttrue\n'),
                           ("Waits", "long:\n\twhile [ ! -e go ]; do sleep 0.05; done\n\nlast: long\n\techo last\n")):
            with open(os.path.join(self.dir, name), "w") as file:
                file.write(text)

    def ask(self, *words):
        return subprocess.run([self.orch, *words], cwd=self.dir, env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True).stdout


def with_git(project, work, check):
    """What is only there where streams work on branches."""
    project.dir = os.path.join(work, "repository")
    os.mkdir(project.dir)
    with open(os.path.join(project.dir, "Orchfile"), "w") as file:
        file.write("defaults:\n\tisolate = worktree\n\tkeep = always\n\none:\n\techo one > file\n\ntwo:\n\techo two > file\n")
    for words in (("init", "-q", "-b", "main"), ("add", "Orchfile"), ("-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "first")):
        subprocess.run(["git", *words], cwd=project.dir, check=True, stdout=subprocess.DEVNULL)
    for words in (("user.name", "n"), ("user.email", "e@example.com")):
        subprocess.run(["git", "config", *words], cwd=project.dir, check=True)
    check("events of streams in worktrees", "event", project.ask("-k", "--json"), lines=True)
    found = project.ask("conflicts", "--json")
    check("orch conflicts --json", "conflicts", found if '"file"' in found else "no conflict: " + found)
    found = project.ask("clean", "-n", "--json")
    check("orch clean -n --json", "clean", found if '"kind"' in found else "nothing to clean: " + found)


def running(project, check):
    """What is only there while a run is under way."""
    run = subprocess.Popen([project.orch, "-f", "Waits", "-s", "--json"], cwd=project.dir, env=project.environment, stdout=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + DEADLINE
        while '"running": 1' not in project.ask("status", "--json") and time.monotonic() < until:
            time.sleep(0.02)
        check("while it runs: orch status --json", "status", project.ask("status", "--json"))
        check("while it runs: orch ps --json", "ps", project.ask("ps", "--json"))
        check("while it runs: orch history --json", "history", project.ask("history", "--json"))
        check("while it runs: orch report --format json", "report", project.ask("-f", "Waits", "report", "--format=json"))
        project.ask("pause")
        project.ask("jobs", "2")
        project.ask("resume")
        check("paused and resumed: orch status --json", "status", project.ask("status", "--json"))
        with open(os.path.join(project.dir, "go"), "w"):
            pass
        events = run.communicate(timeout=DEADLINE)[0]
        check("events of a run that was steered", "event", events, lines=True)
    finally:
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
            run.wait()


def main():
    orch = os.path.abspath(os.environ["ORCH"])
    asked = [
        ("dry-run", ("-n", "--json")), ("dry-run", ("-n", "-B", "--json", "a")),
        ("plan", ("plan", "--json")), ("plan", ("plan", "-B", "--json")),
        ("why", ("why", "bad", "--json")), ("why", ("why", "a", "--json")), ("why", ("why", "b", "--json")),
        ("graph", ("graph", "--json")), ("graph", ("graph", "--format=json", "b")),
        ("list", ("list", "--json")), ("show", ("show", "a", "--json")), ("show", ("show", "after", "--json")),
        ("dump", ("dump", "--json")), ("check", ("check", "--json")), ("check", ("check", "-f", "Bad", "--json")),
        ("agents", ("agents", "--json")), ("agents", ("agents", "--json", "--probe")), ("doctor", ("doctor", "--json")),
        ("status", ("status", "--json")), ("status", ("status", "bad", "--json")),
        ("history", ("history", "--json")), ("history-stream", ("history", "b", "--json")), ("history-stream", ("history", "bad", "--json")),
        ("history-streams", ("history", "--streams", "--json")),
        ("prune", ("prune", "--age", "1s", "--json", "-n")), ("prune", ("prune", "--age", "1ms", "--keep", "1", "--json")),
        ("ps", ("ps", "--json")), ("report", ("report", "--format=json")),
    ]
    # before a run 2, its events 2, while one goes on 6, with git 3, about the schemas 4
    tap = Tap(len(asked) + 17)
    work = tempfile.mkdtemp(prefix="orch-schema-")
    used = set()
    validators = {}

    def check(text, name, output, lines=False):
        used.add(name)
        if name not in validators:
            validators[name] = strict(name)
        problems = []
        try:
            documents = [json.loads(line) for line in output.splitlines()] if lines else [json.loads(output)]
            for document in documents:
                problems += problems_of(validators[name], document, text)
            if not documents:
                problems.append("nothing was printed")
        except ValueError as error:
            problems.append("%s in %r" % (error, output[:200]))
        tap.result("%s is as doc/schema/%s.json says" % (text, name), problems)

    try:
        with open(os.path.join(SCHEMAS, "event.json")) as file:
            same = file.read() == as_text(event_schema())
        tap.result("doc/schema/event.json has the events of src/event/event.c",
                   [] if same else ["tests/doc/schema.py --write makes it again"])
        project = Project(orch, work)
        check("before any run: orch status --json", "status", project.ask("status", "--json"))
        check("before any run: orch history --json", "history", project.ask("history", "--json"))
        check("events of a run", "event", project.ask("-k", "--json"), lines=True)
        run = os.listdir(os.path.join(project.dir, ".orch/runs"))[0]
        with open(os.path.join(project.dir, ".orch/runs", run, "journal.jsonl")) as file:
            check("a journal", "event", file.read(), lines=True)
        for name, words in asked[:-3]:
            check("orch " + " ".join(words), name, project.ask(*words))
        with open(os.path.join(project.dir, "in.txt"), "w") as file:
            file.write("other\n")
        project.ask("-k")
        for name, words in asked[-3:]:
            check("orch " + " ".join(words), name, project.ask(*words))
        running(project, check)
        with_git(project, work, check)

        # each --json of any command, and each schema, is here
        overview = project.ask("help")
        commands = re.findall(r"^  ([a-z]+)  +[A-Z]", overview, re.M)
        json_commands = {command for command in commands if re.search(r"--json\b|json, ", project.ask(command, "--help"))}
        tested = {words[0] for _, words in asked} | {"run", "conflicts", "clean"}
        problems = ["orch %s has --json, and no output of it is held against a schema" % command for command in sorted(json_commands - tested)]
        tap.result("every command with --json is held against a schema", problems if len(commands) > 20 else ["read only %s" % commands])
        there = {name[:-5] for name in os.listdir(SCHEMAS) if name.endswith(".json")}
        tap.result("every schema is held against what is printed", sorted(there ^ used))
        wrong = [
            ("status", '{"v":1,"state":"dancing"}'), ("status", '{"v":1,"state":"none","more":1}'), ("list", '{"v":1,"project":"x"}'),
            ("event", '{"v":1,"seq":1,"time":"2026-11-21T05:37:01.000Z","type":"task","stream":"a","stat":"ready"}'),
            ("event", '{"v":1,"seq":1,"time":"2026-11-21T05:37:01.000Z","type":"nosuch"}'),
        ]
        tap.result("what is wrong is found", [text for name, text in wrong if not problems_of(validators[name], json.loads(text), "")])
    finally:
        shutil.rmtree(work)
    tap.end()


if sys.argv[1:] == ["--write"]:
    made = as_text(event_schema())
    with open(os.path.join(SCHEMAS, "event.json"), "w") as written:
        written.write(made)
else:
    main()
