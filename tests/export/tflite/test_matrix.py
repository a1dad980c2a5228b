"""Every model in every mode loads and runs on both runtimes, and gives the classes of Keras."""

from __future__ import annotations

import functools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.export.conftest import cells, long
from zoo.export.checking.verify import run_all
from zoo.runner.loading.session import load
from zoo.tflite import compat, edgetpu, modelfile

SCORES = Path(__file__).parents[1] / "programs" / "save_scores.py"

# Smallest correlation of all scores with Keras'. With random weights a quantized file loses more than with trained
# ones; MobileNetV2 loses most.
CORRELATION = {"none": 0.99999, "float16": 0.9995, "dynamic": 0.96, "int8": 0.85, "int16x8": 0.97}


def _agrees(scores: Any, expected: Any, mode: str) -> None:
    assert scores.shape == expected.shape
    assert np.corrcoef(scores.ravel(), expected.ravel())[0, 1] >= CORRELATION[mode]
    # An int8 score is a multiple of 1/256, so the scores of a picture sum to 1 only approximately.
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=0.05 if mode == "int8" else 1e-2)


@pytest.mark.slow
def test_on_litert(matrix: Any, matrix_model: str, matrix_mode: str) -> None:
    path = matrix.file(matrix_model, matrix_mode)
    session = load(path, runtime="litert")
    (scores,) = run_all(session, matrix.inputs(matrix_model), pixels=matrix_model != "conv1d")
    _agrees(scores, matrix.keras_scores(matrix_model), matrix_mode)


@pytest.mark.slow
def test_file_is_static_and_what_the_mode_says(matrix: Any, matrix_model: str, matrix_mode: str) -> None:
    file = modelfile.read(matrix.file(matrix_model, matrix_mode))
    ops = {op.name for op in file.main.ops}
    assert not ops & {"SHAPE", "PACK", "STRIDED_SLICE"}
    assert not any(tensor.dynamic for tensor in file.main.tensors)
    assert file.main.tensors[file.main.inputs[0]].shape[0] == 1
    dtype = file.main.tensors[file.main.inputs[0]].dtype
    assert dtype == ("UINT8" if matrix_mode == "int8" else "FLOAT32")
    if matrix_mode in {"int8", "int16x8"}:
        assert compat.ops_with_floats(file) == []
    for runtime in ("litert 2.3", "tflite-runtime 2.14"):
        assert compat.problems(file, runtime) == []


@pytest.mark.long
def test_the_weights_of_alexnet_are_too_many_for_the_cache_of_an_edge_tpu(matrix: Any) -> None:
    assert not edgetpu.report(modelfile.read(matrix.file("alexnet", "int8"))).fits_cache


@pytest.mark.slow
@pytest.mark.parametrize("name", ["narrow-efficientnet_lite", "narrow-mobilenet_v4"])
def test_every_operation_is_mapped_to_an_edge_tpu(matrix: Any, name: str) -> None:
    report = edgetpu.report(modelfile.read(matrix.file(name, "int8")))
    assert report.fits_cache
    assert len(report.placements) > 30
    assert [(one.op, one.why) for one in report.placements if not one.on_tpu] == []


@pytest.fixture(scope="module")
def tflite_runtime_scores(
    matrix: Any, tflite_runtime_python: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[bool], Path]:
    """A function that returns the folder of all scores, from tflite-runtime in one process of its own environment.

    The cells that are left to `make test-long` have a process of theirs.
    """

    @functools.cache
    def scores(at_length: bool) -> Path:
        folder = tmp_path_factory.mktemp("scores")
        jobs = []
        for name, mode in cells():
            if long(name, mode) == at_length:
                np.save(folder / f"{name}.npy", matrix.inputs(name))
                jobs.append((str(matrix.file(name, mode)), name, mode))
        done = subprocess.run(
            [tflite_runtime_python, SCORES, str(folder)],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        return folder

    return scores


@pytest.mark.slow
def test_on_tflite_runtime(
    tflite_runtime_scores: Callable[[bool], Path], matrix: Any, matrix_model: str, matrix_mode: str
) -> None:
    folder = tflite_runtime_scores(long(matrix_model, matrix_mode))
    scores = np.load(folder / f"{matrix_model}-{matrix_mode}.npy")
    _agrees(scores, matrix.keras_scores(matrix_model), matrix_mode)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "all_of_them"), [("mobilenet_v1", True), ("mobilenet_v3", True), ("mobilenet_v3-small", False)]
)
def test_hard_swish_keeps_an_edge_tpu_from_nearly_all_of_a_net(matrix: Any, name: str, all_of_them: bool) -> None:
    report = edgetpu.report(modelfile.read(matrix.file(name, "int8")))
    mapped = [one for one in report.placements if one.on_tpu]
    assert report.fits_cache
    assert len(report.placements) > 30
    # Without it all operations run there; else only what stands before the first one: entry and convolution.
    assert len(mapped) == (len(report.placements) if all_of_them else 2)
    if not all_of_them:
        assert report.placements[2].op == "HARD_SWISH"
