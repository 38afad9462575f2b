"""The shared memory example of the multiprocessing documentation's introduction, in Python 3.

`forkpool serve shared_state.py` offers f as shared_state.f; it takes a value and an array of the
server's as `{"$forkpool":"/v1/values/num"}` and `{"$forkpool":"/v1/arrays/arr"}`.
`python3 shared_state.py` runs the introduction's own program with multiprocessing, to compare.
"""

from multiprocessing import Process, Value, Array


def f(n, a):
    n.value = 3.1415927
    for i in range(len(a)):
        a[i] = -a[i]


if __name__ == '__main__':
    num = Value('d', 0.0)
    arr = Array('i', range(10))

    p = Process(target=f, args=(num, arr))
    p.start()
    p.join()

    print(num.value)
    print(arr[:])
