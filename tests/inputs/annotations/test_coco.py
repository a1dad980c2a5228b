from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.annotating import coco_document, picture, roboflow_coco
from zoo.errors import InputError
from zoo.inputs.annotations import coco, find_boxes, holds_boxes


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """The document of three pictures that lie in `tmp_path`."""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        picture(name).save(tmp_path / name)
    return coco_document(("train",))


def write(folder: Path, document: object, name: str = "boxes.json") -> Path:
    (folder / name).write_text(json.dumps(document))
    return folder


def test_crowds_and_rotated_boxes_are_left_out_and_told(tmp_path: Path, document: dict[str, Any]) -> None:
    document["annotations"][0] |= {"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [40, 60]}}
    document["annotations"][1] |= {"attributes": {"occluded": False, "rotation": 30.5}}
    document["annotations"][2] |= {"attributes": {"rotation": 360.0}}
    data = find_boxes(write(tmp_path, document))
    assert [one.labels for one in data.pictures] == [(), (), ("traffic light",)]
    told = {remark.kind: str(remark) for remark in data.remarks}
    assert told == {
        "crowd": f"1 entry for a crowd of objects, left out; the first: {tmp_path}/boxes.json, annotation 0",
        "rotated": f"1 rotated box, left out; the first: {tmp_path}/boxes.json, annotation 1",
    }


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"bbox": [1, 2, 3]}, "malformed"),
        ({"bbox": "1 2 3 4"}, "malformed"),
        ({"bbox": [1, 2, float("nan"), 4]}, "malformed"),
        ({"bbox": [1, 2, float("inf"), 4]}, "malformed"),
        ({"bbox": [1, 2, 10**400, 4]}, "malformed"),
        ({"bbox": [1, 2, True, 4]}, "malformed"),
        ({"bbox": None}, "malformed"),
        ({"image_id": 77}, "malformed"),
        ({"image_id": [1]}, "malformed"),
        ({"category_id": 9}, "unknown"),
        ({"category_id": {}}, "unknown"),
    ],
)
def test_an_entry_that_says_nothing_is_left_out_and_told(
    tmp_path: Path, document: dict[str, Any], change: dict[str, Any], kind: str
) -> None:
    document["annotations"][1] |= change
    data = find_boxes(write(tmp_path, document))
    assert [one.labels for one in data.pictures] == [("dog",), (), ("traffic light",)]
    assert [(remark.kind, remark.count) for remark in data.remarks] == [(kind, 1)]


def test_pictures_that_are_not_there_or_not_named_are_told(tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "a.jpg").rename(tmp_path / "z.jpg")
    document["images"].append({"id": 9, "file_name": 7})
    data = find_boxes(write(tmp_path, document))
    assert [one.path.name for one in data.pictures] == ["b.jpg", "c.jpg"]
    assert [(remark.kind, remark.count) for remark in data.remarks] == [
        ("malformed", 1), ("no_picture", 1), ("unlisted", 1),
    ]  # fmt: skip
    assert data.remarks[2].first == str(tmp_path / "z.jpg")


