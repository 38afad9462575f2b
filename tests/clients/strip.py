"""A document without the operations whose bodies are streams (NDJSON, server-sent events, OpenMetrics): strip.py IN OUT.

Nothing else is left out or changed. Generators know no such bodies.
"""

import json
import sys

STREAMS = ("application/x-ndjson", "text/event-stream", "application/openmetrics-text")


def bodies(operation):
    yield operation.get("requestBody", {})
    yield from operation["responses"].values()


def resolved(body):
    """The response that a reference is to."""
    group, name = body["$ref"].split("/")[-2:] if "$ref" in body else (None, None)
    return document["components"][group][name] if group else body


def streams(operation):
    return any(kind.split(";")[0] in STREAMS for body in bodies(operation) for kind in resolved(body).get("content", {}))


source, target = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    document = json.load(file)
left_out = []
for path, operations in list(document["paths"].items()):
    for method, operation in list(operations.items()):
        if streams(operation):
            left_out.append(operation["operationId"])
            del operations[method]
    if not operations:
        del document["paths"][path]
for operations in document["paths"].values():  # nor do links to them mean anything then
    for operation in operations.values():
        for response in operation["responses"].values():
            for name in left_out:
                resolved(response).get("links", {}).pop(name, None)
with open(target, "w", encoding="utf-8") as file:
    json.dump(document, file, indent=2)
print("left out:", ", ".join(left_out) or "nothing")
