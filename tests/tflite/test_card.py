from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.errors import ModelFileError
from zoo.inputs.preprocessing import Preprocessing
from zoo.tflite.card import MAX_PART_BYTES, Description, describe

if TYPE_CHECKING:
    from tests.conftest import Case


def model_with(path: Path, **parts: str | bytes) -> Path:
    """A file of the right mark with an archive behind it."""
    path.write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 64)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("_", "."), content)
    return path


def test_labels_and_card_of_an_export(cases: Callable[[str], Case]) -> None:
    case = cases("lenet")
    found = describe(case.file)
    assert found.labels == tuple(f"class_{i}" for i in range(10))
    assert found.card == json.loads(json.dumps(case.report.card))
    assert found.preprocessing == Preprocessing("crop")


def test_a_file_without_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "bare.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + b"\0" * 64)
    assert describe(path) == Description()
    assert describe(path).preprocessing == Preprocessing()
    assert describe(tmp_path / "none.tflite") == Description()
    assert describe(tmp_path) == Description()


def test_labels_come_first_then_any_text(tmp_path: Path) -> None:
    both = model_with(tmp_path / "a.tflite", aaa_txt="wrong\n", labels_txt="cat\ndog\n")
    assert describe(both).labels == ("cat", "dog")
    other = model_with(tmp_path / "b.tflite", map_txt="cat\r\ndog")
    assert describe(other).labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("card", "resize"),
    [
        ({"preprocessing": {"resize": "pad"}}, "pad"),
        ({"preprocessing": {"resize": "melt"}}, "crop"),
        ({"preprocessing": {}}, "crop"),
        ({}, "crop"),
        ([1, 2], "crop"),
        ({"preprocessing": None}, "crop"),
        ({"preprocessing": "pad"}, "crop"),
        ({"preprocessing": {"resize": ["pad"]}}, "crop"),
    ],
)
def test_the_resize_policy(tmp_path: Path, card: object, resize: str) -> None:
    path = model_with(tmp_path / "m.tflite", card_json=json.dumps(card))
    assert describe(path).preprocessing.resize == resize


def error_of(path: Path) -> str:
    with pytest.raises(ModelFileError, match=f"the labels and card embedded in {path} are damaged: ") as caught:
        describe(path)
    return str(caught.value)


def test_damaged_parts(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    error_of(model_with(path, card_json="{"))
    error_of(model_with(path, labels_txt=b"\xff\xfe\xfd"))
    error_of(model_with(path, card_json=b"\xff"))


def test_a_part_that_is_not_what_was_written(tmp_path: Path) -> None:
    path = model_with(tmp_path / "m.tflite", labels_txt=b"cat\ndog\n" * 100)
    content = bytearray(path.read_bytes())
    at = content.index(b"labels.txt") + len("labels.txt")
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    error_of(path)


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = model_with(tmp_path / "m.tflite", labels_txt=b"0" * (MAX_PART_BYTES + 1))
    assert path.stat().st_size < 1_000_000
    assert error_of(path).endswith(f"labels.txt claims {MAX_PART_BYTES + 1} bytes, the limit is {MAX_PART_BYTES}")
