"""The lines of the book's page on containers, run as they are written in a clean copy of the tree, and their answers
compared."""

import re
import shutil
import socket
import subprocess
import unittest

import podman

PAGE = podman.TOP / "docs/src/how-to/container.md"
COPY = podman.SCRATCH / "clone"
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.S | re.M)
ABOUT_CONTAINERS = re.compile(r"^\$ (?:docker|podman|kubectl) ", re.M)


def clean_copy():
    """The files that a clone has."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=podman.TOP, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-c", "--null", "--files-from=-"], cwd=podman.TOP, input=listed, check=True,
                   stdout=open(podman.SCRATCH / "clone.tar", "wb"))
    subprocess.run(["tar", "-x", "-C", str(COPY), "-f", str(podman.SCRATCH / "clone.tar")], check=True)
    (podman.SCRATCH / "clone.tar").unlink()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def lines():
    """The page's commands with what they print, and those of the README's blocks of containers: [(command, output)]."""
    blocks = CONSOLE.findall(PAGE.read_text())
    blocks += filter(ABOUT_CONTAINERS.search, CONSOLE.findall((podman.TOP / "README.md").read_text()))
    found = []
    for block in blocks:
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


class Book(unittest.TestCase):
    def test_lines(self):
        """The page's docker lines work as written, but for the port, and print what is written there"""
        clean_copy()
        port = free_port()
        commands = lines()
        self.assertGreaterEqual(len(commands), 10, "the blocks were found")
        shell = subprocess.Popen(["bash", "--norc"], cwd=COPY, env=podman.environment(), text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # It ends at the first line that fails: what waits for a server would wait for ever.
        script = "".join(
            f"{command.replace('127.0.0.1:8080', f'127.0.0.1:{port}')}\n"
            "status=$?; printf '\\n@@%s@@\\n' $status; [ $status -eq 0 ] || exit\n"
            for command, _ in commands)
        said, errors = shell.communicate(script, timeout=1500)
        answers = re.findall(r"(.*?)\n@@(\d+)@@\n", said, re.S)
        self.assertEqual(len(answers), len(commands), f"{said[-3000:]}{errors[-3000:]}")
        for (command, wanted), (answer, status) in zip(commands, answers):
            self.assertEqual(status, "0", f"{command}\n{answer[-3000:]}{errors[-3000:]}")
            if not command.startswith(("docker build", "docker run")):
                self.assertEqual(answer.strip().splitlines(), wanted, command)

    def test_example(self):
        """The three lines on the page are those of docker/example/Dockerfile"""
        text = PAGE.read_text()
        self.assertIn("```Dockerfile\n" + (podman.TOP / "docker/example/Dockerfile").read_text() + "```", text)
