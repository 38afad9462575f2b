"""The README's lines, run as they are written in a clean copy of the tree, and their answers compared."""

import re
import shutil
import socket
import subprocess
import unittest

import podman

SECTION = "In a container"
COPY = podman.SCRATCH / "clone"


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
    """The section's commands with what they print: [(command, output)]."""
    text = (podman.TOP / "README.md").read_text()
    section = re.search(rf"^## {SECTION}\n(.*?)^## ", text, re.S | re.M).group(1)
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", section, re.S | re.M):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


class Readme(unittest.TestCase):
    def test_lines(self):
        """The README's docker lines work as written, but for the port, and print what is written there"""
        clean_copy()
        port = free_port()
        commands = lines()
        self.assertGreaterEqual(len(commands), 10, "the section was found")
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
        """The three lines in the README are those of docker/example/Dockerfile"""
        text = (podman.TOP / "README.md").read_text()
        self.assertIn("```Dockerfile\n" + (podman.TOP / "docker/example/Dockerfile").read_text() + "```", text)
