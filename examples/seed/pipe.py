"""The Pipe example of the multiprocessing documentation's introduction, in Python 3.

`forkpool serve pipe.py` offers f as pipe.f; it takes an end of a pipe of the server's as
`{"$forkpool":"/v1/pipes/p/1"}`. `python3 pipe.py` runs the introduction's own program with
multiprocessing, to compare.
"""

from multiprocessing import Process, Pipe


def f(conn):
    conn.send([42, None, 'hello'])
    conn.close()


if __name__ == '__main__':
    parent_conn, child_conn = Pipe()
    p = Process(target=f, args=(child_conn,))
    p.start()
    print(parent_conn.recv())   # prints "[42, None, 'hello']"
    p.join()
