"""The Queue example of the multiprocessing documentation's introduction, in Python 3.

`forkpool serve queue_example.py` offers f as queue_example.f; it takes a queue of the server's as
`{"$forkpool":"/v1/queues/q"}`. `python3 queue_example.py` runs the introduction's own program with
multiprocessing, to compare.
"""

from multiprocessing import Process, Queue


def f(q):
    q.put([42, None, 'hello'])


if __name__ == '__main__':
    q = Queue()
    p = Process(target=f, args=(q,))
    p.start()
    print(q.get())    # prints "[42, None, 'hello']"
    p.join()
