# forkpool's Python side, part 7, first third: types. Compiled when the first annotation is met (see part 1).
#
# Each annotation becomes a node, once, while its function is loaded. The node is all there is about it: its JSON Schema
# (for the document), how JSON becomes the type (`read`, for the arguments of typed calls; `revive`, for those of all
# others, which makes what JSON has no form for and leaves the rest), and how a value becomes JSON (for what is
# returned). So what the document promises can be sent and returned. What nobody knows takes anything.
#
# Without pydantic the nodes here read JSON as pydantic does in its lax mode; with it, see choose.py.


class Node:
    """Any JSON, as it is; the base of all."""

    native = True  # JSON's own: pydantic isn't needed for it
    ours = False  # never pydantic's: it would read or say it otherwise than the document says here
    reads = False  # whether `read` does anything
    says = False  # whether `say` does anything that the encoder doesn't
    is_made = False  # JSON has no form for it: `revive` makes it
    of = None  # what another node was chosen in the place of (see choose.py)
    says_within = is_vague = is_reviving = None  # see the functions `says_within`, `vagueness` and `revives`

    def __init__(self, note=None, home=None):
        self.note = note
        self.home = home
        self.parts = []

    def schema(self, book):
        return {}

    def read(self, value, memo):
        return value

    def revive(self, value, memo):
        return self.read(value, memo) if self.is_made else value

    def say(self, value):
        return value

    def takes(self, value):
        """How well JSON fits at first sight: 0 not, 1 by conversion, 2 by its shape, 3 exactly."""
        return 1

    def fits(self, value, memo):
        """The same, with all that it holds: of the alternatives of a union the best is read (see Union). A class that
        isn't known is better than a conversion, and worse than what is made for the value."""
        return 3 if self.note in (None, object) or str(self.note) == "typing.Any" else 1.5

    def is_one(self, value):
        """Whether this value, to be said, is of the type; of what it holds, `holds` tells."""
        return True

    def holds(self, value):
        return self.is_one(value)


known_to_hold = {}  # while a value is said: what `holds` told, by node and value, which are kept alive


def held(node, value):
    """As node.holds; each is looked at once while a value is said."""
    if not node.parts:
        return node.holds(value)
    key = id(node), id(value)
    if key not in known_to_hold:
        known_to_hold[key] = node.holds(value), value
    return known_to_hold[key][0]


def fit(node, value, memo):
    """As node.fits; each is looked at once for an argument."""
    if type(value) not in (dict, list):
        return node.fits(value, memo)
    key = "fits", id(node), id(value)
    if key not in memo:
        memo[key] = node.fits(value, memo)
    return memo[key]


def says_within(node):
    """Whether something in it is said otherwise than the encoder does."""
    if node.says_within is None:
        node.says_within = any(part.says for part in every(node) if part is not node)
    return node.says_within


def origins(node):
    """The nodes that are reached from one, as the annotations have them."""
    found, waiting = {}, [node]
    while waiting:
        each = waiting.pop()
        each = each.of or each
        if id(each) not in found:
            found[id(each)] = each
            waiting += each.parts
    return found.values()


def revives(node):
    """Whether something in it is to be made that JSON has no form for."""
    if node.is_reviving is None:
        node.is_reviving = any(each.is_made for each in origins(node))
    return node.is_reviving


def refuse(what):
    raise Violation([], "it must be " + what)


def within(node, value, step, memo):
    """A part of a value that is read."""
    if not node.reads:
        return value
    try:
        return node.read(value, memo)
    except Violation as violation:
        violation.steps.insert(0, step)
        raise


def revived(node, value, step, memo):
    """A part of a value that is revived."""
    if not revives(node):
        return value
    try:
        return node.revive(value, memo)
    except Violation as violation:
        violation.steps.insert(0, step)
        raise


# ---- numbers, texts, truth

class Scalar(Node):
    reads = True
    name = None
    kind = None

    def schema(self, book):
        return {"type": self.name}

    def takes(self, value):
        return 3 if type(value) is self.kind else 0 if type(value) in (dict, list) else 1

    def fits(self, value, memo):
        fits = self.takes(value)
        if fits == 1:
            try:
                self.read(value, memo)
            except Violation:
                return 0
        return fits

    def is_one(self, value):
        return type(value) is self.kind


def number_in(text, kind):
    try:
        return kind(text.strip())
    except ValueError:
        return None


