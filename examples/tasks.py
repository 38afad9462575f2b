"""Functions as a user would write them: `forkpool serve examples/tasks.py` offers each as tasks.NAME."""

import re
from collections import Counter


def square(x):
    """x times x."""
    return x * x


def greet(name, greeting="Hello"):
    """A greeting, to show arguments by name and defaults."""
    return f"{greeting}, {name}!"


def primes_below(n):
    """How many primes are smaller than n: pure computing, to keep every worker busy."""
    if n < 3:
        return 0
    sieve = bytearray([1]) * n
    sieve[0] = sieve[1] = 0
    for i in range(2, int(n**0.5) + 1):
        if sieve[i]:
            sieve[i * i :: i] = bytes(len(range(i * i, n, i)))
    return sum(sieve)


def word_count(text, top=None):
    """How often each word occurs, the most frequent first; all of them unless `top` is given."""
    words = re.findall(r"\w+", text.lower())
    return dict(Counter(words).most_common(top))
