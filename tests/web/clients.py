#!/usr/bin/env python3
"""Fifty clients of the dashboard, one of which takes nothing, while a run of a thousand streams goes on. With --measure:
the run's time with and without them, and what the server takes of memory (doc/performance.md)."""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.environ.get("srcdir", "."), "tests", "lib"))
from tap import Tap  # noqa: E402

ORCH = os.environ.get("ORCH", "./orch")
DEADLINE = 120
CLIENTS = 50


class Client:
    def __init__(self, port, token, path, stalled=False, blind=False):
        self.socket = socket.socket()
        if stalled:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(("GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n" % (path, token)).encode())
        self.socket.setblocking(False)
        self.stalled = stalled
        self.blind = blind
        self.rest = b""
        self.bytes = 0
        self.states = {}
        self.run = None

    def read(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise AssertionError("the server closed a connection")
        self.bytes += len(data)
        if self.blind:
            return
        parts = (self.rest + data).split(b"\n\n")
        self.rest = parts.pop()
        for part in parts:
            name, _, text = part.partition(b"\ndata: ")
            if name == b"event: run":
                self.run = json.loads(text)
            elif name == b"event: streams":
                for stream in json.loads(text)["streams"]:
                    self.states[stream["n"]] = stream["s"]

    def is_done(self, count):
        return self.blind or self.run is not None and self.run["state"] == "completed" and len(self.states) == count and \
            all(state == "completed" for state in self.states.values())


def memory(pid, what):
    with open("/proc/%d/status" % pid) as status:
        for line in status:
            if line.startswith(what + ":"):
                return int(line.split()[1])
    return 0


def run_once(directory, count, clients, blind=False, jobs=8):
    """A run with so many clients: its time, the server's memory. Blind clients look at nothing that they are told, but for the
    last of them: they cost as little as they can."""
    project = os.path.join(directory, "project-%d-%d" % (count, clients))
    os.makedirs(project)
    with open(os.path.join(project, "Orchfile"), "w") as out:
        out.write("first:\n\tuntil test -e go; do sleep 0.02; done\n")
        out.write("for n in %s:\n\tstream-{{n}} \"The stream number {{n}}\": first\n\t\techo {{n}}\n" % " ".join(map(str, range(1, count))))
    environment = dict(os.environ, HOME=directory, XDG_STATE_HOME=os.path.join(directory, "state"))
    environment.pop("CI", None)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": project}
    run = subprocess.Popen([ORCH, "-j%d" % jobs, "--progress", "quiet"], **quiet)
    server = None
    found = []
    try:
        end = time.monotonic() + DEADLINE
        while not os.path.exists(os.path.join(project, ".orch", "control.sock")):
            if time.monotonic() > end or run.poll() is not None:
                raise AssertionError("the run did not start")
            time.sleep(0.02)
        if clients:
            server = subprocess.Popen([ORCH, "serve", "--port", "0", "--here"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      env=environment, cwd=project, text=True)
            address = server.stdout.readline().strip()
            port, token = int(address.split("/")[2].split(":")[1]), address.split("token=")[1]
            hello = Client(port, token, "/api/hello")
            body = b""
            while b"}" not in body:
                select.select([hello.socket], [], [], 30)
                body += hello.socket.recv(4096)
            here = json.loads(body[body.index(b"{"):])["here"]
            found = [Client(port, token, "/api/run?project=" + here, stalled=n == 0 and clients > 1, blind=blind and n < clients - 1)
                     for n in range(clients)]
        begin = time.monotonic()
        open(os.path.join(project, "go"), "w").close()
        took = None
        while took is None or not all(client.stalled or client.is_done(count) for client in found):
            if time.monotonic() > end:
                raise AssertionError("after %d s %d clients have not been told everything" % (
                    DEADLINE, sum(not client.is_done(count) for client in found if not client.stalled)))
            for ready in select.select([client.socket for client in found if not client.stalled], [], [], 0.02)[0]:
                next(client for client in found if client.socket is ready).read()
            if took is None and run.poll() is not None:
                took = time.monotonic() - begin
        result = {"status": run.returncode, "seconds": took}
        if server:
            result["alive"] = server.poll() is None
            result["rss"] = memory(server.pid, "VmRSS")
            result["peak"] = memory(server.pid, "VmHWM")
            result["cpu"] = sum(int(x) for x in open("/proc/%d/stat" % server.pid).read().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")
            result["bytes"] = max(client.bytes for client in found)
        return result
    finally:
        for client in found:
            client.socket.close()
        for process in (run, server):
            if process and process.poll() is None:
                process.terminate()
            if process:
                process.wait(30)


def measure(directory):
    for count, clients in ((1000, 0), (1000, 1), (1000, 50), (1000, 0), (1000, 50), (10000, 0), (10000, 50), (10000, 0), (10000, 50)):
        result = run_once(tempfile.mkdtemp(dir=directory), count, clients, blind=True)
        print(count, "streams,", clients, "clients:", json.dumps(result), flush=True)


def main():
    with tempfile.TemporaryDirectory() as directory:
        if "--measure" in sys.argv:
            measure(directory)
            return
        tap = Tap(1)
        problems = []
        try:
            result = run_once(directory, 1000, CLIENTS)
            if result["status"] != 0:
                problems.append("the run ended with status %s" % result["status"])
            if not result["alive"]:
                problems.append("the server has ended")
            if "SANITIZER_FLAGS" not in os.environ or not os.environ["SANITIZER_FLAGS"]:
                if result["peak"] > 64 * 1024:
                    problems.append("the server took %d KiB" % result["peak"])
        except AssertionError as problem:
            problems.append(problem)
        tap.result("a thousand streams, fifty clients, one of which takes nothing: all others are told everything", problems)
        tap.end()


if __name__ == "__main__":
    main()
