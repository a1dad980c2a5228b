"""Data folders as people have them: what is a split, what is a class, and what is neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import InputError
from zoo.inputs.labelled import find_examples, find_labelled
from zoo.inputs.splits import split_of, split_within


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def splits_of(root: Path) -> dict[str, tuple[str, str | None]]:
    return {e.path.relative_to(root).as_posix(): (e.label, e.split) for e in find_labelled(root).examples}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"), ("Train", "train"), ("TRAIN", "train"), ("Training", "train"), ("training_set", "train"),
        ("trainset", "train"), ("TrainSet", "train"), ("train-data", "train"), ("1. Training", "train"),
        ("train_images", "train"), ("train2017", "train"),
        ("val", "validation"), ("Valid", "validation"), ("VALIDATION", "validation"), ("validation_set", "validation"),
        ("dev", "validation"), ("test", "test"), ("Testing", "test"), ("test set", "test"), ("test1", "test"),
        ("bullet train", None), ("trains", None), ("invalid", None), ("testtube", None), ("value", None),
        ("images", None), ("trainA", None), ("", None),
    ],
)  # fmt: skip
def test_the_names_of_splits(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_a_word_among_others_names_a_split_only_where_all_do() -> None:
    assert (split_within("seg_train"), split_within("asl_alphabet_test")) == ("train", "test")
    assert split_within("train_val") is None


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("Train", "Val", "validation"), ("Training", "Testing", "test"), ("training_set", "test_set", "test"),
        ("training", "validation", "validation"), ("TRAIN", "VALID", "validation"), ("seg_train", "seg_test", "test"),
        ("1_train", "2_dev", "validation"),
    ],
)  # fmt: skip
def test_splits_in_any_case_and_spelling(tmp_path: Path, train: str, other: str, split: str) -> None:
    touch(tmp_path, f"{train}/cat/1.jpg", f"{train}/dog/2.jpg", f"{other}/cat/3.jpg", f"{other}/dog/4.jpg")
    assert splits_of(tmp_path) == {
        f"{train}/cat/1.jpg": ("cat", "train"),
        f"{train}/dog/2.jpg": ("dog", "train"),
        f"{other}/cat/3.jpg": ("cat", split),
        f"{other}/dog/4.jpg": ("dog", split),
    }


def test_a_split_folder_within_itself(tmp_path: Path) -> None:
    touch(tmp_path, "seg/train/train/cat/1.jpg", "seg/train/train/dog/1.jpg", "seg/test/test/cat/2.jpg")
    assert {e.split for e in find_labelled(tmp_path / "seg").examples} == {"train", "test"}
    assert find_labelled(tmp_path / "seg").class_names == ("cat", "dog")


@pytest.mark.parametrize("test", ["seg_test/seg_test/cat/3.jpg", "seg_test/3.jpg", "seg_test/seg_test/3.jpg"])
def test_splits_named_by_several_words_within_themselves_and_beside_loose_pictures(tmp_path: Path, test: str) -> None:
    touch(tmp_path, "seg_train/seg_train/cat/1.jpg", "seg_train/seg_train/dog/2.jpg", "seg_pred/seg_pred/4.jpg", test)
    data = find_labelled(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert {example.split for example in data.examples} == ({"train", "test"} if "cat" in test else {"train"})
    (note,) = data.notes
    assert "not used, because" in note
    assert "seg_pred" in note


def test_classes_with_the_words_of_splits_in_their_names_stay_classes(tmp_path: Path) -> None:
    touch(tmp_path, "bullet train/red/1.jpg", "bullet train/blue/2.jpg", "test tube/3.jpg")
    assert find_labelled(tmp_path).class_names == ("bullet train", "test tube")
    touch(tmp_path, "test tube/thin/4.jpg", "test tube/wide/5.jpg")
    assert find_labelled(tmp_path).class_names == ("bullet train", "test tube")


def test_classes_whose_folders_hold_the_splits(tmp_path: Path) -> None:
    touch(tmp_path, "cat/Train/1.jpg", "cat/Test/2.jpg", "dog/Train/3.jpg", "dog/Test/4.jpg")
    assert splits_of(tmp_path) == {
        "cat/Train/1.jpg": ("cat", "train"),
        "cat/Test/2.jpg": ("cat", "test"),
        "dog/Train/3.jpg": ("dog", "train"),
        "dog/Test/4.jpg": ("dog", "test"),
    }


@pytest.mark.parametrize("sub", ["", "old/"])
def test_a_class_called_train_stays_a_class(tmp_path: Path, sub: str) -> None:
    touch(tmp_path, "bus/1.jpg", "car/2.jpg", f"train/{sub}3.jpg", ".DS_Store", "__MACOSX/4.jpg", "train/Thumbs.db")
    data = find_labelled(tmp_path)
    assert data.class_names == ("bus", "car", "train")
    assert {e.split for e in data.examples} == {None}
    assert data.notes == ()
    # Calibration and labels go by the same reader.
    assert find_examples(tmp_path).class_names == ("bus", "car", "train")
    assert sorted(find_examples(tmp_path).by_class) == ["bus", "car", "train"]


def test_folders_that_may_be_splits_or_classes_are_asked_about(tmp_path: Path) -> None:
    touch(tmp_path, "bus/1.jpg", "train/steam/2.jpg", "train/diesel/3.jpg")
    with pytest.raises(InputError, match=r"may have the classes bus, train, or train may be the training split"):
        find_labelled(tmp_path)


def test_splits_without_classes_are_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "val/2.jpg", "labels.csv")
    with pytest.raises(InputError, match=r"splits train, val with no class folders .* give the list .*labels.csv"):
        find_labelled(tmp_path)
    # To calibrate on, no class is needed.
    assert find_examples(tmp_path).by_class == {"": [tmp_path / "train" / "1.jpg"]}


def test_unlabelled_test_pictures_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test1/3.jpg")
    data = find_labelled(tmp_path)
    assert [e.split for e in data.examples] == ["train", "train"]
    assert data.notes == (f"not used, because {tmp_path} has a train folder: test1",)


def test_a_test_split_alone_is_for_evaluation(tmp_path: Path) -> None:
    touch(tmp_path, "Test/cat/1.jpg", "Test/dog/2.jpg")
    assert len(find_labelled(tmp_path, least=1).held_out()) == 2
    with pytest.raises(InputError, match="has the folder Test and no folder train"):
        find_labelled(tmp_path)


def test_a_folder_around_the_data_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "inner/cat/1.jpg", "inner/dog/2.jpg")
    with pytest.raises(InputError, match=r"one class only, inner, which holds cat, dog; give .*inner"):
        find_labelled(tmp_path)


def test_the_same_folders_in_every_class_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "one/cat/1.jpg", "one/dog/1.jpg", "two/cat/1.jpg", "two/dog/1.jpg")
    (note,) = find_labelled(tmp_path).notes
    assert note.startswith("every class folder (one, two) has the same folders cat, dog")


def test_the_same_folders_in_some_classes_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "2022/cat/1.jpg", "2022/dog/2.jpg", "2023/cat/3.jpg", "2023/dog/4.jpg", "more/5.jpg")
    (note,) = find_labelled(tmp_path).notes
    assert note.startswith("some class folders (2022, 2023) have the same folders cat, dog: if those are the classes")


def test_names_that_differ_by_case_or_blanks_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "Cat/2.jpg", "dog /3.jpg", "dog/4.jpg", "caf\u00e9/5.jpg", "cafe\u0301/6.jpg")
    notes = find_labelled(tmp_path).notes
    assert len(notes) == 4
    assert notes[0].startswith("the classes 'Cat', 'cat' differ only by case or blanks, and count as 2 classes")
    assert any("'dog', 'dog '" in note for note in notes)
    assert notes[3] == "the names of the classes 'dog ' begin or end with a blank: rename them"


def test_a_class_of_one_split_that_is_called_otherwise_in_another(tmp_path: Path) -> None:
    touch(tmp_path, "train/Cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg")
    with pytest.raises(InputError, match=r"val has a class .*: cat \('cat' and 'Cat' differ only by case or blanks"):
        find_labelled(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("train2017/1.jpg", "val2017/2.jpg"), "boxes for detection (COCO: train2017, val2017)"),
        (("images/train/1.png", "images/val/2.png", "labels/train/1.txt", "data.yaml"), "(YOLO: the folders images"),
        (("train/images/1.png", "train/labels/1.txt", "valid/images/2.png", "data.yaml"), "boxes for detection (YOLO"),
        (("JPEGImages/1.jpg", "Annotations/1.xml"), "Pascal VOC"),
        (("images/1.jpg", "masks/1.png"), "masks for segmentation (the folders images and masks)"),
        (("train/images/1.jpg", "train/masks/1.png", "test/images/1.jpg"), "masks for segmentation"),
        (("images/1.jpg", "annotations/1.json"), "boxes for detection (the folders images and annotations)"),
        (("train/1.jpg", "train/_annotations.coco.json", "valid/2.jpg"), "COCO's or CVAT's annotation files"),
        (("train/1.jpg", "train/1.xml", "test/2.jpg"), "Pascal VOC: a .xml file beside each picture"),
        (("VOCdevkit/VOC2007/JPEGImages/1.jpg", "VOCdevkit/VOC2007/Annotations/1.xml"), "Pascal VOC"),
        (("obj/1.jpg", "obj/1.txt"), "YOLO: a .txt file beside each picture"),
        (("1.jpg", "1.json"), "LabelMe: a .json file beside each picture"),
        (("1.jpg", "1.txt", "2.jpg", "2.txt"), "YOLO: a .txt file beside each picture"),
    ],
)  # fmt: skip
def test_boxes_and_masks_are_recognized(tmp_path: Path, files: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match="no pictures by class, which classifiers learn from") as raised:
        find_labelled(touch(tmp_path, *files))
    assert words in str(raised.value)


def test_notes_beside_the_pictures_of_a_class_are_no_boxes(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "cat/1.txt", "dog/2.jpg", "dog/2.xml", "data.yaml", "mask/3.jpg")
    assert find_labelled(tmp_path).class_names == ("cat", "dog", "mask")


def test_what_is_left_out_is_named_with_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "cat/2.CR2", "cat/3.cr2", "cat/4.mov", "dog/5.jfif", "dog/6.HEIC", "dog/readme")
    data = find_labelled(tmp_path)
    assert {e.path.name for e in data.examples} == {"1.jpg", "5.jfif", "6.HEIC"}
    assert data.notes == (
        f"of another kind, in {tmp_path}, and not used: 1 without a suffix, 2 .cr2 (a camera's raw file: export it as "
        "JPEG), 1 .mov (a film: save its frames as pictures)",
    )
