"""Shared objects: the call socket (PROTOCOL.md, section 5) and the objects in functions."""
import array
import fcntl
import json
import mmap
import os
import signal
import socket
import struct

import harness
from harness import (CALL, CALL_KEYWORDS, HEADER, INVALID_ARGUMENTS, MAP, RAISED, UNKNOWN_REF, VALUE, Zygote,
                     readable, wait_for)
from stage import python, same

OBJECT_CALL, OPEN, CANCEL, RETURNED, FAILED, OPENED = 64, 65, 66, 80, 81, 82
SHARING = {"module": "sharing", "path": os.path.join(harness.FIXTURES, "sharing.py")}
kept = {}


def ref(path):
    return {"$forkpool": path}


Q, L, D = ref("/v1/queues/q"), ref("/v1/locks/l"), ref("/v1/dicts/d")


class Calls:
    """The server's end of a worker's call socket."""

    def __init__(self, worker):
        self.worker, self.socket = worker, worker.calls

    def next(self):
        """The next request: (kind, number, payload)."""
        data = b""
        while len(data) < 24:
            readable(self.socket.fileno(), "a request")
            data += self.socket.recv(24 - len(data))
        magic, version, kind, codec, self.thread, number, length = HEADER.unpack(data)
        assert (magic, version, codec) == (0xF0, 1, 0) and self.thread > 0
        payload = b""
        while len(payload) < length:
            readable(self.socket.fileno(), "the rest of a request")
            payload += self.socket.recv(length - len(payload))
        return kind, number, payload.decode()

    def tell(self, kind, number, payload=b"", descriptors=()):
        head = HEADER.pack(0xF0, 1, kind, 0, len(descriptors), number, len(payload))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        sent = self.socket.sendmsg([head + payload], rights)
        self.socket.sendall((head + payload)[sent:])

    def returns(self, number, value):
        self.tell(RETURNED, number, json.dumps(value, separators=(",", ":")).encode())

    def opens(self, *expected):
        """Answers an OPEN for each of these paths."""
        for path in expected:
            kind, number, payload = self.next()
            same((kind, payload), (OPEN, path))
            self.tell(OPENED, number, b"{}")

    def expects(self, *requests):
        """Each request by its text, and what it returns."""
        for text, value in requests:
            kind, number, payload = self.next()
            same((kind, payload), (OBJECT_CALL, text))
            if isinstance(value, Failure):
                self.tell(FAILED, number, value.text)
            elif value is None:
                self.tell(RETURNED, number)
            else:
                self.returns(number, value)


class Failure:
    def __init__(self, code, exception=None, *args):
        told = {"code": code, "detail": "the detail"}
        if exception:
            told["exception"] = {"type": exception, "message": "".join(map(str, args[:1])), "args": list(args)}
        self.text = json.dumps(told).encode()


def start():
    """A worker that starts to run something, and its calls; one for all that do it no harm."""
    if "worker" not in kept:
        kept["zygote"] = Zygote(python[0], files=[SHARING])
        kept["worker"] = kept["zygote"].fork()
    return kept["worker"], Calls(kept["worker"])


def fresh():
    start()
    worker = kept["zygote"].fork()
    return worker, Calls(worker)


def send(w, name, *args):
    return w.send(CALL, "sharing." + name, json.dumps(args).encode())


def value_of(w, sent):
    kind, sequence, payload = w.read()
    same((sequence, kind), (sent, VALUE))
    return json.loads(payload)


def ask(name, opened, requests, *args):
    """A call of a function, the requests that it makes, its value."""
    w, calls = start()
    sent = send(w, name, *args)
    calls.opens(*opened)
    calls.expects(*requests)
    return value_of(w, sent)


# ---- requests

