"""Checks the Python side (src/worker/python) for real, standing in for the server: python3 test_bootstrap.py.

--bench prints speeds instead, --python PATH takes another interpreter, a word picks tests by name.
"""
import sys
import traceback

import bench
import checks_faults
import checks_inside
import checks_loading
import checks_objects
import checks_promises
import checks_tasks
import checks_types
import harness
from stage import python, shared


def tests():
    for module in (checks_loading, checks_tasks, checks_types, checks_promises, checks_objects, checks_faults,
                   checks_inside):
        for name, value in list(vars(module).items()):
            if name.startswith("test_"):
                yield name, value


def end_shared():
    """A failed test may have left the worker in the middle of something."""
    checks_objects.end()
    checks_types.end()
    if "worker" in shared:
        worker = shared.pop("worker")
        worker.reap() if worker.dead() else worker.kill()


def main(words):
    passed = failed = 0
    for name, test in tests():
        if words and not any(word in name for word in words):
            continue
        try:
            test()
            passed += 1
            print("ok   " + name)
        except Exception:
            failed += 1
            print("FAIL " + name)
            traceback.print_exc()
            end_shared()
    end_shared()
    if "zygote" in shared:
        shared.pop("zygote").close()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    words = sys.argv[1:]
    if "--python" in words:
        at = words.index("--python")
        python[0] = words[at + 1]
        del words[at:at + 2]
    harness.become_subreaper()
    if words == ["--helper"]:
        checks_faults.play_server()
    elif words == ["--bench"]:
        bench.bench()
    else:
        sys.exit(main(words))
