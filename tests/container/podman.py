"""Podman with a storage of its own, below scratch/container, and the command `docker` that the book's lines call.

Nothing of the machine's own images and containers is seen or touched.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SCRATCH = TOP / "scratch" / "container"
STORAGE = SCRATCH / "storage"
# Its state between two calls: below /run, where no path is too long for a socket.
RUN = pathlib.Path(f"/run/forkpool-tests-{hashlib.sha256(bytes(STORAGE)).hexdigest()[:8]}")
BIN = SCRATCH / "bin"
# Where the stand-in for the Rust image finds the machine's toolchain.
TOOLCHAIN = "/opt/rust"
# What images are built in, between builds.
TARGET = SCRATCH / "target"

# Some kernels refuse to raise limits, so each container names its own.
LIMITS = ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000"]

SHIM = """#!/usr/bin/env bash
# `docker` for the tests: podman, with what this machine needs. Its images are built with the profile that is there
# in half the time; the book's lines say nothing of a profile.
command=$1
shift
case $command in
    build) set -- --isolation=chroot --format=docker --build-arg PROFILE=release \\
        --volume "{sysroot}:{toolchain}:ro" --volume "{target}:/build/target" "$@" ;;
    run) set -- {limits} "$@" ;;
esac
exec {podman} "$command" "$@"
"""


def prepare():
    """The folders, the command `docker`, and nothing left of a run that was cut."""
    STORAGE.mkdir(parents=True, exist_ok=True)
    BIN.mkdir(exist_ok=True)
    TARGET.mkdir(exist_ok=True)
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True)
    shim = SHIM.format(sysroot=sysroot.stdout.strip(), toolchain=TOOLCHAIN, target=TARGET, limits=" ".join(LIMITS),
                       podman=" ".join(command()))
    (BIN / "docker").write_text(shim)
    (BIN / "docker").chmod(0o755)
    docker("info")
    remove_containers()


def lend_dependencies():
    """Gives the images' builds the dependencies as the machine's own optimized build made them: it is the same compiler.
    Cargo takes those that fit, and builds the others."""
    built = TOP / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
    for part in (".fingerprint", "build", "deps"):
        if (built / part).is_dir() and not (TARGET / "release" / part).exists():
            shutil.copytree(built / part, TARGET / "release" / part, ignore=shutil.ignore_patterns("*forkpool*"))


def command():
    """Podman's own options."""
    return ["podman", "--root", str(STORAGE), "--runroot", str(RUN), "--runtime", "runc",
            "--cgroup-manager", "cgroupfs", "--log-level", "fatal"]


def environment():
    """With `docker` first on PATH."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


def docker(*arguments, check=True, timeout=60, folder=SCRATCH):
    """Runs `docker` in a folder, where it may leave a file (`oom`); its output is in what is returned."""
    ended = subprocess.run([str(BIN / "docker"), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=timeout, cwd=folder)
    if check and ended.returncode != 0:
        what = f"docker {' '.join(map(str, arguments))}: {ended.returncode}"
        raise AssertionError(f"{what}\n{ended.stdout}{ended.stderr}")
    return ended


def build(*arguments, folder, timeout=1500):
    """Builds an image; what it says is shown when it fails."""
    ended = docker("build", *arguments, folder, check=False, timeout=timeout)
    if ended.returncode != 0:
        sys.stderr.write(f"{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}\n")
        raise AssertionError(f"the build failed: {' '.join(map(str, arguments))}")


def has_image(name):
    return docker("image", "exists", name, check=False).returncode == 0


def inspect(what, form):
    return docker("inspect", "--format", form, what).stdout.strip()


def remove_containers():
    docker("rm", "--all", "--force", "--volumes", "--time", "1", check=False)


def finish(folder):
    """Ends what runs. The layers of the build in this folder stay for the next run; those of older ones go."""
    remove_containers()
    # Without a name its layers, the dependencies' among them, would be nobody's.
    kept = docker("build", "--target", "build", "--tag", "forkpool-tests:build", "--file", "docker/Dockerfile", ".",
                  check=False, timeout=1500, folder=folder)
    if kept.returncode == 0:
        docker("image", "prune", "--force", check=False)
    shutil.rmtree(RUN, ignore_errors=True)
