"""Peer: `multiprocessing.Pool.map` and `.imap_unordered` alone, inside Python, on a warm pool.

Usage: pool_map.py WORKERS. Says `ready`, then answers each line on stdin with seconds: `N`, how many numbers, with
those that `pool.map(f, numbers)` took; `N CHUNKSIZE` with those that running through
`pool.imap_unordered(f, numbers, CHUNKSIZE)` took. Making the list of numbers and checking the answer are not timed.
"""
import multiprocessing
import sys
import time

from bench_tasks import f


def main():
    with multiprocessing.Pool(int(sys.argv[1])) as pool:
        pool.map(f, range(1000))
        print("ready", flush=True)
        for line in sys.stdin:
            count, *chunksize = map(int, line.split())
            numbers = list(range(count))
            begin = time.perf_counter()
            if chunksize:
                squares = list(pool.imap_unordered(f, numbers, *chunksize))
            else:
                squares = pool.map(f, numbers)
            seconds = time.perf_counter() - begin
            if sorted(squares) != [x * x for x in numbers]:
                sys.exit("the pool answered wrongly")
            print(seconds, flush=True)


if __name__ == "__main__":
    main()
