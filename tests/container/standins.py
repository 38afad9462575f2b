"""Stand-ins for the two public images that docker/Dockerfile begins from, under their public names.

Where no registry of images can be reached they are made of what apt reaches: Debian by debootstrap, and on it a C
compiler and this machine's Rust toolchain. They carry this machine's certificates and how its cargo and pip reach
their registries, so that the builds in them do.
"""

import os
import pathlib
import shutil
import ssl
import subprocess
import sys

import podman

DEBIAN = "docker.io/library/debian:bookworm-slim"
RUST = "docker.io/library/rust:1.95-bookworm"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# The same where the package ca-certificates doesn't write them anew.
CERTIFICATES_KEPT = "etc/ssl/certificates-of-the-machine.crt"
# What Debian's own slim image leaves out, too.
LEFT_OUT = ["./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./usr/share/man", "./usr/share/locale",
            "./usr/share/info", "./var/log"]
PIP_KEYS = {"cert", "index-url", "extra-index-url", "trusted-host", "proxy"}
CARGO_PREFIXES = ("CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_")

RUST_FILE = f"""FROM {DEBIAN}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends gcc libc6-dev && apt-get clean
COPY cargo /root/.cargo
ENV PATH={podman.TOOLCHAIN}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""


def make():
    """Makes those that aren't there."""
    if not podman.has_image(DEBIAN):
        make_debian()
    if not podman.has_image(RUST):
        make_rust()


def mirror():
    """The mirror that apt itself uses, if it says so."""
    targets = ["apt-get", "indextargets", "--format", "$(SITE)", "Codename: bookworm"]
    try:
        sites = subprocess.run(targets, capture_output=True, text=True).stdout.split()
    except OSError:
        sites = []
    return sites[:1]


def make_debian():
    root = podman.SCRATCH / "debian"
    shutil.rmtree(root, ignore_errors=True)
    debootstrap = ["debootstrap", "--variant=minbase", "bookworm", str(root), *mirror()]
    ended = subprocess.run(debootstrap, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.stderr.write(ended.stdout[-4000:] + ended.stderr[-4000:])
        raise AssertionError("debootstrap failed")
    carry_certificates(root)
    options = [option for path in LEFT_OUT for option in ("--exclude", f"{path}/*")]
    tar = subprocess.Popen(["tar", "-C", str(root), *options, "-c", "."], stdout=subprocess.PIPE)
    imported = subprocess.run([*podman.command(), "import", "--quiet", "-", DEBIAN], stdin=tar.stdout,
                              capture_output=True, text=True)
    # Or tar would wait for a reader for ever, should podman have left.
    tar.stdout.close()
    if tar.wait() != 0 or imported.returncode != 0:
        raise AssertionError(f"the stand-in for {DEBIAN} was not made: {imported.stderr}")
    shutil.rmtree(root)


def carry_certificates(root):
    """The machine's certificates, and what pip is told on it."""
    known = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if known and os.path.exists(known):
        (root / CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
        for name in (CERTIFICATES, CERTIFICATES_KEPT):
            shutil.copyfile(known, root / name)
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    told = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in PIP_KEYS:
            told[key] = value.strip("'")
    if "cert" in told:
        told["cert"] = f"/{CERTIFICATES_KEPT}"
    if told:
        lines = "".join(f"{key} = {value}\n" for key, value in told.items())
        (root / "etc/pip.conf").write_text(f"[global]\n{lines}")


def make_rust():
    folder = podman.SCRATCH / "rust"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "cargo").mkdir(parents=True)
    home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    for name in ("config.toml", "config"):
        if (home / name).is_file():
            shutil.copyfile(home / name, folder / "cargo" / name)
    variables = [name for name in sorted(os.environ) if name.startswith(CARGO_PREFIXES)]
    more = "".join(f"ENV {name}={os.environ[name]!r}\n" for name in variables)
    (folder / "Dockerfile").write_text(RUST_FILE + more)
    podman.build("--tag", RUST, folder=folder)
    shutil.rmtree(folder)
