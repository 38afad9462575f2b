"""Peer: `multiprocessing.Pool.map` alone, inside Python, on a warm pool.

Usage: pool_map.py WORKERS. Says `ready`, then answers each line `N` on stdin (how many numbers) with the
seconds that `pool.map(f, numbers)` took. Making the list of numbers and checking the answer are not timed.
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
            numbers = list(range(int(line)))
            begin = time.perf_counter()
            squares = pool.map(f, numbers)
            seconds = time.perf_counter() - begin
            if squares != [x * x for x in numbers]:
                sys.exit("Pool.map answered wrongly")
            print(seconds, flush=True)


if __name__ == "__main__":
    main()
