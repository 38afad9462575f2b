"""The console blocks of README, CONTRIBUTING and the book, run: check.py BINARY PROGRAM [PAGE…]. Each `$` line is
done as it stands, each answer compared.

A page has a folder of its own, with the repository's examples in it, and its server ends with it. Ids, times, pids and
ports differ from run to run: they are masked, and an id in a later line is the one that the answer before gave. A
Process that a page shows alive may have ended well by the time of the answer. ` … ` stands for whatever was left out.
PROGRAM is the pages' one Rust program. Blocks of containers are not for here, nor are those in `sh`, of installing.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile

import pages

BOUND = 60  # seconds, for each line
LINES_LEAST = 69  # as many as the README alone had before there was a book
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<!\d)\d{16}(?!\d)"  # a job's id, a lock's token
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
ALIVE = '"alive":true'
ELSEWHERE = ("docker", "podman", "kubectl")  # a block with one of these is tests/container's
READY = "forkpool listening on "


class Wrong(Exception):
    pass


def commands(lines):
    """Each `$` line with the lines of its answer."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


def pattern_of(expected):
    """What an answer must match: the page's text, masked."""
    masks = "|".join((UUID, TIME, r'"(?:parent_)?pid":\d+', r"(?:process|process id): \d+", r'"busy_seconds":[\d.e-]+',
                      r'"tasks_\w+":\d+', r"127\.0\.0\.1:\d+", r'"(?:started|finished|expires|created)_at":"[^"]*"',
                      ALIVE, r"\s*…\s*"))
    parts, at = [], 0
    for found in re.finditer(masks, expected):
        parts.append(re.escape(expected[at:found.start()]))
        token = found.group()
        if "…" in token:
            parts.append(r"(?:.|\n)*?")
        elif token == ALIVE:
            parts.append(r'"alive":(?:true|false,"exitcode":0)')
        elif re.fullmatch(UUID, token):
            parts.append("(" + UUID + ")")
        elif re.fullmatch(TIME, token):
            parts.append(TIME)
        else:
            value = re.compile(r"[\d.e-]+$|(?<=:\")[^\"]*(?=\")")
            parts.append(value.sub(lambda _: r"[^,}\" \n]+", re.escape(token).replace("\\", ""))
                         if not token.startswith("127") else r"127\.0\.0\.1:\d+")
        at = found.end()
    parts.append(re.escape(expected[at:]))
    return "".join(parts)


