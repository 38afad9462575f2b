"""A call without a token, for the type checker: it is only checked, not run."""

from forkpool_client import Client
from forkpool_client.api.functions import tasks_square
from forkpool_client.models import Problem, TasksSquareArguments


def square(url: str, x: int) -> int | Problem | None:
    return tasks_square.sync(client=Client(base_url=url), body=TasksSquareArguments(x=x))
