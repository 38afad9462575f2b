"""The measured speeds of the Python side."""
import json
import os
import subprocess
import time

import harness
from harness import CALL, MAP, Zygote
from stage import fresh, python, zygote


def median(values):
    return sorted(values)[len(values) // 2]


def seconds(function):
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def cpu(pid):
    """Seconds that this process has had a processor."""
    with open("/proc/%d/schedstat" % pid) as file:
        return int(file.read().split()[0]) / 1e9


def pipelined(w, payload, count, ahead):
    """Calls a second of tasks.square with so many in flight, and the worker's own processor time for one."""
    which = w.zygote.names.index("tasks.square")
    frames = [harness.frame(CALL, which, number + 1, payload) for number in range(count)]
    spent, begun = cpu(w.pid), time.perf_counter()
    for data in frames[:ahead]:
        os.write(w.tasks, data)
    sent, answered, rest, size = ahead, 0, 0, None
    while answered < count:
        data = os.read(w.results, 65536)
        if size is None:
            size = harness.HEADER.unpack_from(data)[6] + 24
        done, rest = divmod(rest + len(data), size)
        answered += done
        for data in frames[sent:sent + done]:
            os.write(w.tasks, data)
        sent += done
    return count / (time.perf_counter() - begun), (cpu(w.pid) - spent) / count


def mapped(w, count):
    """Million items a second of tasks.square: as seen here, and by the worker's own clock (word 7)."""
    payload = json.dumps(list(range(100_000, 100_000 + count)), separators=(",", ":")).encode()
    seen = own = 0
    for _ in range(60):
        before = w.page[7]
        took = seconds(lambda: w.ask(MAP, "tasks.square", payload))
        seen = max(seen, count / took / 1e6)
        own = max(own, count / (w.page[7] - before) * 1e3)
    return seen, own


def starts():
    """Bare interpreter, zygote ready, zygote and four workers ready: seconds, interleaved."""
    bare, ready, whole = [], [], []
    for _ in range(21):
        bare.append(seconds(lambda: subprocess.run([python[0], "-c", "pass"])))
        begun = time.perf_counter()
        made = Zygote(python[0], functions=["os.getpid"])
        ready.append(time.perf_counter() - begun)
        four = made.fork_many(4)
        whole.append(time.perf_counter() - begun)
        for child in four:
            child.kill()
        made.close()
    return median(bare), median(ready), median(whole)


def bench():
    bare, ready, whole = (each * 1e3 for each in starts())
    print("python3 -c pass                   %7.1f ms" % bare)
    print("zygote ready                      %7.1f ms (%.2f x)" % (ready, ready / bare))
    print("zygote and 4 workers ready        %7.1f ms (%.2f x)" % (whole, whole / bare))
    forks = []
    for _ in range(20):
        child = fresh()
        forks.append(child.ready_after)
        child.kill()
    print("fork to READY                     %7.2f ms" % (median(forks) * 1e3))
    w = fresh()
    for ahead in (16, 1):
        rate, own = max(pipelined(w, b"[12345]", 100_000, ahead) for _ in range(5))
        print("square(12345), %2d in flight      %8.0f calls/s (%.2f us of the worker's CPU each)"
              % (ahead, rate, own * 1e6))
    for count in (8_000, 16_000):
        print("map of %6d numbers              %7.2f M items/s (by the worker's clock: %.2f)"
              % ((count,) + mapped(w, count)))
    print("first error                       %7.2f ms" % (seconds(lambda: w.call("tasks.fail")) * 1e3))
    print("second error                      %7.2f ms" % (seconds(lambda: w.call("tasks.fail")) * 1e3))
    w.kill()
    zygote().close()