class Int(Scalar):
    name, kind = "integer", int

    def read(self, value, memo):
        if type(value) is int:
            return value
        if type(value) is float and value.is_integer() or type(value) is bool:
            return int(value)
        made = None
        if type(value) is str:
            whole, dot, zeros = value.partition(".")
            made = number_in(value if not dot or zeros.strip().strip("0") else whole, int)
        return refuse("an integer") if made is None else made


class Float(Scalar):
    name, kind = "number", float

    def read(self, value, memo):
        if type(value) is float:
            return value
        made = None
        if type(value) in (int, bool):
            try:
                made = float(value)
            except OverflowError:
                refuse("a number within a float's range")
        elif type(value) is str:
            made = number_in(value, float)
        return refuse("a number") if made is None else made

    def takes(self, value):
        return 2 if type(value) is int else super().takes(value)

    def is_one(self, value):
        return type(value) in (int, float)


class Bool(Scalar):
    name, kind = "boolean", bool
    words = dict(dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
                 **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False))

    def read(self, value, memo):
        if type(value) is bool:
            return value
        if type(value) in (int, float) and value in (0, 1):
            return bool(value)
        made = self.words.get(value.lower()) if type(value) is str else None
        return refuse("true or false") if made is None else made


class Str(Scalar):
    name, kind = "string", str

    def read(self, value, memo):
        return value if type(value) is str else refuse("a string")

    def takes(self, value):
        return 3 if type(value) is str else 0


class Null(Scalar):
    name, kind = "null", type(None)

    def read(self, value, memo):
        return value if value is None else refuse("null")

    def takes(self, value):
        return 3 if value is None else 0


SCALARS = {int: Int, float: Float, bool: Bool, str: Str, type(None): Null}


def said_as(value):
    """The schema's words for a plain value, and None for others."""
    node = SCALARS.get(type(value))
    return node.name if node else None


def is_same(one, other):
    """1, 1.0 are the same JSON; 1 and true are not."""
    return one == other and (type(one) is bool) == (type(other) is bool)


def choice_schema(values):
    if not all(type(value) in SCALARS for value in values):
        return {}
    kinds = {said_as(value) for value in values}
    return dict({"type": kinds.pop()} if len(kinds) == 1 else {}, enum=values)


class Literal(Node):
    """One of the values in an annotation; the members of enums among them as their values."""

    def __init__(self, note, home, values):
        super().__init__(note, home)
        self.values = [(each.value if hasattr(each, "_value_") else each, each) for each in values]
        self.reads = True
        self.says = self.ours = self.is_made = any(said is not own for said, own in self.values)

    def schema(self, book):
        return choice_schema([said for said, _ in self.values])

    def say(self, value):
        return value.value if hasattr(value, "_value_") else value

    def read(self, value, memo):
        for said, own in self.values:
            if is_same(said, value):
                return own
        return refuse("one of " + ", ".join(repr(said) for said, _ in self.values[:20]))

    def takes(self, value):
        return 3 if any(is_same(said, value) for said, _ in self.values) else 0

    def fits(self, value, memo):
        return self.takes(value)

    def is_one(self, value):
        return any(own is value or said == value for said, own in self.values)


class Enum(Node):
    native, reads, says, is_made = False, True, True, True

    def schema(self, book):
        if self.is_flag:
            return {"type": "integer"}
        return choice_schema([each.value for each in self.note])

    @property
    def is_flag(self):
        return issubclass(self.note, sys.modules["enum"].Flag)

    def read(self, value, memo):
        candidates = [value]
        if type(value) is float and value.is_integer():
            candidates.append(int(value))
        for candidate in candidates:
            try:
                return self.note(candidate)
            except ValueError:
                pass
        return refuse("a sum of flags" if self.is_flag else
                      "one of " + ", ".join(repr(each.value) for each in list(self.note)[:20]))

    def takes(self, value):
        return 2 if self.is_flag and type(value) is int or any(is_same(each.value, value) for each in self.note) else 0

    def fits(self, value, memo):
        return self.takes(value)

    def is_one(self, value):
        return isinstance(value, self.note)

    def say(self, value):
        return value.value if isinstance(value, self.note) else value


class Bytes(Node):
    ours, reads, is_made = True, True, True

    def schema(self, book):
        return {"type": "object", "properties": {"$bytes": {"type": "string", "contentEncoding": "base64"}},
                "required": ["$bytes"], "additionalProperties": False}

    def read(self, value, memo):
        if not isinstance(value, bytes):
            refuse('bytes, as {"$bytes":"<base64>"}')
        return bytearray(value) if issubclass(self.note, bytearray) else value

    def takes(self, value):
        return 3 if isinstance(value, bytes) else 0

    def fits(self, value, memo):
        return self.takes(value)

    def is_one(self, value):
        return isinstance(value, (bytes, bytearray, memoryview))


