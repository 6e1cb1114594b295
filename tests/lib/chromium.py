"""Chromium without a window, steered over its own pipe (--remote-debugging-pipe): descriptors 3 and 4, one JSON text with a
NUL behind it each way. All that it writes goes below the directory that it is given."""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time

DEADLINE = 30  # seconds for anything to come true, on a machine that does much else


class Chromium:
    def __init__(self, directory):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise SystemExit("chromium is missing; ./bootstrap installs it")
        here = os.path.join(directory, "chromium")
        environment = dict(os.environ, HOME=here, TMPDIR=here, XDG_CONFIG_HOME=here + "/config", XDG_CACHE_HOME=here + "/cache",
                           XDG_DATA_HOME=here + "/data", XDG_RUNTIME_DIR=here)
        environment.pop("DBUS_SESSION_BUS_ADDRESS", None)
        environment.pop("DISPLAY", None)
        os.makedirs(here, mode=0o700, exist_ok=True)
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()

        def place():
            os.dup2(to_read, 100)
            os.dup2(back_write, 101)
            os.dup2(100, 3)
            os.dup2(101, 4)

        with open(os.path.join(here, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [program, "--headless", "--no-sandbox", "--remote-debugging-pipe", "--user-data-dir=" + here + "/profile", "--no-first-run",
                 "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--disable-sync",
                 "--disable-component-update", "--no-default-browser-check", "--hide-scrollbars", "--force-color-profile=srgb",
                 "--no-proxy-server", "about:blank"],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=False, preexec_fn=place, start_new_session=True)
        os.close(to_read)
        os.close(back_write)
        self.rest = b""
        self.number = 0
        self.answers = {}
        self.events = []

    def receive(self, end):
        """One message more; False if none came in time."""
        while b"\0" not in self.rest:
            ready = select.select([self.back], [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                return False
            piece = os.read(self.back, 1 << 20)
            if not piece:
                raise RuntimeError("chromium has ended; its log is beside its profile")
            self.rest += piece
        line, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(line)
        if "id" in message:
            self.answers[message["id"]] = message
        else:
            self.events.append(message)
        return True

    def ask(self, method, session=None, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if session:
            request["sessionId"] = session
        os.write(self.to, json.dumps(request).encode() + b"\0")
        end = time.monotonic() + DEADLINE
        while self.number not in self.answers:
            if not self.receive(end):
                raise RuntimeError("chromium does not answer %s" % method)
        answer = self.answers.pop(self.number)
        if "error" in answer:
            raise RuntimeError("%s: %s" % (method, answer["error"].get("message")))
        return answer["result"]

    def page(self, width=1280, height=800, dark=False):
        return Page(self, width, height, dark)

    def close(self):
        try:
            self.ask("Browser.close")
        except (RuntimeError, OSError):
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Page:
    """A page in a context of its own: no storage is shared with another one."""

    def __init__(self, browser, width, height, dark):
        self.browser = browser
        context = browser.ask("Target.createBrowserContext")["browserContextId"]
        target = browser.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.target = target
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")
        self.size(width, height)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def ask(self, method, **parameters):
        return self.browser.ask(method, self.session, **parameters)

    def size(self, width, height, scale=1):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)

    def open(self, address):
        self.ask("Page.navigate", url=address)

    def value(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", str(answer["exceptionDetails"])))
        return answer["result"].get("value")

    def until(self, expression, seconds=DEADLINE):
        """Waits until the expression is true in the page: asked of the page itself, once in each of its frames."""
        found = self.value("new Promise(done => { const end = Date.now() + %d; const look = () => { let is = false; try { is = (%s); } catch {} "
                           "if (is || Date.now() > end) done(is ? true : false); else setTimeout(look, 50); }; look(); })"
                           % (min(seconds, DEADLINE - 5) * 1000, expression))
        if not found:
            raise AssertionError("did not come true: %s\n%s" % (expression, self.value("document.body.innerText")[:1500]))

    def key(self, key):
        text = key if len(key) == 1 else ""
        code = {"Escape": 27, "Enter": 13, "ArrowDown": 40, "ArrowUp": 38}.get(key, 0)
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def picture(self, path):
        shot = self.ask("Page.captureScreenshot", format="png")
        with open(path, "wb") as out:
            out.write(base64.b64decode(shot["data"]))

    def problems(self):
        """What went wrong in the page: exceptions, refused scripts, errors of the console."""
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"] + " " + event["params"]["entry"].get("url", ""))
        return found

    def addresses(self):
        """Of everything that it asked for."""
        return [event["params"]["request"]["url"] for event in self.browser.events
                if event.get("sessionId") == self.session and event["method"] == "Network.requestWillBeSent"]
