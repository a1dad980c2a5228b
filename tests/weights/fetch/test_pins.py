"""The hash of a published file must stay the one that it had first."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zoo
from zoo.errors import InputError, WeightsError
from zoo.weights.fetch import imagenet, pins

if TYPE_CHECKING:
    from tests.weights.conftest import Server

NAME = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
FIRST, OTHER = b"the published file" * 100, b"another under its name" * 100
FILE = imagenet.choose("mobilenet_v2", zoo.spec("mobilenet_v2").check({}))


@pytest.fixture(autouse=True)
def served(server: Server) -> Path:
    path = server.folder / "mobilenet_v2" / NAME
    path.parent.mkdir()
    path.write_bytes(FIRST)
    return path


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    return tmp_path / "keras" / "models" / pins.FILE


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_first_file_is_remembered_as_sha256sum_writes_it(noted: Path) -> None:
    FILE.fetch()
    assert noted.read_text() == f"{sha256(FIRST)}  {NAME}\n"
    # The same holds for a file that is there already.
    noted.unlink()
    FILE.fetch()
    assert noted.read_text() == f"{sha256(FIRST)}  {NAME}\n"


def test_another_file_under_the_name_is_refused(served: Path, noted: Path, server: Server) -> None:
    path = FILE.fetch()
    path.unlink()
    served.write_bytes(OTHER)
    with pytest.raises(WeightsError) as caught:
        FILE.fetch()
    assert f"its SHA-256 is {sha256(OTHER)}, not {sha256(FIRST)}; it was not kept" in str(caught.value)
    assert str(caught.value).endswith(f"the earlier hash is in {noted}: delete its line to trust the new file")
    assert not path.exists()
    noted.write_text("")
    assert FILE.fetch().read_bytes() == OTHER


def test_a_file_that_was_exchanged_in_the_cache_is_downloaded_again() -> None:
    path = FILE.fetch()
    path.write_bytes(OTHER)
    assert FILE.fetch().read_bytes() == FIRST


def test_a_user_can_write_the_hash_before_the_download(served: Path, noted: Path) -> None:
    noted.parent.mkdir(parents=True)
    noted.write_text(f"{sha256(FIRST).upper()} *{NAME}\n")
    served.write_bytes(OTHER)
    with pytest.raises(WeightsError, match=f"its SHA-256 is {sha256(OTHER)}, not {sha256(FIRST)}"):
        FILE.fetch()
    served.write_bytes(FIRST)
    assert FILE.fetch().read_bytes() == FIRST


def test_a_damaged_list_of_hashes_is_refused(noted: Path) -> None:
    noted.parent.mkdir(parents=True)
    noted.write_text("no hash at all\n")
    with pytest.raises(InputError, match=f"{noted}, line 1: expected a SHA-256 and a file's name"):
        FILE.fetch()


def test_a_file_larger_than_the_published_ones() -> None:
    tight = replace(FILE, file=replace(FILE.file, most_bytes=len(FIRST) - 1))
    with pytest.raises(WeightsError, match=f"it has {len(FIRST)} bytes; at most {len(FIRST) - 1} are taken"):
        tight.fetch()


def test_every_published_file_is_within_its_limit() -> None:
    # Sizes as the servers give them.
    sizes = {
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5": 553_467_096,
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5": 58_889_256,
        "objectron_solution_packed_assets.data": 9_987_912,
    }
    specs = [zoo.spec(name) for name in zoo.list_models()]
    files = [file for spec in specs for weights in spec.weights for file in weights.files]
    assert files
    assert all(file.most_bytes for file in files)
    limits = {file.name: file.most_bytes or 0 for file in files}
    assert all(size <= limits[name] < 1.03 * size for name, size in sizes.items())
    # Those of the other default models follow from their parameters; the sizes of Google's archives are not known.
    defaults = [
        (spec.params, file.most_bytes or 0, file.name)
        for spec in specs
        for weights in spec.weights
        if spec.params and weights.classes == 1000 and (file := weights.file_for(spec.check({})))
    ]
    assert len(defaults) >= 6
    for params, limit, name in defaults:
        assert 4 * params <= limit < (110 if name.endswith(".tar.gz") else 10) * params, name
