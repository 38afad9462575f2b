# forkpool's Python side, part 7 of 7: the types that functions say. Compiled when the first is met (see part 1).
#
# From annotations to JSON Schemas (in the zygote, while it loads), and from JSON to what they say (in a worker,
# for typed calls). Nothing is imported: a type of `typing`, `datetime` or pydantic is there only if the user's
# module has it. What isn't known here is any JSON, and arrives as it is.
SIMPLE = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
LISTS = ("list", "Sequence", "MutableSequence", "Iterable", "Collection", "Iterator")
SETS = ("set", "frozenset", "Set", "AbstractSet", "MutableSet")
DICTS = ("dict", "Mapping", "MutableMapping")
TEXTS = {("datetime", "datetime"): "date-time", ("datetime", "date"): "date", ("datetime", "time"): "time",
         ("uuid", "UUID"): "uuid", ("decimal", "Decimal"): None}
BYTES_SCHEMA = {"type": "object", "properties": {"$bytes": {"type": "string", "contentEncoding": "base64"}},
                "required": ["$bytes"], "additionalProperties": False}


def resolved(note, home):
    """An annotation as the object that it means: texts (`from __future__ import annotations`) are evaluated."""
    for _ in range(10):
        if isinstance(note, str):
            note = eval(note, home)
        elif hasattr(note, "__forward_arg__"):
            note = note.__forward_arg__
        elif hasattr(note, "__supertype__"):
            note = note.__supertype__  # NewType
        elif type(note).__name__ == "TypeAliasType":
            note = note.__value__
        else:
            break
    return type(None) if note is None else note


def shape_of(note):
    """The kind of type that this is, and its arguments."""
    if hasattr(note, "__metadata__"):
        return "annotated", (note.__origin__,)
    origin, arguments = getattr(note, "__origin__", None), getattr(note, "__args__", ())
    if type(note).__name__ == "UnionType" or getattr(origin, "_name", None) == "Union" or \
            getattr(origin, "__name__", None) == "Union":
        return "union", arguments
    name = getattr(origin, "_name", None) or getattr(origin, "__name__", None)
    if name in ("Literal", "Required", "NotRequired", "ReadOnly", "Final", "ClassVar"):
        return ("literal" if name == "Literal" else "annotated"), arguments
    kind = origin if isinstance(origin, type) else note
    arguments = tuple(each for each in arguments if type(each).__name__ != "TypeVar")
    if not isinstance(kind, type):
        return "any", ()
    if kind in SIMPLE:
        return "simple", ()
    if kind.__name__ in LISTS and (kind is list or kind.__module__ == "collections.abc"):
        return "list", arguments
    if kind.__name__ in SETS and (kind in (set, frozenset) or kind.__module__ == "collections.abc"):
        return "set", arguments
    if kind.__name__ in DICTS and (kind is dict or kind.__module__ == "collections.abc"):
        return "dict", arguments
    return shape_of_class(kind, arguments)


def shape_of_class(kind, arguments):
    if issubclass(kind, (bytes, bytearray)):
        return "bytes", ()
    if hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate"):
        return "pydantic", ()
    if (kind.__module__, kind.__name__) in TEXTS:
        return "text", ()
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(kind, enum.Enum):
        return "enum", ()
    if hasattr(kind, "__dataclass_fields__"):
        return "dataclass", ()
    if type(kind).__name__ == "_TypedDictMeta":
        return "typeddict", ()
    if issubclass(kind, tuple):
        return ("namedtuple", ()) if hasattr(kind, "_fields") else ("tuple", arguments)
    return "any", ()


def home_of(kind):
    """Where the names in a class's annotations are looked up."""
    return dict(vars(sys.modules.get(kind.__module__, sys)))


def fields_of(kind):
    """The members of a dataclass, as (name, annotation, whether it must be given)."""
    dataclasses = sys.modules["dataclasses"]
    missing = dataclasses.MISSING
    return [(field.name, field.type, field.default is missing and field.default_factory is missing)
            for field in dataclasses.fields(kind) if field.init]


def members_of(kind):
    """The members of a TypedDict or a named tuple, likewise."""
    notes = {}
    for base in reversed(kind.__mro__):
        notes.update(getattr(base, "__annotations__", {}))
    notes.update(kind.__annotations__)
    if type(kind).__name__ == "_TypedDictMeta":
        return [(name, note, name in kind.__required_keys__) for name, note in notes.items()]
    return [(name, notes.get(name, object), name not in kind._field_defaults) for name in kind._fields]


