from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.runner import Classifier

if TYPE_CHECKING:
    from tests.conftest import Case, Cli, Elsewhere


@pytest.fixture(scope="session")
def model(cases: Callable[[str], Case]) -> Path:
    return cases("mobilenet_v2").file


def test_photos(cli: Cli, model: Path, photos: tuple[Path, Path]) -> None:
    result = cli("run", model, *photos)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) == 2 * 6
    for start, photo in zip((0, 6), photos, strict=True):
        assert lines[start] == str(photo)
        found = Classifier(model).classify(photo)
        assert lines[start + 1 : start + 6] == [f"  {p.score:7.2%}  {p.label}" for p in found]


def test_top_k(cli: Cli, model: Path, photos: tuple[Path, Path]) -> None:
    assert len(cli("run", model, photos[0], "--top-k", "2").out.splitlines()) == 3
    assert len(cli("run", model, photos[0], "--top-k", "50").out.splitlines()) == 11


def test_json(cli: Cli, model: Path, photos: tuple[Path, Path]) -> None:
    result = cli("run", model, *photos, "--json", "--top-k", "3")
    assert (result.code, result.err) == (0, "")
    documents = [json.loads(line) for line in result.out.splitlines()]
    assert [document["file"] for document in documents] == [str(photo) for photo in photos]
    best = Classifier(model).classify(photos[1], 1)[0]
    assert len(documents[1]["predictions"]) == 3
    assert documents[1]["predictions"][0] == {
        "label": best.label,
        "index": best.index,
        "score": pytest.approx(best.score),
    }


def test_an_answer_below_the_least_score_is_that_it_is_not_sure(
    cli: Cli, model: Path, photos: tuple[Path, Path]
) -> None:
    best = Classifier(model).classify(photos[0], 1)[0]
    assert cli("run", model, photos[0], "--min-score", f"{best.score - 1e-4}").out == cli("run", model, photos[0]).out
    above = ("--min-score", f"{best.score + 1e-4}")
    lines = cli("run", model, photos[0], *above, "--top-k", "2").out.splitlines()
    assert [line.strip() for line in lines[1:]] == ["not sure", f"{best.score:.2%}  {best.label}"]
    document = json.loads(cli("run", model, photos[0], *above, "--top-k", "1", "--json").out)
    assert document["predictions"] == [{"label": "not sure", "index": -1, "score": pytest.approx(best.score)}]
    rows = cli("run", model, photos[0], *above, "--top-k", "1", "--csv").out.splitlines()
    assert rows[1] == f"{photos[0]},1,not sure,-1,{best.score:.6g}"


def test_two_forms_of_the_result_are_refused(cli: Cli, model: Path, photos: tuple[Path, Path]) -> None:
    done = cli("run", model, photos[0], "--json", "--csv")
    assert (done.code, done.out) == (2, "")
    assert "give --json or --csv, not both" in done.err


def test_a_least_score_in_percent_is_refused(cli: Cli, model: Path, photos: tuple[Path, Path]) -> None:
    done = cli("run", model, photos[0], "--min-score", "70")
    assert done.code == 1
    assert "give a least score from 0 to 1, such as 0.7" in done.error


@pytest.mark.slow
def test_random_weights_are_called_so(cli: Cli, tmp_path: Path, photos: tuple[Path, Path]) -> None:
    pytest.importorskip("tensorflow")
    assert cli("build", "lenet", "--out", tmp_path).code == 0
    result = cli("run", tmp_path / "lenet.tflite", photos[0])
    assert result.code == 0
    assert result.err == "note: this file's weights are random; its answers mean nothing\n"
    assert cli("run", tmp_path / "lenet.tflite", photos[0], "--json").err == ""


