"""Which libraries work, and how: each at the top of a file and inside of a function, in two workers, after deaths.

For each: the server starts; the value is right in two different workers at once; after a worker's death (SIGKILL), after
a run_timeout, and when each worker is recycled after one task. Everything has a bound: a hang is a failure.
"""
import argparse
import concurrent.futures
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

START = 90  # seconds for a server to be ready
CALL = 40  # for one call
WHOLE = 60  # for a pool to be whole again
# Not tried, and why; said at the end of each run.
NOT_TESTED = {"torch": "the package index has no build of it without CUDA (the wheel alone is more than 500 MB)"}

# Library: the import, what `work` does, its value.
LIBRARIES = {
    "numpy": ("import numpy", "float((numpy.arange(300.0).reshape(10, 30) @ numpy.ones((30, 1))).sum())", 44850.0),
    "pandas": ("import pandas", "int(pandas.DataFrame({'k': [1, 2, 1], 'v': [3, 4, 5]}).groupby('k').v.sum()[1])", 8),
    "pyarrow": ("import pyarrow, pyarrow.compute", "pyarrow.compute.sum(pyarrow.array(range(100000))).as_py()", 4999950000),
    "polars": ("import polars", "polars.DataFrame({'a': range(1000), 'k': [n % 7 for n in range(1000)]}).lazy()"
               ".group_by('k').agg(polars.col('a').sum()).collect()['a'].sum()", 499500),
    "onnxruntime": ("import onnxruntime, onnx.helper, numpy", "run_model()", 42.0),
    "scikit-learn": ("import sklearn.linear_model", "round(float(sklearn.linear_model.LinearRegression().fit("
                     "[[0], [1], [2]], [1, 3, 5]).predict([[10]])[0]), 6)", 21.0),
    "xgboost": ("import xgboost, numpy", "round(float(xgboost.train({'max_depth': 2, 'base_score': 0.5}, xgboost.DMatrix("
                "numpy.arange(40.0).reshape(40, 1), numpy.arange(40.0) // 20), 20).predict("
                "xgboost.DMatrix(numpy.array([[39.0]])))[0]), 0)", 1.0),
    "lightgbm": ("import lightgbm, numpy", "round(float(lightgbm.train({'verbose': -1, 'min_data_in_leaf': 1}, lightgbm.Dataset("
                 "numpy.arange(80.0).reshape(80, 1), numpy.arange(80.0) // 40), 60).predict(numpy.array([[79.0]]))[0]), 0)",
                 1.0),
    "opencv": ("import cv2, numpy", "int(cv2.GaussianBlur(numpy.full((200, 200), 7, numpy.uint8), (5, 5), 0).sum())", 280000),
    "grpc": ("import grpc", "grpc_round_trip()", "olleh"),
    "numba": ("import numba", "numba.njit(lambda n: n * n + 1)(6)", 37),
    "tokenizers": ("import tokenizers, tokenizers.models, tokenizers.pre_tokenizers", "tokenize()", [1, 2, 1]),
    "duckdb": ("import duckdb", "duckdb.connect().execute('select sum(range) from range(100000)').fetchone()[0]", 4999950000),
}
# What longer ones need, beside `work`.
HELPERS = {
    "onnxruntime": """
def run_model():
    kind = onnx.TensorProto.FLOAT
    value = lambda name: onnx.helper.make_tensor_value_info(name, kind, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["a", "b"], ["c"])], "sum", [value("a"), value("b")],
                                   [value("c")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    one = lambda number: numpy.array([number], numpy.float32)
    return float(session.run(None, {"a": one(40), "b": one(2)})[0][0])
""",
    "grpc": """
def grpc_round_trip():
    from concurrent.futures import ThreadPoolExecutor
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t", {"m": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel("127.0.0.1:%d" % port) as channel:
        told = channel.unary_unary("/t/m")(b"hello", timeout=20).decode()
    server.stop(None).wait(5)
    return told
""",
    "tokenizers": """
def tokenize():
    model = tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return made.encode_batch(["a b a"] * 4)[3].ids
""",
}
COMMON = '''
def work():
    """The value, and which process worked it out."""
    import os, time
    value = %s
    time.sleep(0.1)
    return [value, os.getpid()]


def sleep_long():
    work()
    import time
    time.sleep(600)
'''


def source(library, top):
    imports, does, _ = LIBRARIES[library]
    helper, common = HELPERS.get(library, ""), COMMON % does
    if top:
        return imports + "\n" + helper + common
    names = sorted({name.strip().split(".")[0] for name in imports[len("import "):].split(",")})
    inside = "\n    global %s\n    %s\n" % (", ".join(names), imports)
    return helper + common.replace("    import os, time\n", inside + "    import os, time\n", 1)


class Wrong(Exception):
    pass


