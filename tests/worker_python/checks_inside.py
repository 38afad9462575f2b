"""What a function can ask of its task and say of it, its log records, and what it yields."""
import json
import select
import struct
import time

import harness
from harness import (CALL, CALL_YIELDING, CALL_TYPED_YIELDING, INVALID_ARGUMENTS, MAP, MAP_ITEMS, NOT_JSON, PART, RAISED, STOP, TAKEN,
                     TOO_LARGE, VALUE, Zygote)
from stage import python, same, written


def offered(text, **asked):
    folder, file = written(text)
    return Zygote(python[0], paths=[folder], files=[file], **asked)


def send(w, name, payload, **origin):
    """One task of a job, and its value."""
    w.sequence += 1
    data = harness.frame(CALL, w.zygote.names.index(name), w.sequence, payload, **origin)
    w.write(data)
    kind, _, told = w.read()
    same(kind, VALUE)
    return json.loads(told)


# ---- current_job

ASKS = '''
import forkpool, os, threading
told = []
at_import = forkpool.current_job()
def initialize(): told.append(forkpool.current_job())
def outside(): return [at_import, *told]
def job(x=None):
    job = forkpool.current_job()
    return [job.id, job.attempt, job.function, job.tags, repr(job)]
def in_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(forkpool.current_job().attempt))
    thread.start(); thread.join()
    return found
'''


def test_current_job():
    made = offered(ASKS)
    w = made.fork(initializer={"function": made.names.index("module.initialize"), "args": "[]"})
    job = bytes(range(16))
    name = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    words = "<Job %s: module.job, attempt 3>" % name
    tags = '["a","é\\u00e9"]'.encode()
    same(send(w, "module.job", b"[]", job=job, attempt=3, tags=tags), [name, 3, "module.job", ["a", "éé"], words])
    same(send(w, "module.job", b"[]", job=job, attempt=3), [name, 3, "module.job", [], words])
    many = json.dumps(["x" * 120] * 32).encode()
    for size in (0, 1, 100, 5000, 100_000):  # the tags lie in the first packet, across its end, or beside more
        value = send(w, "module.job", b'["%s"]' % (b"x" * size), job=job, attempt=3, tags=many)
        same(value[3], ["x" * 120] * 32)
    same(send(w, "module.in_thread", b"[]", attempt=7), [7])
    same(w.map("module.job", [1])[1][0][2], "module.job")
    same(w.value("module.outside"), [None, None])
    w.kill()
    made.close()


# ---- progress

SAYS = '''
import forkpool, os
def say(*args): forkpool.progress(*args)
def odd(which): forkpool.progress(*{"nan": (float("nan"), 1), "huge": (10 ** 400, 1)}[which])
class Real(float): pass
def own(): forkpool.progress(Real(1.5), True.__class__.__base__(2))
def forked():
    child = os.fork()
    if child == 0:
        forkpool.progress(7, 7, "child")
        os._exit(0)
    os.waitpid(child, 0)
def initialize(): forkpool.progress(9, 9)
'''


def said(w):
    """What the page says: (task, done, total, message)."""
    raw = bytes(w.page.cast("B"))
    version, task, at, done, total, length = struct.unpack_from("QQQddQ", raw, 128)
    assert version % 2 == 0 and (at > 0) == (version > 0), version
    return task, done, total, None if length == 0 else raw[176:176 + length - 1].decode()


def test_progress():
    made = offered(SAYS)
    w = made.fork(initializer={"function": made.names.index("module.initialize"), "args": "[]"})
    same(said(w), (0, 0.0, 0.0, None))
    w.value("module.say", 1, 3, "half é")
    same(said(w), (w.sequence, 1.0, 3.0, "half é"))
    w.value("module.say", 2.5, 3)
    same(said(w), (w.sequence, 2.5, 3.0, None))
    w.value("module.say", 3, 3, "")
    same(said(w)[3], "")
    w.value("module.say", 3, 3, "ä" * 2000)
    same(said(w)[3], "ä" * 512)
    w.value("module.say", 3, 3, "x" + "ä" * 2000)
    same(said(w)[3], "x" + "ä" * 511)
    w.value("module.own")
    same(said(w), (w.sequence, 1.5, 2.0, None))
    w.value("module.forked")
    same(said(w)[1:], (1.5, 2.0, None))
    for args, kind, words in (
        ([-1, 2], "ValueError", "done must be finite and not negative, not -1"),
        (["1", 2], "TypeError", "done must be a number, not str"),
        ([1, None], "TypeError", "total must be a number, not NoneType"),
        ([True, 2], "TypeError", "done must be a number, not bool"),
        ([1, 2, 3], "TypeError", "message must be a str or None, not int"),
    ):
        got, told = w.call("module.say", *args)
        same((got, told["type"], told["message"]), (RAISED, kind, "forkpool.progress: " + words))
    for which in ("nan", "huge"):
        got, told = w.call("module.odd", which)
        same((got, told["type"]), (RAISED, "ValueError"))
        assert len(told["message"]) < 200, told
    w.kill()
    made.close()


