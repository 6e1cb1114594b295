#!/usr/bin/env python3
"""examples/ci, examples/systemd and doc/notify.md: the pipelines are what the services take, and their scripts run with the program as it
is now; the units are what systemd takes; the hooks do what is said of them."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

import jsonschema
import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import Tap  # noqa: E402

TOP = os.environ["srcdir"]
ORCH = os.path.abspath(os.environ["ORCH"])

TEXT = {"type": "string", "minLength": 1}
SCALAR = {"type": ["string", "number", "boolean"]}
TABLE = {"type": "object", "additionalProperties": SCALAR}
TEXTS = {"type": "array", "items": TEXT, "minItems": 1}
# as the services' own schemas have it, of what is used here
GITHUB = {
    "type": "object", "required": ["name", "on", "jobs"], "additionalProperties": False,
    "properties": {
        "name": TEXT, "env": TABLE, "permissions": TABLE,
        "on": {"type": "object", "additionalProperties": False, "properties": {
            "push": {"type": "object", "properties": {"branches": TEXTS}, "additionalProperties": False},
            "pull_request": {"type": "null"}, "workflow_dispatch": {"type": "null"},
            "schedule": {"type": "array", "items": {"type": "object", "required": ["cron"], "additionalProperties": False, "properties": {
                "cron": {"type": "string", "pattern": r"^([0-9*/,-]+ ){4}[0-9*/,-]+$"}}}}}},
        "concurrency": {"type": "object", "required": ["group"], "additionalProperties": False, "properties": {
            "group": TEXT, "cancel-in-progress": {"type": "boolean"}}},
        "jobs": {"type": "object", "minProperties": 1, "additionalProperties": {
            "type": "object", "required": ["runs-on", "steps"], "additionalProperties": False, "properties": {
                "runs-on": TEXT, "container": TEXT, "timeout-minutes": {"type": "integer"},
                "steps": {"type": "array", "minItems": 1, "items": {
                    "type": "object", "required": ["name"], "additionalProperties": False,
                    "oneOf": [{"required": ["run"]}, {"required": ["uses"]}],
                    "properties": {"name": TEXT, "id": TEXT, "if": TEXT, "run": TEXT, "env": TABLE, "with": TABLE,
                                   "uses": {"type": "string", "pattern": r"^[a-z-]+/[a-z/-]+@v[0-9]+$"}}}}}}},
    },
}
JOB = {
    "type": "object", "required": ["stage", "script"], "additionalProperties": False,
    "properties": {
        "stage": TEXT, "script": TEXTS, "resource_group": TEXT, "timeout": {"type": "string", "pattern": r"^[0-9]+ (hours|minutes)$"},
        "cache": {"type": "object", "additionalProperties": False, "properties": {
            "key": TEXT, "fallback_keys": TEXTS, "paths": TEXTS, "when": {"enum": ["on_success", "on_failure", "always"]}}},
        "allow_failure": {"type": "object", "additionalProperties": False, "properties": {
            "exit_codes": {"type": "array", "items": {"type": "integer"}}}},
        "artifacts": {"type": "object", "additionalProperties": False, "properties": {
            "when": {"enum": ["on_success", "on_failure", "always"]}, "expire_in": TEXT, "expose_as": TEXT, "paths": TEXTS,
            "reports": {"type": "object", "additionalProperties": False, "properties": {"junit": TEXT}}}},
    },
}
GITLAB = {
    "type": "object", "required": ["stages"], "additionalProperties": JOB,
    "properties": {"stages": TEXTS, "variables": TABLE,
                   "default": {"type": "object", "additionalProperties": False, "properties": {"image": TEXT}}},
}


class Loader(yaml.SafeLoader):
    """As the services read it: `on` is a word."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def read(path):
    with open(os.path.join(TOP, path)) as file:
        return file.read()


