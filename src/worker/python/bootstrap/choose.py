# forkpool's Python side, part 7, last third: the members of classes, pydantic's share, and a function's types.

# ---- members

def members_of(nodes, kind, bound, home):
    """The members of a dataclass, a TypedDict or a named tuple; the type of members of other names, or None."""
    if hasattr(kind, "__dataclass_fields__"):
        return dataclass_members(nodes, kind, bound, home)
    family = family_of(nodes, kind, bound, home)
    own = home_of(nodes, kind, home)
    found = {}
    if hasattr(kind, "_fields"):
        for base in reversed(kind.__mro__):
            found.update((name, (note, family.get(base, bound))) for name, note in own_notes(base).items())
        return [Member(name, nodes.part(note, own, names), name not in kind._field_defaults)
                for name in kind._fields for note, names in [found.get(name, (object, bound))]], None
    # A TypedDict has all the annotations of its bases: it is they who know what a variable is.
    for base, names in family.items():
        for name, note in own_notes(base).items():
            if name not in found or found[name][0] == note:
                found[name] = (note, names)
    return [Member(name, nodes.part(note, own, names), is_required(note, own, kind, name))
            for name, (note, names) in found.items()], None


def family_of(nodes, kind, bound, home):
    """A class and its bases, each with what its type variables are here (by their names: `class Box(Base[int])`)."""
    family = {kind: bound}
    waiting = [kind]
    for each in waiting:
        own = home_of(nodes, each, home)
        for base in vars(each).get("__orig_bases__", each.__bases__):
            origin = getattr(base, "__origin__", base)
            if isinstance(origin, type) and origin not in family and origin.__module__ not in ("typing", "builtins"):
                inner = bound_names(origin, [nodes.part(argument, own, family[each])
                                             for argument in getattr(base, "__args__", ())])
                family[origin] = inner
                waiting.append(origin)
    return family


def own_notes(kind):
    """The annotations of a class without those of its bases."""
    return vars(kind).get("__annotations__", {}) if sys.version_info < (3, 14) else getattr(kind, "__annotations__", {})


def is_required(note, home, kind, name):
    """Of a member of a TypedDict. Where annotations are texts, the class missed what frames the type of a member."""
    for _ in range(10):
        if isinstance(note, str) or hasattr(note, "__forward_arg__"):
            text = note if isinstance(note, str) else note.__forward_arg__
            try:
                note = eval(text, dict(home))
            except Exception:
                frame = text.partition("[")[0].rpartition(".")[2]
                return frame == "Required" or frame != "NotRequired" and name in kind.__required_keys__
        frame = getattr(getattr(note, "__origin__", None), "_name", None)
        if frame in ("Required", "NotRequired"):
            return frame == "Required"
        if frame == "ReadOnly":
            note = note.__args__[0]
        elif hasattr(note, "__metadata__"):
            note = note.__origin__
        elif not isinstance(note, str) and not hasattr(note, "__forward_arg__"):
            break
    return name in kind.__required_keys__


def dataclass_members(nodes, kind, bound, home):
    """By what its `__init__` takes, and by the fields that it has afterwards."""
    dataclasses = sys.modules["dataclasses"]
    fields = {field.name: field for field in dataclasses.fields(kind)}
    homes, names = {}, {}
    family = family_of(nodes, kind, bound, home)
    for base in kind.__mro__:
        for name in own_notes(base):
            homes.setdefault(name, home_of(nodes, base, home))
            names.setdefault(name, family.get(base, bound))
    init = describe(kind.__init__)
    taken = {} if init is None else {name: (note, default) for name, kind_, note, default in init.parameters[1:]
                                     if kind_ not in (REST, MORE)}
    first = set() if init is None else set(init.named((POSITIONAL,)))
    members = []
    for name, (note, default) in taken.items():
        field = kind.__dataclass_fields__.get(name)
        said = field.type if field is not None else note
        node = Node() if said is EMPTY else \
            nodes.part(said, homes.get(name) or home_of(nodes, kind, home), names.get(name, bound))
        members.append(Member(name, node, default is EMPTY, said=name in fields, positional=name in first))
    for name, field in fields.items():
        if name not in taken:
            members.append(Member(name, nodes.part(field.type, homes.get(name, home), names.get(name, bound)), False,
                                  given=False))
    return members, more_of(nodes, kind, init, bound, home)


