from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import zoo.benchmark.benchmark
import zoo.benchmark.interleave

if TYPE_CHECKING:
    from tests.conftest import Cli


def test_the_table_of_a_board(cli: Cli, write_board: Callable[..., Path], tmp_path: Path) -> None:
    picture = tmp_path / "front.png"
    result = cli(
        "choose", "mobilenet_v2", "--from", write_board(), "--max-ms", "10", "--max-mb", "4", "--plot", picture
    )
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["alpha", "input", "mode", "top-1", "of", "median", "p90", "size", "limits"]
    assert lines[2].split() == [
        "0.35",
        "96",
        "int8",
        "45.5%",
        "float",
        "0.500",
        "ms",
        "0.550",
        "ms",
        "1.90",
        "MB",
        "fits",
    ]
    (picked,) = [line.split() for line in lines if line.rstrip().endswith("PICK")]
    assert picked[:4] == ["1", "224", "int8", "71.8%"]
    assert "4 of 9 combinations are on the front of those of at most 4 MB." in lines
    assert "pick: zoo build mobilenet_v2 --quantize int8" in lines
    assert "machine: Raspberry Pi 4, Cortex-A72; litert, threads: 4" in lines
    assert any(line.startswith("top-1: TF-slim") for line in lines)
    assert any("72.78 to 72.39" in line for line in lines)
    with Image.open(picture) as image:
        assert image.format == "PNG"


def test_all_combinations_and_json(cli: Cli, write_board: Callable[..., Path]) -> None:
    board = write_board()
    lines = cli("choose", "mobilenet_v2", "--from", board, "--all").out.splitlines()
    assert lines[0].split() == ["alpha", "input", "mode", "top-1", "of", "median", "p90", "size", "front"]
    (unrated,) = [line.split() for line in lines if line.split()[:2] == ["1.4", "96"]]
    assert unrated == ["1.4", "96", "int8", "2.20", "ms", "2.42", "ms", "6.70", "MB"]
    assert not any(line.startswith("pick") for line in lines)
    document = json.loads(cli("choose", "mobilenet_v2", "--from", board, "--min-top1", "70", "--json").out)
    assert document["pick"]["file"] == "mobilenet_v2_int8.tflite"
    assert len(document["candidates"]) == 9


def test_nothing_fits(cli: Cli, write_board: Callable[..., Path]) -> None:
    result = cli("choose", "mobilenet_v2", "--from", write_board(), "--max-ms", "1", "--min-top1", "60")
    assert result.code == 1
    assert "5 of 9 combinations are on the front." in result.out
    assert "too inaccurate" in result.out
    assert "too slow" in result.out
    assert result.error == (
        "none of the 9 combinations has at most 1 ms, at least 60%; the fastest takes 0.500 ms, the smallest has "
        "1.90 MB, the most accurate 75%"
    )


def test_without_a_name_the_architectures_are_compared(
    cli: Cli, write_board: Callable[..., Path], entry: Callable[..., Any]
) -> None:
    files = {"mobilenet_v2_int8": 6.0, "mobilenet_v1_0.5_int8": 2.0}
    board = write_board([entry(f"{name}.tflite", 4_000_000, ms) for name, ms in files.items()])
    result = cli("choose", "--from", board, "--max-ms", "10")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["model", "mode", "top-1", "of", "median", "p90", "size", "limits"]
    assert [line.split()[:4] for line in lines[2:4]] == [
        ["mobilenet_v1_0.5", "int8", "62.2%", "int8"],
        ["mobilenet_v2", "int8", "71.8%", "float"],
    ]
    assert "pick: zoo build mobilenet_v2 --quantize int8" in lines
    assert [line.split(":")[0] for line in lines if line.startswith("top-1")] == [
        "top-1 of mobilenet_v1",
        "top-1 of mobilenet_v2",
    ]
    document = json.loads(cli("choose", "--from", board, "--json").out)
    assert [(one["model"], one["top1_of"]) for one in document["front"]] == [
        ("mobilenet_v1", "int8"),
        ("mobilenet_v2", "float"),
    ]
    assert set(document["top1"]) == {"mobilenet_v1", "mobilenet_v2"}
    named = json.loads(cli("choose", "mobilenet_v2", "--from", board, "--json").out)
    assert [one["model"] for one in named["candidates"]] == ["mobilenet_v2"]


