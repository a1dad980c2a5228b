"""The commands of a board on `.onnx` files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="needs onnx")
pytest.importorskip("onnxruntime", reason="needs onnxruntime")

import onnxruntime

from tests import detectors
from tests.onnx import runnable
from zoo.runner.loading import known

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A classifier of the three colours that counts as made here, so that no test but one tries it."""
    path = runnable.colours(tmp_path / "colours.onnx", props=runnable.described())
    known.remember_made(path)
    return path


@pytest.fixture
def finder(tmp_path: Path) -> Path:
    """A detector of the three colours, made here as well."""
    path = runnable.detector(tmp_path / "finder.onnx")
    known.remember_made(path)
    return path


@pytest.fixture
def lite_file(tmp_path: Path) -> Path:
    """A `.tflite` file beside them."""
    path = detectors.two_outputs(tmp_path / "finder.tflite")
    known.remember_made(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of each colour, in a folder for each; one of blue is red."""
    for channel, name in enumerate(detectors.COLOURS):
        for number in range(2):
            pixels = np.zeros((20, 30, 3), np.uint8)
            pixels[..., 0 if (name, number) == ("blue", 1) else channel] = 150 + number
            (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


def test_run_names_pictures(cli: Cli, file: Path, pictures: Path) -> None:
    result = cli("run", file, pictures / "green", "--top-k", "1", "--json")
    assert (result.code, result.err) == (0, "")
    answers = [json.loads(line)["predictions"][0]["label"] for line in result.out.splitlines()]
    assert answers == ["green", "green"]


def test_run_finds_objects_with_boxes_of_the_photo(cli: Cli, finder: Path, tmp_path: Path) -> None:
    Image.fromarray(detectors.cells((1, 2, "green"), size=256)).save(tmp_path / "photo.png")
    result = cli("run", finder, tmp_path / "photo.png", "--runtime", "onnxruntime", "--provider", "cpu", "--csv")
    assert result.code == 0
    (line,) = result.out.splitlines()[1:]
    assert line.split(",")[2:4] == ["green", "1"]
    assert line.endswith(",128,64,192,128")


def test_evaluate_judges_a_file(cli: Cli, file: Path, pictures: Path) -> None:
    result = cli("evaluate", file, pictures, "--json")
    assert result.code == 0
    assert json.loads(result.out)["top1"] == pytest.approx(5 / 6)


def test_evaluate_compares_files_of_both_formats(cli: Cli, finder: Path, lite_file: Path, tmp_path: Path) -> None:
    boxes = detectors.write_scenes(tmp_path / "boxes")
    choice = ("--runtime", "onnxruntime", "--provider", "cpu")
    result = cli("evaluate", finder, boxes, "--against", lite_file, *choice, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["map"] == pytest.approx(found["against"]["map"], abs=1e-6)
    assert found["map"] > 0.3


@pytest.mark.slow
@pytest.mark.usefixtures("quick_benchmark")
def test_benchmark_compares_both_formats_and_times_operations(cli: Cli, file: Path, lite_file: Path) -> None:
    both = ("--runtime", "litert,onnxruntime", "--provider", "cpu", "--runs", "3", "--threads", "1")
    result = cli("benchmark", lite_file, file, *both, "--json")
    assert result.code == 0
    first, second = json.loads(result.out)["measurements"]
    assert (first["runtime"], first["provider"], second["runtime"], second["provider"]) == (
        "litert",
        None,
        "onnxruntime",
        "cpu",
    )
    assert second["ratio"]["to"] == 0
    assert second["cold_start"]["total_ms"] > second["cold_start"]["load_ms"] > 0
    assert second["from_jpeg"]["per_second"]["median"] > 0
    timed = cli("benchmark", file, "--profile", "--runs", "2", "--threads", "1")
    assert timed.code == 0
    assert "colours.onnx, onnxruntime, threads: 1" in timed.out
    assert re.search(r"GlobalAveragePool .* us ", timed.out)
    assert f"onnxruntime {onnxruntime.__version__}" in timed.out


def test_benchmark_refuses_hardware_that_none_of_the_files_takes(cli: Cli, file: Path, lite_file: Path) -> None:
    told = cli("benchmark", lite_file, "--provider", "cuda").error
    assert told == "the provider 'cuda' is for .onnx files, and none is given; leave --provider out"
    told = cli("benchmark", file, "--delegate", "edgetpu").error
    assert told == "the delegate 'edgetpu' is for .tflite files, and none is given; leave --delegate out"


@pytest.mark.slow
def test_doctor_says_the_version_and_the_providers_and_runs_the_file(
    cli: Cli, file: Path, uninstall: Callable[..., None]
) -> None:
    uninstall("tensorflow", "openvino", "tflite-runtime")
    result = cli("doctor", file)
    assert result.code == 0
    assert re.search(rf"onnxruntime +{re.escape(onnxruntime.__version__)} +works on .*\bcpu\b", result.out)
    # Runtimes of the other format are not asked to run it.
    assert re.search(r"runtime +\S*colours\.onnx\n\W+\n?onnxruntime +runs it\s*\n\s*\n", result.out)
    assert "task: classification, 3 classes" in result.out
    assert "takes: RGB pictures of 8x8 (width x height), the channels first" in result.out


def test_a_missing_provider_is_one_line(cli: Cli, file: Path, pictures: Path) -> None:
    result = cli("run", file, pictures, "--provider", "openvino")
    assert result.code == 1
    assert re.fullmatch(r"the provider openvino is missing: .*pip install onnxruntime-openvino", result.error)


def test_a_cut_file_is_one_line(cli: Cli, file: Path, pictures: Path) -> None:
    cut = file.with_name("cut.onnx")
    cut.write_bytes(file.read_bytes()[:200])
    for command in (("run", cut, pictures), ("evaluate", cut, pictures), ("benchmark", cut), ("serve", cut)):
        result = cli(*command)
        assert result.code == 1
        assert re.match(r".*cut\.onnx is not a sound \.onnx file: ", result.error)
