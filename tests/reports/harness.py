"""What the programs here share: real servers, requests, and the list of tests. As a user would: HTTP alone."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("FORKPOOL") or os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(TOP, "target")), "debug", "forkpool")
READY = 40  # seconds for a server to be ready
CALL = 30  # for one answer


class Server:
    """`forkpool serve` of one file with this source, on a free port; it must end well."""

    def __init__(self, source, *arguments, workers=1, files=()):
        self.folder = tempfile.TemporaryDirectory(prefix="forkpool-reports-")
        self.path = os.path.join(self.folder.name, "tasks.py")
        for name, text in (("tasks.py", source), *files):
            with open(os.path.join(self.folder.name, name), "w") as file:
                file.write(text)
        self.log = open(os.path.join(self.folder.name, "log"), "w+b")
        command = [BINARY, "serve", self.path, "--python", sys.executable, "--workers", str(workers),
                   "--bind", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        self.pid = self.process.pid
        late = threading.Timer(READY, self.process.kill)
        late.start()
        line = self.process.stdout.readline().decode()
        late.cancel()
        found = re.search(r":(\d+)$", line.strip())
        assert found, "it did not start: %r %s" % (line, self.errors())
        self.port = int(found.group(1))

    def errors(self):
        self.log.flush()
        with open(self.log.name, "rb") as file:
            return file.read().decode(errors="backslashreplace")

    def ask(self, method, path, body=None, headers=(), timeout=CALL):
        """(status, headers, what the body says)"""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        try:
            answer = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            try:
                return answer.status, answer.headers, json.loads(text)
            except ValueError:
                return answer.status, answer.headers, text.decode(errors="replace")

    def text(self, path, body):
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=CALL) as answer:
            return answer.read().decode()

    def call(self, name, arguments):
        """A typed call: (status, the value or the problem)."""
        status, _, told = self.ask("POST", "/v1/functions/tasks.%s/call" % name, arguments)
        return status, told

    def apply(self, name, *args, **more):
        status, _, told = self.ask("POST", "/v1/apply", dict({"function": "tasks." + name, "args": args}, **more))
        return status, told

    def value(self, name, *args, **more):
        status, told = self.apply(name, *args, **more)
        assert status == 200, (name, status, told)
        return told

    def start(self, name, *args, **more):
        status, _, told = self.ask("POST", "/v1/apply_async", dict({"function": "tasks." + name, "args": args}, **more))
        assert status == 202, (status, told)
        return told["id"]

    def result(self, job, timeout=CALL):
        status, _, told = self.ask("GET", "/v1/jobs/%s/result?timeout=%s" % (job, timeout), timeout=timeout + 10)
        return status, told

    def workers(self):
        return self.ask("GET", "/v1/pools/python/workers")[2]["items"]

    def types(self, name):
        return self.ask("GET", "/v1/functions/tasks." + name)[2]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(25) == 0, self.errors()

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()


@contextlib.contextmanager
def serving(source, *arguments, **more):
    server = Server(source, *arguments, **more)
    try:
        yield server
    except BaseException:
        print("--- the server's standard error ---\n%s---" % server.errors()[-6000:], file=sys.stderr)
        server.process.kill()
        server.process.wait()
        raise
    finally:
        server.close()


def same(actual, expected, about=""):
    assert actual == expected, "%s: %r is not %r" % (about, actual, expected)


def wait_until(seconds, what, done):
    end = time.monotonic() + seconds
    while True:
        told = done()
        if told:
            return told
        assert time.monotonic() < end, "%s: not within %s s; /dev/shm: %s" % (what, seconds, os.listdir("/dev/shm"))
        time.sleep(0.01)


def processes(*words):
    """The pids of processes whose command line holds all of these words."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open("/proc/%s/cmdline" % name, "rb") as file:
                    line = file.read().replace(b"\0", b" ").decode(errors="replace")
                with open("/proc/%s/stat" % name) as file:
                    state = file.read().rpartition(") ")[2][:1]
            except OSError:
                continue
            if line and state not in "ZX" and all(word in line for word in words):
                found.append(int(name))
    return found


def run(module, words):
    """Runs the functions of a module whose names begin with test_ (and hold one of these words)."""
    failed = []
    for name, test in list(vars(module).items()):
        if name.startswith("test_") and (not words or any(word in name for word in words)):
            begin = time.monotonic()
            try:
                test()
                print("ok   %s (%.1f s)" % (name, time.monotonic() - begin), flush=True)
            except Exception:
                failed.append(name)
                print("FAIL %s\n%s" % (name, traceback.format_exc()), flush=True)
    return failed