def test_a_file_that_is_no_photo_does_not_stop_the_others(
    cli: Cli, model: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("not a picture")
    result = cli("run", model, tmp_path / "notes.jpg", photos[0])
    assert result.code == 1
    assert result.error == f"{tmp_path / 'notes.jpg'} is not a picture that Pillow can open"
    assert result.out.splitlines()[0] == str(photos[0])


def test_wrong_photos(cli: Cli, model: Path, photos: tuple[Path, Path], tmp_path: Path) -> None:
    result = cli("run", model, tmp_path)
    assert (result.code, result.error, result.out) == (1, f"{tmp_path} holds no pictures", "")
    result = cli("run", model, tmp_path / "none.jpg")
    assert (result.code, result.out) == (1, "")
    assert result.error == f"cannot read {tmp_path / 'none.jpg'}: No such file or directory"
    (tmp_path / "cut.jpg").write_bytes(photos[0].read_bytes()[:9000])
    result = cli("run", model, tmp_path / "cut.jpg")
    assert (result.code, result.out) == (1, "")
    assert "cut.jpg" in result.error


@pytest.mark.slow
def test_wrong_files(cli: Cli, cli_process: Cli, model: Path, photos: tuple[Path, Path], tmp_path: Path) -> None:
    whole = model.read_bytes()
    (tmp_path / "empty.tflite").write_bytes(b"")
    (tmp_path / "text.tflite").write_text("this is no model, whatever its name says")
    (tmp_path / "cut.tflite").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "head.tflite").write_bytes(whole[:64])
    corrupt = bytearray(whole)
    corrupt[64 : len(whole) // 2] = bytes(len(whole) // 2 - 64)
    (tmp_path / "zeros.tflite").write_bytes(corrupt)
    for name in ("empty", "text", "cut", "head", "zeros", "none"):
        # This runs in a separate process, because a damaged model could crash the interpreter.
        result = cli_process("run", tmp_path / f"{name}.tflite", photos[0])
        assert result.code == 1, name
        assert f"{name}.tflite" in result.error
        assert result.out == ""
    result = cli("run", tmp_path, photos[0])
    assert result.code == 1
    assert result.error.startswith(f"{tmp_path} is not a .tflite file: it is a folder; give a file in it, such as ")


def test_too_few_labels(cli: Cli, model: Path, photos: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "few.tflite"
    with zipfile.ZipFile(model) as archive:
        path.write_bytes(model.read_bytes()[: min(info.header_offset for info in archive.infolist())])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    result = cli("run", path, photos[0])
    assert result.code == 0
    assert "class_" in result.out
    fault = "has 10 classes but there are 2 labels"
    assert f"note: {path}: its labels are not used, because it {fault}\n" in result.err
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    result = cli("run", path, photos[0], "--labels", tmp_path / "labels.txt")
    assert (result.code, result.error) == (1, f"{path} {fault}")


def test_a_model_that_takes_no_pictures(cli: Cli, cases: Callable[[str], Case], photos: tuple[Path, Path]) -> None:
    result = cli("run", cases("conv1d").file, photos[0])
    assert result.code == 1
    assert "does not take pictures" in result.error


def test_values_are_not_resized(cli: Cli, cases: Callable[[str], Case], tmp_path: Path) -> None:
    file = cases("conv1d").file
    result = cli("run", file, tmp_path / "values.npy", "--resize", "pad")
    assert (result.code, result.out) == (1, "")
    assert result.error == f"{file} does not take pictures, so that none is resized; leave --resize out"


def test_strict_is_refused_for_frames(cli: Cli, model: Path) -> None:
    result = cli("run", model, "--video", "v.mp4", "--strict")
    assert (result.code, result.out) == (2, "")
    assert result.error.startswith("--strict is for PHOTOS; leave it out with --camera and --video")


def environment_zoo(python: Path, folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the installed `zoo` command of a Python, as a user's shell does."""
    command = shutil.which("zoo", path=str(python.parent))
    assert command
    return subprocess.run(
        [command, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": str(python.parent), "LC_ALL": "C.UTF-8"},
        check=False,
    )


@pytest.mark.slow
def test_with_the_base_dependencies_alone(
    base_python: Path, elsewhere: Elsewhere, cli: Cli, model: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    find = "import importlib.util as u; print([n for n in ('tensorflow', 'keras') if u.find_spec(n)])"
    assert elsewhere(base_python, find) == "[]\n", "this environment is to have no TensorFlow"
    done = environment_zoo(base_python, tmp_path, "run", model, *photos)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == cli("run", model, *photos).out
    assert environment_zoo(base_python, tmp_path, "list").stdout == cli("list").out
    for command in ("info", "build"):
        done = environment_zoo(base_python, tmp_path, command, "lenet")
        assert done.returncode == 1
        line = "zoo: error: this needs TensorFlow, which is not installed: pip install 'edgezoo[tensorflow]'\n"
        assert done.stderr == line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_on_tflite_runtime(
    tflite_runtime_python: Path, cli: Cli, model: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    done = environment_zoo(
        tflite_runtime_python, tmp_path, "run", model, *photos, "--runtime", "tflite-runtime", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    here = cli("run", model, *photos, "--runtime", "litert", "--json").out
    for there, ours in zip(done.stdout.splitlines(), here.splitlines(), strict=True):
        mine, theirs = json.loads(ours)["predictions"], json.loads(there)["predictions"]
        assert [p["label"] for p in theirs] == [p["label"] for p in mine]
        assert [p["score"] for p in theirs] == pytest.approx([p["score"] for p in mine], abs=1e-5)


def test_files_that_are_left_out_of_a_folder_are_told(
    cli: Cli, model: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(photos[0], folder / "a.jfif")
    for name in ("b.CR2", "c.txt", ".hidden", "Thumbs.db"):
        (folder / name).touch()
    result = cli("run", model, folder, "--csv", "--top-k", "1")
    assert result.code == 0
    assert result.out.count("\n") == 2
    hint = "a camera's raw file: export it as JPEG"
    assert result.err == f"note: files of another kind were left out: 1 .cr2 ({hint}), 1 .txt\n"
    (folder / "a.jfif").unlink()
    assert cli("run", model, folder).error == f"{folder} holds no pictures, but 1 .cr2 ({hint}), 1 .txt"
