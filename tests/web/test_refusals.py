"""`zoo web`: which files browsers cannot run, what is said of others, and where pages are not written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.export import to_tflite
from zoo.runner import Predictor, demo
from zoo.web import facts

if TYPE_CHECKING:
    from tests.conftest import Case, Cli
    from zoo.tflite.modelfile import Tensor

DIGITS = demo.folder() / demo.DIGITS


@pytest.fixture(scope="module")
def made(lenet: Case, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that exports a small net in a mode."""

    def export(mode: str, **options: Any) -> Path:
        file = tmp_path_factory.mktemp("net") / f"{mode}.tflite"
        inputs = np.random.default_rng(0).integers(0, 256, (20, *lenet.model.input_shape[1:]), np.uint8)
        return to_tflite(lenet.model, file, quantize=mode, calibration=inputs, **options).path

    return export


def test_a_file_with_int8_input_is_refused_with_the_way_on(made: Callable[..., Path], cli: Cli, tmp_path: Path) -> None:
    file = made("int8", io="int8")
    done = cli("web", file, "--out", tmp_path / "page.html")
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        f"zoo: error: {file} has an input of type int8, which browsers do not run: LiteRT.js 2.5.3 takes float32, "
        "int32, uint8; export the file again with --io uint8, whose scores are the same"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_takes_no_pictures_is_refused(conv1d_file: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("web", conv1d_file, "--out", tmp_path / "page.html")
    assert (done.code, done.out) == (1, "")
    assert "does not take pictures: its input has shape" in done.err
    assert done.err.endswith("run it by zoo run on .npy or .csv files\n")
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_is_refused_before_it_is_opened(cli: Cli, tmp_path: Path) -> None:
    done = cli("web", tmp_path / "net.onnx")
    assert (done.code, done.err) == (
        1,
        f"zoo: error: {tmp_path}/net.onnx is an .onnx file, and the page runs .tflite files; make one of the model by "
        "zoo export\n",
    )


def test_a_task_that_the_page_does_not_know_is_refused(
    spotter_file: Path, spotting_known: None, cli: Cli, tmp_path: Path
) -> None:
    done = cli("web", spotter_file, "--out", tmp_path / "page.html")
    assert done.code == 1
    assert "the page shows classification and detection. Serve it by zoo serve" in done.err


@pytest.mark.parametrize(
    ("mode", "words"), [("dynamic", "12 times"), ("int16x8", "a second"), ("int8", ""), ("none", ""), ("float16", "")]
)
def test_slow_kinds_are_warned_of_whoever_made_the_file(mode: str, words: str, made: Callable[..., Path]) -> None:
    file = made(mode)
    said = facts.cautions(Predictor(file))
    assert len(said) == bool(words)
    assert all(words in line and str(file) in line for line in said)


def test_large_files_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "LARGE", 10_000)
    (line,) = facts.cautions(Predictor(DIGITS))
    assert "every visitor loads" in line


@pytest.mark.parametrize("part", ["weights", "labels"])
def test_a_file_that_was_changed_is_refused(part: str, cli: Cli, tmp_path: Path) -> None:
    predictor: Predictor[Any] = Predictor(DIGITS)
    blob = bytearray(DIGITS.read_bytes())
    tensor = max(predictor.session.file.main.tensors, key=lambda one: one.bytes)
    at = blob.index(b"zero\none") if part == "labels" else blob.index(tensor_bytes(DIGITS, tensor))
    blob[at] ^= 1
    file = tmp_path / "changed.tflite"
    file.write_bytes(bytes(blob))
    done = cli("web", file, "--out", tmp_path / "page.html")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "damaged" in done.err
    assert not (tmp_path / "page.html").exists()


def tensor_bytes(file: Path, tensor: Tensor) -> bytes:
    return file.read_bytes()[tensor.start : tensor.start + tensor.bytes]


def test_a_folder_with_a_page_of_another_kind_stays_as_it_is(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    done = cli("web", DIGITS, "--out", tmp_path)
    assert done.code == 1
    assert done.err == (
        f"zoo: error: {tmp_path}/index.html is a page of another kind; remove it, or give another folder: --out\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_what_was_not_written_here_stays_as_it_is(cli: Cli, tmp_path: Path) -> None:
    folder, page, file = tmp_path / "mine", tmp_path / "mine.html", tmp_path / "cal.npy"
    folder.mkdir()
    for path in (folder / "model.tflite", page, file):
        path.write_text("mine")
    (tmp_path / "folder.html").mkdir()
    for place, says in (
        (folder, "is a folder that holds other things; move it away or choose another name"),
        (page, "is not a page of zoo web; choose another name or delete it"),
        (file, "is a file; give a folder, or a name that ends in .html"),
        (tmp_path / "folder.html", "is a folder; choose another name"),
    ):
        done = cli("web", DIGITS, "--out", place)
        assert (done.code, done.err.splitlines()[-1]) == (1, f"zoo: error: {place} {says}")
    assert [path.name for path in folder.iterdir()] == ["model.tflite"]
    assert {path.read_text() for path in (folder / "model.tflite", page, file)} == {"mine"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["page.html", "site"])
def test_a_page_of_zoo_web_is_written_anew(name: str, package: Path, cli: Cli, tmp_path: Path) -> None:
    for _ in range(2):
        done = cli("web", DIGITS, "--out", tmp_path / name, "--runtime", package)
        assert done.code == 0, done.err
        if name == "site":
            (tmp_path / name / "CNAME").write_text("digits.example")


def test_the_model_is_not_written_over(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "model.html"
    shutil.copy(DIGITS, file)
    done = cli("web", file, "--out", file)
    assert (done.code, done.err) == (
        1,
        f"zoo: error: {file} is the model itself; give another place: --out\n",
    )
    assert file.read_bytes() == DIGITS.read_bytes()


def test_what_the_page_is_told_is_json(tmp_path: Path) -> None:
    about = facts.describe(Predictor(DIGITS))
    assert json.loads(json.dumps(about)) == about
    assert about["run"]["outputs"][0]["scale"] == pytest.approx(1 / 256)
    assert about["run"]["input"]["table"] is None
    assert str(demo.folder()) not in json.dumps(about)
