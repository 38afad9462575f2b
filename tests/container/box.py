"""One container that runs: started, called by curl, looked at from the host, ended."""

import json
import os
import pathlib
import subprocess
import time

import podman

STRICT = ["--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
FIXTURES = pathlib.Path(__file__).parent / "fixtures"
# In the container.
READY_WITHIN = 30.0


class Answer:
    """What curl got."""

    def __init__(self, status, text):
        self.status, self.text = status, text

    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status}: {self.text[:2000]}"


class Box:
    """`docker run` of an image, strictly: read-only, without capabilities, its port published."""

    def __init__(self, *arguments, image="forkpool", options=(), wait=True):
        published = ["--detach", "--publish", "127.0.0.1::8080"]
        self.began = time.monotonic()
        started = podman.docker("run", *published, *STRICT, *options, image, *arguments)
        self.name = started.stdout.strip()
        self.port = podman.docker("port", self.name, "8080").stdout.strip().rpartition(":")[2]
        self.pid = int(podman.inspect(self.name, "{{.State.Pid}}"))
        if wait:
            self.wait_ready()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f"--- the container said:\n{self.log()}---")
        podman.docker("rm", "--force", "--volumes", "--time", "1", self.name, check=False)

    def log(self):
        said = podman.docker("logs", self.name, check=False)
        return said.stdout + said.stderr

    def wait_ready(self):
        until = time.monotonic() + READY_WITHIN
        while self.curl("/readyz").status != 200:
            if time.monotonic() > until or not self.runs():
                raise AssertionError(f"it is not ready: {self.log()}")
            time.sleep(0.02)

    def runs(self):
        return podman.inspect(self.name, "{{.State.Running}}") == "true"

    def curl(self, path, body=None, *options):
        """GET, or POST of JSON; status 0 when nothing answered."""
        command = ["curl", "-s", "--noproxy", "*", "-m", "60", "-w", "\n%{http_code}", *options]
        if body is not None:
            command += ["--json", json.dumps(body)]
        ended = subprocess.run([*command, f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True)
        text, _, status = ended.stdout.rpartition("\n")
        return Answer(int(status), text)

    def apply(self, function, *args):
        return self.curl("/v1/apply", {"function": function, "args": args})

    def workers(self, pool="python"):
        return self.curl(f"/v1/pools/{pool}/workers").json()["items"]

    def stop(self, seconds=30):
        """How long `docker stop` took, and the exit code."""
        began = time.monotonic()
        podman.docker("stop", "-t", seconds, self.name, timeout=seconds + 30)
        took = time.monotonic() - began
        return took, int(podman.inspect(self.name, "{{.State.ExitCode}}"))

    def processes(self):
        """Every process of the container as the host sees it: {pid there: (name, state, pid here)}."""
        own = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if not entry.name.isdigit() or os.readlink(entry / "ns/pid") != own:
                    continue
                status = dict(line.split(":\t", 1) for line in (entry / "status").read_text().splitlines()
                              if ":\t" in line)
            except OSError:
                # It is gone; a zombie's links can't be read either, see `zombies`.
                continue
            found[int(status["NSpid"].split()[-1])] = (status["Name"], status["State"][0], int(entry.name))
        return found

    def zombies(self):
        """The zombies that process 1 has not reaped."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        states = {}
        for pid in children:
            try:
                states[pid] = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
        return [pid for pid, state in states.items() if state == "Z"]

    def kernel_oom_kills(self):
        """How often the kernel killed in the container's memory group; None where it doesn't count."""
        for line in pathlib.Path(f"/proc/{self.pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            version_1 = pathlib.Path("/sys/fs/cgroup/memory" + path) / "memory.oom_control"
            version_2 = pathlib.Path("/sys/fs/cgroup" + path) / "memory.events"
            file = version_1 if controllers == "memory" else version_2 if not controllers else None
            if file is not None and file.exists():
                counts = dict(line.split() for line in file.read_text().splitlines())
                return int(counts["oom_kill"])
        return None


def wait_until(what, condition, seconds=10.0):
    """Waits until it holds, and fails when it doesn't."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
