"""Lists our parsers of untrusted bytes, and makes small valid files to begin with."""

from __future__ import annotations

import io
import json
import pkgutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reliability.sources import MODEL


@dataclass(frozen=True)
class Parser:
    """A function that reads a file, and how the fuzzer's bytes become a file."""

    name: str
    suffix: str
    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]
    file: Callable[[bytes], bytes] = lambda data: data
    """Makes a file from the fuzzer's bytes; by default they are the file."""
    megabytes: int = 1024
    """Most bytes of memory of the process, including imported modules."""


def _calls(*names: str) -> Callable[[Path], object]:
    """Makes a parser of functions `MODULE:NAME`, whose modules are imported by the first call."""
    return lambda path: [pkgutil.resolve_name(name)(path) for name in names]


def _read_onnx(path: Path) -> object:
    from zoo.onnx import inspection
    from zoo.onnx.reading import outline

    return (inspection.inspect_file(path).as_dict(), outline.read(path))


def _read_hdf5(path: Path) -> object:
    import keras

    from zoo.weights.formats import files

    keras.config.disable_traceback_filtering()
    return files.read(path)


def _flatbuffers() -> list[bytes]:
    data = MODEL.read_bytes()
    with zipfile.ZipFile(MODEL) as archive:
        length = json.loads(archive.read("card.json"))["flatbuffer"]["bytes"]
    return [data[:length], data]


NETS = (
    """<ir_version: 8, opset_import: ["": 13]> plain (float[1,1,4,4] x) => (float[1,1,4,1] z)
    <float[1,1,1,1] w = {1}, float scale = {0.1}, int8 zero = {0}, float[4] scales = {1, 1, 2, 2}, int64[1] k = {1}> {
        conv = Conv <kernel_shape = [1, 1]> (x, w)
        stored = QuantizeLinear (conv, scale, zero)
        loaded = DequantizeLinear (stored, scale, zero)
        large = Resize <mode = "linear"> (loaded, , scales)
        pooled = MaxPool <kernel_shape = [2, 2]> (large)
        y, places = TopK (pooled, k)
        z = Einsum <equation = "abcd->abdc"> (y)
    }""",
    """<ir_version: 8, opset_import: ["": 13]> branched (float[1] x, bool which) => (float[1] y) {
        y = If (which) <
            then_branch = one () => (float[1] Relu) { Relu = Relu (x) },
            else_branch = two () => (float[1] Neg) { Neg = Neg (x) }
        >
    }""",
)
"""Nets of the operations that are judged by more than their names, one with a branch."""


def _graphs() -> list[bytes]:
    from onnx import parser

    return [parser.parse_model(net).SerializeToString() for net in NETS]


def _cards() -> list[bytes]:
    """Makes a whole archive, a card, or labels, depending on the first byte."""
    with zipfile.ZipFile(MODEL) as archive:
        parts = {name: archive.read(name) for name in ("card.json", "labels.txt")}
    whole = _archive(parts["card.json"], parts["labels.txt"])
    return [b"\0" + whole, b"\1" + parts["card.json"], b"\2" + parts["labels.txt"]]


def _embedded(data: bytes) -> bytes:
    kind, rest = data[:1], data[1:]
    if kind == b"\1":
        return _archive(rest, b"a\nb\n")
    return _archive(b"{}", rest) if kind == b"\2" else rest


def _archive(card: bytes, labels: bytes) -> bytes:
    whole = io.BytesIO(b"\x1c\0\0\0TFL3" + bytes(24))
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("labels.txt", labels)
        archive.writestr("card.json", card)
    return whole.getvalue()


def _weights() -> list[bytes]:
    """Makes the weights of a small net in the format of Keras 3, and in that of Keras 1 and 2."""
    import zoo
    from tests.weights.conftest import save_legacy

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.weights.h5"
        model = zoo.build("mlp", input_size=2, hidden=(2,), num_classes=2)
        model.save_weights(path)
        return [path.read_bytes(), save_legacy(model, path.with_name("older.h5")).read_bytes()]


PARSERS = {
    parser.name: parser
    for parser in (
        Parser("flatbuffer", ".tflite", _calls("zoo.tflite.modelfile:read"), _flatbuffers),
        Parser("card", ".tflite", _calls("zoo.tflite.card:checksum", "zoo.tflite.card:describe"), _cards, _embedded),
        Parser("onnx", ".onnx", _read_onnx, _graphs),
        # Keras is imported with it.
        Parser("hdf5", ".h5", _read_hdf5, _weights, megabytes=3072),
    )
}
"""The parsers of flatbuffers, of the files embedded behind them, of ONNX, and of HDF5, by name."""
