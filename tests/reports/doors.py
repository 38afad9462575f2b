"""F18 of the public reports, A5, A7 and A9 of the attack: bodies, sockets, signals, logs, token files."""
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from harness import BINARY, same, serving, wait_until

SOURCE = '''
import time
def square(x): return x * x
def nap(seconds): time.sleep(seconds); return "rested"
def say(text): print(text, flush=True)
def begin(text): print(text, end="", flush=True)
'''
BODY = json.dumps({"function": "tasks.square", "args": [3]}).encode()


def raw(server, head, body=b"", shut=False, bound=20):
    """What comes back on a connection of its own, until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), bound) as connection:
        connection.sendall(("%s\r\nHost: localhost\r\n\r\n" % head).encode() + body)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        told = b""
        while piece := connection.recv(1 << 16):
            told += piece
        return told.decode(errors="replace")


def test_f18_a_body_that_is_encoded_is_not_read_as_it_is():
    with serving(SOURCE) as server:
        encodings = (("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY)), ("br", BODY), ("gzip", BODY), ("zstd, gzip", BODY))
        for encoding, body in encodings:
            for path in ("/v1/apply", "/v1/apply_async", "/v1/map", "/v1/functions/tasks.square/call"):
                status, headers, told = server.ask("POST", path, body, [("Content-Encoding", encoding)])
                same((status, told["code"], headers["Accept-Encoding"]), (415, "unsupported-media-type", "identity"), told)
        same(server.ask("POST", "/v1/apply", BODY, [("Content-Encoding", "identity")])[2], 9)
        head = ("POST /v1/apply HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
                "Transfer-Encoding: gzip, chunked")
        told = raw(server, head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
        assert told.split(" ")[1] in ("415", "501", "400"), told


def test_a5_a_server_that_ends_leaves_its_successors_socket():
    with tempfile.TemporaryDirectory() as folder:
        path, tasks = os.path.join(folder, "socket"), os.path.join(folder, "tasks.py")
        with open(tasks, "w") as file:
            file.write(SOURCE)

        def start():
            return subprocess.Popen([BINARY, "serve", tasks, "--python", sys.executable, "--workers", "1", "--bind", "unix:" + path],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)

        def answers():
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(path)
                client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        first = start()
        assert b"listening" in first.stdout.readline()
        os.unlink(path)
        second = start()
        assert b"listening" in second.stdout.readline()
        first.terminate()
        same(first.wait(20), 0)
        assert answers(), "the first one's end leaves the second one's file"
        second.kill()
        second.wait()
        for _ in range(6):  # several at once over a stale file: one of them serves, the others say why not
            several = [start() for _ in range(3)]
            lines = [each.stdout.readline() for each in several]
            same(sorted(b"listening" in line for line in lines), [False, False, True], [each.poll() for each in several])
            assert answers()
            for each, line in zip(several, lines):
                if b"listening" in line:
                    each.kill()
                else:
                    assert os.fsencode(path) in each.stderr.read()
                each.wait()
        for each in (first, second):
            each.communicate()


def test_a7_heads_without_bodies_lock_nobody_out():
    with serving(SOURCE, "--queue-bytes", "64MiB", "--body-stall", "3s") as server:
        held = []
        for _ in range(500):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(b"POST /v1/apply HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               b"Content-Length: 60000000\r\n\r\n{")
            held.append(connection)
        for _ in range(20):
            same(server.value("square", 5), 25)

        def drips():
            for connection in held:
                try:
                    connection.sendall(b" ")
                except OSError:
                    pass
        end = time.monotonic() + 7
        while time.monotonic() < end:
            drips()
            same(server.value("square", 5), 25)
            time.sleep(0.5)
        for connection in held[:20]:
            connection.settimeout(10)
            assert b" 400 " in connection.recv(4096), "a byte now and then holds no place"
        for connection in held:
            connection.close()


def test_a9_a_client_that_half_closes_gets_its_answer():
    with serving(SOURCE) as server:
        for path, body, wanted in (("/v1/apply", BODY, "9"), ("/v1/apply", b'{"function":"tasks.nap","args":[0.5]}', "rested"),
                                   ("/v1/map", b'{"function":"tasks.nap","iterable":[0.2,0.3]}', "rested"),
                                   ("/v1/functions/tasks.nap/call", b'{"seconds":0.4}', "rested")):
            told = raw(server, submission(path, body), body, shut=True)
            assert told.startswith("HTTP/1.1 200") and wanted in told, (path, told)
        # One that takes longer is asked whether it still reads, once: any client passes that over.
        body = b'{"function":"tasks.nap","args":[2.5]}'
        told = raw(server, submission("/v1/apply", body), body, shut=True)
        assert told.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") and "rested" in told, told
        server.start("nap", 2.5)
        told = raw(server, submission("/v1/apply", BODY), BODY, shut=True)  # it waits in the queue
        assert "HTTP/1.1 200 OK" in told and told.endswith("9"), told


def test_a9_a_client_that_leaves_is_known_to_have_left():
    with serving(SOURCE) as server:
        server.start("nap", 3)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            head = submission("/v1/apply", BODY) + "\r\nHost: localhost\r\n\r\n"
            connection.sendall(head.encode() + BODY)
            wait_until(5, "it is queued", lambda: len(server.ask("GET", "/v1/jobs")[2]["items"]) == 2)
        wait_until(3, "it is dropped", lambda: len(server.ask("GET", "/v1/jobs")[2]["items"]) == 1)


def submission(path, body):
    return "POST %s HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d" % (path, len(body))


def test_a9_signals_of_timers_and_users_end_no_server():
    with serving(SOURCE) as server:
        for each in (signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO, signal.SIGHUP,
                     signal.SIGPIPE, signal.SIGXFSZ, signal.SIGXCPU, signal.SIGPWR, signal.SIGRTMIN, signal.SIGRTMAX):
            server.process.send_signal(each)
            same(server.value("square", 3), 9, each)
        assert "SIGHUP" in server.errors(), server.errors()
        job = server.start("nap", 0.5)
        told = []
        waiting = threading.Thread(target=lambda: told.append(server.result(job)))
        waiting.start()
        wait_until(10, "it runs", lambda: server.ask("GET", "/v1/jobs/" + job)[2]["state"] == "running")
        server.process.send_signal(signal.SIGQUIT)
        waiting.join()
        same(told, [(200, "rested")], "SIGQUIT drains, as SIGTERM")
        same(server.process.wait(20), 0)


def test_a9_what_functions_print_forges_no_line_of_the_log():
    with serving(SOURCE) as server:
        server.start("begin", "A begins ")
        job = server.start("say", "B speaks")
        server.result(job)
        for text in ("x\rforged", "nul \0 here", "\x1b[2Jcleared", "up\x1b[Aover", "bell \x07 and \x9b31m", "del \x7f"):
            job = server.start("say", text)
            server.result(job)
            assert text in server.ask("GET", "/v1/jobs/%s/logs" % job)[2], "its own log has every byte"
        wait_until(10, "the log has all", lambda: "del " in server.errors())
        with open(server.log.name, "rb") as file:
            log = file.read()
        for byte in b"\r\0\x1b\x07\x7f":
            assert byte not in log, (byte, log)
        assert "\x9b".encode() not in log, log
        assert not any("A begins B" in line.decode() for line in log.splitlines()), log
        for text in ("\u202eturned", "two\u2028lines"):
            server.result(server.start("say", text))
        server.ask("POST", "/v1/processes", {"target": "tasks.say", "args": ["a frame\rof a Process"]})
        wait_until(10, "the log has that too", lambda: "of a Process" in server.errors())
        told = server.errors()
        assert "\u202e" not in told and "\u2028" not in told and "\r" not in told, told


def test_a9_a_token_file_that_others_may_write_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokens")
        with open(path, "w") as file:
            file.write("a" * 40 + "\n")
        for mode, refused in ((0o600, False), (0o640, False), (0o660, True), (0o602, True), (0o666, True)):
            os.chmod(path, mode)
            done = subprocess.run([BINARY, "check-config", "--builtin", "--token-file", path], capture_output=True, text=True)
            same(done.returncode != 0, refused, (oct(mode), done.stderr))
            assert not refused or "chmod go-w" in done.stderr, done.stderr


def test_a5_what_others_listen_on_is_left_alone():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")

        def refused(*words):
            done = subprocess.run([BINARY, "serve", "--builtin", "--bind", "unix:" + path], capture_output=True, text=True,
                                  timeout=20)
            assert done.returncode != 0 and all(word in done.stderr for word in (path,) + words), done.stderr
            assert os.path.lexists(path), "what was there stays"
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            with socket.socket(socket.AF_UNIX, kind) as other:
                other.bind(path)
                refused("another kind")
            os.unlink(path)
        with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
            busy.bind(path)
            busy.listen(0)
            waiting.connect(path)  # nobody accepts, and no more can wait
            refused("another process listens")
        os.unlink(path)
        os.mkdir(path)
        refused("a folder")
        os.rmdir(path)
        os.symlink("nowhere", path)
        refused("a symbolic link")


def test_a9_an_object_is_not_given_to_a_client_that_has_just_left():
    with serving(SOURCE) as server:
        server.ask("PUT", "/v1/queues/q")
        getters = lambda: server.ask("GET", "/v1/queues/q")[2]["getters"]
        for version in ("1.1", "1.0"):
            for number in range(5):
                with socket.create_connection(("127.0.0.1", server.port), 10) as client:
                    client.sendall(("POST /v1/queues/q/get HTTP/%s\r\nHost: localhost\r\n\r\n" % version).encode())
                    wait_until(5, "it waits", lambda: getters() == 1)
                wait_until(1, "it is known to have left", lambda: getters() == 0)
                server.ask("POST", "/v1/queues/q/put", {"obj": number})
                same(server.ask("POST", "/v1/queues/q/get", {"timeout": 5})[2], number, version)
        for _ in range(4):  # as a proxy whose client has left
            body = b'{"function":"tasks.nap","args":[8]}'
            with socket.create_connection(("127.0.0.1", server.port), 10) as client:
                client.sendall(b"POST /v1/apply HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        waiting = lambda: len(server.ask("GET", "/v1/jobs?state=queued")[2]["items"])
        wait_until(5, "what hasn't started is dropped", lambda: waiting() == 0)