# ---- what JSON has as texts: (module, name) to (schema's format, from JSON, to JSON or None if the encoder does it)

def iso(kind):
    def make(value):
        if type(value) is not str:
            refuse("a string")
        return kind.fromisoformat(as_iso(value))
    return make


def as_iso(text):
    """As Python's older readers want it: six digits of a second, an offset with a colon."""
    if text[-1:] in ("Z", "z"):
        text = text[:-1] + "+00:00"
    if sys.version_info >= (3, 11) or ":" not in text:
        return text
    import re
    text = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text)
    return re.sub(r"[.,](\d{1,9})", lambda found: "." + found.group(1)[:6].ljust(6, "0"), text)


def of_text(kind):
    return lambda value: kind(value) if type(value) is str else refuse("a string")


def decimal_of(kind):
    def make(value):
        if type(value) in (int, float, str):
            made = kind(value if type(value) is str else repr(value))
            if made.is_finite():
                return made
        return refuse("a decimal number")
    return make


def duration_of(kind):
    def make(value):
        if type(value) in (int, float):
            return kind(seconds=value)
        return kind(**duration_parts(value)) if type(value) is str else refuse("a duration (ISO 8601)")
    return make


def moment_of(kind):
    def make(value):
        if type(value) in (int, float):
            home = sys.modules["datetime"]
            return kind.fromtimestamp(value if abs(value) <= 2e10 else value / 1000, home.timezone.utc)
        return iso(kind)(value)
    return make


def day_of(kind):
    """Of a moment, as pydantic, if that is midnight."""
    def make(value):
        if type(value) in (int, float) or type(value) is str and len(value) > 10:
            moment = moment_of(sys.modules["datetime"].datetime)(value)
            if moment.time() != sys.modules["datetime"].time():
                refuse("a date without a time of day")
            return kind(moment.year, moment.month, moment.day)
        return iso(kind)(value)
    return make


def pattern_of(kind):
    import re
    return lambda value: re.compile(value) if type(value) is str else refuse("a regular expression")


def pattern_said(value):
    return value.pattern


TEXTS = {
    ("datetime", "datetime"): ("date-time", moment_of, None), ("datetime", "date"): ("date", day_of, None),
    ("datetime", "time"): ("time", iso, None), ("uuid", "UUID"): ("uuid", of_text, None),
    ("datetime", "timedelta"): ("duration", duration_of, lambda value: duration_said(value)),
    ("decimal", "Decimal"): (None, decimal_of, None), ("fractions", "Fraction"): (None, of_text, str),
    ("re", "Pattern"): ("regex", pattern_of, pattern_said), ("zoneinfo", "ZoneInfo"): (None, of_text, str),
}
for _name in ("Path", "PosixPath", "PurePath", "PurePosixPath"):
    TEXTS["pathlib", _name] = ("path", of_text, str)
for _name in ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface"):
    TEXTS["ipaddress", _name] = (_name.lower().replace("address", ""), of_text, str)


class Text(Node):
    native, reads, is_made = False, True, True

    def __init__(self, note, home):
        super().__init__(note, home)
        self.format, make, self.said = TEXTS[module_of(note), note.__name__]
        self.make = make(note)
        self.says = self.said is not None

    def schema(self, book):
        return {"type": "string", "format": self.format} if self.format else {"type": "string"}

    def read(self, value, memo):
        try:
            return self.make(value)
        except (ValueError, ArithmeticError, TypeError, OSError) as error:
            words = type(error).__name__ == "InvalidOperation" or not str(error)
            raise Violation([], "it is no %s" % self.note.__name__ if words else rarely("message_of")(error)) from None

    def takes(self, value):
        return 2 if type(value) is str else 0 if type(value) in (dict, list) else 1

    def fits(self, value, memo):
        """A text that it is made from is exactly that, and a UUID more so than any text (as pydantic has it)."""
        try:
            made = self.read(value, memo)
        except Violation:
            return 0
        if type(value) is not str:
            return 1
        if self.format in ("date", "date-time"):
            return 3 if (len(value) > 10) == hasattr(made, "hour") else 1
        return 4 if self.format == "uuid" else 3

    def is_one(self, value):
        return isinstance(value, self.note)

    def say(self, value):
        if self.said and not isinstance(value, self.note) and hasattr(type(value), "item"):
            value = value.item()  # of numpy
        return self.said(value) if self.said and isinstance(value, self.note) else value


