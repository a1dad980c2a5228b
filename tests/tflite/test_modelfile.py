"""Files that claim more than any model has get one line, quickly and with little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.runner.hostile import Claims
from zoo.errors import ModelFileError
from zoo.runner.loading import memory
from zoo.tflite import modelfile
from zoo.tflite.flatbuffer import MAX_TEXT
from zoo.tflite.inspection import inspect_file
from zoo.tflite.modelfile import (
    MAX_BUFFERS,
    MAX_DIMENSIONS,
    MAX_ENTRIES,
    MAX_INDEXES,
    MAX_METADATA_BYTES,
    MAX_OPS,
    MAX_SCALES,
    MAX_TENSORS,
)

HUGE = 2**31 - 1
REFUSED = {
    "dimensions": (Claims(shape=[1] * (MAX_DIMENSIONS + 1)), "has 33 dimensions, the limit is 32"),
    "many dimensions": (Claims(shape=[HUGE] * 500_000), "has 500000 dimensions"),
    "elements": (Claims(shape=[HUGE] * 3), r"has more than 2\*\*63 elements"),
    "tensors": (Claims(tensors=MAX_TENSORS + 1), "it has 65537 tensors, the limit is 65536"),
    "tensors that graphs share": (Claims(tensors=MAX_TENSORS // 100 + 1, graphs=100), "its vectors overlap"),
    "operations": (Claims(ops=MAX_OPS + 1), "it has 65537 operations"),
    "inputs of one operation": (Claims(ops=1, op_inputs=MAX_INDEXES + 1), "inputs and outputs, the limit is 1048576"),
    "inputs that operations share": (Claims(ops=100, op_inputs=MAX_INDEXES // 100 + 1), "its vectors overlap"),
    "operator codes": (Claims(codes=MAX_OPS + 1), "it has 65537 operator codes"),
    "graphs": (Claims(graphs=MAX_ENTRIES + 1), "it has 1025 graphs"),
    "buffers": (Claims(buffers=MAX_BUFFERS), "it has 65537 buffers"),
    "scales": (Claims(scales=MAX_SCALES + 1), "it has 4194305 scales"),
    "metadata entries": (Claims(metadata=MAX_ENTRIES + 1), "it has 1025 metadata entries"),
    "a name": (Claims(name="n" * (MAX_TEXT + 1)), "it has a name of 65537 bytes, the limit is 65536"),
    "a custom operation's name": (Claims(custom="n" * 100_000), "it has a name of 100000 bytes"),
    "a metadata entry's name": (Claims(metadata=1, metadata_name="n" * 100_000), "it has a name of 100001 bytes"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_model_has_is_refused_in_one_short_line(what: str, tmp_path: Path) -> None:
    claims, reason = REFUSED[what]
    with pytest.raises(ModelFileError, match=reason) as caught:
        modelfile.read(claims.write(tmp_path / "m.tflite"))
    assert len(str(caught.value)) < 600


def test_the_largest_numbers_that_are_allowed_can_be_printed(cli: Cli, tmp_path: Path) -> None:
    path = Claims(shape=[HUGE, HUGE, 1, 2], ops=1000, name="n" * 10_000).write(tmp_path / "m.tflite")
    for command in (("inspect", path, "--tensors"), ("inspect", path, "--json")):
        assert cli(*command).code == 0
    found = modelfile.read(path)
    assert found.main.total_macs == 1000 * HUGE**4 * 2
    assert memory.largest_operation(found.main) == 4 * 2 * HUGE**2


def test_an_error_does_not_quote_a_whole_name(tmp_path: Path) -> None:
    path = Claims(shape=[-1], name="n" * 60_000).write(tmp_path / "m.tflite")
    with pytest.raises(ModelFileError, match=r"tensor 0 'n+\.\.\.' has shape \(-1,\)") as caught:
        modelfile.read(path)
    assert len(str(caught.value)) < 400


def test_metadata_that_name_one_buffer_share_its_bytes(tmp_path: Path) -> None:
    path = Claims(metadata=60, metadata_bytes=1 << 20).write(tmp_path / "m.tflite")
    found = modelfile.read(path).metadata
    assert len(found) == 60
    assert len(set(map(id, found.values()))) == 1
    path = Claims(metadata=2, metadata_bytes=MAX_METADATA_BYTES + 10).write(tmp_path / "m.tflite")
    assert {len(value) for value in modelfile.read(path).metadata.values()} == {MAX_METADATA_BYTES}


def test_a_long_runtime_version_is_not_printed_whole(tmp_path: Path) -> None:
    found = modelfile.read(Claims().write(tmp_path / "m.tflite"))
    said = modelfile.ModelFile(found.path, 0, 3, found.graphs, {"min_runtime_version": b"9" * 1_000_000})
    assert len(said.min_runtime) < 100


PROGRAMS = Path(__file__).with_name("programs")


@pytest.mark.parametrize("part", ["tensors", "ops", "codes", "buffers", "metadata"])
def test_twice_as_much_takes_twice_the_work(part: str, tmp_path: Path) -> None:
    """The work is counted in function calls, which do not depend on the load of the machine."""
    amount = 500 if part == "metadata" else 3000
    once, twice = tmp_path / "once.tflite", tmp_path / "twice.tflite"
    for path, number in ((once, amount), (twice, 2 * amount)):
        claims = Claims()
        setattr(claims, part, number)
        claims.write(path)
    done = subprocess.run(
        [sys.executable, PROGRAMS / "count_calls.py", once, twice], capture_output=True, text=True, check=True
    )
    first, second = map(int, done.stdout.split())
    assert first > amount / 2
    assert second < 2.2 * first


def test_many_kinds_of_operations_do_not_multiply_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inspect_file(Claims(ops=3).write(tmp_path / "m.tflite"))
    asked = []
    really = modelfile.Graph.constant_bytes

    def watch(graph: modelfile.Graph) -> Counter[str]:
        asked.append(graph)
        return really(graph)

    monkeypatch.setattr(modelfile.Graph, "constant_bytes", watch)
    for _ in range(5):
        found.as_dict()
    assert len(asked) == 1


def test_memory_is_a_small_multiple_of_the_file(tmp_path: Path) -> None:
    path = Claims(shape=[HUGE] * 4_000_000).write(tmp_path / "m.tflite")
    done = subprocess.run([sys.executable, PROGRAMS / "read_peak.py", path], capture_output=True, text=True, check=True)
    assert 1024 * int(done.stdout) < 2 * path.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("command", ["inspect", "run", "benchmark", "evaluate", "serve", "doctor"])
def test_every_command_refuses_in_one_line(command: str, cli: Cli, tmp_path: Path, photos: tuple[Path, Path]) -> None:
    path = Claims(shape=[HUGE] * 100_000, name="n" * 1000).write(tmp_path / "m.tflite")
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "1.jpg").symlink_to(photos[0])
    more = {"run": [photos[0]], "evaluate": [tmp_path / "data"]}.get(command, [])
    done = cli(command, path, *more)
    said = done.err + done.out
    assert done.code != 0
    assert "has 100000 dimensions" in said
    assert "Traceback" not in said
    assert max(map(len, said.splitlines())) < 1000


def test_a_named_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    with pytest.raises(ModelFileError, match=r"pipe\.tflite is no file but a named pipe"):
        inspect_file(tmp_path / "pipe.tflite")


def test_json_of_a_file_with_odd_scales_is_json(cli: Cli, tmp_path: Path) -> None:
    path = Claims(scales=10, shape=(10, 1)).write(tmp_path / "m.tflite")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\0\0\x80\x3f", b"\0\0\xc0\x7f", 1))  # 1.0, NaN

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(cli("inspect", path, "--json").out, parse_constant=refuse)
    assert document["tensors"][0]["scales"].count(None) == 1


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model.keras", b"PK\x03\x04 an archive", "Keras model"),
        ("model.h5", b"\x89HDF\r\n\x1a\n weights", "Keras model"),
        ("folder/saved_model.pb", b"a graph", "SavedModel folder"),
    ],
)
def test_a_file_that_can_be_exported_is_told_so(name: str, content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    given = path.parent if path.parent != tmp_path else path
    with pytest.raises(ModelFileError, match=f"is not a .tflite file: it is a {kind}, and zoo export {given} makes"):
        modelfile.read(given)


def test_a_file_in_a_folder_that_was_given_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.keras").touch()
    with pytest.raises(ModelFileError, match=f"it is a folder; zoo export {tmp_path}/model.keras makes a .tflite file"):
        modelfile.read(tmp_path)
    (tmp_path / "b.tflite").touch()
    (tmp_path / "a.tflite").touch()
    with pytest.raises(ModelFileError, match=f"it is a folder; give a file in it, such as {tmp_path}/a.tflite"):
        modelfile.read(tmp_path)