# ---- to JSON Schema

class Schemas:
    """The schemas of one function's arguments, or of its value; what has a name is defined once."""

    def __init__(self, home, mode):
        self.home = home
        self.mode = mode
        self.definitions = {}
        self.names = {}

    def of(self, note):
        """The schema of an annotation; of one that can't be understood, that of anything."""
        try:
            return self.schema(note, self.home)
        except Exception:
            return {}

    def schema(self, note, home):
        note = resolved(note, home)
        shape, arguments = shape_of(note)
        first = (lambda: self.schema(arguments[0], home)) if arguments else dict
        if shape == "simple":
            return {"type": SIMPLE[note]}
        if shape == "bytes":
            return dict(BYTES_SCHEMA)
        if shape == "annotated":
            return self.annotated(note) or first()
        if shape == "union":
            return union([self.schema(each, home) for each in arguments])
        if shape == "literal":
            return enumeration([each.value if hasattr(each, "_value_") else each for each in arguments])
        if shape == "list":
            return {"type": "array", "items": first()}
        if shape == "set":
            return {"type": "array", "items": first(), "uniqueItems": True}
        if shape == "tuple":
            return self.tuple(arguments, home)
        if shape == "dict":
            more = self.schema(arguments[1], home) if len(arguments) == 2 else {}
            return {"type": "object", "additionalProperties": more}
        if shape == "text":
            form = TEXTS[note.__module__, note.__name__]
            return {"type": "string", "format": form} if form else {"type": "string"}
        if shape == "enum":
            return enumeration([each.value for each in note])
        if shape in ("pydantic", "dataclass", "typeddict", "namedtuple"):
            return self.named(note, getattr(self, shape))
        return {}

    def annotated(self, note):
        """What pydantic makes of it, where it is there and something is said besides the type."""
        pydantic = sys.modules.get("pydantic")
        if pydantic is None or not getattr(note, "__metadata__", None):
            return None
        adapter = pydantic.TypeAdapter(note)
        return self.hoisted(adapter.json_schema(mode=self.mode, ref_template="#/$defs/{model}"))

    def hoisted(self, schema):
        self.definitions.update(schema.pop("$defs", {}))
        return schema

    def tuple(self, arguments, home):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": self.schema(arguments[0], home)}
        if not arguments:
            return {"type": "array", "items": {}}
        count = len(arguments)
        return {"type": "array", "prefixItems": [self.schema(each, home) for each in arguments],
                "minItems": count, "maxItems": count}

    def named(self, kind, describe):
        """A reference to the definition of a class."""
        if kind not in self.names:
            name, number = kind.__name__, 2
            while name in self.definitions:
                name, number = "%s%d" % (kind.__name__, number), number + 1
            self.names[kind] = name
            self.definitions[name] = {}
            self.definitions[name] = describe(kind)
        return {"$ref": "#/$defs/" + self.names[kind]}

    def pydantic(self, kind):
        schema = kind.model_json_schema(mode=self.mode, ref_template="#/$defs/{model}")
        name = self.names[kind]
        definitions = schema.pop("$defs", {})
        if schema.get("$ref") == "#/$defs/" + name:
            schema = definitions.pop(name)
        self.definitions.update((key, value) for key, value in definitions.items() if key != name)
        return schema

    def dataclass(self, kind):
        return self.object(fields_of(kind), home_of(kind))

    def typeddict(self, kind):
        return self.object(members_of(kind), home_of(kind))

    def namedtuple(self, kind):
        members = members_of(kind)
        schemas = [self.schema(note, home_of(kind)) for _, note, _ in members]
        least = sum(required for _, _, required in members)
        return {"type": "array", "prefixItems": schemas, "minItems": least, "maxItems": len(schemas)}

    def object(self, members, home):
        schema = {"type": "object", "additionalProperties": False,
                  "properties": {name: self.schema(note, home) for name, note, _ in members}}
        required = [name for name, _, required in members if required]
        if required:
            schema["required"] = required
        return schema


