from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests import detectors

if TYPE_CHECKING:
    from tests.conftest import Cli, Elsewhere


pytestmark = pytest.mark.usefixtures("quick_benchmark")


def rows(lines: list[str], heading: str) -> list[list[str]]:
    """Returns the cells of the table whose heading begins with a text."""
    start = next(i for i, line in enumerate(lines) if " ".join(line.split()).startswith(heading)) + 2
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[start:end]]


@pytest.mark.slow
def test_tables(cli: Cli, lenet_file: Path, conv1d_file: Path) -> None:
    result = cli("benchmark", lenet_file, conv1d_file, "--runs", "3", "--threads", "1,2")
    assert result.code == 0
    assert all(line.startswith("note: ") for line in result.err.splitlines())
    lines = result.out.splitlines()
    names = [[str(file), threads] for file in (lenet_file, conv1d_file) for threads in "12"]
    latency = rows(lines, "file threads min median p90 p99 a second")
    assert [row[:2] for row in latency] == names
    for row in latency:
        assert [cell.endswith(" ms") for cell in row[2:]] == [True, True, True, True, False]
    # The second file is compared with the first, and takes no JPEGs.
    compared = rows(lines, "file threads size time / first JPEGs a second")
    assert [row[:2] for row in compared] == names
    assert [len(row) for row in compared] == [4, 4, 4, 4]
    spread = re.compile(r"[\d.,]+ \([\d.,]+ to [\d.,]+\)")
    assert all(spread.fullmatch(row[3]) for row in compared)
    start = rows(lines, "file threads check load first run cold start peak memory")
    assert [row[:2] for row in start] == names
    assert [row[-1].endswith(" MB") for row in start] == [True] * 4
    assert f"no rate from JPEG: {conv1d_file} does not take pictures" in lines
    assert "3 runs each after 5 to warm up; runtime: litert; JPEG: synthetic, 1920x1080" in lines
    for heading in ("machine: ", "software: ", "governor: ", "temperature: "):
        assert sum(line.startswith(heading) for line in lines) == 1
    assert ", litert 2." in next(line for line in lines if line.startswith("software: "))


@pytest.mark.slow
def test_common_settings_are_printed_below_the_tables(cli: Cli, lenet_file: Path) -> None:
    lines = cli("benchmark", lenet_file, "--runs", "1", "--threads", "2").out.splitlines()
    assert lines[0].split() == ["file", "min", "median", "p90", "p99", "a", "second"]
    assert "1 run each after 5 to warm up; runtime: litert; threads: 2; JPEG: synthetic, 1920x1080" in lines


@pytest.mark.slow
def test_json(cli: Cli, lenet_file: Path) -> None:
    result = cli("benchmark", lenet_file, "--runs", "3", "--warmup", "0", "--threads", "2", "--json")
    assert (result.code, result.err) == (0, "")
    document = json.loads(result.out)
    (measured,) = document["measurements"]
    assert (measured["file"], measured["threads"], measured["latency"]["runs"]) == (lenet_file.name, 2, 3)
    assert measured["cold_start"]["peak_bytes"] > measured["cold_start"]["before_bytes"] > 1e6
    assert measured["from_jpeg"]["per_second"]["median"] > 0
    assert {"machine", "before", "after", "notes", "runs", "warmup", "photo"} < set(document)


@pytest.mark.slow
def test_decoding_boxes_is_timed_apart(cli: Cli, lenet_file: Path, tmp_path: Path) -> None:
    file = detectors.two_outputs(tmp_path / "colours.tflite")
    photo = tmp_path / "scene.jpg"
    Image.fromarray(detectors.cells((0, 1, "red"), (2, 2, "blue"), size=128)).save(photo, quality=95)
    args = (lenet_file, file, "--runs", "2", "--warmup", "0", "--threads", "1", "--photo", photo)
    lines = cli("benchmark", *args).out.splitlines()
    without, row = rows(lines, "file decoding")
    assert without == [str(lenet_file)]
    assert [cell.endswith(" ms") for cell in row[1:4]] == [True] * 3
    assert row[4:] == ["2 above 0.5"]
    first, second = json.loads(cli("benchmark", *args, "--json").out)["measurements"]
    assert first["decoding"] is None
    decoding = second["decoding"]
    assert (decoding["objects"], decoding["threshold"], decoding["time"]["runs"]) == (2, 0.5, 2)
    assert decoding["most"]["min_ms"] > 0
    # There is no such table where no file is a detector.
    assert "decoding" not in cli("benchmark", lenet_file, "--runs", "1").out.split()