# ---- logging

LOGS = '''
import sys
had = "logging" in sys.modules
def has_it(): return had or "logging" in sys.modules
def say(name=None):
    import logging
    log = logging.getLogger(name)
    log.debug("no"); log.info("one %s\\ntwo", 1); log.warning("w"); log.error("e"); log.critical("c")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")
def debug():
    import logging
    logging.getLogger("d").setLevel("DEBUG")
    logging.getLogger("d").debug("d")
def configure():
    import logging
    logging.basicConfig(format="OWN %(message)s")
    logging.warning("mine"); logging.info("no")
def add():
    import logging
    logging.getLogger().addHandler(logging.StreamHandler())
    logging.warning("once"); logging.warning("twice")
'''


def logged(text):
    """Lines with their priority, without those of tracebacks."""
    lines = text.split("\n")[:-1]
    assert all(line[:2] == "\x1e<" and line[3] == ">" for line in lines), lines
    return [(int(line[2]), line[4:]) for line in lines]


def test_logging():
    for first in ("", "import logging\n"):
        made = offered(first + LOGS)
        w = made.fork()
        if not first:
            same(w.value("module.has_it"), False)
        w.value("module.say", "a.b")
        lines = logged(w.output())
        same(lines[:6], [(6, "INFO a.b: one 1"), (6, "two"), (4, "WARNING a.b: w"), (3, "ERROR a.b: e"),
                         (2, "CRITICAL a.b: c"), (3, "ERROR a.b: failed")])
        same(lines[6], (3, "Traceback (most recent call last):"))
        same(lines[-1], (3, "ZeroDivisionError: division by zero"))
        w.value("module.say")
        same(logged(w.output())[0], (6, "INFO root: one 1"))
        w.value("module.debug")
        same(logged(w.output()), [(7, "DEBUG d: d")])
        w.value("module.configure")
        same(w.output(), "OWN mine\n")
        w.kill()
        w = made.fork()
        w.value("module.add")
        same(w.output(), "once\ntwice\n")
        w.kill()
        made.close()


def test_logging_that_is_set_up_is_left_alone():
    for setting in ("logging.basicConfig(format='OWN %(message)s')", "logging.getLogger().setLevel('ERROR')"):
        made = offered("import logging\n" + setting + LOGS)
        w = made.fork()
        w.value("module.say", "a")
        text = w.output()
        assert "\x1e" not in text and "one" not in text and "failed" in text, text
        w.kill()
        made.close()


# ---- what yields

YIELDS = '''
import asyncio, functools
from typing import AsyncIterator, Generator, Iterator
left = []
def count(n):
    try:
        for x in range(n):
            yield x
    finally:
        left.append("closed")
    return "ignored"
def names(n: int) -> Iterator[bytes]:
    for x in range(n):
        yield b"%d" % x
async def ticks(n: int) -> AsyncIterator[int]:
    try:
        async with asyncio.timeout(5) if hasattr(asyncio, "timeout") else asyncio.Lock():
            for x in range(n):
                await asyncio.sleep(0)
                yield x
    finally:
        await asyncio.sleep(0)
        left.append("aclosed")
@functools.wraps(count)
def wrapped(n): return count(n)
def plain(n): return map(str, range(n))
def failing(n):
    yield from range(n)
    raise ValueError("at %d" % n)
async def async_failing(n):
    yield n
    raise ValueError("at %d" % n)
def unsayable(n):
    yield 1
    yield {"a": {n}}
def generic() -> Generator[int, None, str]:
    yield 1
def endless():
    try:
        while True: yield "x" * 1000
    finally: left.append("endless")
async def async_endless():
    try:
        while True: yield "x" * 1000
    finally: left.append("async_endless")
def taken():
    now = list(left)
    left.clear()
    return now
'''


def test_what_yields_is_a_list():
    made = offered(YIELDS)
    w = made.fork()
    for name, value in (("count", [0, 1, 2]), ("names", [{"$bytes": "MA=="}, {"$bytes": "MQ=="}, {"$bytes": "Mg=="}]),
                        ("ticks", [0, 1, 2]), ("wrapped", [0, 1, 2]), ("plain", ["0", "1", "2"])):
        same(w.value("module." + name, 3), value)
        same(w.value("module." + name, 0), [])
        if name != "plain":
            same(w.map("module." + name, [3, 0]), (VALUE, [value, []]))
    same(w.value("module.generic"), [1])
    for name in ("failing", "async_failing"):
        kind, told = w.call("module." + name, 1)
        same((kind, told["type"], told["message"]), (RAISED, "ValueError", "at 1"))
        assert "yield" not in told["message"] and "Error: at 1" in told["traceback"], told
    kind, told = w.map("module.failing", [1])
    same((kind, told["index"], told["message"]), (RAISED, 0, "at 1"))
    same(w.call("module.unsayable", 1), (NOT_JSON, {"message": "a value of type set cannot be said in JSON",
                                                    "path": "$[1].a"}))
    kind, told = w.map("module.unsayable", [1])
    same((kind, told["index"], told["path"]), (NOT_JSON, 0, "$[1].a"))
    kind, payload = w.ask(MAP_ITEMS, "module.count", b"[2]")
    same((kind, json.loads(payload)), (VALUE, [{"value": [0, 1]}]))
    w.kill()
    made.close()


