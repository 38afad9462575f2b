"""Calls, maps, the page, values both ways, arguments that do not fit."""
import json
import os
import sys
import tempfile
import time

from harness import (CALL, INVALID_ARGUMENTS, MAP, MAP_ITEMS, NOT_JSON, PART, PING, PONG, RAISED, TOO_LARGE, VALUE,
                     Gate, Zygote, readable, wait_for)
from stage import TASKS, fresh, python, same, worker, written


# ---- calls

def test_calls():
    w = worker()
    same(w.value("tasks.square", 12), 144)
    same(w.value("tasks.echo", [1, "é", None, True, 1.5, {"a": []}]), [1, "é", None, True, 1.5, {"a": []}])
    same(w.call_keywords("tasks.both", [1, 2, 3], {"c": 4, "d": 5}), (VALUE, [1, 2, [3], 4, {"d": 5}]))
    same(w.value("tasks.caller", 3), -3)
    same(w.value("tasks.cached", 3), 4)
    same(w.value("tasks.NotOffered.of_class", 3), 5)
    same(w.value("os.getpid"), w.pid)
    same(w.value("time.sleep", 0), None)
    same(w.value("tasks.square", 10 ** 40), 10 ** 80)
    same(w.ask(CALL, "tasks.echo", b"[ 1.0 ]"), (VALUE, b"1.0"))
    same(w.ask(PING, 0, b""), (PONG, b""))
    payload = b'["' + "é€".encode() + b'\\ud800"]'
    same(w.ask(CALL, "tasks.echo", payload), (VALUE, b'"\\u00e9\\u20ac\\ud800"'))


def test_large_tasks():
    w = worker()
    for size in (4060, 4070, 4071, 4072, 4073, 5000, 65536, 200_000, 1_000_000, 16_000_000):
        text = "x" * size
        same(w.value("tasks.echo", text), text)
        same(w.map("tasks.echo", [text]), (VALUE, [text]))
    same(w.value("tasks.square", 3), 9)


def test_order_in_the_pipe():
    w = worker()
    first = w.sequence + 1
    for number in range(200):
        w.send(CALL, "tasks.square", b"[%d]" % number)
    for number in range(200):
        same(w.read(), (VALUE, first + number, b"%d" % (number * number)))


def test_taking_back():
    w = fresh()
    gate = Gate()
    head = w.send(CALL, "tasks.hold", gate.argument())
    wait_for(lambda: w.page[2] == head, "the start of the head task")
    for number in range(10):
        w.send(CALL, "tasks.square", b"[%d]" % number)
    taken = []
    for _ in range(10):
        readable(w.tasks_read, "a task to take back")
        taken.append(os.read(w.tasks_read, 4096))
    same([data[48:] for data in taken], [b"[%d]" % number for number in range(10)])
    gate.open()
    same(w.read(), (VALUE, head, b'"held"'))
    same(w.value("tasks.square", 5), 25)
    w.kill()


def test_map():
    w = worker()
    numbers = list(range(50_000))
    same(w.map("tasks.square", numbers), (VALUE, [x * x for x in numbers]))
    same(w.map("tasks.square", [3]), (VALUE, [9]))
    kind, told = w.map("tasks.raise_at", list(range(2000)))
    same((kind, told["type"], told["index"]), (RAISED, "ValueError", 5))
    kind, told = w.map("tasks.raise_at", list(range(100, 1000)) + [5, 6])
    same((kind, told["index"]), (RAISED, 900))
    same(w.map("tasks.bad_at", [0, 1, 2, 3]),
         (NOT_JSON, {"message": "a value of type set cannot be said in JSON", "path": "$.x", "index": 2}))
    kind, told = w.map("tasks.both", [[1]])
    same(kind, VALUE)
    kind, told = w.map("tasks.pids", [1, 2])
    same((kind, told["index"], told["path"]), (INVALID_ARGUMENTS, 0, "$"))
    same(w.map("tasks.slow_square", [1, 2, 3]), (VALUE, [1, 4, 9]))


