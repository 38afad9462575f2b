"""Inputs of public bug reports, and of attacks, which failed once: each with others of its kind.

Run by tests/reports/run, with the packages of tests/libraries; words choose tests.
"""
import sys

import doors
import left_behind
import libraries
import types_of_calls
from harness import run

if __name__ == "__main__":
    failed = [name for module in (types_of_calls, libraries, left_behind, doors) for name in run(module, sys.argv[1:])]
    if failed:
        sys.exit("failed: " + ", ".join(failed))
