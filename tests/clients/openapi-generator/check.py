"""The client that openapi-generator's python generator makes, used: check.py URL TOKEN. It fails where anything is not
so; mypy has read it, strictly."""

import datetime
import sys

from forkpool_generated import (ApiClient, ApplyBody, Configuration, FunctionsApi, JobsApi, MapBody, Problem, SubmitApi,
                                TasksSize, TasksSquareArguments, TasksSquareMapRequest, TasksThumbnailArguments)
from forkpool_generated.exceptions import UnauthorizedException, UnprocessableEntityException

url, token = sys.argv[1:]
client = ApiClient(Configuration(host=url, access_token=token))
submit, jobs, functions = SubmitApi(client), JobsApi(client), FunctionsApi(client)

# call, error, async and result
assert submit.apply(ApplyBody(function="tasks.square", args=[3])) == 9
try:
    submit.apply(ApplyBody(function="tasks.fail", args=["no"]))
    raise AssertionError("it is raised")
except UnprocessableEntityException as error:
    problem = error.data
    assert isinstance(problem, Problem) and problem.code == "function-raised", problem
    assert problem.exception is not None and problem.exception.message == "no", problem
assert submit.map(MapBody(function="tasks.square", iterable=[1, 2, 3])) == [1, 4, 9]
job = submit.apply_async(ApplyBody(function="tasks.square", args=[20]))
assert isinstance(job.created_at, datetime.datetime)
assert jobs.get_result(job.id, timeout=10) == 400

# typed calls
size = TasksSize(width=3, height=4)
made = functions.tasks_thumbnail(TasksThumbnailArguments(image="cat", size=size, on=datetime.date(2026, 2, 3)),
                                 run_timeout=5)
width: int = made.size.width
assert (made.name, width, made.made_on) == ("cat.png", 3, datetime.date(2026, 2, 3)), made
later = functions.tasks_thumbnail_async(TasksThumbnailArguments(image="dog", size=size))
assert later.kind == "apply", later
assert functions.tasks_square(TasksSquareArguments(x=12)) == 144
items = [TasksSquareArguments(x=x) for x in (1, 2, 3)]
assert functions.tasks_square_map(TasksSquareMapRequest(iterable=items)) == [1, 4, 9]

# the token
try:
    SubmitApi(ApiClient(Configuration(host=url))).apply(ApplyBody(function="tasks.square"))
    raise AssertionError("it is refused")
except UnauthorizedException as refused:
    assert isinstance(refused.data, Problem) and refused.data.code == "unauthorized", refused
