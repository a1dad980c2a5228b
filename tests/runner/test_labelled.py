from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.runner.labelled import Labelled, find_labelled


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4)).save(path)
    return path


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    b = picture(tmp_path / "b" / "deeper" / "1.png")
    a2, a1 = picture(tmp_path / "a" / "2.png"), picture(tmp_path / "a" / "1.png")
    picture(tmp_path / ".hidden" / "1.png")
    picture(tmp_path / "beside.png")
    (tmp_path / "a" / "notes.txt").touch()
    assert find_labelled(tmp_path) == [Labelled(a1, "a"), Labelled(a2, "a"), Labelled(b, "b")]


def test_the_held_out_part_of_a_split_set(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "a" / "1.png")
    val = picture(tmp_path / "val" / "a" / "2.png")
    assert find_labelled(tmp_path) == [Labelled(val, "a")]
    test = picture(tmp_path / "test" / "a" / "3.png")
    assert find_labelled(tmp_path) == [Labelled(test, "a")]


def test_classes_that_are_named_as_parts(tmp_path: Path) -> None:
    """`test` without `train` is a class like any other."""
    picture(tmp_path / "test" / "1.png")
    picture(tmp_path / "other" / "1.png")
    assert {item.label for item in find_labelled(tmp_path)} == {"test", "other"}


@pytest.mark.parametrize("header", ["", "path,label\n", "\ufeffPath, Label\n"])
def test_a_csv_file(tmp_path: Path, header: str) -> None:
    (tmp_path / "list.csv").write_text(f'{header}x/1.png,cat\n\n"a, b.png", dog \n', encoding="utf-8")
    assert find_labelled(tmp_path / "list.csv") == [
        Labelled(tmp_path / "x" / "1.png", "cat"),
        Labelled(tmp_path / "a, b.png", "dog"),
    ]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder .*none; give one with a folder of pictures for each class"):
        find_labelled(tmp_path / "none")
    with pytest.raises(InputError, match="holds no folders"):
        find_labelled(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no pictures"):
        find_labelled(tmp_path)
    for text, message in [
        ("a.png\n", "line 1: 'a.png' is not a path and a label"),
        ("path,label\na.png,\n", "line 2"),
        ("path,label\n", "holds no path,label"),
        ("", "holds no path,label"),
    ]:
        (tmp_path / "list.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            find_labelled(tmp_path / "list.csv")
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a CSV file of path,label"):
        find_labelled(tmp_path / "list.csv")
