"""The files for Compose and Kubernetes: valid by their schemas, and of one mind with the image."""

import json
import re
import subprocess
import sys
import unittest

import podman

TOOLS = podman.SCRATCH / "schemas"
PACKAGES = ["check-jsonschema==0.39.0", "kubernetes-validate==1.37.0"]
DOCKER = podman.TOP / "docker"


def install():
    """The validators with the schemas that they bring, in an environment of their own."""
    if not (TOOLS / "bin/kubernetes-validate").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(TOOLS)], check=True)
        subprocess.run([str(TOOLS / "bin/pip"), "install", "-q", *PACKAGES], check=True)


def run(tool, *arguments):
    return subprocess.run([str(TOOLS / "bin" / tool), *map(str, arguments)], capture_output=True, text=True)


def documents(path):
    """A YAML file's documents, read by the validators' own reader."""
    reader = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"
    return json.loads(run("python", "-c", reader, path).stdout)


class Files(unittest.TestCase):
    def test_compose(self):
        """compose.yaml is valid by the Compose specification's schema; a wrong member would not be"""
        good = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml")
        self.assertEqual(good.returncode, 0, good.stdout)
        wrong = podman.SCRATCH / "wrong.yaml"
        wrong.write_text((DOCKER / "compose.yaml").read_text().replace("cap_drop:", "cap_dropped:"))
        refused = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong)
        self.assertNotEqual(refused.returncode, 0, "a schema that takes everything checks nothing")

    def test_kubernetes(self):
        """kubernetes.yaml is valid by Kubernetes' schema, strictly; a wrong member would not be"""
        good = run("kubernetes-validate", "--strict", DOCKER / "kubernetes.yaml")
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertEqual((good.stdout + good.stderr).count(" passed "), 4, good.stdout)
        wrong = podman.SCRATCH / "wrong.yaml"
        wrong.write_text((DOCKER / "kubernetes.yaml").read_text().replace("readinessProbe:", "readynessProbe:"))
        self.assertNotEqual(run("kubernetes-validate", "--strict", wrong).returncode, 0)

    def test_restricted(self):
        """The pod keeps to the restricted Pod Security Standard, has one replica that is replaced, and time to drain"""
        claims = {document["kind"]: document for document in documents(DOCKER / "kubernetes.yaml")}
        deployment = claims["Deployment"]["spec"]
        pod = deployment["template"]["spec"]
        self.assertEqual((deployment["replicas"], deployment["strategy"]["type"]), (1, "Recreate"))
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        self.assertEqual(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            self.assertNotIn(name, pod)
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
        self.assertLessEqual(kinds, {"configMap", "secret", "persistentVolumeClaim", "emptyDir", "projected"})
        for container in pod["containers"]:
            context = container["securityContext"]
            self.assertIs(context["allowPrivilegeEscalation"], False)
            self.assertIs(context["readOnlyRootFilesystem"], True)
            self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
            self.assertTrue({"cpu", "memory"} <= set(container["resources"]["limits"]))
            self.assertFalse(any("hostPort" in port for port in container["ports"]))
            probes = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")]
            self.assertEqual(probes, ["/readyz", "/readyz", "/livez"])
        self.assertEqual(pod["terminationGracePeriodSeconds"], 30)

    def test_time_to_drain(self):
        """Drain delay and drain limit end 3 s before Compose and Kubernetes kill"""
        dockerfile = (DOCKER / "Dockerfile").read_text()
        delay = int(re.search(r"FORKPOOL_DRAIN_DELAY=(\d+)s", dockerfile).group(1))
        defaults = (podman.TOP / "examples/forkpool.toml").read_text()
        limit = int(re.search(r'drain_limit = "(\d+)s"', defaults).group(1))
        [compose] = documents(DOCKER / "compose.yaml")
        self.assertEqual((delay, limit), (5, 20))
        self.assertEqual(compose["services"]["forkpool"]["stop_grace_period"], "30s")
        self.assertLessEqual(delay + limit + 3, 30)
