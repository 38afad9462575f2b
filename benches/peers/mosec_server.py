"""Peer: Mosec, a Rust HTTP server with Python workers on sockets.

Usage: mosec_server.py WORKERS --address 127.0.0.1 --port PORT (Mosec itself reads its options). One request
is one call: no dynamic batching, as the other contenders call the function once per request.
"""
import sys

from mosec import Server, Worker

from bench_tasks import f

FUNCTIONS = {"bench_tasks.f": f}


class Apply(Worker):
    def forward(self, data):
        return FUNCTIONS[data["function"]](*data["args"])


if __name__ == "__main__":
    server = Server()
    server.append_worker(Apply, num=int(sys.argv[1]))
    server.run()
