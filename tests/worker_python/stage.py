"""What the checks share: the interpreter, one zygote and one worker for all that do them no harm."""
import os
import subprocess
import sys
import tempfile

from harness import FIXTURES, Refused, Zygote

TASKS = {"module": "tasks", "path": os.path.join(FIXTURES, "tasks.py")}
MORE = ["time.sleep", "os.getpid", "math.gcd", "json.dumps", "tasks.NotOffered.of_class", "tasks.square"]
shared = {}
python = [sys.executable]  # of the zygotes


def zygote():
    """One zygote with the fixtures, for all tests that do it no harm."""
    if "zygote" not in shared:
        shared["zygote"] = Zygote(python[0], files=[TASKS], functions=MORE)
    return shared["zygote"]


def fresh():
    """A worker of this test's own."""
    return zygote().fork()


def worker():
    """One worker for all tests that do it no harm."""
    if "worker" not in shared:
        shared["worker"] = fresh()
    return shared["worker"]


def same(actual, expected):
    assert actual == expected, "%r is not %r" % (actual, expected)


def written(text, name="module.py"):
    """A folder with one file."""
    if "folders" not in shared:
        shared["folders"] = tempfile.TemporaryDirectory(prefix="forkpool-test-")  # until the end of the run
    folder = tempfile.mkdtemp(dir=shared["folders"].name)
    with open(os.path.join(folder, name), "w") as file:
        file.write(text)
    return folder, {"module": name[:-3], "path": os.path.join(folder, name)}


def refusal(**asked):
    try:
        Zygote(python[0], stderr=subprocess.DEVNULL, **asked).close()
    except Refused as refused:
        packet, code, _ = refused.args
        same(code, 3)
        return packet
    raise AssertionError("it was not refused")


def refusal_of(text, name="module.py"):
    folder, file = written(text, name)
    return refusal(paths=[folder], files=[file])
