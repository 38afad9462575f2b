"""The Lock example of the multiprocessing documentation's introduction, in Python 3.

`forkpool serve lock.py` offers f as lock.f; it takes a lock of the server's as
`{"$forkpool":"/v1/locks/l"}`. `python3 lock.py` runs the introduction's own program with
multiprocessing, to compare.
"""

from multiprocessing import Process, Lock


def f(l, i):
    l.acquire()
    print('hello world', i)
    l.release()     # put back: the introduction's translation lost this line


if __name__ == '__main__':
    lock = Lock()

    for num in range(10):
        Process(target=f, args=(lock, num)).start()
