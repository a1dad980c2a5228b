"""Label lists of other tools, as files and inside of models."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.errors import InputError, ModelFileError
from zoo.runner import Classifier
from zoo.tflite.card import describe
from zoo.tflite.labels import fault, parse
from zoo.tflite.labels import read as read_labels
from zoo.tflite.writing.metadata import without_files

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cat\ndog\n", ["cat", "dog"]),
        ("cat\r\ndog\r\n\r\n\n", ["cat", "dog"]),
        ("\ufeffcat\n  dog \t\n", ["cat", "dog"]),
        ("0 cat\n1 dog\n2 guinea pig\n", ["cat", "dog", "guinea pig"]),
        ("0  cat\n1  dog", ["cat", "dog"]),
        ("1: cat\n2: dog\n", ["cat", "dog"]),
        ('0,"cat"\n1,"dog"\n', ["cat", "dog"]),
        ("0\tcat\n1\tdog", ["cat", "dog"]),
        ("0\n1\n2\n", ["0", "1", "2"]),
        ("7 up\n1 dog\n", ["7 up", "1 dog"]),
        ("0 cat\n", ["0 cat"]),
        ("2 stroke\n4 stroke\n", ["2 stroke", "4 stroke"]),
        ("0 cat\n00000001 dog\n", ["0 cat", "00000001 dog"]),
        (f"0 cat\n{'9' * 5000} dog\n", ["0 cat", f"{'9' * 5000} dog"]),
        ("cat\n\ndog\n", ["cat", "", "dog"]),
        ("", []),
    ],
)
def test_lists_of_the_world(text: str, found: list[str]) -> None:
    assert parse(text) == found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_the_world(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "labels.txt").write_bytes("0 K\u00e4fer\n1 Vogel\n\n".encode(encoding))
    assert read_labels(tmp_path / "labels.txt") == ["K\u00e4fer", "Vogel"]


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"cat\0dog\x81\n")
    with pytest.raises(InputError, match=r"label file .*labels.txt is no text: its bytes are neither"):
        read_labels(tmp_path / "labels.txt")


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_a_file_without_a_name_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"label file .*labels.txt is empty; give one with the name of a class"):
        read_labels(tmp_path / "labels.txt")


def test_the_class_background_is_named() -> None:
    assert fault(3, ["a", "b", "c"]) == ""
    assert fault(4, ["a", "b"]) == "4 classes but there are 2 labels"
    assert "put a line background before the first label" in fault(1001, ["x"] * 1000)
    assert "'background', is that of a class that this model does not have" in fault(1000, ["background", *"x" * 1000])


@pytest.fixture
def with_labels(lenet_file: Path, tmp_path: Path) -> Path:
    """A file of ten classes as another tool makes it, without an archive."""
    path = tmp_path / "foreign.tflite"
    path.write_bytes(without_files(lenet_file.read_bytes()))
    return path


def embed(path: Path, **parts: bytes) -> Path:
    made = path.with_name("embedded.tflite")
    shutil.copy(path, made)
    with zipfile.ZipFile(made, "a") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("_txt", ".txt"), content)
    return made


TEN = [f"n\u00e4me {i}" for i in range(10)]


def notes(found: Classifier) -> list[str]:
    """What is said of the labels; what is said of the input is not told here."""
    return [note.removeprefix(f"{found.session.path}: ") for note in found.notes if f"{found.session.path}: " in note]


@pytest.mark.parametrize(
    "content",
    ["\n".join(TEN).encode("utf-8-sig"), ("\n".join(TEN) + "\n\n \n").encode(), "\r\n".join(TEN).encode("utf-16")],
)
def test_labels_in_files_of_others(with_labels: Path, content: bytes) -> None:
    found = Classifier(embed(with_labels, labels_txt=content))
    assert (list(found.labels), notes(found)) == (TEN, [])


def test_labels_in_latin_1_are_read_and_told(with_labels: Path, photos: tuple[Path, Path], cli: Cli) -> None:
    path = embed(with_labels, labels_txt="\n".join(TEN).encode("latin-1"))
    assert list(Classifier(path).labels) == TEN
    done = cli("run", path, photos[0], "--top-k", "1", "--json")
    assert (done.code, "n\u00e4me" in done.out) == (0, True)
    assert f"note: {path}: its labels ('labels.txt') are not UTF-8, and read as Windows-1252" in done.err


def test_labels_that_are_no_text_are_told_and_others_can_be_given(with_labels: Path, tmp_path: Path) -> None:
    path = embed(with_labels, labels_txt=b"\xff\xfe\xfd")
    found = Classifier(path)
    assert found.labels[0] == "class_0"
    assert notes(found) == ["its labels ('labels.txt') cannot be read: its bytes are no UTF-16; give --labels FILE"]
    assert notes(Classifier(path, labels=TEN)) == []


@pytest.mark.slow
def test_labels_that_do_not_fit_are_told_and_not_used(with_labels: Path) -> None:
    found = Classifier(embed(with_labels, labels_txt=b"a\nb\n"))
    assert found.labels == tuple(f"class_{i}" for i in range(10))
    assert notes(found) == ["its labels are not used, because it has 10 classes but there are 2 labels"]
    with pytest.raises(ModelFileError, match="has 10 classes but there are 9 labels: models of ImageNet"):
        Classifier(with_labels, labels=TEN[:9])


def test_two_classes_of_one_name_are_told(with_labels: Path) -> None:
    assert notes(Classifier(with_labels, labels=[*TEN[:9], TEN[0]])) == [
        f"several of its classes have one name, such as {TEN[0]!r}"
    ]


def test_other_texts_are_no_labels(with_labels: Path) -> None:
    assert describe(embed(with_labels, vocab_txt=b"a\nb\n")).labels == ()
    assert describe(embed(with_labels, readme_txt=b"x", vocab_txt=b"a\nb\n")).labels == ()
    assert describe(embed(with_labels, vocab_txt=b"x", coco_labels_txt=b"a\nb\n")).labels == ("a", "b")


def test_numbered_labels_are_matched_with_folders(
    with_labels: Path, digits_folder: Path, tmp_path: Path, cli: Cli
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{i} digit {i}\n" for i in range(10)))
    for folder in digits_folder.iterdir():
        shutil.copytree(folder, tmp_path / "d" / f"digit {folder.name}")
    done = cli("evaluate", with_labels, tmp_path / "d", "--labels", labels, "--json")
    assert done.code == 0, done.err
    (tmp_path / "d" / "digit 3").rename(tmp_path / "d" / "Digit 3")
    assert (
        "'Digit 3' and 'digit 3' differ only by case"
        in cli("evaluate", with_labels, tmp_path / "d", "--labels", labels).error
    )


def test_what_is_said_of_one_label_too_few_or_too_many_is_said_of_no_other_number() -> None:
    for classes, labels in ((3, ["a"]), (2, []), (1, ["background", "a", "b"]), (2, ["a", "b", "background"])):
        assert "background" not in fault(classes, labels)
    assert "there is 1 label" in fault(3, ["a"])
    for first in ("background", "Background"):
        assert "put a line" not in fault(3, [first, "a"])
    assert "put a line" in fault(3, ["a", "background"])
    assert "take it out" in fault(1, ["Background", "a"])
    assert "take it out" not in fault(1, ["a", "background"])
