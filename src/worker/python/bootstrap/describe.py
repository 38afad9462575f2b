# forkpool's Python side, part 3, first half: what a function says of itself (the module inspect would cost 20 ms).

FUNCTION = type(word_of)
METHOD = type(word_of.__get__(0))
BUILTIN = type(len)
EMPTY = type("EMPTY", (), {})  # no annotation, no default
POSITIONAL, EITHER, REST, KEYWORD, MORE = range(5)  # the kinds of inspect.Parameter


class Described:
    """The parameters of a function as inspect.signature sees them: (name, kind, annotation, default) each."""

    def __init__(self, parameters, returns, home):
        self.parameters = parameters
        self.returns = returns
        self.home = home  # where the names in annotations are looked up
        self.positions = None  # how many can be given by position; None: all that say so
        self.is_as_called = True  # not a decorator's function with parameters of its own before those

    def by_position(self):
        return self.named((POSITIONAL, EITHER))[:self.positions]

    def named(self, kinds):
        return [name for name, kind, _, _ in self.parameters if kind in kinds]

    def of_kind(self, wanted):
        for name, kind, note, _ in self.parameters:
            if kind == wanted:
                return name, note
        return None, EMPTY

    def annotated(self):
        return self.returns is not EMPTY or any(note is not EMPTY for _, _, note, _ in self.parameters)

    def __str__(self):
        parts, last = [], POSITIONAL
        star = False
        for name, kind, note, default in self.parameters:
            if last == POSITIONAL and kind != POSITIONAL and parts:
                parts.append("/")
            star = star or kind == REST
            if kind == KEYWORD and not star:
                parts.append("*")
                star = True
            parts.append({REST: "*", MORE: "**"}.get(kind, "") + parameter(name, note, default))
            last = kind
        if last == POSITIONAL and parts:
            parts.append("/")
        returns = "" if self.returns is EMPTY else " -> " + annotation(self.returns)
        return "(" + ", ".join(parts) + ")" + returns


def describe(function):
    """What is known of a function's parameters; None if nothing is."""
    plain, skip = (function.__func__, 1) if type(function) is METHOD else (function, 0)
    if type(plain) is FUNCTION and not hasattr(plain, "__wrapped__") and not hasattr(plain, "__signature__"):
        return described_by_code(plain, skip)
    if type(function) is BUILTIN:
        return None  # see described_by_text
    import inspect
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    empty = inspect.Parameter.empty
    given = lambda value: EMPTY if value is empty else value
    parameters = [(each.name, int(each.kind), given(each.annotation), given(each.default))
                  for each in signature.parameters.values()]
    described = Described(parameters, given(signature.return_annotation), home_of_names(function))
    if type(plain) is FUNCTION:
        own = list(plain.__code__.co_varnames[skip:plain.__code__.co_argcount])
        if not plain.__code__.co_flags & 4:
            # A decorator's function takes no more by position than it says, whatever it wraps.
            described.positions = len(own)
        described.is_as_called = own == described.by_position()[:len(own)]
    return described


def home_of_names(function):
    """The globals of the function beneath decorators, partials and instances."""
    for _ in range(20):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None) or \
            getattr(function, "func", None)
        if inner is None:
            break
        function = inner
    if not hasattr(function, "__globals__"):
        function = getattr(type(function).__call__, "__func__", type(function).__call__)
    return with_own_names(function)


def with_own_names(function):
    """A function's globals, and the type parameters of its own (`def f[T](x: T)`)."""
    home = getattr(function, "__globals__", {})
    own = getattr(function, "__type_params__", ())
    return dict(home, **{each.__name__: each for each in own}) if own else home


def notes_of(owner):
    """The annotations of a function or class; what they name may not exist (3.14 evaluates them only now)."""
    try:
        return owner.__annotations__
    except NameError:
        import annotationlib
        return annotationlib.get_annotations(owner, format=annotationlib.Format.FORWARDREF)