def more_of(nodes, kind, init, bound, home):
    """The type of an `__init__`'s `**rest`, if it has one."""
    for _, kind_, note, _ in init.parameters if init is not None else ():
        if kind_ == MORE:
            return Node() if note is EMPTY else nodes.part(note, home_of(nodes, kind, home), bound)
    return None


def home_of(nodes, kind, home):
    """Where the names in a class's annotations are looked up: its module, else where the function is."""
    key = (kind.__module__, id(home))
    if key not in nodes.homes:
        module = vars(sys.modules.get(kind.__module__, sys))
        nodes.homes[key] = (module if module is home else dict(home, **module), home)
    own = nodes.homes[key][0]
    inner = getattr(kind, "__type_params__", ())
    return dict(own, **{each.__name__: each for each in inner}) if inner else own


# ---- durations as pydantic has them (ISO 8601)

def duration_parts(text):
    import re
    number = r"(\d+(?:[.,]\d+)?)"
    units = [("years", "Y"), ("months", "M"), ("weeks", "W"), ("days", "D"), (None, "T"),
             ("hours", "H"), ("minutes", "M"), ("seconds", "S")]
    pattern = "".join("(?:%s%s)?" % (number, letter) if unit else "(?:T" for unit, letter in units) + ")?"
    found = re.fullmatch("([-+]?)P" + pattern, text)
    if found and any(found.groups()[1:]):
        sign = -1 if found.group(1) == "-" else 1
        names = [unit for unit, _ in units if unit]
        parts = {unit: sign * float(part.replace(",", ".")) for unit, part in zip(names, found.groups()[1:]) if part}
        days = 365 * parts.pop("years", 0) + 30 * parts.pop("months", 0)
        return dict(parts, days=parts.get("days", 0) + days)
    found = re.fullmatch(r"([-+]?)(?:(\d+) days?,? ?)?(?:(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?)?", text)
    if not found or not text.strip("+-"):
        refuse("a duration (ISO 8601, as P1DT2H)")
    sign = -1 if found.group(1) == "-" else 1
    units = ("days", "hours", "minutes", "seconds")
    return {unit: sign * float(part or 0) for unit, part in zip(units, found.groups()[1:])}


def duration_said(value):
    sign = "-" if value.days < 0 else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = (".%06d" % value.microseconds).rstrip("0").rstrip(".")
    clock = "".join("%d%s" % pair for pair in ((hours, "H"), (minutes, "M")) if pair[0])
    if seconds or fraction:
        clock += "%d%sS" % (seconds, fraction)
    days = "%dD" % value.days if value.days else ""
    return sign + "P" + days + ("T" + clock if clock or not days else "") + ("0S" if not days and not clock else "")


# ---- pydantic's share

class Model(Node):
    """A class that only pydantic knows; without it, anything."""

    native, is_made = False, True


class Noted(Node):
    """A type beside which something is told that pydantic may know."""

    native = False

    def __init__(self, note, home, inner):
        super().__init__(note, home)
        self.parts = [inner]
        self.reads = True

    def schema(self, book):
        return self.parts[0].schema(book)

    def read(self, value, memo):
        return self.parts[0].read(value, memo) if self.parts[0].reads else value

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


class Checked(Noted):
    """The same where we read the type: pydantic looks at what was made of it."""

    SIZES = ("minItems", "maxItems", "minProperties", "maxProperties")

    def __init__(self, pydantic, told, inner):
        super().__init__(told.note, told.home, inner)
        whole = Pydantic(pydantic, told.note, told.home)
        self.validate, self.schemas = whole.validate, whole.schemas
        self.is_partial = whole.is_partial

    def schema(self, book):
        schema = super().schema(book)
        sizes = {name: self.schemas[book.mode][name] for name in self.SIZES if name in self.schemas[book.mode]}
        return dict(schema, **sizes) if sizes and "$ref" not in schema else schema

    def read(self, value, memo):
        made = super().read(value, memo)
        try:
            checked = self.validate(made)
        except ValueError as error:
            raise of_pydantic(error, value) from None
        return made if isinstance(self.parts[0], Items) and self.parts[0].ours else checked

    def revive(self, value, memo):
        return self.read(value, memo) if revives(self) else value


