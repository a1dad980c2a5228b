from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.runner import runtimes

if TYPE_CHECKING:
    from tests.conftest import Case, Cli, Elsewhere

CODE = "import sys; from zoo.cli.main import main; main(sys.argv[1:])"


@pytest.fixture(scope="session")
def lenet(cases: Callable[[str], Case]) -> Case:
    return cases("lenet")


def test_text(cli: Cli, lenet: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtimes.PACKAGES, "tensorflow", ("no-such-package",))
    done = cli("doctor", lenet.file)
    assert (done.code, done.err) == (0, "")
    for expected in ("architecture:", "libedgetpu:", "cameras:", "litert", "works", "runs it"):
        assert expected in done.out
    done = cli("doctor", lenet.file.parent / "none.tflite")
    assert done.code == 1
    assert "No such file or directory" in done.out


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


def test_a_pip_line_keeps_its_brackets(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(runtimes.PACKAGES, "tensorflow", ("no-such-package",))
    monkeypatch.setitem(runtimes.PACKAGES, "tflite-runtime", ("no-such-package",))
    assert "pip install 'edgezoo[tflite-runtime]'" in cli("doctor").out
