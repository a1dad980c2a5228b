from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import detectors

if TYPE_CHECKING:
    from tests.conftest import Case, Cli, Elsewhere

CODE = "import sys; from zoo.cli.main import main; main(sys.argv[1:])"


@pytest.mark.slow
def test_text(cli: Cli, lenet: Case, uninstall: Callable[..., None]) -> None:
    uninstall("tensorflow")
    done = cli("doctor", lenet.file)
    assert (done.code, done.err) == (0, "")
    for expected in ("architecture:", "libedgetpu:", "cameras:", "litert", "works", "runs it"):
        assert expected in done.out


def test_a_file_that_no_runtime_could_run_is_one_line_before_any_is_asked(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.runner.doctor._runtime_state", pytest.fail)
    done = cli("doctor", tmp_path / "none.tflite")
    assert (done.code, done.out) == (1, "")
    assert done.err == f"zoo: error: cannot read {tmp_path / 'none.tflite'}: No such file or directory\n"
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 a photo")
    assert "is not a .tflite file" in cli("doctor", tmp_path / "photo.jpg").error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "runtime"), [("base_python", "litert"), ("tflite_runtime_python", "tflite-runtime")]
)
def test_on_a_board(
    request: pytest.FixtureRequest, environment: str, runtime: str, elsewhere: Elsewhere, lenet: Case
) -> None:
    python: Path = request.getfixturevalue(environment)
    found = json.loads(elsewhere(python, CODE, "doctor", lenet.file, "--json"))
    assert found["well"]
    assert {"runtime": runtime, "problem": None} in found["file"]
    states = {state["name"]: state for state in found["runtimes"]}
    assert states["tensorflow"]["problem"].startswith("not installed: pip install")
    assert found["machine"]["python"].startswith("3.")


def test_what_a_file_is_for_is_said(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.runner.doctor._in_a_process", lambda *_: (None, ()))
    file = detectors.two_outputs(tmp_path / "colours.tflite")
    done = cli("doctor", file)
    assert done.code == 0
    assert "task: detection, 3 classes" in done.out
    assert "boxes: one for each of 16 anchors" in done.out
    raw = detectors.raw_outputs(tmp_path / "raw.tflite")
    found = json.loads(cli("doctor", raw, "--json").out)["runner"]
    assert found["input"].endswith("the anchors of its 16 boxes are not in the file")
    raw.write_bytes(raw.read_bytes()[:3000])
    assert "refused: " in cli("doctor", raw).out
    assert json.loads(cli("doctor", "--json").out)["runner"] is None


@pytest.mark.slow
def test_a_pip_line_keeps_its_brackets(cli: Cli, uninstall: Callable[..., None]) -> None:
    uninstall("tensorflow", "tflite-runtime")
    assert "pip install 'edgezoo[tflite-runtime]'" in cli("doctor").out
