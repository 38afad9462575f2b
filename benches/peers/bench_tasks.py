"""The functions that every contender of the measurements runs."""


def f(x):
    return x * x
