"""The Manager example of the multiprocessing documentation's introduction, in Python 3.

`forkpool serve manager.py` offers f as manager.f; it takes a dict and a list of the server's as
`{"$forkpool":"/v1/dicts/d"}` and `{"$forkpool":"/v1/lists/l"}`. `python3 manager.py` runs the
introduction's own program with multiprocessing, to compare.
"""

from multiprocessing import Process, Manager


def f(d, l):
    d[1] = '1'
    d['2'] = 2
    d[0.25] = None
    l.reverse()     # put back: the introduction's translation lost this line


if __name__ == '__main__':
    manager = Manager()

    d = manager.dict()
    l = manager.list(range(10))

    p = Process(target=f, args=(d, l))
    p.start()
    p.join()

    print(d)
    print(l)
