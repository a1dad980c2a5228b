from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests import detectors
from zoo.errors import InputError, ModelFileError
from zoo.runner import Classifier, Detector, load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Case


@pytest.mark.slow
def test_every_model_gives_the_scores_of_keras(case: Case) -> None:
    session = load(case.file, runtime="openvino", threads=1)
    assert session.runtime == "openvino"
    for values, expected in zip(case.inputs, case.scores, strict=True):
        np.testing.assert_allclose(session.run(values)[0][0], expected, atol=1e-4)


@pytest.mark.slow
def test_int8_files_are_described_and_run_as_by_litert(trained_lenet: Any, digits: Any, tmp_path: Path) -> None:
    from zoo.export import to_tflite

    to_tflite(trained_lenet, tmp_path / "int8.tflite", quantize="int8", calibration=digits[0][:100])
    ours, other = (Classifier(tmp_path / "int8.tflite", runtime=name) for name in ("litert", "openvino"))
    assert ours.session.input == other.session.input
    assert ours.session.output == other.session.output
    for picture in digits[0][:30].astype(np.uint8):
        assert ours.classify(picture, 1)[0].index == other.classify(picture, 1)[0].index


def test_it_takes_no_delegates(lenet_file: Path) -> None:
    with pytest.raises(InputError, match=r"OpenVINO takes no TFLite delegates, and no 'edgetpu'"):
        load(lenet_file, runtime="openvino", delegate="edgetpu")


AFTER_SESSIONS = """
import gc, signal, sys
from zoo.runner import load
sessions = [load(sys.argv[1], runtime="openvino") for _ in range(3)]
while sessions:
    del sessions[0]
    gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
signal.raise_signal(signal.SIGTERM)
"""


@pytest.mark.slow
def test_a_signal_is_handled_when_sessions_have_ended(lenet_file: Path) -> None:
    """OpenVINO's plugin for CPUs frees the stack of signal handlers when it is unloaded."""
    pytest.importorskip("openvino")
    command = [sys.executable, "-X", "faulthandler", "-c", AFTER_SESSIONS, str(lenet_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


@pytest.mark.slow
def test_outputs_of_one_name_are_refused_with_the_name(tmp_path: Path) -> None:
    """OpenVINO keeps one of them and says nothing."""
    pytest.importorskip("openvino")
    file = detectors.two_outputs(tmp_path / "colours.tflite", quantized=True)
    with pytest.raises(ModelFileError, match="one of several ends with the same name, and the file has 'Identity', 'I"):
        load(file, runtime="openvino")


@pytest.mark.slow
def test_several_outputs_keep_their_order(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    picture = detectors.cells((1, 2, "green"))
    for swapped in (False, True):
        file = detectors.two_outputs(tmp_path / f"{swapped}.tflite", swapped=swapped)
        (found,) = Detector(file, runtime="openvino").detect(picture)
        assert found.label == "green"
        assert list(found.box) == pytest.approx([32, 16, 48, 32])
