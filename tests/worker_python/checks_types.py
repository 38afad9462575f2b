"""Types that functions say: their schemas in the announcement, and arguments converted to them."""
import json

from harness import CALL, CALL_KEYWORDS, INVALID_ARGUMENTS, MAP, MAP_ITEMS, RAISED, VALUE, Zygote
from stage import python, same, written

STARMAP, STARMAP_ITEMS, CALL_TYPED, MAP_TYPED, MAP_TYPED_ITEMS = 4, 6, 7, 9, 10
AS_JSON = 2  # the codec of a task of which nothing is to be converted

SOURCE = '''
from __future__ import annotations
import dataclasses, datetime, decimal, enum, functools, uuid
from typing import Annotated, Dict, List, Literal, NamedTuple, Optional, Set, Tuple, TypedDict, Union
try:
    import pydantic
    class Order(pydantic.BaseModel):
        count: int = pydantic.Field(gt=0)
        due: Optional[datetime.date] = None
    def order(o: Order, share: Annotated[float, pydantic.Field(le=1)] = 1) -> Order:
        return Order(count=o.count * 2, due=o.due)
    def orders(l: List[Union[Order, int]], d: Dict[str, Optional[Order]], n: Annotated[int, pydantic.Field(gt=0)],
               s: Annotated[Set[datetime.date], pydantic.Field(max_length=1)] = ()):
        return repr([l, d, n, s])
except ImportError:
    pass
class Color(enum.Enum):
    RED = "red"
@dataclasses.dataclass
class Node:
    x: int
    next: Optional[Node] = None
class Options(TypedDict, total=False):
    on: datetime.date
class Pair(NamedTuple):
    a: int
    b: str = "b"
def simple(a: int, b: float, c: str, d: bool, e: None, f: bytes, g) -> str: return repr([a, b, c, d, e, f, g])
def texts(at: datetime.datetime, day: datetime.date, u: uuid.UUID, d: decimal.Decimal): return repr([at, day, u, d])
def many(l: List[Color], t: Tuple[int, Color], s: Set[int], d: Dict[int, Node], p: Pair): return repr([l, t, s, d, p])
def either(v: Union[int, Node, None], l: Literal["x", 1], o: Options = None): return repr([v, l, o])
def odd(first: Node, /, *more: Color, flag: bool = False, **rest: Node): return repr([first, more, flag, rest])
def unknown(a: NoSuchName, b: object, c: "1 +") -> Missing: return [a, b, c]
async def later(c: Color): return c.name
def late(day: datetime.date = None, other: List[datetime.date] = None): return repr([day, other])
def mixed(l: List[Union[int, datetime.date, str]], d: Dict[str, Optional[Node]]): return repr([l, d])
def raises(*a): return a[0] + 1
def beneath(own):
    def decorate(function):
        @functools.wraps(function)
        def through(*args, **kwargs): return function(*args, **kwargs)
        @functools.wraps(function)
        def with_own(first, *args): return [first, function(*args)]
        return with_own if own else through
    return decorate
@beneath(False)
def decorated(day: datetime.date): return repr(day)
@beneath(True)
def shifted(day: datetime.date): return repr(day)
class Callable:
    def __call__(self, day: datetime.date): return repr(day)
    def method(self, day: datetime.date): return repr(day)
called, method = Callable(), Callable().method
partial = functools.partial(late, other=None)
partial.__module__ = called.__module__ = __name__
'''

made = {}


def stage():
    if not made:
        folder, file = written(SOURCE, "typed.py")
        made["zygote"] = Zygote(python[0], paths=[folder], files=[file], functions=["os.getpid", "math.hypot"])
        made["worker"] = made["zygote"].fork()
    return made["zygote"], made["worker"]


def parameters(name):
    return stage()[0].announced["typed." + name]["types"]["parameters"]