@pytest.mark.slow
def test_profile(cli: Cli, lenet_file: Path) -> None:
    result = cli("benchmark", lenet_file, "--profile")
    assert (result.code, result.out) == (1, "")
    assert result.error == (
        "litert shows Python no time per operation; leave --profile out, use --runtime openvino, or TensorFlow's own "
        f"tool: benchmark_model --graph={lenet_file} --enable_op_profiling=true"
    )
    pytest.importorskip("openvino")
    result = cli("benchmark", lenet_file, "--profile", "--runtime", "openvino", "--runs", "1", "--threads", "1")
    assert f"{lenet_file}, openvino, threads: 1" in result.out
    ops = rows(result.out.splitlines(), "operation type mean share")
    assert "FullyConnected" in {row[1] for row in ops}
    assert all(row[2].endswith(" us") for row in ops)
    assert sum(float(row[3].rstrip("%")) for row in ops) == pytest.approx(100, abs=1)


@pytest.mark.slow
def test_wrong_input(cli: Cli, lenet_file: Path, tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("this is no model")
    (tmp_path / "photo.jpg").write_text("this is no photo")

    def error(*args: str | Path) -> str:
        result = cli("benchmark", *args)
        assert (result.code, result.out) == (1, "")
        return result.error

    assert (
        error(lenet_file, tmp_path / "none.tflite")
        == f"cannot read {tmp_path / 'none.tflite'}: No such file or directory"
    )
    assert error(tmp_path / "text.tflite").startswith(f"{tmp_path / 'text.tflite'} is not a .tflite file")
    assert error(lenet_file, "--photo", tmp_path / "photo.jpg").startswith(f"{tmp_path / 'photo.jpg'} is not a picture")
    assert error(lenet_file, "--threads", "1,0") == "--threads 0 is not allowed; give 1 to 256"
    assert "pip install 'edgezoo[tflite-runtime]'" in error(lenet_file, "--runtime", "tflite-runtime")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "Missing argument 'FILE...'"),
        (("m.tflite", "--runs", "0"), "0 is not in the range x>=1"),
        (("m.tflite", "--threads", "many"), "'many' is not a list of integers"),
        (("m.tflite", "--runtime", "litert,onnx"), "'onnx' is not one of litert, tflite-runtime"),
    ],
)
def test_wrong_usage(cli: Cli, args: tuple[str, ...], message: str) -> None:
    result = cli("benchmark", *args)
    assert result.code == 2
    assert message in result.error


SHOWN = """
import sys
from zoo.cli.main import main
try:
    main(["benchmark", *sys.argv[1:], "--runs", "3", "--json"])
except SystemExit as exited:
    assert not exited.code, exited.code
heavy = {"tensorflow", "keras", "matplotlib"} & {name.partition(".")[0] for name in sys.modules}
assert not heavy, heavy
"""


@pytest.mark.slow
def test_with_the_base_dependencies_alone(
    base_python: Path, elsewhere: Elsewhere, lenet_file: Path, conv1d_file: Path
) -> None:
    document: dict[str, Any] = json.loads(elsewhere(base_python, SHOWN, lenet_file, conv1d_file))
    first, second = document["measurements"]
    assert (first["runtime"], first["ratio"], second["ratio"]["to"]) == ("litert", None, 0)
    assert first["from_jpeg"]["per_second"]["median"] > 0
    # The new process was one of that environment: without TensorFlow it needs little memory.
    assert first["cold_start"]["before_bytes"] < 120e6


@pytest.mark.slow
def test_on_both_runtimes(tflite_runtime_python: Path, elsewhere: Elsewhere, lenet_file: Path) -> None:
    document: dict[str, Any] = json.loads(
        elsewhere(tflite_runtime_python, SHOWN, lenet_file, "--runtime", "tflite-runtime,litert", "--threads", "1")
    )
    first, second = document["measurements"]
    assert (first["runtime"], first["runtime_version"]) == ("tflite-runtime", "2.14.0")
    assert (second["runtime"], second["ratio"]["to"]) == ("litert", 0)
    assert first["cold_start"]["total_ms"] > first["cold_start"]["load_ms"] > 0
