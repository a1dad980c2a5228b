"""Files that claim more than any model has get one line, quickly and with little memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

import zoo.assets
from tests.conftest import Cli
from tests.records import graph, op, tensor
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
    MAX_OPS,
    MAX_SCALES,
    MAX_TENSORS,
)
from zoo.tflite.writing.front import integers, table, tables

HUGE = 2**31 - 1
REFUSED = {
    "dimensions": (Claims(shape=[1] * (MAX_DIMENSIONS + 1)), "has 33 dimensions, the limit is 32"),
    "dimensions of all tensors": (
        Claims(shape=[1] * (2 * MAX_TENSORS * MAX_DIMENSIONS + 1)),
        "it has 4194305 dimensions, the limit is 4194304",
    ),
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
    path = Claims(metadata=2, metadata_bytes=(16 << 20) + 10).write(tmp_path / "m.tflite")
    assert {len(value) for value in modelfile.read(path).metadata.values()} == {16 << 20}


def test_a_long_runtime_version_is_not_printed_whole(tmp_path: Path) -> None:
    found = modelfile.read(Claims().write(tmp_path / "m.tflite"))
    said = modelfile.ModelFile(found.path, 0, 3, found.graphs, {"min_runtime_version": b"9" * 1_000_000})
    assert said.min_runtime == "9" * 32


PROGRAMS = Path(__file__).with_name("programs")


@pytest.mark.slow
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


def test_nothing_of_a_file_stays_in_memory_where_an_interpreter_maps_it_again(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    shutil.copyfile(Path(zoo.assets.__file__).parent / "demo" / "digits_int8.tflite", path)
    found = modelfile.read(path)
    assert resident(path) == 0
    strides = [op.options.number(1, "i") for op in found.main.ops if op.name == "CONV_2D" and op.options]
    assert strides
    assert min(strides) >= 1
    assert resident(path) > 0


def resident(path: Path) -> int:
    """Returns how much of a mapped file is in the memory of this process, in kilobytes."""
    lines = Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.endswith(str(path))]
    assert starts
    return sum(int(next(line for line in lines[at:] if line.startswith("Rss:")).split()[1]) for at in starts)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["inspect", "run", "benchmark", "evaluate", "serve", "doctor"])
def test_every_command_refuses_in_one_line(
    command: str, cli: Cli, tmp_path: Path, photos: tuple[Path, Path], uninstall: Callable[..., None]
) -> None:
    uninstall("tensorflow")  # which `doctor` would import twice
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


Numbers = dict[int, tuple[str, float]]


def whole(
    tensor: Numbers | None = None, *, shape: Sequence[int] = (1, 3), scales: int = 0, data: bytes = b"", **more: Any
) -> bytes:
    """Makes a file of one operation, ADD in version 4, from a constant and an input to an output.

    Args:
        tensor: numbers of the constant's table by slot; its type is FLOAT32 by default.
        shape: the constant's.
        scales: how many it has, and as many zero points.
        data: the constant's bytes.
        more: `axis`, `op`, `ends`, `code` and `options`, numbers and indexes that are to be others; `buffer`, the place
            and length of bytes behind the tables that take the constant's; `notes`, the metadata.
    """
    b = flatbuffers.Builder(512)
    blob = b.CreateByteVector(data)
    notes = {"min_runtime_version": b"1.14.0" + bytes(10)}
    notes = {str(i): note for i, note in enumerate(more["notes"])} if "notes" in more else notes
    kept = [b.CreateByteVector(note) for note in notes.values()]
    code = table(b, {}, more.get("code", {0: ("Int8", 0), 3: ("Int32", 0), 2: ("Int32", 4)}))
    place = dict(enumerate((("Uint64", number) for number in more["buffer"]), start=1)) if "buffer" in more else None
    weights = table(b, {}, place) if place else table(b, {0: blob})
    buffers = tables(b, [table(b), weights, *(table(b, {0: note}) for note in kept)])
    offsets = {0: integers(b, list(shape)), 3: b.CreateString("constant")}
    if scales:
        found = {2: b.CreateNumpyVector(np.arange(1, scales + 1, dtype=np.float32))}
        found[3] = b.CreateNumpyVector(np.arange(scales, dtype=np.int64) - 2)
        offsets[4] = table(b, found, {6: ("Int32", more.get("axis", 0))})
    constant = table(b, offsets, {2: ("Uint32", 1), **(tensor or {})})
    made = [constant]
    for name in ("in", "out"):
        made.append(table(b, {0: integers(b, [1, 3]), 3: b.CreateString(name), 7: integers(b, [-1, 3])}))
    options = table(b, {}, {0: ("Int8", 1)})
    op = table(
        b,
        {1: integers(b, more.get("op", [1, 0])), 2: integers(b, [2]), 4: options},
        {0: ("Uint32", 0), 3: ("Uint8", more.get("options", 11))},
    )
    ends = more.get("ends", ([1], [2]))
    fields = {0: tables(b, made), 1: integers(b, ends[0]), 2: integers(b, ends[1]), 3: tables(b, [op])}
    names = [b.CreateString(name) for name in notes]
    entries = [table(b, {0: name}, {1: ("Uint32", at)}) for at, name in enumerate(names, start=2)]
    root = {1: tables(b, [code]), 2: tables(b, [table(b, fields)]), 4: buffers, 6: tables(b, entries)}
    b.Finish(table(b, root, {0: ("Uint32", 3)}), b"TFL3")
    return bytes(b.Output())


def parsed(*args: Any, **options: Any) -> modelfile.ModelFile:
    return modelfile.parse(whole(*args, **options), Path("m.tflite"))


def test_everything_that_a_file_says_is_read() -> None:
    content = whole(scales=3, axis=1, data=np.array([1, 2, 3], np.float32).tobytes())
    file = modelfile.parse(content, Path("m.tflite"))
    assert (file.size, file.schema_version, file.min_runtime) == (len(content), 3, "1.14.0")
    (graph,) = file.graphs
    assert (graph.inputs, graph.outputs, file.main) == ((1,), (2,), graph)
    (op,) = graph.ops
    assert (op.name, op.version, op.custom, op.inputs, op.outputs) == ("ADD", 4, False, (1, 0), (2,))
    assert op.options is not None
    assert op.options.number(0, "b") == 1
    constant, given, made = graph.tensors
    assert [one.name for one in graph.tensors] == ["constant", "in", "out"]
    assert [one.number for one in graph.tensors] == [0, 1, 2]
    assert (constant.shape, constant.dtype, constant.bytes, constant.axis) == ((1, 3), "FLOAT32", 12, 1)
    assert content[constant.start : constant.start + 12] == np.array([1, 2, 3], np.float32).tobytes()
    assert (constant.scales.tolist(), constant.zero_points.tolist()) == ([1, 2, 3], [-2, -1, 0])
    assert (constant.is_constant, constant.dynamic, constant.sparse) == (True, False, False)
    for one in (given, made):
        assert (one.is_constant, one.dynamic, one.bytes, len(one.scales)) == (False, True, 0, 0)
    assert graph.constant_bytes() == {"ADD": 12}


def test_the_larger_of_the_two_codes_is_the_operations() -> None:
    for old, new, name in ((3, 3, "CONV_2D"), (127, 150, "UNKNOWN_9999"), (3, 0, "CONV_2D"), (0, 9, "FULLY_CONNECTED")):
        (op,) = parsed(code={0: ("Int8", old), 3: ("Int32", new if new != 150 else 9999)}).main.ops
        assert (op.name, op.version, op.custom) == (name, 1, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": bytes(11)}, r"tensor 0 'constant' of shape \(1, 3\), FLOAT32, has 11 bytes of data"),
        ({"data": bytes(12), "shape": (1, 4)}, "has 12 bytes of data"),
        ({"shape": (1, -1)}, r"tensor 0 'constant' has shape \(1, -1\)"),
        ({"tensor": {1: ("Int8", 99)}}, "has the unknown type 99"),
        ({"tensor": {2: ("Uint32", 3)}}, "buffer 3 is asked for, there are 3"),
        ({"scales": 2, "axis": 1}, "has 2 scales on axis 1"),
        ({"scales": 3, "axis": 0}, "has 3 scales on axis 0"),
        ({"scales": 3, "axis": 2}, "has 3 scales on axis 2"),
        ({"scales": 3, "axis": -1}, "has 3 scales on axis -1"),
        ({"op": [1, 3]}, "tensor 3 is asked for, there are 3"),
        ({"op": [1, -2]}, "tensor -2 is asked for, there are 3"),
        ({"ends": ([-1], [2])}, "an input or output is left out"),
        ({"ends": ([1], [-1])}, "an input or output is left out"),
    ],
)
def test_what_contradicts_itself_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelFileError, match=rf"m\.tflite is not a sound \.tflite file: .*{message}"):
        parsed(**options)


def test_what_is_odd_and_sound_is_read() -> None:
    assert parsed(op=[1, -1]).main.ops[0].inputs == (1, -1)
    assert parsed(scales=1, axis=5).main.tensors[0].scales.tolist() == [1]
    assert parsed({1: ("Int8", 2)}, data=bytes(12)).main.tensors[0].dtype == "INT32"


ITEMS = {8: "FLOAT64 INT64 UINT64 COMPLEX64", 16: "COMPLEX128", 4: "FLOAT32 INT32 UINT32",
         2: "FLOAT16 INT16 UINT16 BFLOAT16", 1: "INT8 UINT8 BOOL"}  # fmt: skip


def test_a_value_takes_the_bytes_of_its_type() -> None:
    assert {name: size for size, names in ITEMS.items() for name in names.split()} == modelfile.ITEM_BYTES
    kinds = {name: np.dtype(name.lower()).itemsize for name in modelfile.ITEM_BYTES if name not in {"BFLOAT16"}}
    assert kinds.items() <= modelfile.ITEM_BYTES.items()


def test_multiply_accumulates_are_those_of_weights_at_every_place_of_the_output() -> None:
    tensors = [tensor(shape=(1, 9, 9, 3)), tensor(shape=(8, 3, 3, 3), constant=216), tensor(shape=(1, 7, 5, 8))]
    for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        one = graph(tensors, op(name, (0, 1), (2,)))
        assert one.macs(one.ops[0]) == one.total_macs == 216 * 35
    for left_out in (op("ADD", (0, 1), (2,)), op("CONV_2D", (0,), (2,)), op("CONV_2D", (0, -1), (2,))):
        assert graph(tensors, left_out).total_macs == 0
    assert graph(tensors, op("CONV_2D", (0, 1), ())).total_macs == 0
    swapped = graph(tensors, op("CONV_2D", (1, 0), (2,)), op("CONV_2D", (0, 1), (2,)))
    assert swapped.total_macs == (243 + 216) * 35


def test_constants_count_for_the_operation_that_reads_them_first() -> None:
    tensors = [tensor(), tensor(constant=5), tensor(constant=7), tensor()]
    one = graph(tensors, op("MUL", (1, 0, -1), (3,)), op("ADD", (1, 2, 2), (3,)), op("MUL", (0, 2), (3,)))
    assert one.constant_bytes() == {"MUL": 5, "ADD": 7}


def test_a_tensor_has_at_most_as_many_elements_as_runtimes_can_count() -> None:
    most = (1_532_540_863, 859_764_727, 7)
    assert np.prod(most, dtype=object) == 2**63 - 1
    assert parsed(shape=most).main.tensors[0].shape == most
    with pytest.raises(ModelFileError, match=r"'constant' of shape .* has more than 2\*\*63 elements"):
        parsed(shape=(2**21, 2**21, 2**21))


def test_a_buffer_behind_the_tables_is_read_where_it_lies() -> None:
    """So files of more than 2 GB have their weights."""
    data = np.array([1, 2, 3], np.float32).tobytes()

    def parse(start: int, length: int = 12) -> modelfile.ModelFile:
        return modelfile.parse(whole(buffer=(start, length)) + data, Path("m.tflite"))

    start = len(whole(buffer=(2, 12)))
    constant = parse(start).main.tensors[0]
    assert (constant.start, constant.bytes) == (start, 12)
    assert parse(2).main.tensors[0].start == 2
    with pytest.raises(ModelFileError, match=f"a buffer at byte {start + 1} of 12 bytes reaches beyond the file's end"):
        parse(start + 1)
    # Writers put a 1 there before they know the place.
    for unknown in (0, 1):
        assert parse(unknown).main.tensors[0].bytes == 0


def test_an_operation_without_options_has_none() -> None:
    assert parsed(options=0).main.ops[0].options is None
    assert parsed(options=1).main.ops[0].options is not None


def test_a_custom_operation_has_the_name_that_the_file_gives_it(tmp_path: Path) -> None:
    (one,) = modelfile.read(Claims(ops=1, custom="Mine").write(tmp_path / "m.tflite")).main.ops
    assert (one.name, one.custom, one.version) == ("Mine", True, 1)


def test_metadata_beyond_what_is_left_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelfile, "MAX_METADATA_BYTES", 20)
    assert parsed(notes=(b"a" * 15, b"b" * 15)).metadata == {"0": b"a" * 15, "1": b"b" * 5}
