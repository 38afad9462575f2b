"""The Process example of the multiprocessing documentation's introduction, in Python 3.

`forkpool serve process.py` offers info and f as process.info and process.f; the module's name is
`process` there. `python3 process.py` runs the introduction's own program with multiprocessing, to
compare.
"""

from multiprocessing import Process
import os


def info(title):
    print(title)
    print('module name:', __name__)
    if hasattr(os, 'getppid'):  # only available on Unix
        print('parent process:', os.getppid())
    print('process id:', os.getpid())


def f(name):
    info('function f')
    print('hello', name)


if __name__ == '__main__':
    info('main line')
    p = Process(target=f, args=('bob',))
    p.start()
    p.join()