def test_map_of_several_lists():
    w = worker()

    def ask(name, *lists):
        kind, payload = w.ask(MAP, name, "\x1e".join(map(json.dumps, lists)).encode())
        return kind, json.loads(payload)

    for lists in ([1, 2], [3]), ([1], [2], [3]), (list(range(5000)), list(range(5000, 9000)), [9000, 9001]):
        same(ask("tasks.square", *lists), (VALUE, [x * x for items in lists for x in items]))
        same(w.page[6], sum(map(len, lists)))
    kind, told = ask("tasks.raise_at", [1, 2], [3, 4, 5, 6], [7])
    same((kind, told["type"], told["index"]), (RAISED, "ValueError", 4))
    kind, told = ask("tasks.bad_at", [0, 1], [1, 0, 2], [2])
    same((kind, told["path"], told["index"]), (NOT_JSON, "$.x", 4))
    kind, told = ask("tasks.echo", [0, 1], [2], [3, {"$bytes": "?"}])
    same((kind, told["path"], told["index"]), (INVALID_ARGUMENTS, "$", 4))
    kind, told = ask("tasks.pids", [1], [2, 3])
    same((kind, told["index"]), (INVALID_ARGUMENTS, 0))
    same(ask("tasks.echo", ["a\x1eb", "$"], [{"$bytes": "AA=="}]), (VALUE, ["a\x1eb", "$", {"$bytes": "AA=="}]))
    same(ask("tasks.square", [2]), (VALUE, [4]))
    # An argument that there is not is found before anything runs.
    kind, told = ask("tasks.echo", list(range(10)), [1, {"$bytes": "?"}])
    same((kind, told["index"], w.page[6]), (INVALID_ARGUMENTS, 11, 0))
    # A StopIteration is an error like any other: `map` alone would take it for the end.
    for lists in ([1, 5, 2], [3, 4]), ([1, 2], [3, 5, 4]):
        kind, told = ask("tasks.stop_at", *lists)
        same((kind, told["type"], told["index"]), (RAISED, "StopIteration", sum(lists, []).index(5)))


def each(w, name, items):
    """The records of a MAP_ITEMS: those of its PARTs, one list each, and those of its VALUE."""
    sent = w.send(MAP_ITEMS, name, json.dumps(items).encode())
    parts = []
    while True:
        kind, sequence, payload = w.read()
        same(sequence, sent)
        parts.append(json.loads(payload))
        if kind != PART:
            same(kind, VALUE)
            return parts


def test_records_go_ahead_of_slow_items():
    w = worker()
    quick = each(w, "tasks.square", list(range(20_000)))
    same(sum(quick, []), [{"value": x * x} for x in range(20_000)])
    gate = Gate()
    sent = w.send(MAP_ITEMS, "tasks.slow_after", json.dumps([0] * 2000 + [0.02] * 5 + [gate.path]).encode())
    told = 0
    while told < 2005:
        kind, sequence, payload = w.read()
        same((kind, sequence), (PART, sent))
        told += len(json.loads(payload))
    gate.open()
    kind, _, payload = w.read()
    same((kind, told + len(json.loads(payload))), (VALUE, 2006))


def test_parts_are_small():
    w = worker()
    each(w, "tasks.square", list(range(20_000)))
    for name, items in ("tasks.fail_long", list(range(400))), ("tasks.long_number", list(range(2000))):
        parts = each(w, name, items)
        same(sum(map(len, parts)), len(items))
        for part in parts:
            assert len(json.dumps(part)) < 600_000, (name, len(part))


def test_a_child_of_an_item_leaves():
    w = worker()
    for name in "tasks.write_and_fork", "tasks.write_and_raw_fork":
        each(w, "tasks.square", list(range(20_000)))
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "ran")
        parts = each(w, name, [[path, number] for number in range(6)])
        same(sum(parts, []), [{"value": number} for number in range(6)])
        same(w.page[6], 6)
        time.sleep(0.2)  # a child that went on would have written by now
        with open(path) as file:
            same(sorted(file.read().split()), [str(number) for number in range(6)])


def test_map_progress():
    w = fresh()
    gates = [Gate() for _ in range(10)]
    sent = w.send(MAP, "tasks.hold", json.dumps([gate.path for gate in gates]).encode())
    for done, gate in enumerate(gates):
        wait_for(lambda: w.page[2] == sent and w.page[6] == done, "progress in word 6: %d" % done)
        gate.open()
    same(w.read()[:2], (VALUE, sent))
    same(w.page[6], 10)
    w.kill()