class Pydantic(Node):
    """What pydantic understands as a whole: it alone reads and says it."""

    reads, says = True, True

    def __init__(self, pydantic, note, home):
        super().__init__(note, home)
        if isinstance(note, type) and not getattr(note, "__pydantic_complete__", True):
            note.model_rebuild(_types_namespace=home, raise_errors=True)
        adapter = pydantic.TypeAdapter(evaluated(note, home))
        if not getattr(adapter, "pydantic_complete", True):
            adapter.rebuild(raise_errors=True)
        self.validate, self.validate_json = adapter.validate_python, adapter.validate_json
        self.dump = adapter.dump_python
        self.kind = note if isinstance(note, type) else None
        generator = lenient_schemas(pydantic, self)
        self.is_partial = False
        self.schemas = {mode: adapter.json_schema(mode=mode, ref_template="#/$defs/{model}", schema_generator=generator)
                        for mode in ("validation", "serialization")}

    def schema(self, book):
        whole = self.schemas[book.mode]
        if self.kind is None or "$ref" in whole:
            return book.hoisted(whole)
        return book.named(self, self.kind.__name__, lambda book: book.hoisted(whole))

    def read(self, value, memo):
        text = to_json(value)
        try:
            if BYTES in text or REFERENCE in text:
                return self.validate(value)
            return self.validate_json(text)
        except ValueError as error:
            raise of_pydantic(error, value) from None

    def revive(self, value, memo):
        is_whole = isinstance(self.of, (Model, Noted)) or isinstance(self.of, Members) and self.of.is_made
        return self.read(value, memo) if is_whole else self.of.revive(value, memo)

    def fits(self, value, memo):
        try:
            text = to_json(value)
            if BYTES in text or REFERENCE in text:
                self.validate(value)
            else:
                self.validate_json(text, strict=True)
            return 3
        except ValueError:
            pass
        try:
            self.read(value, memo)
            return 1
        except Violation:
            return 0

    def is_one(self, value):
        return self.kind is None or isinstance(value, self.kind)

    def holds(self, value):
        if self.kind is not None:
            return isinstance(value, self.kind)
        try:
            self.validate(value, strict=True)
            return True
        except Exception:
            return False

    def say(self, value):
        try:
            return self.dump(value, mode="json", by_alias=True, warnings=False)
        except Exception:
            return value  # the encoder has the last word


def of_pydantic(error, value):
    """pydantic's first complaint."""
    complaints = error.errors() if hasattr(error, "errors") else []
    if not complaints:
        return Violation([], rarely("message_of")(error))
    return Violation(places(complaints[0], value), str(complaints[0].get("msg", "it does not fit")))


def places(complaint, value):
    """The steps to what does not fit: of pydantic's those that are places in the value (not tags of unions)."""
    steps, there = [], value
    for step in complaint.get("loc", ()):
        if isinstance(there, dict) and step in there or isinstance(there, list) and type(step) is int:
            steps.append(step)
            there = there[step] if not isinstance(there, list) or -1 < step < len(there) else None
        elif complaint.get("type") == "missing" and step == complaint["loc"][-1]:
            steps.append(step)
    return steps


def evaluated(note, home):
    """With the names in quotes looked up, also within."""
    typing = sys.modules.get("typing")
    if typing is None:
        return note
    holder = type("Holder", (), {})()
    holder.__annotations__ = {"note": note}
    return typing.get_type_hints(holder, dict(home), dict(home), include_extras=True)["note"]


def lenient_schemas(pydantic, node):
    """pydantic's schemas, where a member that none can be made of takes anything: then the node is partial."""
    class Lenient(pydantic.json_schema.GenerateJsonSchema):
        def handle_invalid_for_json_schema(self, schema, error_info):
            node.is_partial = True
            return {}

        def emit_warning(self, kind, detail):
            pass
    return Lenient


def needs_pydantic(node, seen=None):
    seen = set() if seen is None else seen
    if id(node) in seen:
        return False
    seen.add(id(node))
    return isinstance(node, (Model, Noted)) or any(needs_pydantic(part, seen) for part in node.parts)


def every(node, found=None):
    """The nodes that are reached from one."""
    found = {} if found is None else found
    if id(node) not in found:
        found[id(node)] = node
        for part in node.parts:
            every(part, found)
    return found.values()


def is_kept(node):
    """Whether some part of it is ours to read and say: bytes; what pydantic reads later; and unions of classes that
    hold themselves, which pydantic tries one by one at each level."""
    for each in every(node):
        if each.ours:
            return True
        if type(each) is Union and len([part for part in each.parts if part.parts]) > 1 and \
                any(is_within(each, part) for part in each.parts):
            return True
    return False