def test_requests_of_a_queue():
    q = "/v1/queues/q"
    same(ask("put", [q], [(q + ' put\n{"obj":[42,null,"hello"]}', None)], Q, [42, None, "hello"]), None)
    same(ask("get", [q], [(q + " get\n{}", [42, None, "hello"])], Q), [42, None, "hello"])
    same(ask("get", [q], [(q + ' get\n{"block":false}', 1)], Q, False), 1)
    same(ask("get", [q], [(q + ' get\n{"timeout":0.5}', 1)], Q, True, 0.5), 1)
    same(ask("get", [q], [(q + ' get\n{"timeout":0.0}', Failure("empty", "Empty"))], Q, True, -3), "empty")
    same(ask("get", [q], [(q + " get\n{}", 1)], Q, True, 1e9), 1)
    same(ask("call", [q], [(q + " qsize\n", 3)], Q, "qsize"), 3)


def test_errors_are_the_librarys():
    q, b, c, d = "/v1/queues/q", "/v1/barriers/b", "/v1/pipes/p/0", "/v1/dicts/d"
    for path, method, failure, expected in (
            (q, "get", Failure("empty", "Empty"), ["_queue.Empty", []]),
            (q, "task_done", Failure("method-raised", "ValueError", "too often"), ["builtins.ValueError", ["too often"]]),
            (b, "wait", Failure("broken-barrier", "BrokenBarrierError"), ["threading.BrokenBarrierError", []]),
            (c, "recv", Failure("closed", "EOFError"), ["builtins.EOFError", []]),
            (d, "popitem", Failure("method-raised", "KeyError", "k"), ["builtins.KeyError", ["k"]]),
            (q, "join", Failure("draining"), ["forkpool.ObjectError", [q + ": the detail"]]),
            (q, "join", Failure("unknown-object"), ["forkpool.UnknownObject", [q + ": the detail"]]),
            (q, "join", Failure("method-raised", "SystemExit", "no"), ["forkpool.ObjectError", [q + ": the detail"]]),
            (q, "join", Failure("closed"), ["builtins.EOFError", ["the detail"]])):
        w, calls = start()
        sent = send(w, "caught", ref(path), method)
        calls.opens(path)
        _, number, _ = calls.next()
        calls.tell(FAILED, number, failure.text)
        same(value_of(w, sent), expected)


def test_values_that_cannot_be_said():
    q = "/v1/queues/q"
    w, calls = start()
    sent = w.send(CALL, "sharing.put", b'[{"$forkpool":"/v1/queues/q"},{"$bytes":"AAE="}]')
    calls.opens(q)
    calls.expects((q + ' put\n{"obj":{"$bytes":"AAE="}}', None))
    same(value_of(w, sent), None)
    same(ask("get", [q], [(q + " get\n{}", {"$bytes": "AAE="})], Q), {"$bytes": "AAE="})


def test_large_items():
    q, text = "/v1/queues/q", "x" * 3_000_000
    same(ask("put", [q], [(q + ' put\n{"obj":"%s"}' % text, None)], Q, text), None)
    same(ask("get", [q], [(q + " get\n{}", text)], Q), text)


# ---- references

def test_references():
    same(ask("echo", ["/v1/queues/q"], [], Q), Q)
    same(ask("echo", ["/v1/queues/q", "/v1/dicts/d"], [], {"a": [Q, D, Q]}), {"a": [Q, D, Q]})
    same(ask("type_of", ["/v1/semaphores/s"], [], ref("/v1/semaphores/s")), "forkpool.Semaphore")
    same(ask("echo", [], [], {"$forkpool": 1, "more": 2}), {"$forkpool": 1, "more": 2})
    q = "/v1/queues/q"
    same(ask("put", [q, "/v1/dicts/d"], [(q + ' put\n{"obj":{"$forkpool":"/v1/dicts/d"}}', None)], Q, D), None)
    # What comes out of an object is not opened: it must not be lost because its object is gone.
    same(ask("get", [q], [(q + " get\n{}", [D, ref(3)])], Q), [D, ref(3)])
    same(ask("by_name", [q], [(q + " get\n{}", 1)], q), 1)