def test_page():
    w = fresh()
    same(list(w.page[0:9]), [w.pid, 1, 0, 0, 0, 0, 0, 0, 0])
    for number in range(10):
        w.value("tasks.square", number)
    w.call("tasks.fail")
    same((w.page[1], w.page[2], w.page[3], w.page[4], w.page[5], w.page[8]), (1, 0, 11, 10, 1, 0))
    gate = Gate()
    before, busy = time.monotonic_ns(), w.page[7]
    sent = w.send(CALL, "tasks.hold", gate.argument())
    wait_for(lambda: w.page[2] == sent, "the task's start")
    same((w.page[1], w.page[3], w.page[4]), (2, 12, 10))
    assert before <= w.page[8] <= time.monotonic_ns()
    time.sleep(0.2)
    gate.open()
    w.read()
    assert 2e8 <= w.page[7] - busy <= time.monotonic_ns() - before
    same((w.page[1], w.page[2], w.page[4]), (1, 0, 11))
    w.kill()


def test_async():
    w = worker()
    for number in range(5):
        same(w.value("tasks.slow_square", number), number * number)
    same([w.value("tasks.leaves_tasks", 1) for _ in range(3)], [2, 2, 2])
    kind, told = w.call("tasks.slow_fail", 1)
    same((kind, told["type"]), (RAISED, "ValueError"))
    assert "slow_fail" in told["traceback"] and "asyncio" not in told["traceback"], told
    kind, told = w.call("tasks.slow_square")
    same((kind, told["path"]), (INVALID_ARGUMENTS, "$.args"))


# ---- values

def test_values():
    w = worker()
    for which, expected in {
        "tuple": [1, [2, 3]],
        "dataclass": {"x": 1, "y": [{"x": 2, "y": None}]},
        "model": {"mode": "json"},
        "datetime": ["2020-01-02T03:04:05", "2020-01-02", "01:02:00"],
        "uuid": "00000000-0000-0000-0000-000000000005",
        "decimal": "1.50",
        "tolist": [[1, 2], {"a": [1, 2]}],
        "intenum": [1],
        "bytes": [{"$bytes": "AP8="}, {"$bytes": "YWI="}, {"$bytes": "YWJj"}],
        "keys": {"1": 1, "2.5": 2, "false": 3, "null": 4, "s": 5},
        "float": [1.5, 1e308, -0.0, 0.1],
        "text": "é\U0001f600\ud800\"\\\n\x7f",
        "true": True, "none": None, "big": 10 ** 39, "nested": {"a": [1, {"b": []}]},
    }.items():
        kind, raw = w.ask(CALL, "tasks.good", json.dumps([which]).encode())
        same((kind, json.loads(raw)), (VALUE, expected))
        same(raw, json.dumps(expected, separators=(",", ":")).encode())


def test_not_json():
    w = worker()
    for which, path, words in (
        ("set", "$.a[1]", "type set"), ("nan", "$[1]", "nan"), ("inf", "$", "-inf"), ("subnan", "$.x", "nan"),
        ("cycle", "$[1].self", "contains itself"), ("key", "$[0]", "key of type tuple"),
        ("enum", "$[0]", "Colour"), ("nankey", "$", "Out of range"),
        ("function", '$["odd name"]', "function"),
        ("generator", "$[0]", "generator"), ("point", "$[0].y.y", "type set"), ("digits", "$[0]", "limit (4300"),
        ("deep", "$[0][0]", "too deeply"),
    ):
        if which == "digits" and not hasattr(sys, "get_int_max_str_digits"):
            continue
        kind, told = w.call("tasks.bad", which)
        same(kind, NOT_JSON)
        same(told["path"] if which != "deep" else told["path"][:7], path)
        assert words in told["message"] and "index" not in told, (which, told)
    same(w.value("tasks.good", "nested"), {"a": [1, {"b": []}]})


def test_too_large():
    made = Zygote(python[0], files=[TASKS], result_bytes_max=1000)
    w = made.fork()
    same(w.value("tasks.sized", 998), "x" * 998)
    same(w.call("tasks.sized", 999), (TOO_LARGE, {"bytes": 1001}))
    same(w.map("tasks.sized", [500, 500]), (TOO_LARGE, {"bytes": 1007}))
    same(w.page[5], 2)
    w.kill()
    made.close()