def ask(name, members, kind=CALL_TYPED, codec=1):
    kind, body = stage()[1].ask(kind, "typed." + name, json.dumps(members).encode(), codec)
    return kind, json.loads(body)


def test_schemas():
    simple = parameters("simple")
    kinds = {name: schema.get("type") for name, schema in simple["properties"].items()}
    same(kinds, {"a": "integer", "b": "number", "c": "string", "d": "boolean", "e": "null", "f": "object", "g": None})
    same((simple["required"], simple["additionalProperties"]), (list("abcdefg"), False))
    texts = parameters("texts")["properties"]
    same([texts[name].get("format") for name in ("at", "day", "u", "d")], ["date-time", "date", "uuid", None])
    many = parameters("many")
    same(many["properties"]["l"], {"type": "array", "items": {"type": "string", "enum": ["red"]}})
    same((many["properties"]["t"]["minItems"], many["properties"]["s"]["uniqueItems"]), (2, True))
    same(many["$defs"]["Node"]["properties"]["next"], {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})
    same(many["$defs"]["Pair"]["minItems"], 1)
    either = parameters("either")["properties"]
    same((either["l"], len(either["v"]["anyOf"])), ({"enum": ["x", 1]}, 3))
    odd = stage()[0].announced["typed.odd"]["types"]
    same(odd["parameters"]["additionalProperties"], {"$ref": "#/$defs/Node"})
    same(odd["parameters"]["properties"]["flag"], {"type": "boolean", "default": False})
    same(parameters("unknown")["properties"], {"a": {}, "b": {}, "c": {}})
    pid = stage()[0].announced["os.getpid"]["types"]
    same(pid["parameters"], {"type": "object", "properties": {}, "additionalProperties": False})


