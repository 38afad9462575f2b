"""What the document promises of types can be sent and returned: generated types, with pydantic and without."""
import json
import os
import random
import sys

from harness import CALL, VALUE, Zygote
from stage import python, same, written

CALL_TYPED = 7
SEED = int(os.environ.get("TYPES_SEED", "20261129"))
FUNCTIONS = int(os.environ.get("TYPES_FUNCTIONS", "80"))
VALUES = 12

HEAD = '''
import collections, dataclasses, datetime, decimal, enum, fractions, ipaddress, pathlib, uuid
from typing import *
T = TypeVar("T")
class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2
@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5
    tags: Set[Color] = dataclasses.field(default_factory=set)
@dataclasses.dataclass
class Box(Generic[T]):
    item: T
    more: Optional["Box[T]"] = None
@dataclasses.dataclass
class Leaf:
    value: Union[int, "Leaf", "Pair"]
class Pair(NamedTuple):
    left: Union[int, "Leaf", "Pair"]
    on: Optional[datetime.date] = None
class Part(TypedDict, total=False):
    color: Color
    points: List[Point]
'''
MODELS = '''
import pydantic
class Order(pydantic.BaseModel):
    order_id: int = pydantic.Field(alias="orderId", ge=0, le=1000)
    due: Optional[datetime.date] = None
    points: List[Point] = []
class Item(pydantic.BaseModel):
    kind: Literal["item"] = "item"
    name: str
'''
LEAVES = ["int", "float", "bool", "str", "None", "Any", "bytes", "Color", "Level", "Point", "Part", "Pair", "Leaf",
          "datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "uuid.UUID", "decimal.Decimal",
          "pathlib.Path", "ipaddress.IPv4Address", 'Literal["a", 1, True]', "Literal[Color.RED]", "NoSuchName"]
TEXTS = {"date-time": "2026-01-02T03:04:05Z", "date": "2026-01-02", "time": "03:04:05", "duration": "P1DT2H3M4.5S",
         "uuid": "00000000-0000-0000-0000-000000000007", "ipv4": "10.0.0.1", "path": "/tmp/x", None: "7"}


def annotation(noise, depth, leaves):
    if depth == 0 or noise.random() < 0.4:
        return noise.choice(leaves)
    inner = lambda: annotation(noise, depth - 1, leaves)
    hashable = noise.choice(["int", "str", "Color", "datetime.date", "uuid.UUID", "Level", "float", "bool",
                             "Optional[int]", "Union[int, Color]"])
    return noise.choice([
        lambda: "List[%s]" % inner(), lambda: "Optional[%s]" % inner(), lambda: "Tuple[%s, %s]" % (inner(), inner()),
        lambda: "Tuple[%s, ...]" % inner(), lambda: "Set[%s]" % hashable, lambda: "FrozenSet[%s]" % hashable,
        lambda: "Dict[%s, %s]" % (hashable, inner()), lambda: "Union[%s, %s]" % (inner(), inner()),
        lambda: "Sequence[%s]" % inner(), lambda: "Box[%s]" % inner(), lambda: "collections.deque[%s]" % inner(),
        lambda: "Mapping[str, %s]" % inner()])()