def module_of(kind):
    """Where a class of the standard library is known: `pathlib._local` is `pathlib`."""
    return kind.__module__.partition(".")[0]


# ---- lists, sets, tuples, dicts

class Items(Node):
    """An array of one type: `make` makes it from a list of its items."""

    def __init__(self, note, home, item, make, lazy=False):
        super().__init__(note, home)
        self.parts = [item]
        self.make = make
        self.native = make is list
        self.is_made = make is not list
        self.ours = lazy  # pydantic would read it later, and once
        self.is_set = issubclass(make, (set, frozenset))
        self.reads = True

    @property
    def says(self):
        named = getattr(self.note, "__origin__", self.note)
        return self.ours or self.make is not list and self.make is not tuple or self.make is list and named is not list

    def schema(self, book):
        schema = {"type": "array", "items": self.parts[0].schema(book)}
        return dict(schema, uniqueItems=True) if self.is_set else schema

    def read(self, value, memo):
        return self.made(value, memo, within if self.parts[0].reads else None)

    def revive(self, value, memo):
        if self.make is list and type(value) is not list:
            return value
        return self.made(value, memo, revived if revives(self.parts[0]) else None)

    def made(self, value, memo, part):
        if type(value) is not list:
            refuse("an array")
        if part is not None:
            value = [part(self.parts[0], each, at, memo) for at, each in enumerate(value)]
        try:
            return value if self.make is list else self.make(value)
        except TypeError as error:
            raise Violation([], rarely("message_of")(error)) from None

    def takes(self, value):
        return 2 if type(value) is list else 0

    def fits(self, value, memo):
        if type(value) is not list:
            return 0
        return min([fit(self.parts[0], each, memo) for each in value] + [3 if self.make is list else 2])

    def is_one(self, value):
        if self.ours and hasattr(type(value), "__next__"):
            return True
        return isinstance(value, (list, tuple) if self.make in (list, tuple) else self.make)

    def holds(self, value):
        if hasattr(type(value), "__next__"):
            return self.ours  # to look into it would use it up
        return self.is_one(value) and all(held(self.parts[0], each) for each in value)

    def say(self, value):
        if isinstance(value, (str, bytes, dict)) or not hasattr(type(value), "__iter__"):
            return value
        if type(value) in (list, tuple) and not says_within(self):
            return value
        return [self.parts[0].say(each) for each in value]


class Tuple(Node):
    """An array with a type for each of its items."""

    def __init__(self, note, home, items):
        super().__init__(note, home)
        self.parts = items
        self.native = False
        self.reads = self.is_made = True

    def schema(self, book):
        count = len(self.parts)
        return {"type": "array", "prefixItems": [each.schema(book) for each in self.parts],
                "minItems": count, "maxItems": count}

    def read(self, value, memo):
        if type(value) is not list:
            refuse("an array")
        if len(value) != len(self.parts):
            refuse("an array of %d items" % len(self.parts))
        return tuple(within(node, each, at, memo) for at, (node, each) in enumerate(zip(self.parts, value)))

    def revive(self, value, memo):
        if type(value) is not list:
            refuse("an array")
        made = [revived(node, each, at, memo) for at, (node, each) in enumerate(zip(self.parts, value))]
        return tuple(made + value[len(made):])

    def takes(self, value):
        return 2 if type(value) is list and len(value) == len(self.parts) else 0

    def fits(self, value, memo):
        if not self.takes(value):
            return 0
        return min([fit(node, each, memo) for node, each in zip(self.parts, value)] + [2])

    def is_one(self, value):
        return isinstance(value, tuple) and len(value) == len(self.parts)

    def holds(self, value):
        return self.is_one(value) and all(held(node, each) for node, each in zip(self.parts, value))

    def say(self, value):
        if not isinstance(value, (list, tuple)) or len(value) != len(self.parts):
            return value
        return [node.say(each) for node, each in zip(self.parts, value)]


NAMES = {
    "integer": {"pattern": "^-?[0-9]+$"},
    "number": {"pattern": "^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?$"},
    "boolean": {"enum": ["true", "false"]},
    "null": {"enum": ["null"]},
}