class Chooser:
    """Who reads and says a type: pydantic what it understands, we the rest, part by part."""

    def __init__(self):
        self.chosen = {}
        self.pydantic = None  # not asked for yet

    def import_pydantic(self):
        if self.pydantic is None:
            try:
                import pydantic
                import pydantic.json_schema
                self.pydantic = pydantic if hasattr(pydantic, "TypeAdapter") else False
            except Exception:
                self.pydantic = False
        return self.pydantic

    def choose(self, node):
        if id(node) in self.chosen:
            return self.chosen[id(node)][1]
        if not needs_pydantic(node) or not self.import_pydantic():
            return node
        if not is_kept(node):
            try:
                made = Pydantic(self.pydantic, node.note, node.home)
                if not made.is_partial or not node.parts:
                    made.of = node
                    self.chosen[id(node)] = node, made
                    return made
            except Exception:
                pass  # not as a whole
        if isinstance(node, Model):
            node.reads = False
            return node
        if isinstance(node, Noted):
            return self.checked(node)
        self.chosen[id(node)] = node, node
        node.parts = [self.choose(part) for part in node.parts]
        if isinstance(node, Members):
            node.replaced()
        return node

    def part(self, node, seen):
        """Chooses for the parts of what pydantic has as a whole, too: those that JSON has aren't to be read."""
        node = node.of or node
        is_whole = isinstance(node, (Model, Noted)) or isinstance(node, Members) and node.is_made
        if id(node) in seen or is_whole or not revives(node):
            return
        seen[id(node)] = node
        node.parts = [self.choose(part) for part in node.parts]
        if isinstance(node, Members):
            node.replaced()
        for each in node.parts:
            self.part(each, seen)

    def checked(self, told):
        """What stands beside a type of ours is asked once that is made, if pydantic knows what that is."""
        inner = self.choose(told.parts[0])
        try:
            made = Checked(self.pydantic, told, inner)
            return inner if made.is_partial else made
        except Exception:
            return inner


NODES, CHOOSER = Nodes(), Chooser()


# ---- a function

class Book:
    """The schemas of one function's arguments, or of its value; what has a name is defined once."""

    def __init__(self, mode):
        self.mode = mode
        self.definitions = {}
        self.names = {}

    def free(self, name):
        name = "".join(letter if letter.isalnum() else "_" for letter in name)
        free, number = name, 2
        while free in self.definitions:
            free, number = "%s%d" % (name, number), number + 1
        return free

    def named(self, node, name, describe):
        """A reference to the definition of a type."""
        if id(node) not in self.names:
            name = self.names[id(node)] = self.free(name)
            self.definitions[name] = {}
            self.definitions[name] = describe(self)
        return {"$ref": "#/$defs/" + self.names[id(node)]}

    def hoisted(self, schema):
        """A schema of pydantic's, with its definitions among ours."""
        own = schema.get("$defs", {})
        renamed = {}
        for name, each in own.items():
            known = self.names.get((name, to_json_or_none(each)))
            renamed[name] = known or self.free(name)
            if known is None:
                self.names[name, to_json_or_none(each)] = renamed[name]
                self.definitions[renamed[name]] = {}
        for name, each in own.items():
            self.definitions[renamed[name]] = moved(each, renamed, own)
        return moved({key: each for key, each in schema.items() if key != "$defs"}, renamed, own)


def to_json_or_none(value):
    try:
        return to_json(value)
    except Exception:
        return None