def test_unknown_references():
    w, calls = start()

    def refused(kind, name, payload, path, index=None):
        w.send(kind, "sharing." + name, json.dumps(payload).encode())
        while True:
            _, number, opened = calls.next()
            if "nope" in opened:
                break
            calls.tell(OPENED, number, b"{}")
        calls.tell(FAILED, number, Failure("unknown-object").text)
        kind, _, told = w.read()
        told = json.loads(told)
        same((kind, told["path"], told.get("index")), (UNKNOWN_REF, path, index))
        assert "/v1/queues/nope" in told["message"], told

    bad = ref("/v1/queues/nope")
    refused(CALL, "echo", [bad], "$.args[0]")
    refused(CALL, "echo", [Q, {"a b": [1, bad]}], '$.args[1]["a b"][1]')
    refused(CALL_KEYWORDS, "echo", [[Q], {"value": bad}], "$.kwargs.value")
    refused(MAP, "echo", [1, 2, {"x": bad}], "$.x", 2)
    w.send(CALL, "sharing.echo", b'[{"$forkpool":7}]')
    kind, _, told = w.read()
    same((kind, json.loads(told)["path"]), (UNKNOWN_REF, "$.args[0]"))
    w.send(CALL, "sharing.echo", b'[{"$bytes":"?"},{"$forkpool":"/v1/queues/q"}]')
    kind, _, told = w.read()
    same((kind, json.loads(told)["path"]), (INVALID_ARGUMENTS, "$.args[0]"))
    sent = send(w, "unknown", "/v1/dicts/nope")
    _, number, _ = calls.next()
    calls.tell(FAILED, number, Failure("unknown-object").text)
    same(value_of(w, sent), ["unknown-object", True, True])


def test_the_module_while_code_is_loaded():
    w, _ = start()
    assert "inside of a function" in w.value("sharing.told_while_loading")


# ---- objects

def test_locks():
    l = "/v1/locks/l"
    acquired = {"acquired": True, "token": 7, "recovered": True}
    same(ask("with_lock", [l], [(l + " acquire\n{}", acquired), (l + " release\n", None)], L), [True, True])
    requests = [("/v1/conditions/c acquire\n{}", acquired), ("/v1/conditions/c release\n", None)]
    w, calls = start()
    sent = send(w, "wait_for", ref("/v1/conditions/c"))
    calls.opens("/v1/conditions/c")
    calls.expects(requests[0])
    _, number, text = calls.next()
    assert text.startswith('/v1/conditions/c wait\n{"timeout":'), text
    calls.returns(number, True)
    calls.expects(requests[1])
    same(value_of(w, sent), [True, 2])


def test_dicts_lists_namespaces():
    d, l, n = "/v1/dicts/d", "/v1/lists/l", "/v1/namespaces/n"
    pairs = [[1, "1"], [0.25, None]]
    same(ask("kept_types", [d], [
        (d + ' __setitem__\n{"key":1,"value":"1"}', None), (d + ' __setitem__\n{"key":0.25,"value":null}', None),
        (d + ' __getitem__\n{"key":1}', "1"), (d + " items\n", pairs), (d + ' __contains__\n{"key":1}', True),
        (d + " __len__\n", 2), (d + ' pop\n{"key":"x","default":5}', 5), (d + " keys\n", [1, 0.25]),
        (d + " __len__\n", 2), (d + " items\n", pairs)], D),
        ["1", "{1: '1', 0.25: None}", "<DictProxy o", True, 2, 5, [1, 0.25], pairs])
    same(ask("listing", [l], [
        (l + ' __setitem__\n{"start":1,"stop":3,"value":[5]}', None), (l + ' __delitem__\n{"index":0}', None),
        (l + ' __getitem__\n{"index":-1}', 9), (l + ' __getitem__\n{"start":0}', [5, 9]),
        (l + ' __getitem__\n{"step":2}', [5]), (l + " copy\n", [5, 9])], ref(l)), [9, [5, 9], [5], "[5, 9]"])
    same(ask("namespace", [n], [(n + ' __setattr__\n{"name":"x","value":10}', None),
                                (n + ' __getattribute__\n{"name":"x"}', 10)], ref(n)), [10, 3])


def memory(size, fill=b""):
    descriptor = os.memfd_create("numbers", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    os.pwrite(descriptor, fill, 0)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, 0x1 | 0x2 | 0x4)
    return descriptor, mmap.mmap(descriptor, size)


