"""A report on data in lines: for a training's log, and for pages that name no file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data import check, telling

if TYPE_CHECKING:
    from tests.data.conftest import MakePictures


def test_a_log_has_counts_notes_and_the_beginning_of_each_list(
    pictures: Path, bad_pictures: dict[Path, str], make_pictures: MakePictures
) -> None:
    shutil.copy(pictures / "cat" / "000.png", pictures / "dog" / "same.png")
    lines = telling.lines(check(pictures, (8, 8, 3)), most=4)
    assert lines[0] == f"data: {pictures}, 35 of 43 files used"
    assert [line.split() for line in lines[1:5]] == [
        ["class", "train", "validation"],
        ["cat", "18", "5"],
        ["dog", "9", "3"],
        ["all", "27", "8"],
    ]
    assert "note: class dog has only 9 to learn from" in lines
    at = lines.index("cannot be read and is skipped: 6")
    shown = lines[at + 1 : at + 5]
    # One of each kind, although three of the six are alike.
    assert all(any(why in line for line in shown) for why in bad_pictures.values())
    assert lines[at + 5] == f"  and 2 more (zoo data check {pictures})"
    assert "same content in several classes, not used: 1" in lines


def test_a_log_of_many_classes_stays_short(tmp_path: Path, make_pictures: MakePictures) -> None:
    for number in range(8):
        make_pictures(tmp_path / "many" / f"class{number}", 2)
    lines = telling.lines(check(tmp_path / "many", (8, 8, 3)), classes=3)
    assert [line.split()[0] for line in lines[1:7]] == ["class", "class0", "class1", "class2", "and", "all"]
    assert lines[5] == f"and 5 more classes (zoo data check {tmp_path / 'many'})"


def test_a_page_tells_the_same_and_names_no_file(
    pictures: Path, bad_pictures: dict[Path, str], make_pictures: MakePictures
) -> None:
    shutil.copy(pictures / "cat" / "000.png", pictures / "dog" / "same.png")
    make_pictures(pictures, 1)
    (pictures / "cat" / "notes.txt").write_text("")
    told = telling.without_names(check(pictures, (8, 8, 3)))
    text = "\n".join(told)
    assert told[0] == "35 of 43 files used"
    assert sum(int(line.split()[1]) for line in told if line.startswith("skipped: ")) == len(bad_pictures)
    assert "same content in several classes, not used: 2 files" in told
    assert "directly in pictures, in no class, and not used: 1 file" in told
    assert "class dog has only 9 to learn from" in told
    for path in (str(pictures), *(path.name for path in bad_pictures), "same.png", "000.png"):
        assert path not in text