@pytest.mark.parametrize("name", ["../../secret.jpg", "/etc/secret.jpg", "C:\\secret.jpg", "x/../../secret.jpg"])
def test_a_path_never_leads_out_of_the_data_folder(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "deep" / "data"
    inner.mkdir(parents=True)
    picture("a.jpg").save(inner / "a.jpg")
    picture("s").save(tmp_path / "secret.jpg")
    document = coco_document(("train",))
    document["images"][0]["file_name"] = name
    data = find_boxes(write(inner, document))
    assert data.pictures == ()
    assert {remark.kind for remark in data.remarks} == {"no_picture", "unlisted"}


def test_of_pictures_of_one_name_the_named_folder_counts(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        picture(folder).save(tmp_path / folder / "a.jpg")
    document = coco_document(("train",))
    document["images"] = document["images"][:1]
    document["annotations"] = document["annotations"][:2]
    document["images"][0]["file_name"] = "somewhere\\two\\a.jpg"
    assert [one.path for one in find_boxes(write(tmp_path, document)).pictures] == [tmp_path / "two" / "a.jpg"]
    document["images"][0]["file_name"] = "a.jpg"
    data = find_boxes(write(tmp_path, document))
    assert [(remark.kind, remark.count) for remark in data.remarks] == [("several", 1), ("unlisted", 2)]


def test_captions_and_key_points_beside_the_instances_are_not_read_again(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    write(tmp_path, document, "instances_train2017.json")
    write(tmp_path, document, "person_keypoints_train2017.json")
    (tmp_path / "captions_train2017.json").write_text("{not even JSON")
    data = find_boxes(tmp_path)
    assert [len(one.labels) for one in data.pictures] == [2, 0, 1]
    assert {one.split for one in data.pictures} == {"train"}
    assert data.remarks == ()


def test_a_picture_in_two_entries_has_the_objects_of_both(tmp_path: Path, document: dict[str, Any]) -> None:
    document["images"].append(document["images"][0] | {"id": 50})
    document["annotations"][2]["image_id"] = 50
    data = find_boxes(write(tmp_path, document))
    assert data.pictures[0].labels == ("dog", "cup", "traffic light")
    np.testing.assert_array_equal(data.pictures[0].boxes[2], [12, 2, 21, 38])
    assert [remark.kind for remark in data.remarks] == ["listed_twice"]


def test_roboflows_group_of_all_classes_is_none(tmp_path: Path) -> None:
    roboflow_coco(tmp_path)
    data = find_boxes(tmp_path)
    assert "things" not in data.class_names
    assert data.notes == ("the category things has no objects and is a group of others: it is no class",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("\xff", "is no JSON"),
        ("[" * 200_000, "nested too deeply"),
        ('{"images": [], "annotations": []}', "needs the lists images, annotations and categories"),
        ("[]", "is no COCO file of boxes"),
        ('{"images": 1' + "1" * 5000 + "}", "is no JSON"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=words) as raised:
        find_boxes(path)
    assert "\n" not in str(raised.value)
    assert not holds_boxes(tmp_path)  # in a folder it is some JSON file or other


def test_the_size_of_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco, "MOST_BYTES", 1 << 20)
    path = tmp_path / "_annotations.coco.json"
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(InputError, match="has more than 1 MB"):
        find_boxes(tmp_path)


def test_pictures_that_share_an_id_are_left_out_and_told(tmp_path: Path, document: dict[str, Any]) -> None:
    document["images"][1]["id"] = document["images"][0]["id"]  # as in two files that were put together by hand
    data = find_boxes(write(tmp_path, document))
    assert [(one.path.name, one.labels) for one in data.pictures] == [("c.jpg", ("traffic light",))]
    (told,) = [str(remark) for remark in data.remarks if remark.kind == "same_id"]
    first = document["images"][0]
    assert told == (
        "2 pictures whose id other pictures of the file have, left out with their entries; the first: "
        f"{tmp_path}/boxes.json, {first['file_name']}, id {first['id']}"
    )
    document["images"][1] = document["images"][0]  # the same entry twice says nothing else
    assert [one.labels for one in find_boxes(write(tmp_path, document)).pictures] == [
        ("dog", "cup"),
        ("traffic light",),
    ]


def test_two_categories_of_one_id_are_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    document["categories"][1]["id"] = document["categories"][0]["id"]
    with pytest.raises(InputError, match="gives two categories the id 1, 'cup' and 'dog'"):
        find_boxes(write(tmp_path, document))
    document["categories"][1]["name"] = "cup"
    find_boxes(write(tmp_path, document))


def test_corners_in_place_of_width_and_height_show(tmp_path: Path, document: dict[str, Any]) -> None:
    for one in document["annotations"]:
        left, top, width, height = one["bbox"]
        one["bbox"] = [left, top, left + width, top + height]
    told = {remark.kind: str(remark) for remark in find_boxes(write(tmp_path, document)).remarks}
    assert told["corners"].startswith("1 box outside its picture that would lie inside if its width and height")
    assert "corners" not in {one.kind for one in find_boxes(write(tmp_path, coco_document(("train",)))).remarks}


@pytest.mark.parametrize("lacks", ["images", "annotations", "categories"])
def test_a_file_with_its_own_name_says_what_it_lacks(tmp_path: Path, document: dict[str, Any], lacks: str) -> None:
    del document[lacks]
    write(tmp_path, document, "_annotations.coco.json")
    assert holds_boxes(tmp_path)
    with pytest.raises(InputError, match="it needs the lists images, annotations and categories"):
        find_boxes(tmp_path)


def test_a_document_that_takes_more_than_the_free_memory_is_refused(
    tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, document)
    monkeypatch.setattr(coco, "available", lambda: 2_000)
    with pytest.raises(InputError, match=r"takes about 0\.0 GB of memory, of which 0\.0 GB are free"):
        find_boxes(tmp_path / "boxes.json")
    monkeypatch.setattr(coco, "available", lambda: 1 << 20)
    assert find_boxes(tmp_path / "boxes.json").pictures


def test_the_estimate_of_memory_is_not_below_what_python_takes() -> None:
    import tracemalloc

    for text in ("[" + "[]," * 2_000 + "[]]", json.dumps([{"id": i, "bbox": [1.5, 2.5, i, 4]} for i in range(500)])):
        content = text.encode()
        tracemalloc.start()
        document = json.loads(content)
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert document
        assert taken < coco._memory_of(content) < 4 * taken


def test_a_document_is_parsed_once(tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, document)
    parsed: list[Path] = []
    read = coco.read_json

    def counted(path: Path) -> Any:
        parsed.append(path)
        return read(path)

    monkeypatch.setattr(coco, "read_json", counted)
    assert holds_boxes(tmp_path)
    assert find_boxes(tmp_path).pictures
    assert parsed == [tmp_path / "boxes.json"]


@pytest.mark.parametrize("name", ["instance.json", "result.json", "notes.json"])
def test_other_documents_beside_class_folders_are_no_boxes(tmp_path: Path, name: str) -> None:
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        picture(folder).save(tmp_path / folder / "1.jpg")
    write(tmp_path, {"images": 2, "accuracy": 0.5}, name)
    assert not holds_boxes(tmp_path)