def described_by_code(function, skip):
    code, notes = function.__code__, notes_of(function)
    names, count = code.co_varnames, code.co_argcount
    defaults = function.__defaults__ or ()
    by_name = dict(zip(names[count - len(defaults):count], defaults), **(function.__kwdefaults__ or {}))
    at = count + code.co_kwonlyargcount
    kinds = [POSITIONAL] * code.co_posonlyargcount + [EITHER] * (count - code.co_posonlyargcount)
    listed = list(zip(names[:count], kinds))[skip:]
    if code.co_flags & 4:
        listed.append((names[at], REST))
    listed += [(name, KEYWORD) for name in names[count:at]]
    if code.co_flags & 8:
        listed.append((names[at + (code.co_flags >> 2 & 1)], MORE))
    parameters = [(name, kind, notes.get(name, EMPTY), by_name.get(name, EMPTY)) for name, kind in listed]
    return Described(parameters, notes.get("return", EMPTY), with_own_names(function))


def signature_of(function, described):
    """As str(inspect.signature(function)), where anything is known."""
    if described is not None:
        return cut(str(described), 4096)
    text = getattr(function, "__text_signature__", None)
    if not text or isinstance(function, type):
        return None
    for receiver in ("($module", "($self"):
        if text.startswith(receiver):
            text = "(" + text[len(receiver):].lstrip(", ")
    if text.startswith("(/"):
        text = "(" + text[2:].lstrip(", ")
    return text


def types_of(described, known):
    """What is known of its arguments by name and of its value, as JSON Schemas; and its layout: the names of the
    arguments that go by position, and of the one whose items follow them.

    `known` is what its annotations say (see part 7), or None.
    """
    properties, required = {}, []
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    for name, kind, _, default in described.parameters:
        own = known.schema_of(name, default) if known else {}
        if kind == MORE:
            schema["additionalProperties"] = own or True
        elif kind == REST:
            properties[name] = {"type": "array", "items": own}
        else:
            properties[name] = own
            if default is EMPTY:
                required.append(name)
    types = {"parameters": schema}
    if required:
        schema["required"] = required
    if known:
        if known.definitions:
            schema["$defs"] = known.definitions
        returns = known.returns_schema()
        if returns is not None:
            types["returns"] = returns
    return types, (described.by_position(), described.of_kind(REST)[0])


def with_marks(schema):
    """A schema for the server, which writes the marked texts as the whole numbers that 64 bits can't hold."""
    if type(schema) is int and not -1 << 63 <= schema < 1 << 64:
        return "\0int:%d" % schema
    if type(schema) is dict:
        return {name: with_marks(each) for name, each in schema.items()}
    return [with_marks(each) for each in schema] if type(schema) is list else schema


def types_in_text(signature):
    """The names of a C function's arguments, from its signature, where that is plain."""
    if not signature or any(each in signature for each in "[{'\"") or signature.count("(") != 1:
        return None, None
    parameters, kind = [], EITHER
    for part in signature[1:-1].split(", ") if signature != "()" else ():
        name, given, _ = part.partition("=")
        if part == "/":
            parameters = [(each, POSITIONAL, note, default) for each, _, note, default in parameters]
        elif part == "*":
            kind = KEYWORD
        elif part.startswith("**"):
            parameters.append((part[2:], MORE, EMPTY, EMPTY))
        elif part.startswith("*"):
            parameters.append((part[1:], REST, EMPTY, EMPTY))
            kind = KEYWORD
        elif not name.isidentifier():
            return None, None
        else:
            parameters.append((name, kind, EMPTY, None if given else EMPTY))
    return types_of(Described(parameters, EMPTY, {}), None)


def parameter(name, note, default):
    text = name if note is EMPTY else name + ": " + annotation(note)
    if default is EMPTY:
        return text
    try:
        said = repr(default)
    except Exception:
        said = "..."  # it can't be said; the rest can
    return text + ("=" if note is EMPTY else " = ") + said


def annotation(note):
    if isinstance(note, str):
        return repr(note)
    if isinstance(note, type) and type(note) is not type(list[int]):
        home = "" if note.__module__ == "builtins" else note.__module__ + "."
        return home + note.__qualname__
    try:
        return repr(note).replace("typing.", "")
    except Exception:
        return "..."


def tidy_doc(doc):
    """As inspect.cleandoc."""
    lines = doc.expandtabs().split("\n")
    margins = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    margin = min(margins, default=0)
    return "\n".join([lines[0].strip()] + [line[margin:].rstrip() for line in lines[1:]]).strip()
