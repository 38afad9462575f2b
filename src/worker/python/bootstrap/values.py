# forkpool's Python side, part 1: what is imported, and values from and to JSON.
#
# The server sends two packets. The first: parts 1 to 3 (values; worker; describe and zygote) one after the other, a
# NUL, and part 4 (rare, late, unloaded). The second: parts 5 and 6 (call_socket, objects), a NUL, and part 7 (types, classes, choose). The
# stub executes parts 1 to 3 as one namespace; the others are compiled there when they are first needed.
#
# Start-up: only modules that cost next to nothing are imported here. `json`, `socket`, `signal` and `ctypes`
# pull in `re` and `enum` (8 ms); the C modules beneath them do not.
# A task may patch anything (`os.write`, `json`, `builtins`): whatever the worker needs is bound to names of
# this namespace, and the stub gives it a copy of the builtins.
import os
import sys


def unsupported(why):
    """Refuse this interpreter. Needs nothing but `os`: descriptor 0 is still the control socket."""
    version = "%d.%d" % sys.version_info[:2]
    packet = '{"op":"refused","what":"python","reason":"unsupported","message":"this is Python %s: %s"}'
    os.read(0, 131072)  # `load`: left unread it would reset the socket, and the refusal with it
    os.write(0, (packet % (version, why)).encode())
    os._exit(3)


if sys.version_info < (3, 9):
    unsupported("3.9 or newer is needed")
try:
    import _ctypes
    import _json
    import _signal
    import _socket
    import _struct
    import gc
except ImportError as missing:
    unsupported("its standard module %s is missing" % missing.name)
from itertools import starmap
from os import _exit, close, closerange, dup, dup2, fork, getpid, getppid, readv, waitpid, write, writev
from sys import exc_info
from time import monotonic_ns as now, sleep

# ---- from JSON

# A payload without a dollar holds neither bytes nor references, and is read by the plain scanner.
BYTES, REFERENCE = '"$bytes"', '"$forkpool"'


class Reading:
    """What the C scanner asks of its context: as json.loads, but without NaN and the infinities."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name):
        raise ValueError(name + " is not JSON")


scan = _json.make_scanner(Reading)


class UnknownReference(Exception):
    """A reference in a task's arguments to what there is not; its only argument is what the reference holds."""


def scan_marked(text, start, hook_of="argument_hook"):
    """As scan; an object with the single member `$bytes` becomes bytes, with `$forkpool` a shared object."""
    if REFERENCE in text:
        hook = shared(hook_of)()
    elif BYTES in text:
        hook = rarely("bytes_hook")
    else:
        return scan(text, start)
    hooked = Reading()
    hooked.object_hook = hook
    return _json.make_scanner(hooked)(text, start)


# ---- to JSON

b2a = None
PROXIES = ()  # the classes of shared objects, once there are any


def plain(value):
    """What the encoder takes instead of a value that JSON has no word for; TypeError if there is nothing."""
    global b2a
    kind = type(value)
    if issubclass(kind, (bytes, bytearray, memoryview)):
        if b2a is None:
            from binascii import b2a_base64 as b2a
        return {"$bytes": b2a(bytes(value), newline=False).decode()}
    if issubclass(kind, PROXIES):
        return {"$forkpool": path_of_proxy(value)}
    dump = getattr(kind, "model_dump", None)
    if dump is not None:
        # pydantic's document has aliases; a class that only looks alike may not know them.
        return dump(value, mode="json", by_alias=True) if hasattr(kind, "model_fields") else dump(value, mode="json")
    if hasattr(kind, "__dataclass_fields__"):
        return {field.name: getattr(value, field.name) for field in sys.modules["dataclasses"].fields(value)}
    for module, names, say in AS_TEXT:
        home = sys.modules.get(module)
        if home is not None and isinstance(value, tuple(getattr(home, name) for name in names)):
            return say(value)
    tolist = getattr(kind, "tolist", None)
    if tolist is not None:
        return rarely("listed")(value, kind, tolist)
    raise TypeError("a value of type %s cannot be said in JSON" % kind.__name__)


def moment(value):
    """A date or time; pandas' NaT, which is one, is none."""
    return value.isoformat() if value == value else None


# A value of these types exists only once its module is loaded, by whomever.
AS_TEXT = (
    ("datetime", ("datetime", "date", "time"), moment),
    ("uuid", ("UUID",), str),
    ("decimal", ("Decimal",), str),
)

quote = _json.encode_basestring_ascii
open_values = {}  # what the encoder is inside of, by id: how it knows a cycle
encode = _json.make_encoder(open_values, plain, quote, None, ":", ",", False, False, False)


def to_json(value):
    """As json.dumps(value, allow_nan=False, separators=(",", ":"), default=plain)."""
    try:
        return "".join(encode(value, 0))
    except BaseException:
        open_values.clear()
        raise


# ---- text for people

def cut(text, limit):
    """`text` as valid UTF-8 of at most `limit` bytes (lone surrogates become `?`)."""
    raw = text[:limit + 1].encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    return raw[:limit - 3].decode("utf-8", "ignore") + "…"


def rarely(name):
    """A function of part 4, which is compiled at its first use."""
    space = globals()
    if name not in space:
        exec(compile(RARE, "<forkpool>", "exec"), space)
    return space[name]


def shared(name):
    """A function of parts 5 and 6, likewise."""
    space = globals()
    if name not in space:
        exec(compile(OBJECTS, "<forkpool.objects>", "exec"), space)
    return space[name]


def typed(name):
    """A function of part 7, likewise."""
    space = globals()
    if name not in space:
        exec(compile(TYPES, "<forkpool>", "exec"), space)
    return space[name]


class Violation(Exception):
    """An argument that is not what the function says: the steps to it, and what is wrong."""

    def __init__(self, steps, message):
        super().__init__(message)
        self.steps = steps
