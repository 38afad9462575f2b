# forkpool's Python side, part 7, second third: classes with members, unions, and the node of an annotation.


class Member:
    """A member of a class: its name, its type, whether it must be given, is given at all, by position, and is said."""

    def __init__(self, name, node, required, given=True, said=True, positional=False):
        self.name, self.node, self.required, self.given, self.said = name, node, required, given, said
        self.positional = positional


class Members(Node):
    """A class with named members. They are looked at once the node is known: classes may hold themselves."""

    native, reads, is_made = False, True, True

    def __init__(self, note, home, kind):
        super().__init__(note, home)
        self.kind = kind
        self.members = []
        self.more = None  # the type of members of any other name

    def set_members(self, members, more=None):
        self.members, self.more = members, more
        self.parts = [member.node for member in members] + ([] if more is None else [more])
        self.known = {member.name: member for member in members if member.given}
        self.positional = [member.name for member in members if member.positional]

    def replaced(self):
        """The nodes of the members may be others now (see choose.py)."""
        for member, node in zip(self.members, self.parts):
            member.node = node
        if self.more is not None:
            self.more = self.parts[-1]

    def schema(self, book):
        return book.named(self, self.kind.__name__, self.described)

    def described(self, book):
        saying = book.mode == "serialization"
        members = [each for each in self.members if (each.said if saying else each.given)]
        properties = {each.name: each.node.schema(book) for each in members}
        more = False if self.more is None or saying else self.more.schema(book) or True
        schema = {"type": "object", "additionalProperties": more, "properties": properties}
        required = [each.name for each in members if each.required or saying and not each.given]
        return dict(schema, required=required) if required else schema

    def takes(self, value):
        if type(value) is not dict:
            return 0
        known = self.known
        fits = 3 if all(name in known for name in value) else 1
        for member in self.members:
            if member.given and member.name not in value:
                fits = 1 if member.required else fits
            elif member.given and type(member.node) is Literal and not member.node.takes(value[member.name]):
                return 0
        return fits

    def fits(self, value, memo):
        known = self.known
        if type(value) is not dict or self.more is None and not all(name in known for name in value):
            return 0
        if any(member.required and member.given and member.name not in value for member in self.members):
            return 0
        return min([fit(known[name].node if name in known else self.more, each, memo)
                    for name, each in value.items()] + [3])

    def read(self, value, memo):
        if type(value) is not dict:
            refuse("an object")
        known = self.known
        for name in value:
            if name not in known and self.more is None:
                raise Violation([name], "there is no member of this name; %s has %s" % (
                    self.kind.__name__, ", ".join(list(known)[:20]) or "none"))
        for member in self.members:
            if member.required and member.given and member.name not in value:
                raise Violation([member.name], "the member is missing")
        return self.made({name: within(known[name].node if name in known else self.more, each, name, memo)
                          for name, each in value.items()})

    def made(self, given):
        first = []
        for name in self.positional:
            if name not in given:
                break
            first.append(given.pop(name))
        try:
            return self.kind(*first, **given)
        except Violation:
            raise
        except Exception as error:
            raise Violation([], rarely("message_of")(error)) from None


class Dataclass(Members):
    says = True  # one of a derived class has more members than are promised

    def is_one(self, value):
        return isinstance(value, self.kind)

    def holds(self, value):
        return type(value) is self.kind and all(held(member.node, getattr(value, member.name))
                                                for member in self.members
                                                if member.said and hasattr(value, member.name))

    def say(self, value):
        if not isinstance(value, self.kind):
            return value
        return {member.name: member.node.say(getattr(value, member.name)) for member in self.members
                if member.said and hasattr(value, member.name)}


class TypedDict(Members):
    is_made = False  # but some of its members may be

    def made(self, given):
        return given

    def revive(self, value, memo):
        if type(value) is not dict:
            return value
        known = self.known
        return {name: revived(known[name].node, each, name, memo) if name in known else each
                for name, each in value.items()}

    def is_one(self, value):
        return isinstance(value, dict) and all(member.name in value for member in self.members if member.required)

    def holds(self, value):
        known = self.known
        return self.is_one(value) and all(name in known and held(known[name].node, each)
                                          for name, each in value.items())

    def say(self, value):
        if not isinstance(value, dict):
            return value
        known = self.known
        return {name: known[name].node.say(each) if name in known else each for name, each in value.items()}


