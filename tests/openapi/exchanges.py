"""Requests and answers of a test run, judged by openapi-core: exchanges.py EXCHANGES DOCUMENT…

Every answer must be as the document says; a request that was taken (2xx), too, but for null in the place of what may be
left out.
"""

import collections
import json
import sys
import urllib.parse

import openapi_core
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

STREAMS = ("application/x-ndjson", "text/event-stream")


class Request:
    host_url = "http://localhost"

    def __init__(self, exchange):
        target = urllib.parse.urlsplit(exchange["target"])
        self.path, self.method = target.path, exchange["method"].lower()
        self.headers = Headers([tuple(header) for header in exchange["headers"]])
        query = ImmutableMultiDict(urllib.parse.parse_qsl(target.query, keep_blank_values=True))
        self.parameters = RequestParameters(query=query, header=self.headers)
        self.body = exchange["body"].encode() or None
        self.content_type = self.headers.get("content-type", "").partition(";")[0] or "application/json"


class Response:
    def __init__(self, exchange):
        self.headers = Headers([tuple(header) for header in exchange["answer_headers"]])
        self.status_code, self.data = exchange["status"], exchange["answer"].encode()
        self.content_type = self.headers.get("content-type", "").partition(";")[0]


def lines(body):
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def complaint(error):
    reasons = [str(reason).splitlines()[0] for reason in getattr(error.__cause__, "schema_errors", ())]
    return f"{type(error).__name__}: {error.__cause__ or error}: {'; '.join(reasons)}"


def leaves_out_by_null(body):
    """Null for a member that may be left out is taken, and the document doesn't say so."""
    try:
        members = json.loads(body)
    except ValueError:
        return False
    return isinstance(members, dict) and None in members.values()


def judge(document, exchanges):
    config = openapi_core.Config(extra_media_type_deserializers={
        "application/problem+json": json.loads, "application/x-ndjson": lines, "text/event-stream": bytes.decode,
    })
    api = openapi_core.OpenAPI.from_dict(document, config=config)
    judged, wrong = collections.Counter(), 0
    for exchange in exchanges:
        request, response = Request(exchange), Response(exchange)
        checks = []
        # An empty text is taken for a missing one.
        is_empty_text = response.content_type == "text/plain" and not response.data
        is_opaque = response.content_type in (*STREAMS, "application/octet-stream", "text/javascript", "text/css")
        # The document is of a server that asks for no token.
        if not is_opaque and not is_empty_text and response.status_code != 401:
            checks.append(("answer", lambda: api.validate_response(request, response)))
        # Arguments of typed calls are judged by the worker, and of `_async` ones later.
        # An array's `set` takes `values` for `value`, as the others do.
        is_typed = exchange["target"].startswith("/v1/functions/") or exchange["target"].endswith("/set")
        is_taken = 200 <= response.status_code < 300 and not is_typed and not leaves_out_by_null(exchange["body"])
        if is_taken and request.content_type not in STREAMS:
            checks.append(("request", lambda: api.validate_request(request)))
        for what, check in checks:
            judged[what] += 1
            try:
                check()
            except OpenAPIError as error:
                wrong += 1
                shown = {name: exchange[name] for name in ("method", "target", "body", "status", "answer")}
                print(f"{what}: {complaint(error)}\n  {json.dumps(shown)[:600]}")
    print(f"OpenAPI {document['openapi']}: {dict(judged)}, {wrong} wrong")
    return wrong


with open(sys.argv[1], encoding="utf-8") as file:
    exchanges = [json.loads(line) for line in file]
wrong = 0
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        wrong += judge(json.load(file), exchanges)
sys.exit(bool(wrong))
