"""Lists of pictures as other programs and other countries write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import InputError
from zoo.inputs.labelled import Labelled, find_labelled
from zoo.inputs.table import rows_of


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    """A CSV file beside `i/1.jpg` to `i/4.jpg`."""
    (tmp_path / "i").mkdir()
    for n in range(1, 5):
        (tmp_path / "i" / f"{n}.jpg").touch()
    return tmp_path / "list.csv"


ROWS = [("i/1.jpg", "cat"), ("i/2.jpg", "dog"), ("i/3.jpg", "cat"), ("i/4.jpg", "dog")]


def found(path: Path) -> list[tuple[str, str]]:
    return [(e.path.relative_to(path.parent).as_posix(), e.label) for e in find_labelled(path).examples]


@pytest.mark.parametrize(
    "header",
    ["filename,label", "image,label", "file,class", "filename,class", "filepaths,labels", "image_path,label",
     "id,breed", "Image Name,Class", "path,what it is", ""],
)  # fmt: skip
def test_headers_of_other_programs(listing: Path, header: str) -> None:
    listing.write_text("\n".join([header, *map(",".join, ROWS)]), encoding="utf-8")
    assert found(listing) == ROWS


def test_columns_in_another_order_and_columns_more(listing: Path) -> None:
    listing.write_text("label,path\n" + "".join(f"{b},{a}\n" for a, b in ROWS), encoding="utf-8")
    assert found(listing) == ROWS
    listing.write_text("".join(f"{b},{a}\n" for a, b in ROWS), encoding="utf-8")
    assert found(listing) == ROWS
    listing.write_text(
        "width,filename,class,split\n" + "".join(f"9,{a},{b},Train\n" for a, b in ROWS), encoding="utf-8"
    )
    assert found(listing) == ROWS
    data = find_labelled(listing)
    assert {e.split for e in data.examples} == {"train"}
    assert data.notes == (f"columns of {listing} that are not used: width",)


def test_the_order_of_googles_automl_has_the_split_in_front(listing: Path) -> None:
    for words, splits in ((("TRAIN", "VALIDATION"), {"train", "validation"}), (("UNASSIGNED",) * 2, {None})):
        lines = [f"{words[n // 3]},gs://bucket/{a},{b}\n" for n, (a, b) in enumerate(ROWS)]
        listing.write_text("".join(lines), encoding="utf-8")
        assert found(listing) == ROWS
        assert {e.split for e in find_labelled(listing).examples} == splits
    listing.write_text("".join(f"{b},{a},cat\n" for a, b in ROWS), encoding="utf-8")
    with pytest.raises(InputError, match="line 1: 'cat' is no split"):
        find_labelled(listing)


def test_numbers_of_lines_pictures_and_categories(listing: Path) -> None:
    listing.write_text("id,image_id,category_id\n0,1,7\n1,2,8\n2,3,7\n3,4,8\n", encoding="utf-8")
    assert found(listing) == [("i/1.jpg", "7"), ("i/2.jpg", "8"), ("i/3.jpg", "7"), ("i/4.jpg", "8")]


@pytest.mark.parametrize(
    ("header", "labels", "told"),
    [
        ("path,label", ("cat|dog", "cat"), "'cat|dog'"),
        ("path,label", ('"cat, dog"', "dog"), "'cat, dog'"),
        ("path,tags", ("clear primary", "primary"), "'clear primary'"),
        ("path,label", ("polar bear", "bear"), ""),
        ("path,label", ("left;right", "up"), ""),
    ],
)
def test_several_classes_in_one_label_are_told(listing: Path, header: str, labels: tuple[str, ...], told: str) -> None:
    listing.write_text(f"{header}\ni/1.jpg,{labels[0]}\ni/2.jpg,{labels[1]}\n", encoding="utf-8")
    notes = find_labelled(listing).notes
    assert [note.partition(":")[0] for note in notes] == [
        f"1 label looks like several classes in one, such as {told}" for _ in range(bool(told))
    ]


def test_the_index_of_pandas(listing: Path) -> None:
    listing.write_text(
        ",filename,label\n" + "".join(f"{i},{a},{b}\n" for i, (a, b) in enumerate(ROWS)), encoding="utf-8"
    )
    assert found(listing) == ROWS
    assert find_labelled(listing).notes == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_spreadsheets_of_any_country(listing: Path, encoding: str, separator: str, end: str) -> None:
    rows = [("path", "label"), ("i\\1.jpg", "K\u00e4fer"), ("i\\2.jpg", "dog")]
    listing.write_bytes("".join(separator.join(row) + end for row in rows).encode(encoding))
    assert found(listing) == [("i/1.jpg", "K\u00e4fer"), ("i/2.jpg", "dog")]


def test_the_first_line_of_excel_says_the_separator() -> None:
    assert rows_of("sep=;\na, b;cat\n") == [(2, ["a, b", "cat"])]


def test_commas_in_names_do_not_part_cells() -> None:
    assert rows_of("a, b.jpg;cat\nc, d.jpg;dog\n")[1] == (2, ["c, d.jpg", "dog"])


def test_names_without_suffix_and_pictures_in_a_folder_beside(listing: Path) -> None:
    listing.write_text("id,breed\n1,collie\n2,pug\n", encoding="utf-8")
    data = find_labelled(listing)
    assert [e.path for e in data.examples] == [listing.parent / "i" / "1.jpg", listing.parent / "i" / "2.jpg"]
    assert data.notes == (f"the files of the list are those in {listing.parent / 'i'}, with .jpg behind their names",)


@pytest.mark.parametrize(
    ("before", "told"),
    [("C:\\Users\\me\\", "C:/Users/me"), ("/kaggle/input/a set/", "/kaggle/input/a set"), ("../other/", "../other")],
)
def test_paths_of_another_machine_are_found_beside_the_list(listing: Path, before: str, told: str) -> None:
    sign = "\\" if "\\" in before else "/"
    rows = "".join(f"{before}i{sign}{n}.jpg,{'cat' if n % 2 else 'dog'}\n" for n in range(1, 5))
    listing.write_text(f"path,label\n{rows}{before}i{sign}9.jpg,dog\n", encoding="utf-8")
    assert found(listing) == [*ROWS, ("i/9.jpg", "dog")]
    assert find_labelled(listing).notes == (
        f"the files of the list are those in {listing.parent}, without {told} before them",
    )
    # Those in the folder itself are found by their names alone.
    (listing.parent / "5.jpg").touch()
    listing.write_text(f"{before}x{sign}5.jpg,cat\n{before}x{sign}6.jpg,dog\n", encoding="utf-8")
    assert found(listing) == [("5.jpg", "cat"), ("6.jpg", "dog")]


def test_a_column_for_each_class(listing: Path) -> None:
    listing.write_text("filename,cat,dog\ni/1.jpg,1,0\ni/2.jpg,0,1\n", encoding="utf-8")
    assert found(listing) == ROWS[:2]
    listing.write_text("filename,cat,dog\ni/1.jpg,1,0\ni/2.jpg,1,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: 2 classes are marked with 1"):
        find_labelled(listing)


def test_flags_of_validation_and_groups(listing: Path) -> None:
    listing.write_text("fname,label,is_valid,group\ni/1.jpg,cat,False,a\ni/2.jpg,dog,True,\n", encoding="utf-8")
    folder = listing.parent
    assert find_labelled(listing).examples == (
        Labelled(folder / "i" / "1.jpg", "cat", "train", "a"),
        Labelled(folder / "i" / "2.jpg", "dog", "validation", None),
    )


def test_a_header_that_nobody_knows_is_told(listing: Path) -> None:
    listing.write_text("bild,art\ni/1.jpg,cat\ni/2.jpg,dog\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1: 'bild,art' looks like a header; call the columns path,label"):
        find_labelled(listing)


@pytest.mark.parametrize(
    ("header", "what"),
    [("filename,width,height,class,xmin,ymin,xmax,ymax", "boxes"), ("image_id,label,bbox", "boxes"),
     ("ImageId,EncodedPixels", "masks")],
)  # fmt: skip
def test_lists_of_boxes_and_masks(listing: Path, header: str, what: str) -> None:
    listing.write_text(f"{header}\ni/1.jpg\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"holds {what} for .*no pictures by class, which classifiers learn from"):
        find_labelled(listing)


def test_a_file_in_several_lines_is_told(listing: Path) -> None:
    listing.write_text("i/1.jpg,cat\ni/1.jpg,dog\n", encoding="utf-8")
    assert find_labelled(listing).notes[0].startswith(f"1 file stands in several lines of {listing}")
