from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.inputs import values
from zoo.inputs.labelled import Labelled, find_labelled


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listed(path: Path, suffixes: set[str] | None = None) -> dict[str, tuple[str, str | None]]:
    data = find_labelled(path, suffixes)
    root = path if path.is_dir() else path.parent
    return {e.path.relative_to(root).as_posix(): (e.label, e.split) for e in data.examples}


def test_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "dog/1.jpg", "dog/old/2.PNG", "cat/3.webp", "cat/.4.jpg", ".git/5.jpg", "cat/notes.txt", "6.jpg")
    assert listed(tmp_path) == {"cat/3.webp": ("cat", None), "dog/1.jpg": ("dog", None), "dog/old/2.PNG": ("dog", None)}
    data = find_labelled(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert data.notes == (
        f"directly in {tmp_path}, in no class, and not used: 1 file",
        f"of another kind, in {tmp_path}, and not used: 1 .txt",
    )


def test_classes_are_numbered_as_keras_numbers_them(tmp_path: Path) -> None:
    import keras

    for name in ("b", "B", "10", "9", "é", "a b", ".hidden"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "1.png")
    theirs = keras.utils.image_dataset_from_directory(tmp_path, image_size=(8, 8), verbose=False)
    assert list(find_labelled(tmp_path).class_names) == theirs.class_names


@pytest.mark.parametrize("val", ["val", "validation", "valid"])
def test_split_folders(tmp_path: Path, val: str) -> None:
    touch(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", f"{val}/dog/3.jpg", "test/cat/4.jpg", "raw/5.jpg")
    assert listed(tmp_path) == {
        "train/cat/1.jpg": ("cat", "train"),
        "train/dog/2.jpg": ("dog", "train"),
        f"{val}/dog/3.jpg": ("dog", "validation"),
        "test/cat/4.jpg": ("cat", "test"),
    }
    assert find_labelled(tmp_path).notes == (f"not used, because {tmp_path} has a train folder: raw",)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "car/2.jpg", "test/3.jpg")
    assert {label for label, split in listed(tmp_path).values() if split is None} == {"train", "car", "test"}


def test_a_list(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text('path,label\npictures/1.jpg,dog\n"pictures/a, b.jpg", cat\n\n/data/3.jpg,dog\n', encoding="utf-8")
    data = find_labelled(file)
    assert data.class_names == ("cat", "dog")
    assert data.examples == (
        Labelled(tmp_path / "pictures" / "1.jpg", "dog"),
        Labelled(tmp_path / "pictures" / "a, b.jpg", "cat"),
        Labelled(Path("/data/3.jpg"), "dog"),
    )
    assert data.label_indices == (1, 0, 1)
    file.write_text("\ufeffPath, Label\n1.jpg,cat\n", encoding="utf-8")
    assert [e.label for e in find_labelled(file, least=1).examples] == ["cat"]
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="list.csv is no text: its bytes are no UTF-16"):
        find_labelled(file)


def test_a_list_of_splits(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("1.jpg,dog,train\n2.jpg,cat,Train\n3.jpg,cat,val\n4.jpg,dog,test\n", encoding="utf-8")
    assert [split for _, split in listed(file).values()] == ["train", "train", "validation", "test"]


def test_what_a_file_is_judged_on(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg")
    assert find_labelled(tmp_path, least=1).held_out() == (Labelled(tmp_path / "cat" / "1.jpg", "cat"),)
    touch(tmp_path / "split", "train/cat/1.jpg", "val/cat/2.jpg")
    assert [e.path.name for e in find_labelled(tmp_path / "split", least=1).held_out()] == ["2.jpg"]
    touch(tmp_path / "split", "test/cat/3.jpg")
    assert [e.path.name for e in find_labelled(tmp_path / "split", least=1).held_out()] == ["3.jpg"]
    (tmp_path / "list.csv").write_text("1.jpg,cat,train\n2.jpg,cat,val\n")
    assert [e.path.name for e in find_labelled(tmp_path / "list.csv", least=1).held_out()] == ["2.jpg"]
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    with pytest.raises(InputError, match="empty holds no files in its class folders"):
        find_labelled(tmp_path / "empty", least=1).held_out()
    with pytest.raises(InputError, match="cat has no class folders; expected a folder of files for each class"):
        find_labelled(tmp_path / "empty" / "cat", least=1)


def test_windows_of_values(tmp_path: Path) -> None:
    touch(tmp_path, "walk/1.npy", "walk/2.csv", "walk/3.jpg", "run/1.npy")
    assert set(listed(tmp_path, values.SUFFIXES)) == {"walk/1.npy", "walk/2.csv", "run/1.npy"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1.jpg,cat\n2.jpg\n", "line 2: expected path,label or path,label,split"),
        ("1.jpg,cat\n2.jpg,\n", "line 2: it has no label; expected path,label or path,label,split"),
        ("1.jpg,cat,train\n2.jpg,dog,holdout\n", "line 2: 'holdout' is no split; give train, val or test"),
        ("1.jpg,cat,train\n2.jpg,dog\n", "some lines name a split and some do not"),
        ("1.jpg,cat,val\n2.jpg,dog,val\n", "no line has the split train"),
        ("1.jpg,cat\n2.jpg,cat\n", "one class only"),
        ("", "list.csv names no file with its class; expected lines of path,label"),
    ],
)
def test_lists_that_say_too_little(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        find_labelled(file)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "has no class folders; expected two or more class folders"),
        (("1.jpg", "2.jpg"), "has no class folders"),
        (("cat/1.jpg",), "has one class only"),
        (("train/cat/1.jpg", "train/dog/1.jpg", "val/cow/1.jpg"), "val has a class that .*train has not: cow"),
        (("train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg", "valid/cat/1.jpg"), "both val and valid"),
    ],
)
def test_folders_that_cannot_be_meant(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_labelled(touch(tmp_path, *files))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data folder or .csv file .*nope"):
        find_labelled(tmp_path / "nope")
    touch(tmp_path, "list.txt")
    with pytest.raises(InputError, match="neither a folder nor a .csv file"):
        find_labelled(tmp_path / "list.txt")
