"""Lists our parsers of untrusted bytes, judges their results, and makes small valid files to begin with."""

from __future__ import annotations

import io
import json
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ZooError

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "zoo" / "assets" / "demo" / "digits_int8.tflite"


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


def parsers() -> dict[str, Parser]:
    """The parsers of flatbuffers, of the files embedded behind them, of ONNX, and of HDF5, by name."""
    return {
        "flatbuffer": Parser("flatbuffer", ".tflite", _read_flatbuffer, _flatbuffers),
        "card": Parser("card", ".tflite", _read_card, _cards, _embedded),
        "onnx": Parser("onnx", ".onnx", _read_onnx, _graphs),
        # Keras is imported with it.
        "hdf5": Parser("hdf5", ".h5", _read_hdf5, _weights, megabytes=3072),
    }


class Attempts:
    """Gives inputs to a parser one after the other and keeps the results; a context manager."""

    def __init__(self, parser: Parser, keep: Path | None = None) -> None:
        """Prepares the parser; `keep` is a folder for one input of each kind of fault."""
        self.parser, self.keep = parser, keep
        self.outcomes = Counter[str]()
        self.findings: dict[str, str] = {}
        """The name of an input for each error that is not a `ZooError` and the place where it was raised."""
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / f"fuzz{parser.suffix}"

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *exception: object) -> None:
        self._folder.cleanup()

    def one(self, data: bytes) -> None:
        """Tries an input: a result and a `ZooError` are right, and all else is a finding."""
        whole = self.parser.file(data)
        self._path.write_bytes(whole)
        try:
            self.parser.read(self._path)
        except ZooError:
            self.outcomes["refused"] += 1
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            self.outcomes["findings"] += 1
            self._found(error, whole)
        else:
            self.outcomes["read"] += 1

    def _found(self, error: Exception, whole: bytes) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        own = next(
            (
                at
                for at in reversed(traceback.extract_tb(error.__traceback__))
                if Path(at.filename).is_relative_to(ROOT)
            ),
            last,
        )
        what = f"{type(error).__name__} in {own.name} ({Path(own.filename).name}:{own.lineno})"
        if what in self.findings:
            return
        name = f"{self.parser.name}_{len(self.findings)}{self.parser.suffix}"
        self.findings[what] = name
        if self.keep:
            (self.keep / name).write_bytes(whole)
            text = "".join(traceback.format_exception(error))
            (self.keep / f"{name}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")


def _read_flatbuffer(path: Path) -> object:
    from zoo.tflite import modelfile

    return modelfile.read(path)


def _read_card(path: Path) -> object:
    from zoo.tflite import card

    return (card.checksum(path), card.describe(path))


def _read_onnx(path: Path) -> object:
    from zoo.onnx import inspection
    from zoo.onnx.reading import outline

    return (inspection.inspect_file(path).as_dict(), outline.read(path))


def _read_hdf5(path: Path) -> object:
    from zoo.weights.formats import files

    return files.read(path)


def _flatbuffers() -> list[bytes]:
    data = MODEL.read_bytes()
    with zipfile.ZipFile(MODEL) as archive:
        length = json.loads(archive.read("card.json"))["flatbuffer"]["bytes"]
    return [data[:length], data]


def _graphs() -> list[bytes]:
    """Makes nets of the operations that are judged by more than their names, one with a branch."""
    from onnx import TensorProto, helper

    def end(name: str, *shape: int) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    def constant(name: str, kind: int, shape: list[int], values: list[float]) -> object:
        return helper.make_tensor(name, kind, shape, values)

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"], kernel_shape=[1, 1]),
        helper.make_node("QuantizeLinear", ["conv", "scale", "zero"], ["stored"]),
        helper.make_node("DequantizeLinear", ["stored", "scale", "zero"], ["loaded"]),
        helper.make_node("Resize", ["loaded", "", "scales"], ["large"], mode="linear"),
        helper.make_node("MaxPool", ["large"], ["pooled"], kernel_shape=[2, 2]),
        helper.make_node("TopK", ["pooled", "k"], ["y", "places"]),
        helper.make_node("Einsum", ["y"], ["z"], equation="abcd->abdc"),
    ]
    constants = [
        constant("w", TensorProto.FLOAT, [1, 1, 1, 1], [1.0]),
        constant("scale", TensorProto.FLOAT, [], [0.1]),
        constant("zero", TensorProto.INT8, [], [0]),
        constant("scales", TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0]),
        constant("k", TensorProto.INT64, [1], [1]),
    ]
    ways = [helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [end(op, 1)]) for op in ("Relu", "Neg")]
    fork = helper.make_node("If", ["which"], ["y"], then_branch=ways[0], else_branch=ways[1])
    which = helper.make_tensor_value_info("which", TensorProto.BOOL, [])
    plain = helper.make_graph(nodes, "plain", [end("x", 1, 1, 4, 4)], [end("z", 1, 1, 4, 1)], constants)
    branched = helper.make_graph([fork], "branched", [end("x", 1), which], [end("y", 1)])
    opsets = [helper.make_opsetid("", 13)]
    return [helper.make_model(one, opset_imports=opsets).SerializeToString() for one in (plain, branched)]


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
    import h5py
    import numpy as np

    import zoo

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.weights.h5"
        model = zoo.build("mlp", input_size=2, hidden=(2,), num_classes=2)
        model.save_weights(path)
        found = [path.read_bytes()]
        older = Path(folder) / "older.h5"
        with h5py.File(older, "w") as file:
            layers = [layer for layer in model.layers if layer.weights]
            file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
            for layer in layers:
                names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
                group = file.create_group(layer.name)
                group.attrs["weight_names"] = [name.encode() for name in names]
                for name, weight in zip(names, layer.weights, strict=True):
                    group[name] = np.asarray(weight)
        return [*found, older.read_bytes()]
