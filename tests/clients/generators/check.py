"""The client that openapi-generator writes in Python, used: check.py URL TOKEN. It fails where anything is not so."""

import sys

import forkpool_generated
from forkpool_generated import FunctionsApi, JobsApi, TasksSize, TasksSquareArguments, TasksThumbnailArguments

url, token = sys.argv[1:]
client = forkpool_generated.ApiClient(forkpool_generated.Configuration(host=url, access_token=token))
functions, jobs = FunctionsApi(client), JobsApi(client)
assert functions.tasks_square(TasksSquareArguments(x=3)) == 9
size = TasksSize(width=3, height=4)
made = functions.tasks_thumbnail(TasksThumbnailArguments(image="cat", size=size), run_timeout=5)
assert (made.name, made.size) == ("cat.png", size), made
job = functions.tasks_square_async(TasksSquareArguments(x=4), retries=1)
assert jobs.get_result(job.id, timeout=5) == 16
try:
    functions.tasks_thumbnail(TasksThumbnailArguments(image="", size=size, fit="contain"), run_timeout=86401)
except ValueError as error:
    assert "run_timeout" in str(error), error
else:
    raise AssertionError("its own check of bounds")