def moved(schema, renamed, own):
    """A schema whose references have other names; without what can't be said in JSON (a default of NaN)."""
    if isinstance(schema, list):
        return [moved(each, renamed, own) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, each in schema.items():
        if key in ("default", "example", "examples") and to_json_or_none(each) is None:
            continue
        if key == "$ref" and isinstance(each, str):
            each = "#/$defs/" + renamed.get(each[8:], each[8:])
        elif key == "discriminator" and isinstance(each, dict) and "mapping" in each:
            mapping = {tag: "#/$defs/" + renamed.get(to[8:], to[8:]) for tag, to in each["mapping"].items()}
            each = dict(each, mapping=mapping)
        else:
            each = moved(as_names(each, own) if key == "propertyNames" else each, renamed, own)
        made[key] = each
    return made


class FunctionTypes:
    """What a function's annotations say: for the document, for its arguments, for its value."""

    def __init__(self, described):
        home = described.home
        chosen = lambda note: Node() if note is EMPTY else CHOOSER.choose(NODES.of(note, home))
        self.nodes = {name: chosen(note) for name, _, note, _ in described.parameters}
        self.positional = described.by_position()
        self.by_name = {name: self.nodes[name] for name in described.named((EITHER, KEYWORD))}
        rest, more = described.of_kind(REST)[0], described.of_kind(MORE)[0]
        self.name_of_rest = rest
        self.may_be_null = {name for name, _, _, default in described.parameters if default is None}
        for name, note in (described.of_kind(REST)[:2], described.of_kind(MORE)[:2]):
            if name is not None and is_unpacked(note):
                self.nodes[name] = Node()  # a tuple of all, or a TypedDict of the names: the function alone knows
        self.rest, self.more = self.nodes.get(rest, Node()), self.nodes.get(more, Node())
        self.is_reviving = described.is_as_called and any(map(revives, self.nodes.values()))
        if self.is_reviving and CHOOSER.chosen:
            for node in self.nodes.values():
                CHOOSER.part(node, {})
        self.book = Book("validation")
        self.returns = None if described.returns is EMPTY else chosen(described.returns)
        says = self.returns is not None and any(node.says for node in every(self.returns))
        self.say = self.returns.say if says else None
        self.is_lazy = says and any(isinstance(node, Items) and node.ours for node in every(self.returns))

    @property
    def definitions(self):
        return self.book.definitions

    def schema_of(self, name, default):
        return with_default(self.nodes[name].schema(self.book), default)

    def returns_schema(self):
        if self.returns is None:
            return None
        book = Book("serialization")
        schema = self.returns.schema(book)
        return dict(schema, **{"$defs": book.definitions}) if book.definitions else schema

    def read(self, args, kwargs):
        """The arguments of a typed call as the types that the function says; a violation's steps begin with a name."""
        memo, names, count = {}, self.positional, len(self.positional)
        made = [argument(within, self.nodes[names[at]] if at < count else self.rest, value,
                         [names[at]] if at < count else [self.name_of_rest, at - count], memo)
                for at, value in enumerate(args)]
        return made, {name: argument(within, self.by_name.get(name, self.more), value, [name], memo)
                      for name, value in kwargs.items()}

    def revive(self, args, kwargs):
        """The arguments of a call with what JSON has no form for made; a violation's steps begin as the call's."""
        memo, names, count = {}, self.positional, len(self.positional)
        made = list(args)
        for at, value in enumerate(made):
            name = names[at] if at < count else None
            if value is not None or name not in self.may_be_null:
                node = self.nodes[name] if at < count else self.rest
                made[at] = argument(revived, node, value, ["args", at], memo)
        return made, {name: value if value is None and name in self.may_be_null else
                      argument(revived, self.by_name.get(name, self.more), value, ["kwargs", name], memo)
                      for name, value in kwargs.items()}


def argument(how, node, value, steps, memo):
    try:
        return how(node, value, steps[-1], memo)
    except Violation as violation:
        violation.steps[:0] = steps[:-1]
        raise
    except RecursionError:
        raise Violation(steps, "it is nested too deeply") from None
    except Exception as error:
        raise Violation(steps, rarely("line_of")(error)) from None


def with_default(schema, value):
    """Where the function's default is plain, the document says it."""
    plain_type = said_as(value)
    if value is None or plain_type is None or schema.get("type") not in (plain_type, [plain_type, "null"]):
        return schema
    if to_json_or_none(value) is None:
        return schema
    return schema if value != value or value in (float("inf"), -float("inf")) else dict(schema, default=value)


def reviving(call, types):
    """A function for whose arguments what JSON has no form for is made as their annotations say."""
    revive = types.revive

    def revived_call(*args, **kwargs):
        args, kwargs = revive(args, kwargs)
        return call(*args, **kwargs)
    return revived_call


def saying(call, types):
    """A function whose value is said as its annotation says."""
    say, is_lazy, returns = types.say, types.is_lazy, types.returns
    say_item = returns.parts[0].say if isinstance(returns, Items) and returns.ours else None

    def said_call(*args, **kwargs):
        value = call(*args, **kwargs)
        if is_lazy and hasattr(type(value), "__next__"):
            if say_item is not None:
                return said_items(value, say_item)
            value = list(value)  # what a generator raises is the function's
        try:
            return say(value)
        except Exception:
            return value  # the encoder has the last word
        finally:
            known_to_hold.clear()
    return said_call


def said_items(values, say):
    """What an iterator gives, each said as its annotation says."""
    try:
        for value in values:
            try:
                value = say(value)
            except Exception:
                pass  # the encoder has the last word
            finally:
                known_to_hold.clear()
            yield value
    finally:
        if hasattr(values, "close"):
            values.close()
