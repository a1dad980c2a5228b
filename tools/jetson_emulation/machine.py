"""Prepares this machine: checks its system, installs packages, and makes the arm64 base system once."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path

from jetson_emulation.steps import environment, require, run, step

PACKAGES = ["qemu-user-static", "binfmt-support", "mmdebstrap", "arch-test", "buildah", "podman", "runc", "uidmap"]
PROGRAMS = ["/usr/bin/qemu-aarch64-static", "update-binfmts", "mmdebstrap", "buildah", "podman", "runc"]
BINFMT = Path("/proc/sys/fs/binfmt_misc")
MAX_AGE_DAYS = 30
"""Age at which a cached base system lacks too many security updates."""
SLIM = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
)
"""The files that Docker's slim images of Debian leave out."""
CERTIFICATES = "/etc/ssl/certs/ci.crt"


def cache() -> Path:
    """Returns the folder of the base and the images: `$EDGEZOO_CACHE`, or `~/.cache/edgezoo`."""
    return Path(os.environ.get("EDGEZOO_CACHE") or Path.home() / ".cache" / "edgezoo") / "jetson"


def require_debian() -> None:
    """Refuses a machine on which this cannot work.

    Raises:
        EmulationError: the system is not Debian 12 on x86-64, or the user is not root.
    """
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    name = f"{system.get('PRETTY_NAME', platform.system())}, {platform.machine()}, user {os.geteuid()}"
    require(
        (system.get("ID"), system.get("VERSION_ID")) == ("debian", "12")
        and os.geteuid() == 0
        and platform.machine() == "x86_64",
        f"this needs Debian 12 on x86-64, and root; here is {name}. With a Docker engine you need no emulation script: "
        "docker buildx build --platform linux/arm64 -f Dockerfile.jetson -t edgezoo-jetson .",
    )


def prepare() -> None:
    """Installs missing packages, and registers qemu with the kernel for arm64 programs.

    Raises:
        EmulationError: a package cannot be installed, or the kernel has no binfmt_misc.
    """
    if not all(shutil.which(program, path=environment()["PATH"]) for program in PROGRAMS):
        with step("installing " + " ".join(PACKAGES)):
            install = [
                "apt-get",
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "-o",
                "DPkg::Lock::Timeout=600",
                *PACKAGES,
            ]
            run(["apt-get", "update", "-qq"])
            run(install, env=environment(DEBIAN_FRONTEND="noninteractive"))
    if not (BINFMT / "status").exists():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    if not (BINFMT / "qemu-aarch64").exists():
        run(["update-binfmts", "--enable", "qemu-aarch64"])
    entry = BINFMT / "qemu-aarch64"
    # F opens the interpreter now, so that it need not exist in a container.
    require(entry.exists() and "F" in entry.read_text().split("flags:")[1].split()[0], f"{entry} has no flag F")


def base() -> Path:
    """Makes a minimal arm64 Debian 12 as a tar archive, from this machine's mirrors.

    Raises:
        EmulationError: the system cannot be made.
    """
    path = cache() / "base.tar"
    if path.exists() and time.time() - path.stat().st_mtime < MAX_AGE_DAYS * 86400:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}.tar")
    with step("making the arm64 base system"):
        try:
            options = ["--architectures=arm64", "--variant=minbase", *(f"--dpkgopt={option}" for option in SLIM)]
            run(["mmdebstrap", *options, "bookworm", scratch, *_sources()])
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    return path


def _sources() -> list[str]:
    """Returns this machine's Debian mirrors, as lines of a sources.list."""
    fields = "$(SITE) $(RELEASE) $(COMPONENT)"
    listed = run(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]).stdout.splitlines()
    wanted = dict.fromkeys(line for line in listed if line.split()[1:] and line.split()[1].startswith("bookworm"))
    debian = [line for line in wanted if line.split()[2] == "main" and "debian" in line.split()[0]]
    return [f"deb {line}" for line in debian] or ["deb http://deb.debian.org/debian bookworm main"]


def pip_settings() -> bytes:
    """Makes a tar archive with the files that this machine's pip needs to reach its index: a pip.conf, certificates.

    It is added to the base image of the emulation, never to the Dockerfile or the final image.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    # The environment's values (`:env:.cert`) come first and are used.
    found: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        found.setdefault(name.rpartition(".")[2], value.strip("'\""))
    settings: dict[str, str] = {}
    for name in ("index-url", "extra-index-url", "trusted-host"):
        if name in found and "file:" not in found[name]:
            settings[name] = found[name]
    bundle = Path(found.get("cert") or os.environ.get("SSL_CERT_FILE") or "missing")
    files = {}
    if bundle.is_file():
        files[CERTIFICATES] = bundle.read_bytes()
        settings["cert"] = CERTIFICATES
    if settings:
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        files["/etc/pip.conf"] = "".join(["[global]\n", *lines]).encode()
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, BytesIO(data))
    return buffer.getvalue()