def union(schemas):
    """One of these; `int | None` as a type with two names."""
    flat = [each for each in schemas if each != {"type": "null"}]
    if {} in flat:
        return {}
    if len(flat) == len(schemas):
        return {"anyOf": flat}
    if len(flat) == 1 and isinstance(flat[0].get("type"), str) and "enum" not in flat[0]:
        return dict(flat[0], type=[flat[0]["type"], "null"])
    return {"anyOf": flat + [{"type": "null"}]}


def enumeration(values):
    if not all(type(value) in SIMPLE for value in values):
        return {}
    kinds = {SIMPLE[type(value)] for value in values}
    return dict({"type": kinds.pop()} if len(kinds) == 1 else {}, enum=values)


def with_default(schema, value):
    """Where the function's default is plain, the document says it."""
    plain_type = SIMPLE.get(type(value))
    if value is None or plain_type is None or schema.get("type") not in (plain_type, [plain_type, "null"]):
        return schema
    return schema if value != value or value in (float("inf"), -float("inf")) else dict(schema, default=value)


# ---- from JSON, for typed calls

converters = {}  # by function: what converts its arguments


def convert_arguments(function, args, kwargs):
    """The arguments of a typed call as the types that the function says."""
    if function not in converters:
        converters[function] = Converters(function)
    return converters[function].convert(args, kwargs)


class Converters:
    """What converts the arguments of one function; none for those that arrive as they are."""

    def __init__(self, function):
        self.by_name, self.positional, self.rest, self.more = {}, (), None, None
        inner, skip = unwrapped(function)
        notes = getattr(inner, "__annotations__", None)
        if type(inner) is not FUNCTION or not notes:
            return
        code, home = inner.__code__, inner.__globals__
        for name, note in notes.items():
            try:
                self.by_name[name] = converter(note, home, 0)
            except Exception:
                pass  # it can't be understood: it arrives as it is
        count = code.co_argcount
        at = count + code.co_kwonlyargcount
        self.positional = code.co_varnames[skip:count]
        if code.co_flags & 4:
            self.rest = self.by_name.pop(code.co_varnames[at], None)
            at += 1
        if code.co_flags & 8:
            self.more = self.by_name.pop(code.co_varnames[at], None)

    def convert(self, args, kwargs):
        if not self.by_name and self.rest is None and self.more is None:
            return args, kwargs
        made = []
        for at, value in enumerate(args):
            own = self.by_name.get(self.positional[at]) if at < len(self.positional) else self.rest
            made.append(converted(own, value, ("args", at)))
        given = {name: converted(self.by_name.get(name, None if name in self.by_name else self.more), value,
                                 ("kwargs", name))
                 for name, value in kwargs.items()}
        return made, given


def converted(own, value, steps):
    if own is None:
        return value
    try:
        return own(value)
    except Misfit as misfit:
        misfit.steps[:0] = steps
        raise
    except Exception as error:
        raise Misfit(list(steps), rarely("line_of")(error)) from None


def within(own, value, step):
    """A part of a value."""
    if own is None:
        return value
    try:
        return own(value)
    except Misfit as misfit:
        misfit.steps.insert(0, step)
        raise


def expect(value, kind, what):
    if not isinstance(value, kind):
        raise Misfit([], "it must be " + what)


def converter(note, home, depth):
    """A function from JSON's value to the type's; None if that is the same."""
    note = resolved(note, home)
    shape, arguments = shape_of(note)
    if depth > 20:
        return None
    inner = [converter(each, home, depth + 1) for each in arguments if each is not Ellipsis] \
        if shape in ("list", "set", "tuple", "dict", "annotated") else []
    if shape == "simple":
        return to_int if note is int else None
    if shape == "annotated":
        return pydantic_annotated(note) or inner[0]
    if shape == "union":
        return union_of([(resolved(each, home), converter(each, home, depth + 1)) for each in arguments])
    if shape == "list":
        return list_of(inner[0], list) if inner and inner[0] else None
    if shape == "set":
        kind = getattr(note, "__origin__", note)
        return list_of(inner[0] if inner else None, frozenset if kind is frozenset else set)
    if shape == "tuple":
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return list_of(inner[0], tuple)
        return tuple_of(inner)
    if shape == "dict":
        return dict_of(arguments, inner)
    if shape == "text":
        return text_of(note)
    if shape == "enum":
        return enum_of(note)
    if shape == "pydantic":
        return lambda value: validated(note.model_validate, value)
    if shape in ("dataclass", "typeddict", "namedtuple"):
        return lazily(note)
    return None