@pytest.mark.slow
def test_files_for_a_board(
    cli: Cli,
    tmp_path: Path,
    cache_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zoo.benchmark.interleave, "RATE_SECONDS", 0.0)
    monkeypatch.setattr(zoo.benchmark.benchmark, "COLD_STARTS", 1)
    options = ("--alpha", "0.35", "--input-size", "32", "--quantize", "none,dynamic", "--num-classes", "3")
    result = cli("choose", "mobilenet_v2", *options, "--files", tmp_path / "files")
    assert (result.code, result.err) == (0, "")
    assert f"zoo benchmark {tmp_path}/files/*.tflite --json > board.json" in result.out
    then = "zoo choose mobilenet_v2 --alpha 0.35 --input-size 32 --num-classes 3 --from board.json"
    assert f"Then: {then}" in result.out.splitlines()
    names = sorted(path.name for path in (tmp_path / "files").iterdir())
    assert names == ["mobilenet_v2_0.35_32.tflite", "mobilenet_v2_0.35_32_dynamic.tflite"]
    # Existing files stay as they are.
    before = [path.stat().st_mtime_ns for path in (tmp_path / "files").iterdir()]
    assert cli("choose", "mobilenet_v2", *options, "--files", tmp_path / "files").out == result.out
    assert [path.stat().st_mtime_ns for path in (tmp_path / "files").iterdir()] == before
    assert not cache_folder.exists()
    # The output of zoo benchmark for these files can be used with --from.
    board = tmp_path / "board.json"
    measured = cli("benchmark", *(tmp_path / "files" / name for name in names), "--runs", "3", "--json")
    board.write_text(measured.out, encoding="utf-8")
    document = json.loads(cli("choose", "mobilenet_v2", *options, "--from", board, "--json").out)
    assert sorted(one["file"] for one in document["candidates"]) == names
    assert document["front"] == []
    others = cli("choose", "mobilenet_v2", *options[:-1], "4", "--files", tmp_path / "files")
    assert others.code == 1
    assert others.error.endswith("_32.tflite is there and does not have 4 classes; give another folder")
    # Their names do not tell the classes, and the document does.
    refused = cli("choose", "mobilenet_v2", "--alpha", "0.35", "--input-size", "32", "--from", board)
    assert refused.error.endswith("give --num-classes 3, or measure files with 1000")


@pytest.mark.parametrize(
    "unread",
    [
        ("--from", "board.json"),
        ("--max-ms", "1"),
        ("--runs", "50"),
        ("--again",),
        ("--runtime", "auto"),
        ("--threads", "1"),
        ("--plot", "front.png"),
        ("--all",),
        ("--json",),
    ],
)
def test_options_of_a_choice_are_refused_where_files_are_written(
    cli: Cli, tmp_path: Path, unread: tuple[str, ...]
) -> None:
    result = cli("choose", "mobilenet_v2", "--files", tmp_path / "files", *unread)
    assert (result.code, result.out) == (2, "")
    assert result.error.startswith(f"--files only writes files, it measures and chooses nothing; leave {unread[0]} out")
    assert not (tmp_path / "files").exists()


def test_limits_are_refused_where_all_files_of_one_model_are_written(cli: Cli, tmp_path: Path) -> None:
    limits = ("--max-mb", "0.1", "--min-top1", "99")
    result = cli("choose", "mobilenet_v2", "--files", tmp_path / "files", *limits)
    assert (result.code, result.out) == (2, "")
    assert result.error.startswith(
        "--files writes all files of one model; leave --max-mb and --min-top1 out, and give them with --from"
    )
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize("unread", [("--runs", "3"), ("--again",)])
def test_options_of_measurements_are_refused_where_the_times_of_a_board_are_read(
    cli: Cli, write_board: Callable[..., Path], unread: tuple[str, ...]
) -> None:
    result = cli("choose", "mobilenet_v2", "--from", write_board(), *unread)
    assert (result.code, result.out) == (2, "")
    assert f"nothing is measured; leave {unread[0]} out" in result.error


@pytest.mark.usefixtures("stand_in")
def test_measuring_here(cli: Cli, cache_folder: Path) -> None:
    options = ("--alpha", "0.35", "--input-size", "96", "--quantize", "none", "--runs", "2", "--max-ms", "1e6")
    result = cli("choose", "mobilenet_v2", *options)
    assert (result.code, result.err) == (0, "")
    assert "pick: zoo build mobilenet_v2 --alpha 0.35 --input-size 96\n" in result.out
    assert len(list(cache_folder.rglob("*_none.json"))) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("lenet",), "no ImageNet accuracy is published for lenet"),
        (("mobilenet_v2", "--max-ms", "0"), "--max-ms 0 is not allowed; give a number above 0"),
        (("mobilenet_v2", "--min-top1", "0.7"), "min_top1=0.7 is not allowed; give percent, e.g. 60"),
        (("--min-top1", "99"), "nothing is left to measure: "),
        (("--input-size", "33"), "no model has a published accuracy with --input-size 33; name a model"),
        (("mobilenet_v2", "--plot", "front.jpg"), "front.jpg ends neither in .png nor in .svg"),
        (("mobilenet_v2", "--from", "gone.json"), "cannot read benchmark gone.json: No such file"),
        (
            ("mobilenet_v2", "--alpha", "a"),
            "Invalid value for '--alpha': 'a' is not a list of numbers such as 0.35,0.5",
        ),
    ],
)
def test_errors(cli: Cli, args: tuple[str, ...], message: str) -> None:
    result = cli("choose", *args)
    assert result.code in {1, 2}
    assert result.error.startswith(message)
    assert result.out == ""