class Server:
    def __init__(self, binary, folder, python, tables):
        with open(os.path.join(folder, "forkpool.toml"), "w") as file:
            file.write('targets = ["tasks.py"]\nworkers = 2\nbind = "127.0.0.1:0"\nstart_timeout = "60s"\n' + tables)
        self.log = open(os.path.join(folder, "log"), "w+")
        begun = time.monotonic()
        self.process = subprocess.Popen([binary, "serve", "--config", os.path.join(folder, "forkpool.toml"),
                                         "--python", python], stdout=subprocess.PIPE, stderr=self.log, text=True)
        lines = queue.Queue()
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()
        try:
            line = lines.get(timeout=START)
        except queue.Empty:
            line = ""
        found = re.search(r"http://\S+", line)
        if not found:
            self.end()
            raise Wrong("it did not start: " + self.text()[-600:])
        self.url, self.took = found.group(0), time.monotonic() - begun

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def ask(self, method, path, body=None, timeout=CALL):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError as error:
            raise Wrong("%s %s: %s" % (method, path, error)) from None

    def work(self, expected):
        """A right value's process id."""
        status, told = self.ask("POST", "/v1/apply", {"function": "tasks.work"})
        if status != 200 or told[0] != expected:
            raise Wrong("the value is %s, not %r" % (json.dumps(told)[:400], expected))
        return told[1]

    def workers(self):
        return self.ask("GET", "/v1/pools/python/workers")[1]["items"]

    def whole(self):
        """Waits until the pool has all its workers, spares too; how long that took."""
        begun = time.monotonic()
        while True:
            pool = self.ask("GET", "/v1/pools/python")[1]
            workers = [each for each in self.workers() if each["state"] in ("idle", "busy")]
            if pool["ready"] == pool["processes"] and len(workers) == pool["processes"] + pool["spare_workers"]:
                return time.monotonic() - begun
            if time.monotonic() - begun > WHOLE:
                raise Wrong("the pool is not whole again")
            time.sleep(0.02)

    def ready(self):
        """Waits until as many take tasks as should; how long that took."""
        begun = time.monotonic()
        while self.ask("GET", "/v1/pools/python")[1]["ready"] < 2:
            if time.monotonic() - begun > WHOLE:
                raise Wrong("the pool is not ready again")
            time.sleep(0.005)
        return time.monotonic() - begun

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Wrong("the server did not stop") from None
        if code not in (0, 1):
            raise Wrong("the server ended with %d" % code)


def two_at_once(server, expected):
    """Right in two workers: asked in pairs until both have answered."""
    seen = set()
    with concurrent.futures.ThreadPoolExecutor(2) as pairs:
        for _ in range(20):
            seen.update(pairs.map(lambda _: server.work(expected), range(2)))
            if len(seen) > 1:
                return
    raise Wrong("one worker did it all")


def try_one(binary, python, library, top):
    """The row of the table."""
    expected = LIBRARIES[library][2]
    folder = tempfile.mkdtemp()
    row = {"library": library, "place": "top" if top else "function"}
    server = None
    try:
        with open(os.path.join(folder, "tasks.py"), "w") as file:
            file.write(source(library, top))
        server = Server(binary, folder, python, "")
        late = re.search(r"tasks starts threads while it loads \((.*?)\).*?takes ([\d.]+) s and (\d+) MiB", server.text())
        row.update(start=server.took, how="preloaded" if top and not late else "late" if late else "in the worker",
                   threads=late.group(1) if late else "", seconds=late.group(2) if late else "",
                   memory=late.group(3) if late else "")
        two_at_once(server, expected)
        server.whole()
        worker = next(each for each in server.workers() if not each.get("spare"))
        os.kill(worker["pid"], signal.SIGKILL)
        while any(each.get("pid") == worker["pid"] for each in server.workers()):
            time.sleep(0.002)
        row["ready"] = server.ready()
        two_at_once(server, expected)
        row["whole"] = row["ready"] + server.whole()
        status, told = server.ask("POST", "/v1/apply", {"function": "tasks.sleep_long", "run_timeout": 5})
        if status != 422 or told.get("code") != "run-timeout":
            raise Wrong("a run timeout is %s" % json.dumps(told)[:400])
        two_at_once(server, expected)
        status, told = server.ask("POST", "/v1/pools", {"name": "once", "processes": 1, "maxtasksperchild": 1}, timeout=START)
        if status != 201:
            raise Wrong("a pool whose workers run one task: " + json.dumps(told)[:400])
        pids = set()
        for _ in range(3):
            status, told = server.ask("POST", "/v1/apply", {"function": "tasks.work", "pool": "once"})
            if status != 200 or told[0] != expected:
                raise Wrong("recycled: the value is %s" % json.dumps(told)[:400])
            pids.add(told[1])
        if len(pids) != 3:
            raise Wrong("3 tasks ran in %d workers" % len(pids))
        row["result"] = "ok"
    except Wrong as wrong:
        row["result"] = "WRONG: %s" % wrong
    except Exception as error:
        row["result"] = "WRONG: %s: %s" % (type(error).__name__, error)
    finally:
        if server is not None:
            try:
                server.end()
            except Wrong as wrong:
                row["result"] = "WRONG: %s" % wrong
        shutil.rmtree(folder, ignore_errors=True)
    return row


def shown(row):
    number = lambda name: "%.2f" % row[name] if name in row else "-"
    cost = "%s s, %s MiB" % (row["seconds"], row["memory"]) if row.get("seconds") else ""
    return "%-13s %-9s %-14s %6s %8s %7s  %-16s %-34s %s" % (
        row["library"], row["place"], row.get("how", "-"), number("start"), number("ready"), number("whole"), cost,
        row.get("threads", "")[:34], row["result"])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--python", default=sys.executable)
    options.add_argument("--binary", default=os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "debug", "forkpool"))
    options.add_argument("libraries", nargs="*", default=list(LIBRARIES))
    given = options.parse_args()
    binary = os.path.abspath(given.binary)
    print("%-13s %-9s %-14s %6s %8s %7s  %-16s %-34s %s" % (
        "library", "import", "loaded", "start", "2 ready", "whole", "each worker", "threads", "result"))
    jobs = [(library, top) for library in given.libraries for top in (True, False)]
    failed = 0
    # Two servers at a time: more would measure the machine.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for row in pool.map(lambda job: try_one(binary, given.python, *job), jobs):
            print(shown(row), flush=True)
            failed += row["result"] != "ok"
    for library, why in NOT_TESTED.items():
        print("%-13s NOT TESTED: %s" % (library, why))
    print("%d of %d are wrong" % (failed, len(jobs)) if failed else "all %d work" % len(jobs))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