def test_shared_memory():
    w, calls = start()
    (n, seen_n), (a, seen_a) = memory(8), memory(20, struct.pack("5i", *range(5)))
    sent = send(w, "memory", ref("/v1/values/n"), ref("/v1/arrays/a"))
    for told, descriptor in ((b'{"typecode":"d"}', n), (b'{"typecode":"i","length":5}', a)):
        _, number, _ = calls.next()
        calls.tell(OPENED, number, told, [descriptor])
    numbers = [0, 5, 7, -3, -4]
    wrong = ["TypeError", "IndexError", "ValueError", "TypeError"]
    same(value_of(w, sent), [3.5, numbers, numbers, 5, 3.5, wrong, 6])
    same(struct.unpack("d", seen_n[:8]), (3.5,))
    same(list(struct.unpack("5i", seen_a[:20])), numbers)
    (c, _), (u, seen_u) = memory(4), memory(8)
    sent = send(w, "characters", ref("/v1/arrays/c"), ref("/v1/arrays/u"))
    for told, descriptor in ((b'{"typecode":"c","length":4}', c), (b'{"typecode":"u","length":2}', u)):
        _, number, _ = calls.next()
        calls.tell(OPENED, number, told, [descriptor])
    same(value_of(w, sent), ["ab", "ab\0\0", "a", "é\0"])
    same(struct.unpack("2I", seen_u[:8]), (0xE9, 0))
    same(len(os.listdir("/proc/%d/fd" % w.pid)), 6)
    for descriptor in (n, a, c, u):
        os.close(descriptor)


# ---- several at once, forks, interruptions, ends

def test_threads():
    w, calls = start()
    sent = send(w, "together", Q, 8)
    calls.opens("/v1/queues/q")
    asked, threads = [], set()
    for _ in range(8):
        _, number, text = calls.next()
        asked.append((number, int(float(text.partition('"timeout":')[2][:-1])) - 1))
        threads.add(calls.thread)
    same(len(threads), 8)
    for number, which in reversed(asked):
        calls.returns(number, "for %d" % which)
    same(value_of(w, sent), ["for %d" % which for which in range(8)])


def test_a_forked_child_may_not():
    w, calls = start()
    sent = send(w, "in_child", Q)
    calls.opens("/v1/queues/q")
    assert value_of(w, sent).startswith("RuntimeError: shared objects cannot be used in a forked child")


def test_interruptions():
    w, calls = start()
    for answered in (False, True) * 3:
        sent = send(w, "interrupted", Q)
        calls.opens("/v1/queues/q")
        _, get, _ = calls.next()
        wait_for(lambda: sleeps(w.pid), "the worker waits")
        os.kill(w.pid, signal.SIGINT)
        kind, cancel, text = calls.next()
        same((kind, text), (CANCEL, str(get)))
        if answered:  # its answer is under way: the server takes back what that hands over
            calls.returns(get, "too late")
        calls.returns(cancel, True)
        same(value_of(w, sent), "interrupted")
    same(ask("get", ["/v1/queues/q"], [("/v1/queues/q get\n{}", 5)], Q), 5)


def sleeps(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def test_bad_answers_end_the_worker():
    for garbage in (b"\0" * 24, HEADER.pack(0xF0, 1, 17, 0, 0, 1, 0), None):
        w, calls = fresh()
        send(w, "get", Q)
        calls.next()
        if garbage is None:
            w.calls.shutdown(socket.SHUT_RDWR)
        else:
            w.calls.sendall(garbage)
        same(w.reap(), 71)
    w, calls = start()
    w.send(CALL, "sharing.get", json.dumps([Q]).encode())
    calls.opens("/v1/queues/q")
    _, number, _ = calls.next()
    calls.tell(RETURNED, 999_999, b"1")  # nobody's
    calls.tell(FAILED, number, b"{")
    kind, _, _ = w.read()
    same(kind, RAISED)


def end():
    """A failed test may have left the worker in the middle of something; the last one needs it no more."""
    if "worker" in kept:
        worker = kept.pop("worker")
        worker.reap() if worker.dead() else worker.kill()
        kept.pop("zygote").close()
