"""Plays the server's part towards a Python zygote: starts it, asks for workers, speaks frames."""
import ctypes
import fcntl
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON_SIDE = os.path.join(HERE, "..", "..", "src", "worker", "python")
FIXTURES = os.path.join(HERE, "fixtures")
PARTS = ("values", "worker", "restore", "describe", "zygote")

CALL, CALL_KEYWORDS, MAP, MAP_ITEMS, PING, READY, PART = 1, 2, 3, 5, 8, 16, 25
VALUE, RAISED, NOT_JSON, INVALID_ARGUMENTS, TOO_LARGE, PONG = 17, 18, 19, 20, 21, 24
UNKNOWN_REF, RETIRE = 26, 27
CALL_YIELDING, CALL_TYPED_YIELDING, TAKEN, STOP = 11, 12, 13, 14
HEADER = struct.Struct("<BBBBIQQ")
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1",
                   NUMEXPR_NUM_THREADS="1")
PATIENCE = 20  # seconds: the bound of every wait


def text_of(name):
    with open(os.path.join(PYTHON_SIDE, name), encoding="utf-8") as file:
        return file.read()


def bootstrap():
    """The packets that the server sends first."""
    joined = lambda *parts: "".join(text_of("bootstrap/%s.py" % part) for part in parts)
    first = "\0".join((joined(*PARTS), joined("rare", "late", "unloaded")))
    return first.encode(), "\0".join((joined("call_socket", "objects"), joined("types", "classes", "choose"))).encode()


def become_subreaper():
    if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) != 0:
        raise OSError("PR_SET_CHILD_SUBREAPER")


def wait_for(condition, what, seconds=PATIENCE):
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError("waited in vain: " + what)
        time.sleep(0.002)


def readable(descriptor, what):
    if not select.select([descriptor], [], [], PATIENCE)[0]:
        raise AssertionError("nothing came: " + what)


class Gate:
    """A file before which tasks.hold waits while it is there."""

    def __init__(self):
        descriptor, self.path = tempfile.mkstemp()
        os.close(descriptor)

    def argument(self):
        return json.dumps([self.path]).encode()

    def open(self):
        os.remove(self.path)


ORIGIN = struct.Struct("<16sII")


def frame(kind, which, sequence, payload, codec=1, job=bytes(16), attempt=1, tags=b""):
    if kind not in (PING, TAKEN, STOP):
        payload = ORIGIN.pack(job, attempt, len(tags)) + tags + payload
    return HEADER.pack(0xF0, 1, kind, codec if payload else 0, which, sequence, len(payload)) + payload


class Refused(Exception):
    pass


class Zygote:
    """One exec'd zygote and what it has announced."""

    def __init__(self, python=sys.executable, stderr=None, **asked):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [python, "-I", "-c", text_of("stub.py")]
        self.process = subprocess.Popen(command, stdin=theirs, env=ENVIRONMENT,
                                        stdout=stderr or 2, stderr=stderr or 2)
        theirs.close()
        load = {"op": "load", "protocol": 1, "server_pid": os.getpid(), "paths": [FIXTURES], "files": [],
                "modules": [], "functions": [], "tracebacks": True, "result_bytes_max": 64 << 20}
        load.update(asked)
        self.names, self.announced, self.loading, self.workers = [], {}, [], 0
        self.late, self.skipped = {}, {}
        self.refusal = None
        try:
            for packet in bootstrap():
                self.control.send(packet)
            self.control.send(json.dumps(load).encode())
        except OSError:
            pass  # it has refused already
        while True:
            packet, _ = self.receive()
            if packet["op"] == "loading":
                self.loading.append(packet["what"])
            elif packet["op"] == "function":
                self.names.append(packet["name"])
                self.announced[packet["name"]] = packet
            elif packet["op"] == "interpreter":
                self.interpreter = packet
            elif packet["op"] == "skipped":
                self.skipped[packet["what"]] = packet
            elif packet["op"] == "late":
                self.late[packet["what"]] = packet
            elif packet["op"] == "refused":
                self.refusal = packet
                self.exit_code = self.process.wait(PATIENCE)
                self.control.close()
                raise Refused(packet, self.exit_code, self.loading)
            else:
                assert packet == {"op": "ready"}, packet
                return

    def receive(self):
        readable(self.control.fileno(), "a packet of the zygote")
        data, descriptors, _, _ = socket.recv_fds(self.control, 131072, 8)
        assert data, "the zygote has closed its socket"
        return json.loads(data), descriptors

    def fork(self, **asked):
        worker = Worker(self, **asked)
        worker.await_ready()
        return worker

    def fork_many(self, count):
        """So many workers, asked for at once."""
        workers = [Worker(self) for _ in range(count)]
        for worker in workers:
            worker.await_ready()
        return workers

    def close(self):
        self.control.close()
        return self.process.wait(PATIENCE)