class NamedTuple(Members):
    def described(self, book):
        least = sum(member.required for member in self.members)
        return {"type": "array", "prefixItems": [member.node.schema(book) for member in self.members],
                "minItems": len(self.members) if book.mode == "serialization" else least, "maxItems": len(self.members)}

    def takes(self, value):
        if type(value) is list:
            least = sum(member.required for member in self.members)
            return 3 if least <= len(value) <= len(self.members) else 0
        return super().takes(value)

    def fits(self, value, memo):
        if type(value) is not list:
            return super().fits(value, memo)
        if not self.takes(value):
            return 0
        return min([fit(member.node, each, memo) for member, each in zip(self.members, value)] + [2])

    def read(self, value, memo):
        if type(value) is dict:
            return super().read(value, memo)
        if type(value) is not list:
            refuse("an array")
        if len(value) > len(self.members):
            refuse("an array of at most %d items" % len(self.members))
        for member in self.members[len(value):]:
            if member.required:
                raise Violation([], "the item %s is missing" % member.name)
        items = enumerate(zip(self.members, value))
        return self.kind(*[within(member.node, each, at, memo) for at, (member, each) in items])

    def is_one(self, value):
        return isinstance(value, self.kind)

    def holds(self, value):
        return type(value) is self.kind and all(held(member.node, each)
                                                for member, each in zip(self.members, value))

    def say(self, value):
        if not isinstance(value, tuple) or len(value) != len(self.members):
            return value
        return [member.node.say(each) for member, each in zip(self.members, value)]


class Union(Node):
    """The alternative that fits best."""

    reads = True

    def __init__(self, note, home, parts):
        super().__init__(note, home)
        self.parts = parts

    def schema(self, book):
        schemas = []
        for part in self.parts:
            schema = part.schema(book)
            if schema not in schemas:
                schemas.append(schema)
        return union_schema(schemas)

    def read(self, value, memo):
        return self.best(value, memo, Union.read, lambda part: part.read(value, memo) if part.reads else value)

    def revive(self, value, memo):
        return self.best(value, memo, Union.revive, lambda part: passed(part, value, memo))

    def best(self, value, memo, way, make):
        # What has members is remembered: the alternatives of a class above may each ask for it.
        key = (way, id(self), id(value)) if type(value) in (dict, list) else None
        if key in memo:
            steps, known = memo[key]
            if steps is None:
                return known
            raise Violation(list(steps), known)
        first = None
        ranked = self.ranked(value, memo)
        for _, shape, _, part in ranked:
            if not shape and first is not None:
                break
            try:
                made = make(part)
                if key:
                    memo[key] = None, made
                return made
            except Violation as violation:
                if first is None or len(violation.steps) > len(first.steps):
                    first = violation
        if not ranked[0][1] or len(self.parts) > 1 and not first.steps:
            names = ", ".join(map(name_of, self.parts[:10]))
            first = Violation([], "it fits none of the function's types here: " + names)
        if key:
            memo[key] = tuple(first.steps), str(first)
        raise first

    def ranked(self, value, memo):
        """The alternatives, the best first; where several are as good, the first that the function names."""
        shapes = [part.takes(value) for part in self.parts]
        alone = sum(1 for shape in shapes if shape) < 2
        ranked = [(shape if alone or not shape else fit(part, value, memo), shape, -at, part)
                  for at, (part, shape) in enumerate(zip(self.parts, shapes))]
        # Where none fits, the one of the right shape tells best what doesn't.
        return sorted(ranked, key=lambda entry: (entry[0], 0 if entry[0] else entry[1], entry[2]), reverse=True)

    def takes(self, value):
        return max(part.takes(value) for part in self.parts)

    def fits(self, value, memo):
        return max(fit(part, value, memo) for part in self.parts)

    def is_one(self, value):
        return any(part.is_one(value) for part in self.parts)

    def holds(self, value):
        return any(held(part, value) for part in self.parts)

    def say(self, value):
        parts = [part for part in self.parts if type(part) is not Node and part.is_one(value)]
        if len(parts) > 1:
            parts = [part for part in parts if held(part, value)] or parts
        if len(parts) > 1:
            parts.sort(key=vagueness)
        return parts[0].say(value) if parts else value