def test_bytes():
    w = worker()
    same(w.value("tasks.is_bytes", {"$bytes": "AP8="}), ["bytes", [0, 255]])
    same(w.value("tasks.echo", {"a": [{"$bytes": ""}]}), {"a": [{"$bytes": ""}]})
    same(w.value("tasks.echo", {"$bytes": "AA==", "b": 1}), {"$bytes": "AA==", "b": 1})
    same(w.map("tasks.is_bytes", [{"$bytes": "AQ=="}, [2]]), (VALUE, [["bytes", [1]], ["list", [2]]]))
    for wrong in ("A", "AP8", "A*==", 5, None):
        kind, told = w.call("tasks.echo", 1, {"x": {"$bytes": wrong}})
        same((kind, told["path"]), (INVALID_ARGUMENTS, "$.args[1].x"))
        assert "base64" in told["message"], told
    kind, told = w.call_keywords("tasks.echo", [], {"value": {"$bytes": "*"}})
    same((kind, told["path"]), (INVALID_ARGUMENTS, "$.kwargs.value"))
    kind, told = w.map("tasks.echo", [1, {"$bytes": "*"}])
    same((kind, told["path"], told["index"]), (INVALID_ARGUMENTS, "$", 1))


def test_pydantic_and_numpy():
    """With the real ones, where this interpreter has them."""
    folder, file = written("try:\n    import numpy as np, pydantic\nexcept ImportError:\n    np = None\n"
                           "def there(): return np is not None\n"
                           "def f(which): return {'array': np.arange(4).reshape(2, 2),\n"
                           "    'f': np.float64(1.5), 'i': np.int32(4), 'b': np.bool_(True),\n"
                           "    's': np.str_('x'), 'nan': np.float64('nan'),\n"
                           "    'nans': np.array([1, float('nan')]), 'f4': np.float32(0.5),\n"
                           "    'long': np.longdouble(1), 'dt': np.datetime64('2020-01-02')}[which]\n"
                           "def g():\n    class M(pydantic.BaseModel):\n        x: int\n        y: bytes\n"
                           "    return [M(x=1, y=b'a')]\n"
                           "def r(): return float(np.random.rand())\n", "real.py")
    made = Zygote(python[0], paths=[folder], files=[file])
    w, other = made.fork(), made.fork()
    if w.value("real.there"):
        for which, expected in (("array", [[0, 1], [2, 3]]), ("f", 1.5), ("i", 4), ("b", True), ("s", "x"),
                                ("f4", 0.5), ("dt", "2020-01-02")):
            same(w.value("real.f", which), expected)
        same([w.call("real.f", which)[0] for which in ("nan", "nans", "long")], [NOT_JSON] * 3)
        same(w.call("real.f", "nans")[1]["path"], "$[1]")
        same(w.value("real.g"), [{"x": 1, "y": "a"}])
        assert w.value("real.r") != other.value("real.r")
    else:
        print("     (numpy and pydantic are not there)")
    w.kill()
    other.kill()
    made.close()


# ---- arguments that do not fit

def test_invalid_arguments():
    w = worker()
    for name, args, kwargs, path in (
        ("tasks.square", [], {}, "$.args"), ("tasks.square", [1, 2], {}, "$.args[1]"),
        ("tasks.square", [1], {"y": 2}, "$.kwargs.y"), ("tasks.square", [1], {"x": 2}, "$.kwargs.x"),
        ("tasks.only_positional", [1], {"a": 2}, "$.kwargs.a"), ("tasks.only_positional", [1], {}, "$.args"),
        ("tasks.both", [], {}, "$.args"), ("tasks.NotOffered.of_class", [1, 2], {}, "$.args[1]"),
        ("tasks.cached", [], {}, "$.args"), ("tasks.caller", [], {}, "$.args"),
        ("os.getpid", [1], {}, "$.args"), ("time.sleep", [], {}, "$.args"),
        ("time.sleep", [1, 2], {}, "$.args"), ("json.dumps", [], {}, "$.args"),
    ):
        kind, told = w.call_keywords(name, args, kwargs)
        same((name, kind, told.get("path")), (name, INVALID_ARGUMENTS, path))
        assert told["message"] and "index" not in told, told
    for name, args in (("tasks.type_error_inside", [1]), ("tasks.calls_wrongly", [1]), ("time.sleep", ["x"]),
                       ("tasks.cached", [[]])):
        kind, told = w.call(name, *args)
        same((name, kind, told["type"]), (name, RAISED, "TypeError"))
    for payload in (b"[" + b"9" * 5000 + b"]", b"[NaN]", b"[1", b"[\xff]", b"[" * 200_000 + b"]" * 200_000):
        if payload[1:2] == b"9" and not hasattr(sys, "get_int_max_str_digits"):
            continue
        same(w.ask(CALL, "tasks.echo", payload)[0], INVALID_ARGUMENTS)
    same(w.value("tasks.square", 2), 4)
