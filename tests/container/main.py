"""Builds the images as the book says and holds them to what it promises. `tests/run` calls it, as root.

`main.py install` makes the base images alone; words choose tests. Base images, layers and validators stay in
scratch/container for the next run; remove that folder to begin anew. Containers end, and layers of older builds go,
however it ends. The binary is built with the profile `release`, for time's sake; users' images have `dist`.
"""

import os
import signal
import sys
import time
import unittest

import book
import check_files
import check_image
import check_life
import podman
import standins


class Result(unittest.TextTestResult):
    """What a test asserts, and how long it took."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def getDescription(self, test):
        return test.shortDescription() or str(test)

    def addSuccess(self, test):
        print(f"({time.monotonic() - self.began:.1f} s) ", end="", file=sys.stderr)
        super().addSuccess(test)


def ended(*_):
    podman.remove_containers()
    os._exit(143)


def main():
    if os.geteuid() != 0:
        sys.exit("the container tests need root: podman makes networks and control groups with it")
    began = time.monotonic()
    signal.signal(signal.SIGTERM, ended)
    podman.prepare()
    check_files.install()
    standins.make()
    print(f"base images ready after {time.monotonic() - began:.0f} s", flush=True)
    if sys.argv[1:] == ["install"]:
        return
    podman.lend_dependencies()
    # The book's lines first: they build the images that the others run.
    suite = unittest.TestSuite()
    only = sys.argv[1:]
    for module in (book, check_files, check_image, check_life):
        for test in unittest.defaultTestLoader.loadTestsFromModule(module):
            suite.addTests(case for case in test if not only or any(word in case.id() for word in only))
    try:
        result = unittest.TextTestRunner(verbosity=2, resultclass=Result, stream=sys.stderr).run(suite)
    finally:
        podman.finish(book.COPY)
    for test, reason in result.skipped:
        print(f"NOT CHECKED: {result.getDescription(test)}: {reason}")
    passed = result.testsRun - len(result.failures) - len(result.errors) - len(result.skipped)
    print(f"{passed} of {result.testsRun} passed, {len(result.skipped)} not checked, "
          f"{time.monotonic() - began:.0f} s in all")
    sys.exit(not result.wasSuccessful())


main()