def passed(node, value, memo):
    """A value as one of an alternative's: made, or as it is where JSON has that."""
    if revives(node):
        return node.revive(value, memo)
    node = node.of or node
    while isinstance(node, Noted):
        node = node.parts[0].of or node.parts[0]
    if isinstance(node, (Scalar, Literal)):
        node.read(value, memo)
    elif not node.takes(value):
        refuse("as the function says")
    return value


def vagueness(node):
    """What takes anything somewhere comes last; of classes that derive from one another, the first."""
    if node.is_vague is None:
        node.is_vague = any(type(part) is Node for part in every(node))
    return node.is_vague, -len(getattr(node.kind, "__mro__", ())) if isinstance(node, Members) else 0


def name_of(node):
    note = getattr(node, "kind", None) or node.note
    return getattr(note, "__name__", None) or str(note)


def union_schema(schemas):
    """One of these; `int | None` as a type with two names."""
    flat = [each for each in schemas if each != {"type": "null"}]
    if {} in flat:
        return {}
    if len(flat) == len(schemas):
        return {"anyOf": flat} if len(flat) > 1 else flat[0]
    if not flat:
        return {"type": "null"}
    if len(flat) == 1 and isinstance(flat[0].get("type"), str) and "enum" not in flat[0]:
        return dict(flat[0], type=[flat[0]["type"], "null"])
    return {"anyOf": flat + [{"type": "null"}]}


class Deferred(Node):
    """A type that is named while it is being looked at: an alias that holds itself."""

    native, reads = True, True

    def __init__(self, name):
        super().__init__(name)
        self.name = name

    def set(self, node):
        self.parts = [node]

    def schema(self, book):
        return book.named(self, self.name, lambda book: self.parts[0].schema(book))

    def read(self, value, memo):
        return self.parts[0].read(value, memo)

    def revive(self, value, memo):
        return self.parts[0].revive(value, memo)

    def say(self, value):
        return self.parts[0].say(value)

    def takes(self, value):
        return self.parts[0].takes(value)

    def fits(self, value, memo):
        return fit(self.parts[0], value, memo)

    def is_one(self, value):
        return self.parts[0].is_one(value)

    def holds(self, value):
        return held(self.parts[0], value)


# ---- from annotations to nodes

LISTS = ("list", "Sequence", "MutableSequence", "Collection", "Reversible")
LAZY = ("Iterable", "Iterator", "Generator", "AsyncIterable", "AsyncIterator", "AsyncGenerator")
SETS = ("set", "frozenset", "Set", "AbstractSet", "MutableSet")
DICTS = ("dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict", "Counter")
FRAMES = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "InitVar", "Unpack")


