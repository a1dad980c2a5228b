"""Delegates, with a small library of our own instead of a library for hardware."""

from __future__ import annotations

import gc
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests import packages
from zoo.errors import InputError, MissingDependencyError, ModelFileError
from zoo.runner import load
from zoo.runner.loading import delegates, known, runtimes

if TYPE_CHECKING:
    from tests.conftest import Case, Cli

SOURCE = Path(__file__).parents[1] / "programs" / "delegate.c"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    packages.require("cc")
    library = tmp_path_factory.mktemp("delegate") / "libedgetpu.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DELEGATE_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_a_library_by_its_path(lenet: Case, library: Path, log: Path) -> None:
    session = load(lenet.file, delegate=str(library))
    assert log.read_text() == ""
    np.testing.assert_allclose(session.run(lenet.inputs[0])[0][0], lenet.scores[0], atol=1e-5)


def test_a_file_that_is_not_known_here_is_tried_with_the_delegate_first(
    lenet: Case, library: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert not known.holds(lenet.file, "litert", str(library))
    assert load(lenet.file, delegate=str(library)).runtime == "litert"
    assert known.holds(lenet.file, "litert", str(library))


@pytest.mark.parametrize("in_a_cycle", [False, True])
def test_the_delegate_goes_after_the_interpreter(
    in_a_cycle: bool, lenet: Case, library: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()  # what earlier tests have left
    module = runtimes.module("litert")
    went: list[str] = []
    for kind in (module.Interpreter, module.Delegate):
        monkeypatch.setattr(kind, "__del__", _noting(went, kind))
    loaded: list[Any] = [load(lenet.file, delegate=str(library))]
    if in_a_cycle:
        loaded.append(loaded)
    del loaded
    gc.collect()
    assert went == ["Interpreter", "Delegate"]


def _noting(went: list[str], kind: type[Any]) -> Callable[[Any], None]:
    plain = kind.__dict__["__del__"]

    def end(self: Any) -> None:
        went.append(kind.__name__)
        plain(self)

    return end


def test_an_edge_tpu_by_its_device(lenet: Case, library: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(delegates.EDGETPU_LIBRARIES, "linux", str(library))
    load(lenet.file, delegate="edgetpu")
    assert log.read_text() == ""
    load(lenet.file, delegate="edgetpu:pci:1")
    assert log.read_text() == "device=pci:1\n"


def test_an_edge_tpu_that_is_not_there(lenet: Case, library: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        MissingDependencyError, match=r"the Edge TPU's libedgetpu.so.1 is not installed: docs/boards.md says which"
    ):
        load(lenet.file, delegate="edgetpu")
    monkeypatch.setitem(delegates.EDGETPU_LIBRARIES, "linux", str(library))
    with pytest.raises(MissingDependencyError, match=r"no Edge TPU was found \(device: usb:7\): plug it in"):
        load(lenet.file, delegate="edgetpu:usb:7")


def test_what_is_no_delegate(lenet: Case, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no delegate 'gpu': give edgetpu, edgetpu:DEVICE, or the path"):
        load(lenet.file, delegate="gpu")
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(InputError, match=r"cannot load the delegate .*text\.so: "):
        load(lenet.file, delegate=str(tmp_path / "text.so"))
    from ai_edge_litert import interpreter

    other = next(Path(interpreter.__file__).parent.glob("_pywrap_string_util*.so"))
    with pytest.raises(InputError, match="is a library but no TFLite delegate"):
        load(lenet.file, delegate=str(other))


def test_a_file_for_an_edge_tpu_without_one(cli: Cli, tmp_path: Path, photos: tuple[Path, Path]) -> None:
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(_compiled())
    with pytest.raises(ModelFileError, match=r"was compiled for an Edge TPU: give --delegate edgetpu"):
        load(path)
    assert "give --delegate edgetpu" in cli("run", path, photos[0]).error


@pytest.mark.parametrize("ours", [False, True])
def test_a_file_that_was_compiled_by_hand_may_have_the_card_of_the_other(
    ours: bool, lenet_file: Path, tmp_path: Path
) -> None:
    """Coral's compiler may keep the archive behind the file that it was given. A card of our own has to be right."""
    path = tmp_path / "net_edgetpu.tflite"
    path.write_bytes(_compiled())
    with zipfile.ZipFile(lenet_file) as before, zipfile.ZipFile(path, "a") as after:
        card = json.loads(before.read("card.json"))
        after.writestr("labels.txt", before.read("labels.txt"))
        after.writestr("card.json", json.dumps(card | ({"compiled_for": "edgetpu"} if ours else {})))
    said = "was changed, or damaged" if ours else "was compiled for an Edge TPU: give --delegate edgetpu"
    with pytest.raises(ModelFileError, match=said):
        load(path)


def _compiled() -> bytes:
    """Makes a file like those of Coral's compiler, with one custom operation from the input to the output."""
    import flatbuffers
    import tflite

    b = flatbuffers.Builder(1024)

    def offsets(start: Callable[..., int], items: list[int]) -> int:
        start(b, len(items))
        for item in reversed(items):
            b.PrependUOffsetTRelative(item)
        return int(b.EndVector())

    def ints(start: Callable[..., int], items: list[int]) -> int:
        start(b, len(items))
        for item in reversed(items):
            b.PrependInt32(item)
        return int(b.EndVector())

    def tensor(name: str, *dims: int) -> int:
        text, shape = b.CreateString(name), ints(tflite.TensorStartShapeVector, [*dims])
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, tflite.TensorType.UINT8)
        tflite.TensorAddName(b, text)
        return int(tflite.TensorEnd(b))

    name = b.CreateString("edgetpu-custom-op")
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, tflite.BuiltinOperator.CUSTOM)
    tflite.OperatorCodeAddBuiltinCode(b, tflite.BuiltinOperator.CUSTOM)
    tflite.OperatorCodeAddCustomCode(b, name)
    code = tflite.OperatorCodeEnd(b)
    entry, exit_ = ints(tflite.OperatorStartInputsVector, [0]), ints(tflite.OperatorStartOutputsVector, [1])
    tflite.OperatorStart(b)
    tflite.OperatorAddInputs(b, entry)
    tflite.OperatorAddOutputs(b, exit_)
    operator = tflite.OperatorEnd(b)
    tensors = offsets(tflite.SubGraphStartTensorsVector, [tensor("in", 1, 8, 8, 3), tensor("out", 1, 4)])
    entry, exit_ = ints(tflite.SubGraphStartInputsVector, [0]), ints(tflite.SubGraphStartOutputsVector, [1])
    operators = offsets(tflite.SubGraphStartOperatorsVector, [operator])
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors)
    tflite.SubGraphAddInputs(b, entry)
    tflite.SubGraphAddOutputs(b, exit_)
    tflite.SubGraphAddOperators(b, operators)
    graph = tflite.SubGraphEnd(b)
    tflite.BufferStart(b)
    empty = tflite.BufferEnd(b)
    codes = offsets(tflite.ModelStartOperatorCodesVector, [code])
    graphs, buffers = (
        offsets(tflite.ModelStartSubgraphsVector, [graph]),
        offsets(tflite.ModelStartBuffersVector, [empty]),
    )
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, buffers)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())
