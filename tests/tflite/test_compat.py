"""Versions of operations and runtimes: the tables agree with the runtimes themselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.narrow import narrow
from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.lower.lowering import lower
from zoo.export.tflite.converter import convert_in_memory
from zoo.export.tflite.settings import Settings
from zoo.tflite import compat, modelfile


@pytest.fixture(scope="module")
def per_channel_dynamic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a file with the converter's defaults, which has FULLY_CONNECTED version 12."""
    path = tmp_path_factory.mktemp("compat") / "m.tflite"
    path.write_bytes(convert_in_memory(lower(zoo.build("lenet")), Settings("dynamic", dense_per_channel=True)))
    return path


def test_a_version_too_new_is_named(per_channel_dynamic: Path) -> None:
    file = modelfile.read(per_channel_dynamic)
    versions = {version for name, version, _ in compat.op_counts(file) if name == "FULLY_CONNECTED"}
    assert versions == {12}
    assert compat.problems(file, "litert 2.3") == []
    with pytest.raises(ExportError, match=r"tflite-runtime 2.14 cannot run .* FULLY_CONNECTED version 12: .* up to 10"):
        compat.require(file, ["tflite-runtime 2.14"])


def test_the_runtime_says_the_same(per_channel_dynamic: Path, tflite_runtime_python: str) -> None:
    script = f"from tflite_runtime.interpreter import Interpreter; Interpreter({str(per_channel_dynamic)!r})"
    done = subprocess.run([tflite_runtime_python, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FULLY_CONNECTED" in done.stderr


def test_a_target_that_cannot_load_gets_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.export.options import ExportOptions

    monkeypatch.setattr(ExportOptions, "dense_per_channel", True)
    with pytest.raises(ExportError, match=r"tflite-runtime 2\.14 cannot run this file"):
        to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", quantize="dynamic", target="tflite-runtime")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_per_channel_dense_is_a_problem_for_old_runtimes(tmp_path: Path) -> None:
    report = to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", quantize="int8", target="litert")
    file = modelfile.read(report.path)
    assert compat.problems(file, "tflite-runtime 2.14") == []
    found = compat.problems(file, "edgetpu_compiler 16")
    assert any("one scale a channel" in problem.reason for problem in found)
    usual = modelfile.read(to_tflite(zoo.build("lenet"), tmp_path / "u.tflite", quantize="int8").path)
    assert compat.problems(usual, "edgetpu_compiler 16") == []


@pytest.mark.slow
def test_grouped_convolutions_are_refused_by_the_compiler(tmp_path: Path) -> None:
    with narrow():
        model = zoo.build("alexnet", input_size=63, num_classes=3)
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", target="litert", verify_file=False)
    problems = compat.problems(modelfile.read(report.path), "edgetpu_compiler 16")
    assert any(p.op == "CONV_2D" and p.version == 6 and "splits grouped" in p.remedy for p in problems)


def _file(tmp_path: Path, **names: Any) -> modelfile.ModelFile:
    ops = tuple(modelfile.Op(name, version, custom, (), ()) for name, version, custom in names["ops"])
    return modelfile.ModelFile(tmp_path, 0, 3, (modelfile.Graph((), ops, (), ()),), {})


def test_unknown_and_custom_operations(tmp_path: Path) -> None:
    file = _file(tmp_path, ops=[("UNKNOWN_999", 1, False), ("edgetpu-custom-op", 1, True), ("ADD", 1, False)])
    reasons = [str(problem) for problem in compat.problems(file, "litert 2.3")]
    assert len(reasons) == 2
    assert "not known to this runtime" in reasons[0]
    assert "custom operation" in reasons[1]


def test_the_tables_have_their_source() -> None:
    meta = json.loads((Path(zoo.__file__).parent / "assets" / "op_versions.json").read_text())["_meta"]
    assert "method" in meta