def value_of(schema, defs, noise, depth):
    """Some JSON that this schema allows."""
    if schema is True or not schema:
        return noise.choice([1, "x", None, [1], {"a": 1}])
    if "$ref" in schema:
        return value_of(defs[schema["$ref"].rpartition("/")[2]], defs, noise, depth - 1)
    if "anyOf" in schema:
        options = schema["anyOf"] if depth > 0 else sorted(schema["anyOf"], key=lambda each: "$ref" in each)[:1]
        return value_of(noise.choice(options), defs, noise, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return noise.choice(schema["enum"])
    if not {"type", "format", "pattern"} & set(schema):
        return value_of(True, defs, noise, depth)
    kind = schema.get("type")
    kind = noise.choice(kind) if isinstance(kind, list) else kind
    if kind == "array":
        if "prefixItems" in schema:
            count = noise.randint(schema.get("minItems", 0), len(schema["prefixItems"]))
            return [value_of(each, defs, noise, depth - 1) for each in schema["prefixItems"][:count]]
        count = noise.randint(0, 2) if depth > 0 else 0
        made = [value_of(schema.get("items", {}), defs, noise, depth - 1) for _ in range(count)]
        return made[:1] if schema.get("uniqueItems") else made
    if kind == "object":
        properties, required = schema.get("properties", {}), schema.get("required", [])
        made = {name: value_of(each, defs, noise, depth - 1) for name, each in properties.items()
                if name in required or depth > 0 and noise.random() < 0.5}
        more = schema.get("additionalProperties", False if properties else True)
        if more and not properties:
            names = value_of(schema["propertyNames"], defs, noise, depth) if "propertyNames" in schema else None
            if names is not None or depth > 0:
                made[names if names is not None else "1"] = value_of(more, defs, noise, depth - 1)
        return made
    if "pattern" in schema:
        return "5"
    if kind is None and "format" in schema:  # of the names of an object, which are texts
        kind = "string"
    return {"integer": lambda: noise.randint(schema.get("minimum", -9), schema.get("maximum", 99)),
            "number": lambda: noise.choice([1, 2.5]),
            "boolean": lambda: noise.random() < 0.5, "null": lambda: None,
            "string": lambda: "eA==" if "contentEncoding" in schema else TEXTS.get(schema.get("format"), "text")}[kind]()


def fits(schema, defs, value):
    """Whether JSON is what this schema says."""
    if schema is True or not schema:
        return True
    if "$ref" in schema:
        return fits(defs[schema["$ref"].rpartition("/")[2]], defs, value)
    if "anyOf" in schema and not any(fits(each, defs, value) for each in schema["anyOf"]):
        return False
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        return False
    kinds = schema.get("type", ())
    kinds = kinds if isinstance(kinds, (list, tuple)) else [kinds]
    is_kind = {"integer": type(value) is int, "number": type(value) in (int, float), "string": type(value) is str,
               "boolean": type(value) is bool, "null": value is None, "array": type(value) is list,
               "object": type(value) is dict}
    if kinds and not any(is_kind[kind] for kind in kinds):
        return False
    if type(value) is list:
        prefix = schema.get("prefixItems", [])
        return (schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
                and all(fits(each, defs, item) for each, item in zip(prefix, value))
                and all(fits(schema.get("items", True), defs, item) for item in value[len(prefix):]))
    if type(value) is dict:
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        return (all(name in value for name in schema.get("required", []))
                and all(fits(properties.get(name, more), defs, each) if name in properties or more is not False else False
                        for name, each in value.items())
                and all(fits(schema.get("propertyNames", True), defs, name) for name in value))
    return True


def promised(leaves, head, hidden):
    noise = random.Random(SEED)
    notes = [annotation(noise, 3, leaves) for _ in range(FUNCTIONS)]
    source = head + "".join("def f%d(x: '%s') -> '%s': return x\n" % (at, note, note) for at, note in enumerate(notes))
    folder, file = written(source, "promises.py")
    if hidden:
        with open(os.path.join(folder, "pydantic.py"), "w") as stub:
            stub.write("raise ImportError('hidden')\n")
    zygote = Zygote(python[0], paths=[folder], files=[file])
    worker = zygote.fork()
    for at, note in enumerate(notes):
        types = zygote.announced["promises.f%d" % at]["types"]
        parameters, returns = types["parameters"], types["returns"]
        defs = parameters.get("$defs", {})
        for _ in range(VALUES):
            value = value_of(parameters["properties"]["x"], defs, noise, 4)
            kind, body = worker.ask(CALL_TYPED, "promises.f%d" % at, json.dumps({"x": value}).encode())
            assert kind == VALUE, (note, value, kind, body)
            assert fits(returns, returns.get("$defs", {}), json.loads(body)), (note, value, body, returns)
            # What fits arrives as the same in every way of calling. (Of unions of models pydantic may choose another.)
            kind, other = worker.ask(CALL, "promises.f%d" % at, json.dumps([value]).encode())
            assert kind == VALUE, (note, value, kind, other)
            if hidden or "Union" not in note:
                assert json.loads(other) == json.loads(body), (note, value, body, other)
    worker.kill()
    zygote.close()


def test_what_is_promised_can_be_sent_and_returned():
    promised(LEAVES, HEAD, hidden=True)


def test_the_same_with_pydantic():
    import subprocess
    if subprocess.call([python[0], "-c", "import pydantic"], stderr=subprocess.DEVNULL) != 0:
        print("     (pydantic is not there)")
        return
    models = ["Order", "Item", "Annotated[int, pydantic.Field(ge=0, le=50)]", "Union[Order, Item]"]
    promised(LEAVES + models * 3, HEAD + MODELS, hidden=False)


def test_pydantic_is_loaded_only_where_a_type_needs_it():
    source = HEAD + ("import sys\ndef loaded(x: Optional[Dict[str, List[int]]] = None, p: Point = None) -> bool:\n"
                     "    return 'pydantic' in sys.modules\n")
    folder, file = written(source, "plain.py")
    zygote = Zygote(python[0], paths=[folder], files=[file])
    worker = zygote.fork()
    same(worker.value("plain.loaded"), False)
    worker.kill()
    zygote.close()