def pipeline(path, schema):
    document = yaml.load(read(path), Loader)
    return document, [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


class Place:
    """A project as a service checks it out, and a shell in it."""

    def __init__(self, work, name, service):
        self.dir = os.path.join(work, name)
        shutil.copytree(os.path.join(TOP, "examples/quickstart"), self.dir, ignore=shutil.ignore_patterns(".orch", "out"))
        for root, directories, files in os.walk(self.dir):
            for entry in directories + files:
                path = os.path.join(root, entry)
                os.chmod(path, os.stat(path).st_mode | stat.S_IWUSR)
        orchfile = os.path.join(self.dir, "Orchfile")
        with open(orchfile) as file:
            text = re.sub(r"sleep [0-9.]+", "sleep 0", file.read())
        with open(orchfile, "w") as file:
            file.write(text)
        self.summary = os.path.join(work, name + ".summary")
        self.environment = dict(os.environ, PATH=os.path.dirname(ORCH) + ":" + os.environ["PATH"], HOME=work, CI="true", ORCH_TARGETS="")
        self.environment.update({"github": {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": self.summary}, "gitlab": {"GITLAB_CI": "true"}}[service])

    def run(self, script, **more):
        """As a service does: a script that ends at the first failure."""
        return subprocess.run(["sh", "-e", "-c", script], cwd=self.dir, env=dict(self.environment, **more), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def scripts_pass(place, scripts):
    problems = []
    for script in scripts:
        if "${{" in script:
            problems.append("a script has an expression in it: " + script)
        done = place.run(script)
        if done.returncode != 0:
            problems.append("exit status %d of %s\n%s" % (done.returncode, script, done.stdout))
    return problems


def reports_exist(place, names):
    problems = [name for name in names if not os.path.exists(os.path.join(place.dir, name))]
    done = subprocess.run(["xmllint", "--noout", "--schema", os.path.join(TOP, "tests/data/junit/junit.xsd"), os.path.join(place.dir, "orch.xml")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return problems + ([done.stdout] if done.returncode else [])


def break_it(place):
    with open(os.path.join(place.dir, "Orchfile"), "a") as file:
        file.write("\nbroken:\n\techo '::error::forged'\n\texit 7\n\nbroken-too:\n\texit 1\n")
    place.environment["ORCH_TARGETS"] = "broken broken-too"


def github(tap, work):
    document, problems = pipeline("examples/ci/github.yml", GITHUB)
    tap.result("github.yml is a workflow", problems)
    steps = document["jobs"]["orch"]["steps"]
    place = Place(work, "github", "github")
    tap.result("github.yml: its steps run", scripts_pass(place, [step["run"] for step in steps if "run" in step]))
    uploaded = [step["with"]["path"].split() for step in steps if step.get("uses", "").startswith("actions/upload-artifact")]
    tap.result("github.yml: what it uploads is there", reports_exist(place, uploaded[0]))
    with open(place.summary) as file:
        tap.result("github.yml: the summary is there", [] if re.search(r"### orch: [1-9][0-9]* completed, 0 failed", file.read()) else ["not in it"])
    caches = [step["with"] for step in steps if "actions/cache" in step.get("uses", "")]
    tap.result("github.yml: saved and restored are the same", [] if len(caches) == 2 and caches[0]["path"] == caches[1]["path"] and
               caches[0]["key"] == caches[1]["key"] and ".orch" in caches[0]["path"].split() else [caches])

    run = next(step["run"] for step in steps if step.get("id") == "run")
    break_it(place)
    done = place.run(run)
    tap.result("github.yml: a failed stream fails the step, with an annotation and a group that cannot be forged",
               [] if done.returncode == 1 and re.search(r"^::error title=.*broken", done.stdout, re.M) and
               re.search(r"^::group::broken\n::stop-commands::(\w+)\n::error::forged\n(.*\n)*::\1::$", done.stdout, re.M) else [done.returncode, done.stdout])
    held = os.path.join(work, "held")
    os.mkdir(held)
    with open(os.path.join(held, "orch"), "w") as file:
        file.write("#!/bin/sh\nexit 75\n")
    os.chmod(os.path.join(held, "orch"), 0o755)
    done = place.run(run, PATH=held + ":" + place.environment["PATH"])
    tap.result("github.yml: a run that is held is no failure", [] if done.returncode == 0 and "::notice" in done.stdout else [done.returncode, done.stdout])


def gitlab(tap, work):
    document, problems = pipeline("examples/ci/gitlab-ci.yml", GITLAB)
    jobs = {name: job for name, job in document.items() if name not in ("stages", "variables", "default")}
    problems += ["%s: no stage %s" % (name, job["stage"]) for name, job in jobs.items() if job["stage"] not in document["stages"]]
    tap.result("gitlab-ci.yml is a pipeline", problems)
    place = Place(work, "gitlab", "gitlab")
    tap.result("gitlab-ci.yml: its scripts run", scripts_pass(place, ["\n".join(job["script"]) for job in jobs.values()]))
    artifacts = jobs["orch"]["artifacts"]
    tap.result("gitlab-ci.yml: its artifacts are there", reports_exist(place, artifacts["paths"] + [artifacts["reports"]["junit"]]))
    break_it(place)
    done = place.run(jobs["orch"]["script"][0])
    tap.result("gitlab-ci.yml: a failed stream fails the job, with a section for its output",
               [] if done.returncode == 1 and "\x1b[0Kbroken" in done.stdout else [done.returncode, done.stdout])


def containerfile(tap):
    text = re.sub(r"\\\n", " ", read("examples/ci/Containerfile"))
    known = {"FROM", "RUN", "COPY", "WORKDIR"}
    lines = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    tap.result("Containerfile has instructions of its language only", [line for line in lines if line[0] not in known or len(line) < 2])
    wanted = set(re.search(r"^build='(.*)'$", read("bootstrap"), re.M).group(1).split())
    there = set(re.search(r"AS build.*?recommends (.*?)\n", text, re.S).group(1).split())
    tap.result("Containerfile builds with the packages that bootstrap names", sorted(wanted ^ there))


def units(tap, work):
    if not shutil.which("systemd-analyze"):
        tap.result("systemd takes the units", ["no systemd-analyze: ./bootstrap installs it"])
        tap.result("what systemd does not take is found", ["no systemd-analyze: ./bootstrap installs it"])
        return
    directory = os.path.join(work, "units")
    os.mkdir(directory)
    os.mkdir(os.path.join(directory, "runtime"), 0o700)

    def verify(change):
        for kind in ("service", "timer"):
            with open(os.path.join(directory, "orch-nightly@tmp." + kind), "w") as file:
                file.write(change(read("examples/systemd/orch-nightly@." + kind)))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(os.path.join(directory, "orch-nightly@tmp." + kind) for kind in ("timer", "service"))],
                              env=dict(os.environ, XDG_RUNTIME_DIR=os.path.join(directory, "runtime")),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return [line for line in done.stdout.splitlines() if "orch-nightly" in line]
    tap.result("systemd takes the units", verify(lambda text: text))
    tap.result("what systemd does not take is found", [] if verify(lambda text: text.replace("Type=exec", "Type=oneshot").replace("OnCalendar=*-*-* 02:30:00", "OnCalendar=often"))
               else ["nothing was"])


def notify(tap, work):
    """The hooks of doc/notify.md in one Orchfile, with programs that note what they are given."""
    blocks = re.findall(r"^```orchfile\n(.*?)^```$", read("doc/notify.md"), re.S | re.M)
    directory, programs = os.path.join(work, "notify"), os.path.join(work, "programs")
    os.mkdir(directory)
    os.mkdir(programs)
    for name in ("notify-send", "sendmail", "curl"):
        with open(os.path.join(programs, name), "w") as file:
            file.write('#!/bin/sh\n{ printf "%%s|" "$@"; echo; %s; } >> "%s/%s.said"\n' % ("true" if name == "notify-send" else "cat", work, name))
        os.chmod(os.path.join(programs, name), 0o755)
    with open(os.path.join(directory, "Orchfile"), "w") as file:
        file.write("\n".join(blocks) + "\ngood:\n\techo fine\n\nbad:\n\techo 'the last line'\n\texit 4\n")
    done = subprocess.run([ORCH, "-k"], cwd=directory, env=dict(os.environ, PATH=programs + ":" + os.environ["PATH"], USER="someone"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def said(name):
        path = os.path.join(work, name + ".said")
        if not os.path.exists(path):
            return ""
        with open(path) as file:
            return file.read()
    real = os.path.realpath(directory)
    tap.result("notify.md: the run is as without hooks", [] if done.returncode == 1 and "hook" not in done.stdout else [done.returncode, done.stdout])
    tap.result("notify.md: a notification", [] if "--urgency=critical|orch: exit status 1|%s|" % real in said("notify-send") else [said("notify-send")])
    tap.result("notify.md: a mail", [] if "Subject: orch: bad failed in" in said("sendmail") and "the last line" in said("sendmail") else [said("sendmail")])
    tap.result("notify.md: a webhook", [] if re.search(r'"type":"run_finished"', said("curl")) and re.search(r'"text": "bad: exit status 4"', said("curl")) else [said("curl")])
    with open(os.path.join(directory, "runs.jsonl")) as file:
        types = [json.loads(line)["type"] for line in file]
    tap.result("notify.md: a file", [] if types == ["run_started", "run_finished"] else [types])


def main():
    work = os.path.realpath(tempfile.mkdtemp(prefix="orch-ci-"))
    tap = Tap(7 + 4 + 2 + 2 + 5)
    try:
        github(tap, work)
        gitlab(tap, work)
        containerfile(tap)
        units(tap, work)
        notify(tap, work)
    finally:
        shutil.rmtree(work)
    tap.end()


main()