class Nodes:
    """The nodes of a zygote's annotations; a class has one, however often it is named."""

    def __init__(self):
        self.by_class = {}
        self.by_name = {}  # of what is named in a text or by a `type` statement
        self.waiting = []  # of classes whose members are still to be looked at
        self.homes = {}  # by module and globals: both together

    def of(self, note, home):
        """The node of an annotation; what can't be understood takes anything."""
        try:
            node = self.node(note, home, {})
        except Exception:
            node = Node(note, home)
        while self.waiting:
            self.waiting.pop()()
        return node

    def part(self, note, home, bound):
        """Of a part of an annotation: only that part takes anything."""
        try:
            return self.node(note, home, bound)
        except RecursionError:
            raise
        except Exception:
            return Node(note, home)

    def node(self, note, home, bound):
        if note is None:
            note = type(None)
        if isinstance(note, str) or hasattr(note, "__forward_arg__"):
            return self.by_reference(note, home, bound)
        if "TypeAliasType" in (type(note).__name__, type(getattr(note, "__origin__", None)).__name__):
            return self.by_alias(note, home, bound)
        if type(note).__name__ == "TypeVar":
            return self.by_variable(note, home, bound)
        if hasattr(note, "__supertype__"):
            return self.node(note.__supertype__, home, bound)  # NewType
        if type(note).__name__ == "InitVar":
            return self.node(note.type, home, bound)
        if hasattr(note, "__metadata__"):
            return self.annotated(note, home, bound)
        origin, arguments = getattr(note, "__origin__", None), getattr(note, "__args__", ())
        name = getattr(origin, "_name", None) or getattr(origin, "__name__", None)
        if type(note).__name__ == "UnionType" or name == "Union" or type(note).__name__ == "Union":
            return Union(note, home, [self.part(each, home, bound) for each in arguments])
        if name == "Literal":
            return Literal(note, home, arguments)
        if name in FRAMES:
            return self.node(arguments[0], home, bound)
        kind = origin if isinstance(origin, type) else note
        if not isinstance(kind, type):
            return Node(note, home)
        return self.of_class(kind, note, arguments, home, bound)

    def by_reference(self, note, home, bound):
        """A name in quotes (or after `from __future__ import annotations`)."""
        text = note if isinstance(note, str) else note.__forward_arg__
        module = getattr(note, "__forward_module__", None)
        if module is not None:
            home = vars(sys.modules.get(module, sys)) if isinstance(module, str) else vars(module)
        if text in bound:
            return bound[text]
        key = (text, id(home))
        known = self.by_name.get(key)
        if known is None:
            meant = eval(text, dict(home) if type(home) is not dict else home)
            if isinstance(meant, type):
                return self.node(meant, home, bound)  # a class knows itself
            return self.deferred(key, text, lambda: self.node(meant, home, bound))
        return known

    def by_alias(self, note, home, bound):
        alias = note if type(note).__name__ == "TypeAliasType" else note.__origin__
        arguments = getattr(note, "__args__", ())
        inner = dict(bound, **{variable.__name__: self.part(each, home, bound)
                               for variable, each in zip(alias.__type_params__, arguments)})
        own = vars(sys.modules.get(alias.__module__, sys))
        key = (str(note), id(alias))
        return self.by_name.get(key) or \
            self.deferred(key, alias.__name__, lambda: self.node(alias.__value__, own, inner))

    def deferred(self, key, name, make):
        place = self.by_name[key] = Deferred(name)
        try:
            node = make()
        except BaseException:
            del self.by_name[key]
            raise
        place.set(node)
        if is_within(place, node):
            return place
        self.by_name[key] = node
        return node

    def by_variable(self, note, home, bound):
        if note.__name__ in bound:
            return bound[note.__name__]
        if note.__constraints__:
            return Union(note, home, [self.part(each, home, bound) for each in note.__constraints__])
        return Node(note, home) if note.__bound__ is None else self.node(note.__bound__, home, bound)

    def annotated(self, note, home, bound):
        """`Annotated[int, …]`: what stands beside the type may mean something to pydantic."""
        inner = self.node(note.__origin__, home, bound)
        told = Noted(note, home, inner)
        return told if any(not isinstance(each, str) for each in note.__metadata__) else inner

    def of_class(self, kind, note, arguments, home, bound):
        if kind in SCALARS:
            return SCALARS[kind](note, home)
        name, standard = kind.__name__, kind.__module__ in ("builtins", "collections.abc", "collections")
        first = lambda: self.part(arguments[0], home, bound) if arguments else Node(None, home)
        if standard and name in LISTS:
            return Items(note, home, first(), list)
        if standard and name in LAZY:
            return Items(note, home, first(), list, lazy=True)
        if standard and name in SETS:
            return Items(note, home, first(), frozenset if name == "frozenset" else set)
        if standard and name == "deque":
            return Items(note, home, first(), kind)
        if standard and name in DICTS:
            key = first()
            value = Int(int, home) if name == "Counter" else \
                self.part(arguments[1], home, bound) if len(arguments) == 2 else Node(None, home)
            make = kind if name in ("Counter", "OrderedDict") else dict
            if name == "defaultdict":
                make = default_dict(kind, arguments)
            return Dict(note, home, key, value, make)
        if issubclass(kind, (bytes, bytearray)) and kind.__module__ == "builtins":
            node = Bytes(note, home)
            node.note = kind
            return node
        return self.of_own_class(kind, note, arguments, home, bound)

    def of_own_class(self, kind, note, arguments, home, bound):
        if (module_of(kind), kind.__name__) in TEXTS:
            node = Text(kind, home)
            node.note = kind
            return node
        if hasattr(kind, "__get_pydantic_core_schema__") or "__pydantic_validator__" in vars(kind) or \
                "__pydantic_config__" in vars(kind):
            return Model(note, home)
        enum = sys.modules.get("enum")
        if enum is not None and issubclass(kind, enum.Enum):
            return Enum(kind, home)
        if hasattr(kind, "__dataclass_fields__"):
            return self.of_members(Dataclass, kind, note, arguments, home, bound)
        if type(kind).__name__ == "_TypedDictMeta":
            return self.of_members(TypedDict, kind, note, arguments, home, bound)
        if issubclass(kind, tuple):
            if hasattr(kind, "_fields"):
                return self.of_members(NamedTuple, kind, note, arguments, home, bound)
            return self.of_tuple(note, arguments, home, bound)
        return Node(note, home)

    def of_tuple(self, note, arguments, home, bound):
        if not arguments:
            empty = getattr(note, "__origin__", None) is tuple  # `tuple[()]`
            return Tuple(note, home, []) if empty else Items(note, home, Node(None, home), tuple)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return Items(note, home, self.part(arguments[0], home, bound), tuple)
        if arguments == ((),):  # `Tuple[()]` of 3.9 and 3.10
            return Tuple(note, home, [])
        if any(is_unpacked(each) for each in arguments):
            return Items(note, home, Node(None, home), tuple)  # *tuple[int, ...] in the midst: of any items
        return Tuple(note, home, [self.part(each, home, bound) for each in arguments])

    def of_members(self, make, kind, note, arguments, home, bound):
        own = [self.part(each, home, bound) for each in arguments]
        key = (kind, tuple(map(id, own)) if own else ())
        if key not in self.by_class:
            node = self.by_class[key] = make(note, home, kind)
            node.arguments = own  # kept: their ids are the key
            names = bound_names(kind, own)
            self.waiting.append(lambda: self.look_inside(node, kind, names, home))
        return self.by_class[key]

    def look_inside(self, node, kind, names, home):
        try:
            node.set_members(*members_of(self, kind, names, home))
        except Exception:
            node.__class__, node.reads = Node, False  # it can't be looked into: it takes anything


def default_dict(kind, arguments):
    """What makes a defaultdict whose missing values are empty ones of their type, as pydantic's are."""
    value = arguments[1] if len(arguments) == 2 else None
    value = getattr(value, "__origin__", value)
    known = isinstance(value, type) and value in (list, dict, set, frozenset, tuple, int, float, str, bool)
    return lambda made: kind(value if known else None, made)


def is_unpacked(note):
    """`*tuple[int, ...]`, in all the ways that Python's versions write it."""
    return getattr(note, "__unpacked__", False) or "Unpack[" in str(note) or str(note).startswith("*")


def bound_names(kind, own):
    """The type variables of a generic class and what they are here."""
    variables = getattr(kind, "__parameters__", ()) or getattr(kind, "__type_params__", ())
    return {variable.__name__: node for variable, node in zip(variables, own)}


def is_within(wanted, node, seen=None):
    """Whether one node is reached from another."""
    seen = set() if seen is None else seen
    if node is wanted:
        return True
    if id(node) in seen:
        return False
    seen.add(id(node))
    return any(is_within(wanted, part, seen) for part in node.parts)
