"""Functions that need a package of their own: see the Dockerfile beside this file."""

import numpy


def solve(matrix, right):
    """The vector x of matrix * x = right."""
    return numpy.linalg.solve(matrix, right)


def mean(values):
    """The mean of numbers."""
    return numpy.mean(values)
