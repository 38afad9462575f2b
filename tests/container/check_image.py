"""What is in the images, and what they say of themselves."""

import json
import unittest

import podman

IMAGES = ("forkpool", "forkpool:without-python")


def config(image):
    return json.loads(podman.inspect(image, "{{json .Config}}"))


def shell(image, script):
    return podman.docker("run", "--rm", "--entrypoint", "sh", image, "-c", script).stdout


class Image(unittest.TestCase):
    def test_user(self):
        """The user is a number other than 0, who can write to /data and to nothing else of the root file system"""
        for image in IMAGES:
            self.assertEqual(config(image)["User"], "10001:10001")
        script = "id -u; id -g; find / -xdev -writable -not -type l 2>/dev/null; true"
        uid, gid, *writable = shell("forkpool:without-python", script).splitlines()
        self.assertEqual((uid, gid), ("10001", "10001"))
        allowed = {"/tmp", "/var/tmp", "/run/lock", "/data"}
        self.assertLessEqual(set(writable), allowed)
        others = [path for path in shell("forkpool", script).splitlines()[2:] if not path.startswith("/opt/venv")]
        self.assertLessEqual(set(others), allowed)
        self.assertEqual(shell("forkpool", "touch /data/x && echo written").strip(), "written")

    def test_labels_and_volume(self):
        """OCI labels, the volume for what is kept, the port, the signal that drains, a drain delay of 5 s"""
        for image in IMAGES:
            told = config(image)
            for name in ("title", "description", "licenses", "version", "revision", "base.name"):
                self.assertTrue(told["Labels"].get(f"org.opencontainers.image.{name}"), name)
            version = podman.docker("run", "--rm", image, "--version").stdout.split()[-1]
            self.assertEqual(told["Labels"]["org.opencontainers.image.version"], version)
            self.assertEqual(list(told["Volumes"]), ["/data"])
            self.assertEqual(list(told["ExposedPorts"]), ["8080/tcp"])
            self.assertEqual(told.get("StopSignal"), "SIGTERM")
            self.assertIn("FORKPOOL_DRAIN_DELAY=5s", told["Env"])

    def test_healthcheck(self):
        """HEALTHCHECK is our own binary; there is no curl, no wget and no compiler inside"""
        for image in IMAGES:
            check = json.loads(podman.inspect(image, "{{json .HealthCheck}}"))
            self.assertEqual(check["Test"], ["CMD", "forkpool", "healthcheck"])
            found = shell(image, "for name in curl wget gcc cc cargo; do command -v $name; done; true")
            self.assertEqual(found.strip(), "")

    def test_python(self):
        """One image has Python 3.9 or newer, the other none at all; what it weighs is told"""
        version = shell("forkpool", "python3 -c 'import sys; print(sys.version_info >= (3, 9))'").strip()
        self.assertEqual(version, "True")
        found = shell("forkpool:without-python", "command -v python3; ls /usr/lib | grep python; true")
        self.assertEqual(found.strip(), "")
        base = int(podman.inspect("docker.io/library/debian:bookworm-slim", "{{.Size}}"))
        for image in IMAGES:
            size = int(podman.inspect(image, "{{.Size}}"))
            print(f"{image}: {(size - base) / 1e6:.0f} MB over its base image ", end="")

    def test_wants_tokens(self):
        """As it is, the image refuses to listen without tokens, with status 2 and the reason"""
        ended = podman.docker("run", "--rm", "forkpool", "serve", "--builtin", check=False)
        self.assertEqual(ended.returncode, 2, ended.stderr)
        self.assertIn("other machines could reach it", ended.stderr)
        self.assertIn("--token-file", ended.stderr)