def to_int(value):
    return int(value) if type(value) is float and value.is_integer() else value


def list_of(inner, make):
    def convert(value):
        expect(value, list, "an array")
        return make([within(inner, each, at) for at, each in enumerate(value)])
    return convert


def tuple_of(inner):
    def convert(value):
        expect(value, list, "an array")
        if inner and len(value) != len(inner):
            raise Misfit([], "it must have %d items" % len(inner))
        return tuple(within(own, each, at) for at, (own, each) in enumerate(zip(inner or [None] * len(value), value)))
    return convert


def dict_of(arguments, inner):
    if len(arguments) != 2 or arguments[0] not in (int, float) and inner[1] is None:
        return None
    key = arguments[0] if arguments[0] in (int, float) else str

    def convert(value):
        expect(value, dict, "an object")
        made = {}
        for name, each in value.items():
            try:
                made[key(name)] = within(inner[1], each, name)
            except ValueError:
                raise Misfit([name], "the name must be a number") from None
        return made
    return convert


def text_of(kind):
    def convert(value):
        if kind.__name__ == "Decimal" and type(value) in (int, float):
            return kind(repr(value))
        expect(value, str, "a text")
        try:
            if kind.__name__ in ("UUID", "Decimal"):
                return kind(value)
            return kind.fromisoformat(value[:-1] + "+00:00" if value[-1:] in ("Z", "z") else value)
        except (ValueError, ArithmeticError) as error:
            raise Misfit([], message_or(error, "it is no %s" % kind.__name__)) from None
    return convert


def message_or(error, words):
    return words if type(error).__name__ == "InvalidOperation" else rarely("message_of")(error)


def enum_of(kind):
    def convert(value):
        try:
            return kind(value)
        except ValueError as error:
            raise Misfit([], rarely("message_of")(error)) from None
    return convert


def union_of(alternatives):
    """The first alternative that takes the value."""
    if all(own is None for _, own in alternatives):
        return None

    def convert(value):
        first = None
        for note, own in alternatives:
            if note in SIMPLE:
                if type(value) is note or note is float and type(value) is int:
                    return value
                continue
            if own is None:
                return value
            try:
                return own(value)
            except Misfit as misfit:
                first = first or misfit
        raise first or Misfit([], "it fits none of the function's types")
    return convert


def lazily(kind):
    """The converter of a class, made when it is first needed: classes may hold themselves."""
    made = []

    def convert(value):
        if not made:
            make = {True: members_of, False: fields_of}[not hasattr(kind, "__dataclass_fields__")]
            home = home_of(kind)
            made.append([(name, converter(note, home, 0), required) for name, note, required in make(kind)])
        return made_of(kind, made[0], value)
    return convert


def made_of(kind, members, value):
    if issubclass(kind, tuple):
        expect(value, list, "an array")
        if len(value) > len(members):
            raise Misfit([], "it has at most %d items" % len(members))
        return kind(*[within(own, each, at) for at, ((_, own, _), each) in enumerate(zip(members, value))])
    expect(value, dict, "an object")
    known = {name: own for name, own, _ in members}
    for name in value:
        if name not in known:
            raise Misfit([name], "there is no member of this name")
    for name, _, required in members:
        if required and name not in value:
            raise Misfit([name], "the member is missing")
    given = {name: within(known[name], each, name) for name, each in value.items()}
    try:
        return kind(**given)
    except Misfit:
        raise
    except Exception as error:
        raise Misfit([], rarely("message_of")(error)) from None


def pydantic_annotated(note):
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not getattr(note, "__metadata__", None):
        return None
    adapter = pydantic.TypeAdapter(note)
    return lambda value: validated(adapter.validate_python, value)


def validated(validate, value):
    """What pydantic makes of it; its first complaint, with the path."""
    try:
        return validate(value)
    except ValueError as error:
        complaints = error.errors() if hasattr(error, "errors") else []
        if not complaints:
            raise Misfit([], rarely("message_of")(error)) from None
        steps = [each for each in complaints[0].get("loc", ()) if isinstance(each, (int, str))]
        raise Misfit(steps, str(complaints[0].get("msg", "it does not fit"))) from None