def as_names(schema, definitions):
    """The schema of an object's names, which are texts whatever they are read as."""
    told = definitions.get(schema.get("$ref", "")[8:], schema)
    kind = told.get("type")
    if "anyOf" in told:
        return union_schema([as_names(each, definitions) for each in told["anyOf"]])
    if isinstance(kind, list):
        return union_schema([as_names(dict(told, type=each), definitions) for each in kind])
    if "$bytes" in told.get("properties", ()):
        return {"type": "string"}
    if "enum" in told and kind != "string":
        return {"enum": [each if isinstance(each, str) else to_json(each) for each in told["enum"]]}
    return NAMES.get(kind, schema if kind == "string" or told is schema else told)


class Dict(Node):
    """An object; its names are texts, from which the type of the keys is made."""

    def __init__(self, note, home, key, value, make):
        super().__init__(note, home)
        self.parts = [key, value]
        self.make = make
        self.native = make is dict and type(key) in (Node, Str)
        # In JSON mode pydantic takes a name as the text that it is.
        self.ours = isinstance(key, Enum) and any(type(each.value) is not str for each in key.note)
        self.reads = True
        self.says = type(key) not in (Node, Str, Int, Float, Bool) or getattr(note, "__origin__", note) is not dict

    def schema(self, book):
        key, value = self.parts
        schema = {"type": "object", "additionalProperties": value.schema(book) or True}
        names = as_names(key.schema(book), book.definitions)
        return schema if names in ({}, {"type": "string"}) else dict(schema, propertyNames=names)

    @property
    def is_made(self):
        return self.make is not dict or self.has_made_keys

    @property
    def has_made_keys(self):
        """Whether the keys are other than the texts that JSON's names are."""
        return not all(type(each) in (Node, Str, Noted, Checked, Union, Deferred) or
                       type(each) is Literal and all(type(own) is str for _, own in each.values)
                       for each in origins(self.parts[0]))

    def read(self, value, memo):
        key = self.parts[0]
        return self.made(value, memo, within, type(key) is not Node and type(key) is not Str)

    def revive(self, value, memo):
        if self.make is dict and type(value) is not dict:
            return value
        return self.made(value, memo, revived, self.has_made_keys)

    def made(self, value, memo, part, reads_keys):
        if type(value) is not dict:
            refuse("an object")
        key, own = self.parts
        made = {}
        for name, each in value.items():
            each = part(own, each, name, memo)
            if reads_keys:
                try:
                    name = key_of(key, name, memo)
                    hash(name)
                except (Violation, TypeError) as violation:
                    raise Violation([name], "the name does not fit: " + rarely("message_of")(violation)) from None
            made[name] = each
        return made if self.make is dict else self.make(made)

    def takes(self, value):
        return 2 if type(value) is dict else 0

    def fits(self, value, memo):
        if type(value) is not dict:
            return 0
        key, own = self.parts
        if type(key) in (Node, Str):
            return min([fit(own, each, memo) for each in value.values()] + [3])
        try:
            for name in value:
                key_of(key, name, memo)
        except (Violation, TypeError):
            return 0
        return min([fit(own, each, memo) for each in value.values()] + [2])

    def is_one(self, value):
        return is_mapping(value)

    def holds(self, value):
        return self.is_one(value) and all(held(self.parts[1], each) for each in value.values())

    def say(self, value):
        if not is_mapping(value):
            return value
        key, own = self.parts
        if type(value) is dict and type(key) in (Node, Str, Int, Float, Bool) and not says_within(self):
            return value
        return {name_of_key(key.say(name)): own.say(each) for name, each in value.items()}


def is_mapping(value):
    return isinstance(value, dict) or hasattr(type(value), "items") and hasattr(type(value), "__getitem__")


def key_of(node, name, memo):
    """A key from the text that it is in JSON."""
    if type(node) is Bytes:
        name = name.encode() if type(name) is str else name
    if type(node) is Union:
        for part in node.parts:
            try:
                return key_of(part, name, memo)
            except Violation as violation:
                last = violation
        raise last
    candidates = [name]
    if isinstance(node, (Literal, Enum, Null)) and name[:1] in "-0123456789tfn":
        try:
            candidates.append(scan(name, 0)[0])
        except (ValueError, StopIteration):
            pass
    for candidate in candidates:
        if candidate is candidates[-1] or node.takes(candidate):
            return node.read(candidate, memo)


def name_of_key(key):
    """What JSON has as a name for it."""
    if isinstance(key, (str, int, float)) or key is None:
        return key.value if hasattr(key, "_value_") else key
    if isinstance(key, (bytes, bytearray)):
        return bytes(key).decode()
    said = plain(key)
    return said if isinstance(said, (str, int, float)) else str(said)