def test_conversions():
    for name, members, value in (
        ("texts", {"at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "u": "0" * 32, "d": 1.5},
         "[datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), datetime.date(2026, 1, 2), "
         "UUID('00000000-0000-0000-0000-000000000000'), Decimal('1.5')]"),
        ("many", {"l": ["red"], "t": [1.0, "red"], "s": [1, 1], "d": {"5": {"x": 1}}, "p": [7]},
         "[[<Color.RED: 'red'>], (1, <Color.RED: 'red'>), {1}, {5: Node(x=1, next=None)}, Pair(a=7, b='b')]"),
        ("either", {"v": {"x": 1, "next": {"x": 2}}, "l": 1, "o": {"on": "2026-01-02"}},
         "[Node(x=1, next=Node(x=2, next=None)), 1, {'on': datetime.date(2026, 1, 2)}]"),
        ("either", {"v": None, "l": "x"}, "[None, 'x', None]"),
        ("odd", {"first": {"x": 1}, "more": ["red", "red"], "flag": True, "z": {"x": 3}},
         "[Node(x=1, next=None), (<Color.RED: 'red'>, <Color.RED: 'red'>), True, {'z': Node(x=3, next=None)}]"),
        ("unknown", {"a": [1], "b": 2, "c": 3}, [[1], 2, 3]),
        ("later", {"c": "red"}, "RED"),
    ):
        same((name, *ask(name, members)), (name, VALUE, value))
        same((name, *ask(name, [members] * 2, MAP_TYPED)), (name, VALUE, [value] * 2))
        same((name, *ask(name, [members], MAP_TYPED_ITEMS)), (name, VALUE, [{"value": value}]))
    same(stage()[1].ask(CALL_TYPED, "os.getpid", b"{}"), (VALUE, str(stage()[1].pid).encode()))
    same(stage()[1].ask(CALL_TYPED, "math.hypot", b'{"args":[3,4]}')[1], b"5.0")


def test_what_cannot_be_converted():
    good = {"at": "2026-01-02", "day": "2026-01-02", "u": "0" * 32, "d": "1"}
    for name, members, path in (
        ("texts", dict(good, day="never"), "$.day"), ("texts", dict(good, d="x"), "$.d"),
        ("texts", dict(good, u=1), "$.u"), ("later", {"c": "blue"}, "$.c"),
        ("odd", {"first": {"x": 1}, "more": ["red", "blue"]}, "$.more[1]"), ("odd", {"first": {"y": 1}}, "$.first.y"),
        ("odd", {"more": ["red"]}, "$.first"), ("odd", {"first": {"x": 1}, "more": "red"}, "$.more"),
        ("many", {"l": [], "t": [1], "s": [], "d": {}, "p": [1]}, "$.t"),
        ("many", {"l": [], "t": [1, "red"], "s": [], "d": {"a": {"x": 1}}, "p": [1]}, "$.d.a"),
        ("either", {"v": {"x": 1, "next": {}}, "l": 1}, "$.v.next.x"),
        ("later", {}, "$.c"), ("later", {"c": "red", "d": 1}, "$.d"), ("later", [1], "$"),
        ("simple", {"a": 1, "b": 1, "c": "", "d": True, "e": None, "f": "text", "g": 1}, "$.f"),
    ):
        kind, told = ask(name, members)
        same((name, kind, told.get("path")), (name, INVALID_ARGUMENTS, path))
        assert told["message"], told
        if name == "simple":
            assert '{"$bytes":"<base64>"}' in told["message"], told
        kind, told = ask(name, [members], MAP_TYPED)
        same((name, kind, told.get("path"), told["index"]), (name, INVALID_ARGUMENTS, path, 0))
        error = ask(name, [members], MAP_TYPED_ITEMS)[1][0]["error"]
        same((error["kind"], error["told"]["path"]), (INVALID_ARGUMENTS, path))
    kind, told = ask("later", [{"c": "red"}, {"c": {"$bytes": 1}}], MAP_TYPED)
    same((kind, told["index"], told["path"]), (INVALID_ARGUMENTS, 1, "$.c"))
    kind, told = ask("texts", [1], MAP_TYPED)
    same((kind, told["index"], told["path"]), (INVALID_ARGUMENTS, 0, "$"))


DATES = "[datetime.datetime(2026, 1, 2, 0, 0), datetime.date(2026, 1, 2), UUID('%s'), Decimal('1.5')]" % (
    "00000000-0000-0000-0000-000000000000")
TEXTS = ["2026-01-02", "2026-01-02", "0" * 32, 1.5]


def test_what_json_has_no_form_for_is_made_in_every_call():
    for name, args, value in (
        ("texts", TEXTS, DATES),
        ("simple", ["1", "x", 3, None, 5, {"$bytes": "AA=="}, 7], "['1', 'x', 3, None, 5, b'\\x00', 7]"),
        # What JSON has passes, whatever the annotation says; with what it holds.
        ("many", [["red"], ["x", "red", 3], ["1"], {"5": {"x": "7"}}, ["7"]],
         "[[<Color.RED: 'red'>], ('x', <Color.RED: 'red'>, 3), {'1'}, {5: Node(x=7, next=None)}, Pair(a=7, b='b')]"),
        ("many", ["text", [], [], None, [1]], "['text', (), set(), None, Pair(a=1, b='b')]"),
        ("either", [{"x": 1}, "none of them", {"on": "2026-01-02", "off": 1}],
         "[Node(x=1, next=None), 'none of them', {'on': datetime.date(2026, 1, 2), 'off': 1}]"),
        ("either", ["7", 1, None], "['7', 1, None]"),
        ("odd", [{"x": 1}, "red", "red"], "[Node(x=1, next=None), (<Color.RED: 'red'>, <Color.RED: 'red'>), False, {}]"),
        ("unknown", [[1], 2, 3], [[1], 2, 3]),
        ("late", ["2026-01-02"], "[datetime.date(2026, 1, 2), None]"), ("late", [None, None], "[None, None]"),
        ("mixed", [[1, "2026-01-02", "x"], {"a": None, "b": {"x": 1}}],
         "[[1, datetime.date(2026, 1, 2), 'x'], {'a': None, 'b': Node(x=1, next=None)}]"),
        ("later", ["red"], "RED"),
    ):
        same((name, *ask(name, args, CALL)), (name, VALUE, value))
        same((name, *ask(name, [args, {}], CALL_KEYWORDS)), (name, VALUE, value))
        same((name, *ask(name, [args] * 2, STARMAP)), (name, VALUE, [value] * 2))
        same((name, *ask(name, [args], STARMAP_ITEMS)), (name, VALUE, [{"value": value}]))
    same(ask("texts", [TEXTS[:2], {"u": TEXTS[2], "d": TEXTS[3]}], CALL_KEYWORDS), (VALUE, DATES))
    same(ask("odd", [[{"x": 1}], {"flag": "?", "z": {"x": 3}}], CALL_KEYWORDS),
         (VALUE, "[Node(x=1, next=None), (), '?', {'z': Node(x=3, next=None)}]"))
    same(ask("later", ["red", "red"], MAP), (VALUE, ["RED", "RED"]))
    same(ask("later", ["red"], MAP_ITEMS), (VALUE, [{"value": "RED"}]))


def test_what_is_called_through_others_is_made_too():
    for name in ("decorated", "called", "method"):
        same((name, *ask(name, ["2026-01-02"], CALL)), (name, VALUE, "datetime.date(2026, 1, 2)"))
    same(ask("partial", ["2026-01-02"], CALL), (VALUE, "[datetime.date(2026, 1, 2), None]"))
    # A decorator takes another argument than the function says: nothing is known of any.
    same(ask("shifted", [1, "x"], CALL), (VALUE, [1, "'x'"]))


def test_what_cannot_be_made():
    for name, args, steps in (
        ("texts", TEXTS[:1] + ["never"] + TEXTS[2:], "[1]"), ("texts", ["2026-01-02", "2026-01-02", 1, 1], "[2]"),
        ("simple", [1, 1, "", True, None, "text", 1], "[5]"), ("later", ["blue"], "[0]"),
        ("many", [[], "text", [], {}, [1]], "[1]"), ("many", [["red", "blue"], [], [], {}, [1]], "[0][1]"),
        ("many", [[], [], [], {"a": {"x": 1}}, [1]], "[3].a"), ("many", [[], [], [], {"1": {}}, [1]], '[3]["1"].x'),
        ("either", [{"x": 1, "next": {}}, 1], "[0].next.x"), ("either", [[], 1], "[0]"), ("late", ["x"], "[0]"),
        ("mixed", [["x", {}], {}], "[0][1]"), ("odd", [{"x": 1}, "blue"], "[1]"),
    ):
        kind, told = ask(name, args, CALL)
        same((name, kind, told.get("path")), (name, INVALID_ARGUMENTS, "$.args" + steps))
        kind, told = ask(name, [args], STARMAP)
        same((name, kind, told.get("path"), told["index"]), (name, INVALID_ARGUMENTS, "$" + steps, 0))
        error = ask(name, [args], STARMAP_ITEMS)[1][0]["error"]
        same((error["kind"], error["told"]["path"]), (INVALID_ARGUMENTS, "$" + steps))
    kind, told = ask("texts", [[], {"day": "never"}], CALL_KEYWORDS)
    same((kind, told["path"]), (INVALID_ARGUMENTS, "$.kwargs.day"))
    kind, told = ask("later", ["red", "blue"], MAP)
    same((kind, told["path"], told["index"]), (INVALID_ARGUMENTS, "$", 1))
    same(ask("texts", [["a"]], STARMAP)[1]["path"], "$[0]")
    same(ask("later", [], CALL)[1]["path"], "$.args")


def test_nothing_is_made_where_that_is_said():
    raw = ["red", {"x": 1}, "2026-01-02", 4]
    same(ask("texts", raw, CALL, AS_JSON), (VALUE, repr(raw)))
    same(ask("texts", [[], dict(zip(("at", "day", "u", "d"), raw))], CALL_KEYWORDS, AS_JSON), (VALUE, repr(raw)))
    same(ask("texts", [raw] * 2, STARMAP, AS_JSON), (VALUE, [repr(raw)] * 2))
    same(ask("late", ["x"] * 2, MAP, AS_JSON), (VALUE, ["['x', None]"] * 2))
    same(ask("late", ["x"], MAP_ITEMS, AS_JSON), (VALUE, [{"value": "['x', None]"}]))
    same(ask("texts", [raw], STARMAP_ITEMS, AS_JSON), (VALUE, [{"value": repr(raw)}]))
    same(ask("texts", [1, 2, 3], CALL, AS_JSON)[1]["path"], "$.args")
    kind, told = ask("late", [1, {"$bytes": 1}], MAP, AS_JSON)
    same((kind, told["index"]), (INVALID_ARGUMENTS, 1))
    same(ask("later", ["red"], CALL, AS_JSON)[0], RAISED)


def test_items_of_a_starmap_are_spread_as_python_does():
    same(ask("texts", ["abcd"], STARMAP)[0], INVALID_ARGUMENTS)
    same(ask("unknown", ["abc", {"a": 1, "b": 2, "c": 3}], STARMAP), (VALUE, [list("abc")] * 2))
    for kind, items in (STARMAP, [7]), (STARMAP, [["a"] * 3, None]), (STARMAP_ITEMS, [True]):
        answer, told = ask("unknown", items, kind)
        if kind == STARMAP_ITEMS:
            answer, told = told[0]["error"]["kind"], told[0]["error"]["told"]
        same((answer, told["type"], "traceback" in told), (RAISED, "TypeError", True))
    same(ask("raises", [["abc"], "a"], STARMAP)[1]["index"], 0)
    kind, told = ask("raises", ["a"], STARMAP)
    same((kind, told["type"], "in raises" in told["traceback"]), (RAISED, "TypeError", True))


def test_pydantic_models():
    if "typed.order" not in stage()[0].announced:
        print("     (pydantic is not there)")
        return
    same(parameters("order")["$defs"]["Order"]["properties"]["count"]["exclusiveMinimum"], 0)
    order = {"count": 2, "due": "2026-01-02"}
    same(ask("order", {"o": order}), (VALUE, {"count": 4, "due": "2026-01-02"}))
    for members, path in (({"o": {"count": 0}}, "$.o.count"), ({"o": {"count": 1}, "share": 2}, "$.share")):
        kind, told = ask("order", members)
        same((kind, told["path"]), (INVALID_ARGUMENTS, path))
    # The model checks itself; what JSON has passes.
    same(ask("order", [order, 2], CALL), (VALUE, {"count": 4, "due": "2026-01-02"}))
    same(ask("order", [{"count": 0}], CALL)[1]["path"], "$.args[0].count")
    made = "Order(count=2, due=datetime.date(2026, 1, 2))"
    same(ask("orders", [[order, 5], {"a": None, "b": order}, "-1", ["2026-01-02"]], CALL),
         (VALUE, "[[%s, 5], {'a': None, 'b': %s}, '-1', {datetime.date(2026, 1, 2)}]" % (made, made)))
    for args, path in (([[{"count": 0}], {}, 1], "$.args[0][0].count"), ([[], {"a": {"count": "x"}}, 1], "$.args[1].a.count"),
                       ([[], {}, 1, ["2026-01-02", "2026-01-03"]], "$.args[3]")):
        kind, told = ask("orders", args, CALL)
        same((kind, told.get("path")), (INVALID_ARGUMENTS, path))


def end():
    if made:
        made.pop("worker").kill()
        made.pop("zygote").close()
