"""Types that functions say: their schemas in the announcement, and arguments converted to them."""
import json

from harness import INVALID_ARGUMENTS, VALUE, Zygote
from stage import python, same, written

CALL_TYPED = 7

SOURCE = '''
from __future__ import annotations
import dataclasses, datetime, decimal, enum, uuid
from typing import Annotated, Dict, List, Literal, NamedTuple, Optional, Set, Tuple, TypedDict, Union
try:
    import pydantic
    class Order(pydantic.BaseModel):
        count: int = pydantic.Field(gt=0)
        due: Optional[datetime.date] = None
    def order(o: Order, share: Annotated[float, pydantic.Field(le=1)] = 1) -> Order:
        return Order(count=o.count * 2, due=o.due)
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


def ask(name, args, kwargs):
    kind, body = stage()[1].ask(CALL_TYPED, "typed." + name, json.dumps([args, kwargs]).encode())
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
    same((odd["positional"], odd["rest"]), (["first"], "more"))
    same(odd["parameters"]["additionalProperties"], {"$ref": "#/$defs/Node"})
    same(odd["parameters"]["properties"]["flag"], {"type": "boolean", "default": False})
    same(parameters("unknown")["properties"], {"a": {}, "b": {}, "c": {}})
    pid = stage()[0].announced["os.getpid"]["types"]
    same(pid["parameters"], {"type": "object", "properties": {}, "additionalProperties": False})


def test_conversions():
    for name, args, kwargs, value in (
        ("texts", [], {"at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "u": "0" * 32, "d": 1.5},
         "[datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), datetime.date(2026, 1, 2), "
         "UUID('00000000-0000-0000-0000-000000000000'), Decimal('1.5')]"),
        ("many", [], {"l": ["red"], "t": [1.0, "red"], "s": [1, 1], "d": {"5": {"x": 1}}, "p": [7]},
         "[[<Color.RED: 'red'>], (1, <Color.RED: 'red'>), {1}, {5: Node(x=1, next=None)}, Pair(a=7, b='b')]"),
        ("either", [], {"v": {"x": 1, "next": {"x": 2}}, "l": 1, "o": {"on": "2026-01-02"}},
         "[Node(x=1, next=Node(x=2, next=None)), 1, {'on': datetime.date(2026, 1, 2)}]"),
        ("either", [], {"v": None, "l": "x"}, "[None, 'x', None]"),
        ("odd", [{"x": 1}, "red", "red"], {"flag": True, "z": {"x": 3}},
         "[Node(x=1, next=None), (<Color.RED: 'red'>, <Color.RED: 'red'>), True, {'z': Node(x=3, next=None)}]"),
        ("unknown", [], {"a": [1], "b": 2, "c": 3}, [[1], 2, 3]),
        ("later", [], {"c": "red"}, "RED"),
    ):
        same((name, *ask(name, args, kwargs)), (name, VALUE, value))


def test_what_cannot_be_converted():
    good = {"at": "2026-01-02", "day": "2026-01-02", "u": "0" * 32, "d": "1"}
    for name, args, kwargs, path in (
        ("texts", [], dict(good, day="never"), "$.kwargs.day"), ("texts", [], dict(good, d="x"), "$.kwargs.d"),
        ("texts", [], dict(good, u=1), "$.kwargs.u"), ("later", [], {"c": "blue"}, "$.kwargs.c"),
        ("odd", [{"x": 1}, "red", "blue"], {}, "$.args[2]"), ("odd", [{"y": 1}], {}, "$.args[0].y"),
        ("many", [], {"l": [], "t": [1], "s": [], "d": {}, "p": [1]}, "$.kwargs.t"),
        ("many", [], {"l": [], "t": [1, "red"], "s": [], "d": {"a": {"x": 1}}, "p": [1]}, "$.kwargs.d.a"),
        ("either", [], {"v": {"x": 1, "next": {}}, "l": 1}, "$.kwargs.v.next.x"),
        ("later", [], {}, "$.kwargs.c"), ("later", ["red"], {"d": 1}, "$.kwargs.d"),
    ):
        kind, told = ask(name, args, kwargs)
        same((name, kind, told.get("path")), (name, INVALID_ARGUMENTS, path))
        assert told["message"], told


def test_pydantic_models():
    if "typed.order" not in stage()[0].announced:
        print("     (pydantic is not there)")
        return
    same(parameters("order")["$defs"]["Order"]["properties"]["count"]["exclusiveMinimum"], 0)
    same(ask("order", [], {"o": {"count": 2, "due": "2026-01-02"}}), (VALUE, {"count": 4, "due": "2026-01-02"}))
    for kwargs, path in (({"o": {"count": 0}}, "$.kwargs.o.count"), ({"o": {"count": 1}, "share": 2}, "$.kwargs.share")):
        kind, told = ask("order", [], kwargs)
        same((kind, told["path"]), (INVALID_ARGUMENTS, path))


def end():
    if made:
        made.pop("worker").kill()
        made.pop("zygote").close()
