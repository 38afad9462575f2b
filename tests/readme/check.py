"""README.md's console blocks, run: check.py BINARY PROGRAM. Each `$` line is done as it stands, each answer compared.

Ids, times, pids and ports differ from run to run: they are masked, and an id in a later line is the one that the
answer before gave. A Process that the README shows alive may have ended well by the time of the answer. ` … ` in the README stands for whatever was left out. PROGRAM is the README's own Rust program.
Blocks of containers and of installing are not for here.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

BOUND = 60  # seconds, for each line
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<!\d)\d{16}(?!\d)"  # a job's id, a lock's token
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
ALIVE = '"alive":true'
ELSEWHERE = ("docker", "podman", "kubectl")  # a block with one of these is tests/container's
READY = "forkpool listening on "


class Wrong(Exception):
    pass


def blocks(text):
    """The fenced blocks: language, the words before, the lines."""
    before, language, lines = "", None, []
    for line in text.splitlines():
        if language is None and line.startswith("```"):
            language, lines = line[3:].strip(), []
        elif language is not None and line.strip() == "```":
            yield language, before, lines
            language, before = None, ""
        elif language is not None:
            lines.append(line)
        elif line.strip():
            before = line
    assert language is None, "an open fence"


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
    """What an answer must match: the README's text, masked."""
    masks = "|".join((UUID, TIME, r'"(?:parent_)?pid":\d+', r"(?:process|process id): \d+", r'"busy_seconds":[\d.e-]+', r'"tasks_\w+":\d+', r"127\.0\.0\.1:\d+",
                      r'"(?:started|finished|expires|created)_at":"[^"]*"', ALIVE, r"\s*…\s*"))
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
            parts.append(re.sub(r"[\d.e-]+$|(?<=:\")[^\"]*(?=\")", lambda _: r"[^,}\" \n]+", re.escape(token).replace("\\", ""))
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
        if words[0] == "cargo":  # the README's program, which is built already
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
            raise Wrong("the README has no ready line: %r" % expected)

    def shell(self, command):
        """A line that sets a variable or writes a file."""
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
            raise Wrong("the README says:\n%s\n\nthe answer is:\n%s\n%s" % (wanted, said, done.stderr))
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
        elif re.match(r"[A-Z]+=|printf ", command):
            self.shell(command)
        else:
            raise Wrong("this test doesn't know what to do with it")
        self.ran += 1


def main():
    binary, program = map(os.path.abspath, sys.argv[1:])
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        text = file.read()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(TOP, "examples"), os.path.join(folder, "examples"))
        reader = Reader(binary, program, folder)
        try:
            for language, before, lines in blocks(text):
                named = re.search(r"`(\w+\.(?:py|toml))`:$", before)
                if named:
                    with open(os.path.join(folder, named.group(1)), "w", encoding="utf-8") as file:
                        file.write("\n".join(lines) + "\n")
                if language != "console":
                    continue
                found = commands(lines)
                if any(command.startswith(ELSEWHERE) for command, _ in found):
                    continue
                for command, expected in found:
                    try:
                        reader.do(command, expected)
                    except (Wrong, subprocess.TimeoutExpired) as error:
                        wrong.append("$ %s\n%s\n" % (command, error))
        finally:
            reader.stop()
    print("\n".join(wrong), end="")
    print("README: %d lines ran, %d are not as it says" % (reader.ran, len(wrong)))
    return 1 if wrong or reader.ran < 20 else 0


sys.exit(main())