class Reader:
    def __init__(self, binary, program, folder):
        self.binary, self.program, self.folder = binary, program, folder
        self.server, self.address, self.ids, self.ran = None, None, {}, 0

    def stop(self):
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(BOUND)
            self.server = None

    def serve(self, command, expected):
        """Starts what listens, on a free port; the ready line is its answer."""
        self.stop()
        words = shlex.split(command)
        if words[0] == "cargo":  # the pages' program, which is built already
            words = [self.program] + words[words.index("--") + 1:]
        else:
            words[0] = self.binary
        if "--bind" in words:
            at = words.index("--bind") + 1
            words[at] = words[at].replace("/run/", self.folder + "/").replace("0.0.0.0:8080", "127.0.0.1:0")
        else:
            words += ["--bind", "127.0.0.1:0"]
        self.server = subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True, start_new_session=True)
        line = self.server.stdout.readline()
        if not line.startswith(READY):
            raise Wrong("it does not listen: %r\n%s" % (line, self.server.stderr.read()))
        os.set_blocking(self.server.stderr.fileno(), False)
        self.address = line[len(READY):].strip()
        if expected and not expected[0].startswith(READY):
            raise Wrong("the page has no ready line: %r" % expected)

    def shell(self, command):
        """A line that sets a variable, writes a file, makes a folder or an environment."""
        name = command.split("=")[0]
        done = subprocess.run(["bash", "-c", command + '; printf %s "${' + name + '-}"' if name.isupper() else command],
                              cwd=self.folder, capture_output=True, text=True, timeout=BOUND, check=True)
        if name.isupper():
            os.environ[name] = done.stdout

    def run(self, command, expected):
        here = command.replace("10.0.0.5", "127.0.0.1")
        for old, new in self.ids.items():
            here = here.replace(old, new)
        if self.address is not None and self.address.startswith("http"):
            here = here.replace("http://127.0.0.1:8080", self.address)
        here = here.replace("/run/", self.folder + "/")
        here = re.sub(r"\bforkpool (?=openapi|check-config|demo)", self.binary + " ", here)
        self.await_job(here, expected)
        done = subprocess.run(["bash", "-c", here], cwd=self.folder, capture_output=True, text=True, timeout=BOUND)
        said, wanted = done.stdout.rstrip("\n").replace("\r", ""), "\n".join(expected)
        if "os.getpid" in self.last or re.fullmatch(r"\d{4,7}", wanted):
            wanted = re.sub(r"^\d{4,7}$", "PID", wanted)
            said = re.sub(r"^\d+$", "PID", said)
        found = re.fullmatch(pattern_of(wanted), said)
        if found is None:
            raise Wrong("the page says:\n%s\n\nthe answer is:\n%s\n%s" % (wanted, said, done.stderr))
        for old, new in zip(re.findall(UUID, wanted), found.groups()):
            self.ids[old] = new
        self.last = command

    last = ""

    def await_job(self, here, expected):
        """Who follows a job is told more if it hasn't ended, and a second may pass before it has: the reader of these
        lines was not that quick."""
        ended = re.sub(r"(/v1/jobs/(?:%s))/(?:events|result\?timeout=1)\b" % UUID, r"\1?wait=30", here)
        if ended != here and "result-timeout" not in "".join(expected):
            subprocess.run(["bash", "-c", ended], cwd=self.folder, stdout=subprocess.DEVNULL, timeout=BOUND, check=True)

    def do(self, command, expected):
        words = command.split()
        if words[:2] == ["forkpool", "serve"] or words[:2] == ["cargo", "run"]:
            self.serve(command, expected)
        elif "curl" in command or words[0] == "forkpool":
            self.run(command, expected)
        elif re.match(r"[A-Z]+=|printf |mkdir |python3 -m venv ", command):
            self.shell(command)
        else:
            raise Wrong("this test doesn't know what to do with it")
        self.ran += 1


def run_page(page, binary, program):
    """Runs a page's blocks: how many lines ran, how many are of containers, and what is not as it says."""
    wrong, elsewhere = [], 0
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(pages.TOP, "examples"), os.path.join(folder, "examples"))
        reader = Reader(binary, program, folder)
        try:
            for language, before, lines in pages.blocks(pages.read(page)):
                named = re.search(r"`(\w+\.(?:py|toml))`:$", before)
                if named:
                    with open(os.path.join(folder, named.group(1)), "w", encoding="utf-8") as file:
                        file.write("\n".join(lines) + "\n")
                if language != "console":
                    continue
                found = commands(lines)
                if any(command.startswith(ELSEWHERE) for command, _ in found):
                    elsewhere += len(found)
                    continue
                for command, expected in found:
                    try:
                        reader.do(command, expected)
                    except (Wrong, subprocess.SubprocessError) as error:
                        wrong.append("%s: $ %s\n%s\n" % (page, command, error))
        finally:
            reader.stop()
    return reader.ran, elsewhere, wrong


def main():
    binary, program = map(os.path.abspath, sys.argv[1:3])
    chosen = sys.argv[3:]
    ran, wrong = 0, []
    for page in chosen or pages.all_pages():
        lines, elsewhere, here = run_page(page, binary, program)
        ran += lines
        wrong += here
        if lines or elsewhere or here:
            containers = ", and %d are of containers" % elsewhere if elsewhere else ""
            print("%s: %d lines ran, %d are not as it says%s" % (page, lines, len(here), containers), flush=True)
    print("\n".join(wrong), end="")
    print("README and book: %d lines ran, %d are not as they say" % (ran, len(wrong)))
    if ran < LINES_LEAST and not chosen:
        print("fewer lines than %d: some blocks were not found" % LINES_LEAST)
        return 1
    return 1 if wrong else 0


sys.exit(main())
