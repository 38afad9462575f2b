"""What schemathesis cannot know: how lines of JSON are written, that an object must be made before it is asked, and
that a wait lasts for real."""

import json
import math
import os

import requests
import schemathesis

# Seconds at most. `seconds` is what tasks.nap sleeps.
WAITS = {"timeout": 0.005, "wait": 0.005, "seconds": 0.005, "retry_delay": 0}

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['API_TOKEN']}"


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """An item a line; a text goes as it is."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    items = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def objects_path(case):
    """The path of the object that a case is about, without its method, if it needs one that is there."""
    kind, _, rest = case.operation.path.removeprefix("/v1/").partition("/")
    name = case.path_parameters.get("name") if case.path_parameters else None
    is_object = rest.startswith("{name}") and kind not in ("functions", "pools")
    if not is_object or not isinstance(name, str) or case.operation.method.upper() in ("PUT", "DELETE"):
        return None
    if case.meta is None or case.meta.phase.name.value == "stateful":
        return None  # a scenario makes and removes what it is about itself
    return f"/v1/{kind}/{{name}}", name


def url_of(case, name):
    # Names come encoded.
    return case.operation.base_url.rstrip("/") + objects_path(case)[0].replace("{name}", name)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes the object, as the document's example has it."""
    shorten(case.query)
    shorten(case.body)
    if not case.operation.path.startswith("/v1/functions/"):
        fill_nulls(case)
    items = case.body.get("iterable") if isinstance(case.body, dict) else None
    for item in items if isinstance(items, list) else ():
        shorten(item)
    found = objects_path(case)
    if found:
        if case.meta.phase.name.value == "fuzzing":
            name_a_time(case)
        path, name = found
        make = case.operation.schema.raw_schema["paths"][path]["put"]
        example = make.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        session.put(url_of(case, name), json=example, timeout=30)


@schemathesis.hook
def after_call(context, case, response):
    """And removes it: the next case begins anew."""
    found = objects_path(case)
    if found:
        session.delete(url_of(case, found[1]), timeout=30)


# Members that are arrays.
ARRAYS = ("args", "iterable", "initargs", "tags", "retry_on")


def fill_nulls(case):
    """Null is taken for a member that is left out, which the schema doesn't say: another wrong value in its place."""
    if case.meta and case.meta.generation.mode.is_negative and isinstance(case.body, dict):
        nulls = {name: {} if name in ARRAYS else [] for name, value in case.body.items() if value is None}
        case.body = case.body | nulls


def shorten(options):
    """Waits that nothing ends but their time; a pause before a retry is doubled each time."""
    for name, most in WAITS.items() if isinstance(options, dict) else ():
        seconds = options.get(name)
        is_wait = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        # What is too long for an option stays so: it is refused.
        if is_wait and most < seconds <= (86_400 if name != "seconds" else math.inf):
            options[name] = most
    # As many processes as a pool may have take long to start; what is out of bounds stays.
    processes = options.get("processes") if isinstance(options, dict) else None
    if isinstance(processes, int) and not isinstance(processes, bool) and 2 < processes <= 1_024:
        options["processes"] = 2


def name_a_time(case):
    """A call that would wait as long as the server lets it."""
    kind = case.operation.path.removeprefix("/v1/").partition("/")[0]
    noun = "Shared" + kind.removesuffix("s").title().replace("_", "").replace("Rlock", "RLock")
    method = "".join(part.title() for part in case.operation.path.rsplit("/", 1)[-1].split("_"))
    schema = case.operation.schema.raw_schema["components"]["schemas"].get(noun + method, {})
    if "timeout" in schema.get("properties", ()) and isinstance(case.body, dict) and case.body.get("timeout") is None:
        case.body["timeout"] = WAITS["timeout"]
