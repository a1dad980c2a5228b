"""The command `zoo inspect` shows all facts in a file, and no file makes it crash."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from benchmarks.reliability.mutations import mutate
from zoo.errors import ModelFileError
from zoo.export import to_tflite
from zoo.tflite.inspection import inspect_file

MUTATIONS = 1000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inspect") / "m.tflite"
    to_tflite(zoo.build("lenet"), path, quantize="int8", labels=list("abcdefghij"))
    return path


@pytest.mark.slow
def test_an_inspection_of_a_real_file(sound: Path) -> None:
    found = inspect_file(sound)
    ops = {name: count for name, _, count in found.ops}
    assert (ops["CONV_2D"], ops["FULLY_CONNECTED"], ops["MAX_POOL_2D"]) == (2, 3, 2)
    assert found.macs == zoo.spec("lenet").macs
    assert found.description.labels == tuple("abcdefghij")
    assert found.checksum == "right"
    assert found.problems == {"litert 2.3": [], "tflite-runtime 2.14": [], "edgetpu_compiler 16": []}
    document = found.as_dict()
    assert document["inputs"][0]["shape"] == [1, 28, 28, 1]
    assert document["inputs"][0]["dtype"] == "uint8"
    weights = sum(op["weight_bytes"] for op in document["ops"])
    kernels = 61_706 - 236  # int8 weights have one byte each; some of the 236 biases are zero and left out
    assert kernels <= weights <= kernels + 4 * 300


def test_a_changed_file_fails_its_checksum(sound: Path, tmp_path: Path) -> None:
    data = bytearray(sound.read_bytes())
    data[20_000] ^= 1  # a weight
    (tmp_path / "m.tflite").write_bytes(data)
    assert inspect_file(tmp_path / "m.tflite").checksum == "wrong"


@pytest.mark.slow
def test_a_file_made_by_others(tmp_path: Path) -> None:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(zoo.build("mlp", hidden=(4,)))
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    found = inspect_file(tmp_path / "m.tflite")
    assert found.description.labels == ()
    assert found.description.card == {}
    assert found.checksum == "none"
    assert {name for name, _, _ in found.ops} >= {"FULLY_CONNECTED", "SOFTMAX"}


def _survives(path: Path) -> bool:
    """Whether the file still passes the check; any error other than a ModelFileError fails the test."""
    try:
        inspect_file(path).as_dict()
    except ModelFileError:
        return False
    return True


@pytest.mark.slow
def test_mutated_files(sound: Path, tmp_path: Path) -> None:
    original = sound.read_bytes()
    path = tmp_path / "m.tflite"
    outcomes = []
    for seed in range(MUTATIONS):
        path.write_bytes(mutate(original, random.Random(seed)))
        outcomes.append(_survives(path))
    # Changed weights are not detected, but a changed structure is; both must have happened.
    assert 0.05 < sum(outcomes) / MUTATIONS < 0.95


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_behind_the_mark(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tflite"
    path.write_bytes(content[:4].ljust(4, b"\0") + b"TFL3" + content[4:])
    _survives(path)
    path.write_bytes(content)
    _survives(path)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\0" * 8, b"\x1c\0\0\0TFL3", b"GIF89a" * 100])
def test_what_is_no_model(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"m\.tflite"):
        inspect_file(tmp_path / "m.tflite")


def test_a_huge_sparse_file(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    with path.open("wb") as file:
        file.write(b"\x10\0\0\0TFL3")
        file.truncate(3 << 30)
    with pytest.raises(ModelFileError):
        inspect_file(path)


def test_a_zip_bomb(sound: Path, tmp_path: Path) -> None:
    import zipfile

    from zoo.tflite.writing.metadata import without_files

    path = tmp_path / "m.tflite"
    path.write_bytes(without_files(sound.read_bytes()))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", b"\0" * (64 << 20))
    with pytest.raises(ModelFileError, match="the limit is"):
        inspect_file(path)


def test_overlapping_vectors_do_not_hang(sound: Path, tmp_path: Path) -> None:
    """Makes many tensors that all claim one large vector as their shape."""
    from zoo.tflite.flatbuffer import Reader

    data = bytearray(1 << 20)
    data[0:4] = (1 << 19).to_bytes(4, "little")
    reader = Reader(bytes(data))
    for _ in range(8):
        reader.span(0, 1)
    with pytest.raises(ModelFileError, match="overlap"):
        reader.span(0, 1)


def test_directories_and_missing_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.tflite"):
        with pytest.raises(ModelFileError, match="cannot read"):
            inspect_file(path)


@pytest.mark.parametrize("how", ["text", "json"])
def test_the_command(how: str, sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    from zoo.cli.main import main

    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(sound), "--tensors", *(["--json"] if how == "json" else [])])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    if how == "json":
        document: dict[str, Any] = json.loads(printed)
        assert document["runtimes"] == {"litert 2.3": [], "tflite-runtime 2.14": [], "edgetpu_compiler 16": []}
        return
    for expected in ("CONV_2D", "tflite-runtime 2.14: loads", "10 labels: a, b", "checksum: right", "zero point 127"):
        assert expected in printed
