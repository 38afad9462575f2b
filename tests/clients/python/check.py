"""The client that openapi-python-client generates, used: check.py URL TOKEN. It fails where anything is not so."""

import datetime
import sys
import uuid

from forkpool_client import AuthenticatedClient, Client
from forkpool_client.api.functions import tasks_square, tasks_square_map, tasks_thumbnail, tasks_thumbnail_async
from forkpool_client.api.jobs import cancel_job, get_job, get_result
from forkpool_client.api.submit import apply, apply_async, map_
from forkpool_client.models import (ApplyBody, Job, MapBody, Problem, TasksSize, TasksSquareArguments,
                                    TasksSquareMapBody, TasksThumbnail, TasksThumbnailArguments,
                                    TasksThumbnailArgumentsFit)

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)


def job_of(function, *args, **options):
    job = apply_async.sync(client=client, body=ApplyBody(function=function, args=list(args), **options))
    assert isinstance(job, Job), job
    uuid.UUID(job.id)
    return job


# submit, wait, result
job = job_of("tasks.square", 20, tags=["generated"])
done = get_job.sync(job.id, client=client, wait=10)
assert isinstance(done, Job) and done.ready and done.successful and done.state == "succeeded", done
assert done.tags == ["generated"] and isinstance(done.created_at, datetime.datetime)
assert get_result.sync(job.id, client=client, timeout=1) == 400
assert map_.sync(client=client, body=MapBody(function="tasks.square", iterable=[1, 2, 3])) == [1, 4, 9]

# the function's error
raised = apply.sync(client=client, body=ApplyBody(function="tasks.fail", args=["no"]))
assert isinstance(raised, Problem) and (raised.status, raised.code) == (422, "function-raised"), raised
assert (raised.exception.type_, raised.exception.message) == ("ValueError", "no"), raised
unknown = apply.sync(client=client, body=ApplyBody(function="tasks.sqare"))
assert isinstance(unknown, Problem) and "tasks.square" in unknown.near, unknown

# timeout, cancel
slow = job_of("tasks.nap", 30)
late = get_result.sync(slow.id, client=client, timeout=0.2)
assert isinstance(late, Problem) and (late.status, late.code, late.title) == (408, "result-timeout", "TimeoutError")
ended = cancel_job.sync(slow.id, client=client)
assert isinstance(ended, Job) and ended.state == "cancelled" and ended.error.code == "cancelled", ended

# a typed function
size = TasksSize(width=3, height=4)
body = TasksThumbnailArguments(image="cat", size=size, fit=TasksThumbnailArgumentsFit.CONTAIN,
                               on=datetime.date(2026, 2, 3))
made = tasks_thumbnail.sync(client=client, body=body, run_timeout=5)
assert isinstance(made, TasksThumbnail) and made.size == size, made
assert (made.name, made.fit, made.made_on) == ("cat.png", "contain", datetime.date(2026, 2, 3)), made
job = tasks_thumbnail_async.sync(client=client, body=TasksThumbnailArguments(image="dog", size=size))
assert TasksThumbnail.from_dict(get_result.sync(job.id, client=client)).name == "dog.png"
items = [TasksSquareArguments(x=x) for x in (1, 2, 3)]
assert tasks_square_map.sync(client=client, body=TasksSquareMapBody(iterable=items), chunksize=2) == [1, 4, 9]
items[1].x = "two"
wrong = tasks_square_map.sync(client=client, body=TasksSquareMapBody(iterable=items))
assert isinstance(wrong, Problem) and (wrong.index, wrong.path) == (1, "$.x"), wrong
wrong = tasks_square.sync(client=client, body=TasksSquareArguments(x="three"))
assert isinstance(wrong, Problem) and (wrong.code, wrong.path) == ("invalid-arguments", "$.x"), wrong

# the token
for stranger in (Client(base_url=url), AuthenticatedClient(base_url=url, token="not-" + token)):
    refused = apply.sync(client=stranger, body=ApplyBody(function="tasks.square", args=[1]))
    assert isinstance(refused, Problem) and (refused.status, refused.code) == (401, "unauthorized"), refused
print("openapi-python-client: all well")