def pipe(packets=False):
    ours, theirs = os.pipe2((os.O_DIRECT if packets else 0) | os.O_CLOEXEC)
    return ours, theirs


class Worker:
    """One worker: its pipes, page and pidfd."""

    def __init__(self, zygote, **asked):
        self.zygote = zygote
        self.sequence = 0
        zygote.workers += 1
        self.number = zygote.workers
        self.tasks_read, self.tasks = pipe(packets=True)
        self.results, results = pipe()
        self.log, log = pipe()
        self.calls, calls = socket.socketpair()
        page = os.memfd_create("page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(page, 4096)
        fcntl.fcntl(page, fcntl.F_ADD_SEALS, 0x1 | 0x2 | 0x4)
        self.page = memoryview(mmap.mmap(page, 4096)).cast("Q")
        packet = json.dumps(dict({"op": "fork", "worker": self.number}, **asked)).encode()
        self.asked_at = time.perf_counter()
        socket.send_fds(zygote.control, [packet], [self.tasks_read, results, calls.fileno(), page, log])
        for descriptor in (results, page, log):
            os.close(descriptor)
        calls.close()

    def await_ready(self):
        answer, descriptors = self.zygote.receive()
        assert answer["op"] == "forked", answer
        assert answer["worker"] == self.number
        self.pid = answer["pid"]
        (self.pidfd,) = descriptors
        kind, sequence, payload = self.read()
        self.ready_after = time.perf_counter() - self.asked_at
        assert (kind, sequence, payload) == (READY, 0, b"")

    # ---- frames

    def send(self, kind, which, payload, sequence=None, codec=1):
        if isinstance(which, str):
            which = self.zygote.names.index(which)
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.write(frame(kind, which, sequence, payload, codec))
        return sequence

    def write(self, data):
        if len(data) <= 4096:
            os.write(self.tasks, data)
            return
        # A larger frame is a stream: packet mode is off while it is written.
        flags = fcntl.fcntl(self.tasks, fcntl.F_GETFL)
        fcntl.fcntl(self.tasks, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.tasks, rest):]
        fcntl.fcntl(self.tasks, fcntl.F_SETFL, flags)

    def read_bytes(self, count):
        data = bytearray()
        while len(data) < count:
            readable(self.results, "an answer (%d of %d bytes are here)" % (len(data), count))
            part = os.read(self.results, min(count - len(data), 1 << 20))
            assert part, "the worker has gone"
            data += part
        return bytes(data)

    def read(self):
        magic, version, kind, codec, took, sequence, length = HEADER.unpack(self.read_bytes(24))
        assert (magic, version) == (0xF0, 1) and (took > 0) == (17 <= kind <= 21 or kind == 26), (magic, version, kind, took)
        assert codec == (1 if length else 0)
        return kind, sequence, self.read_bytes(length)

    def ask(self, kind, which, payload, codec=1):
        """One task and its answer: (kind, raw payload)."""
        sent = self.send(kind, which, payload, codec=codec)
        kind, sequence, payload = self.read()
        if kind == RETIRE:
            self.retired = True
            kind, sequence, payload = self.read()
        assert sequence == sent, (sequence, sent)
        return kind, payload

    def call(self, name, *args):
        kind, payload = self.ask(CALL, name, json.dumps(args).encode())
        return kind, json.loads(payload)

    def call_keywords(self, name, args, kwargs):
        kind, payload = self.ask(CALL_KEYWORDS, name, json.dumps([args, kwargs]).encode())
        return kind, json.loads(payload)

    def map(self, name, items):
        kind, payload = self.ask(MAP, name, json.dumps(items).encode())
        return kind, json.loads(payload)

    def value(self, name, *args):
        kind, value = self.call(name, *args)
        assert kind == VALUE, (kind, value)
        return value

    def output(self):
        """What the log pipe holds now."""
        text = b""
        while select.select([self.log], [], [], 0)[0]:
            part = os.read(self.log, 65536)
            if not part:
                break
            text += part
        return text.decode()

    # ---- life and death

    def dead(self):
        return bool(select.select([self.pidfd], [], [], 0)[0])

    def reap(self):
        """How it ended, once it has: as subprocess.returncode."""
        readable(self.pidfd, "the end of the worker")
        pid, status = os.waitpid(self.pid, 0)
        assert pid == self.pid
        self.close()
        return os.waitstatus_to_exitcode(status)

    def close(self):
        for descriptor in (self.tasks_read, self.tasks, self.results, self.log, self.pidfd):
            os.close(descriptor)
        self.calls.close()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        return self.reap()


def gone(pid):
    """Whether this process is no more (a zombie that waits for someone else counts)."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