def test_the_schema_of_what_yields_is_an_array():
    made = offered(YIELDS)
    returns = {name: made.announced["module." + name].get("types", {}).get("returns")
               for name in ("ticks", "generic", "count")}
    same(returns, {"ticks": {"type": "array", "items": {"type": "integer"}},
                   "generic": {"type": "array", "items": {"type": "integer"}}, "count": None})
    made.close()


def parts(w, sent, count):
    """So many records of a streamed task."""
    told = []
    for _ in range(count):
        kind, sequence, payload = w.read()
        same((kind, sequence), (PART, sent))
        (record,) = json.loads(payload)
        told.append(record["value"])
    return told


def test_what_is_yielded_is_told_at_once():
    made = offered(YIELDS, result_bytes_max=100_000)
    w = made.fork()
    for name, args, told in (("count", [3], [0, 1, 2]), ("ticks", [2], [0, 1]), ("plain", [2], ["0", "1"]),
                             ("taken", [], [["closed", "aclosed"]]), ("count", [0], [])):
        sent = w.send(CALL_YIELDING, "module." + name, json.dumps([args, {}]).encode())
        same(parts(w, sent, len(told)), told)
        same(w.read(), (VALUE, sent, b"null"))
    sent = w.send(CALL_TYPED_YIELDING, "module.names", b'{"n":1}')
    same(parts(w, sent, 1), [{"$bytes": "MA=="}])
    same(w.read()[0], VALUE)
    for name, yields, kind, path in (("failing", 2, RAISED, None), ("async_failing", 1, RAISED, None),
                                     ("unsayable", 1, NOT_JSON, "$[1].a")):
        sent = w.send(CALL_YIELDING, "module." + name, b"[[2],{}]")
        parts(w, sent, yields)
        answered, sequence, payload = w.read()
        same((answered, sequence, json.loads(payload).get("path")), (kind, sent, path))
    w.kill()
    made.close()


def test_what_is_raised_while_it_yields_is_the_functions():
    made = offered(YIELDS + '''
def lengths(xs): return map(len, xs)
def lengths_of(xs: list) -> Iterator[int]: return map(len, xs)
''')
    w = made.fork()
    for kind in (CALL, CALL_YIELDING):
        arguments = b"[[[1,2]],{}]" if kind == CALL_YIELDING else b"[[1,2]]"
        answered, told = w.ask(kind, "module.lengths", arguments)
        same((answered, json.loads(told)["type"]), (RAISED, "TypeError"))
    kind, told = w.map("module.lengths_of", [[], [1]])
    same((kind, told["type"], told["index"]), (RAISED, "TypeError", 1))
    kind, told = w.ask(MAP_ITEMS, "module.lengths_of", b"[[1]]")
    same(json.loads(told)[0]["error"]["kind"], RAISED)
    same(w.call("module.lengths", 1, 2)[0], INVALID_ARGUMENTS)
    w.kill()
    made.close()


def test_a_reader_holds_back_what_yields_and_stops_it():
    made = offered(YIELDS, result_bytes_max=100_000)
    w = made.fork()
    cost = len(json.dumps({"value": "x" * 1000}, separators=(",", ":"))) + 64
    ahead = 262144 // cost + 1  # it yields while what is ahead is at most this
    for name in ("endless", "async_endless"):
        sent = w.send(CALL_YIELDING, "module." + name, b"[[],{}]")
        parts(w, sent, ahead)
        for taken in (1, 10):
            time.sleep(0.05)
            assert not select.select([w.results], [], [], 0)[0], "it goes on"
            w.send(TAKEN, taken * cost, b"", sent - 1)  # of a task before
            w.send(TAKEN, taken * cost, b"", sent)
            parts(w, sent, taken)
        w.send(STOP, 0, b"", sent)
        same(w.read(), (VALUE, sent, b"null"))
        w.send(TAKEN, 7, b"", sent)  # too late
        w.send(STOP, 0, b"", sent)
        same(w.value("module.taken"), [name])
    w.kill()
    made.close()


def test_what_yields_is_bounded_and_closed():
    made = offered(YIELDS, result_bytes_max=100_000)
    w = made.fork()
    for name in ("endless", "async_endless"):
        same(w.call("module." + name), (TOO_LARGE, {}))
        same(w.value("module.taken"), [name])
    same(w.ask(MAP, "module.count", b"[100000]"), (TOO_LARGE, b"{}"))
    same(w.value("module.taken"), ["closed"])
    same(w.value("module.ticks", 2), [0, 1])
    same(w.value("module.taken"), ["aclosed"])
    w.kill()
    made.close()
