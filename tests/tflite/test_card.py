from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from zoo.errors import ModelFileError
from zoo.inputs.preprocessing import Preprocessing
from zoo.runner import Classifier
from zoo.tflite.card import (
    MAX_LABEL_LENGTH,
    MAX_LABELS,
    Description,
    checksum,
    describe,
    label_lines,
    model_part,
    seal,
)
from zoo.tflite.writing.metadata import without_files

if TYPE_CHECKING:
    from tests.conftest import Case, Cli


def model_with(path: Path, **parts: str | bytes) -> Path:
    """Makes a file with the right identifier and an archive behind it."""
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
    assert describe(path) == Description((), {})
    assert describe(path).preprocessing == Preprocessing()
    assert describe(tmp_path / "none.tflite") == Description((), {})
    assert describe(tmp_path) == Description((), {})


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
    error_of(model_with(path, labels_txt=b"\xff\xfe\xfd", card_json="{}"))
    error_of(model_with(path, card_json=b"\xff"))


def test_a_part_that_is_not_what_was_written(tmp_path: Path) -> None:
    path = model_with(tmp_path / "m.tflite", labels_txt=b"cat\ndog\n" * 100)
    content = bytearray(path.read_bytes())
    at = content.index(b"labels.txt") + len("labels.txt")
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(content)
    error_of(path)


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = model_with(tmp_path / "m.tflite", labels_txt=b"0" * ((16 << 20) + 1))
    assert path.stat().st_size < 1_000_000
    assert error_of(path).endswith("labels.txt claims 16777217 bytes, the limit is 16777216")


def test_many_parts(tmp_path: Path) -> None:
    """The list of parts is limited, because `zipfile` uses about twenty times its bytes."""
    path = model_with(tmp_path / "m.tflite")
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(18_000):
            archive.writestr(f"part{i:09}", b"")
    assert "its directory has" in error_of(path)


def test_two_parts_of_one_name(tmp_path: Path) -> None:
    path = model_with(tmp_path / "m.tflite", labels_txt="cat")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("labels.txt", "dog")
    assert "several parts called labels.txt" in error_of(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_compression(tmp_path: Path, method: int) -> None:
    path = model_with(tmp_path / "m.tflite")
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.writestr("labels.txt", "cat")
    assert f"is compressed by method {method}" in error_of(path)


def test_an_archive_with_sizes_of_64_bits(tmp_path: Path) -> None:
    path = model_with(tmp_path / "m.tflite", labels_txt="cat")
    content = path.read_bytes()
    end = content.index(b"PK\5\6")
    path.write_bytes(content[:end] + b"PK\6\7".ljust(20, b"\0") + content[end:])
    assert "of the kind for more than 4 GB" in error_of(path)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("\n" * (MAX_LABELS + 1), "it has more than 1,000,000 labels"),
        ("\u2028" * (MAX_LABELS + 1), "it has more than 1,000,000 labels"),
        ("cat\n" + "x" * (MAX_LABEL_LENGTH + 1), "a label has 10001 characters"),
    ],
)
def test_labels_that_no_model_has(tmp_path: Path, labels: str, reason: str) -> None:
    assert reason in error_of(model_with(tmp_path / "m.tflite", labels_txt=labels))


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("[" * 100_000, "recursion"),
        ('{"a":' * 40 + "1" + "}" * 40, "it is nested more than 32 deep"),
        ('{"a": ' + "9" * 21 + "}", "a number has 21 digits"),
        ('{"a": ' + "9" * 5000 + "}", "a number has 5000 digits"),
        ('{"a": "'.ljust((4 << 20) - 1, "x") + '"}', "card.json claims 4194305 bytes, the limit is 4194304"),
    ],
)
def test_cards_that_no_model_has(tmp_path: Path, card: str, reason: str) -> None:
    found = error_of(model_with(tmp_path / "m.tflite", card_json=card))
    assert reason in found
    assert len(found) < 500


def test_a_card_can_be_written_as_json_again(tmp_path: Path) -> None:
    card = '{"a": NaN, "b": [-Infinity, 1e999, 0.5], "\\ud800": "\\udfff", "c": 18446744073709551615}'
    found = describe(model_with(tmp_path / "m.tflite", card_json=card)).card
    assert found == {"a": None, "b": [None, None, 0.5], "?": "?", "c": 2**64 - 1}
    assert json.loads(json.dumps(found, allow_nan=False, ensure_ascii=False).encode()) == found


@pytest.mark.parametrize("value", [None, True, -1, 1.5, "x", [], {}, ["x", {}], {"resize": {}}, 2**64 - 1])
def test_a_card_whose_fields_are_of_the_wrong_type(
    tmp_path: Path, value: object, cases: Callable[[str], Case], cli: Cli
) -> None:
    """Every field of a real card may have any type; the file is run and inspected nevertheless."""
    content = without_files(cases("lenet").file.read_bytes())
    names = [*describe(cases("lenet").file).card, "weights", "calibration"]
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("card.json", json.dumps(dict.fromkeys(names, value)))
    for command in (("inspect", path), ("inspect", path, "--json")):
        assert cli(*command).code == 0
    assert Classifier(path, trusted=True).classify(Image.new("L", (28, 28)))
    for inner in ({"bytes": value, "crc32": value}, {"bytes": 10, "crc32": value}):
        path.write_bytes(content)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("card.json", json.dumps({"flatbuffer": inner}))
        assert checksum(path) in {"wrong", "none"}


def changed(source: Path, target: Path, **parts: str | bytes | None) -> Path:
    """Copies a file with other parts in its archive; None leaves a part out."""
    with zipfile.ZipFile(source) as archive:
        found: dict[str, str | bytes | None] = {name: archive.read(name) for name in archive.namelist()}
        start = min(entry.header_offset for entry in archive.infolist())
    target.write_bytes(source.read_bytes()[:start])
    with zipfile.ZipFile(target, "a") as archive:
        for name, content in (found | {name.replace("_", "."): part for name, part in parts.items()}).items():
            if content is not None:
                archive.writestr(name, content)
    return target


@pytest.fixture
def sealed(lenet_file: Path) -> Path:
    assert checksum(lenet_file) == "right"
    return lenet_file


def test_the_checksum_covers_labels_and_card_and_all_else(sealed: Path, tmp_path: Path) -> None:
    card = describe(sealed).card
    labels = "\n".join(reversed(describe(sealed).labels)) + "\n"
    path = tmp_path / "m.tflite"
    assert checksum(changed(sealed, path)) == "right"
    assert checksum(changed(sealed, path, labels_txt=labels)) == "wrong"
    assert checksum(changed(sealed, path, labels_txt=None)) == "wrong"
    assert checksum(changed(sealed, path, more_txt="x")) == "wrong"
    assert checksum(changed(sealed, path, card_json=json.dumps(card | {"weights": "trained, very well"}))) == "wrong"
    assert checksum(changed(sealed, path, card_json=json.dumps(dict(reversed(card.items())), indent=7))) == "right"
    path.write_bytes(bytes(byte ^ (i == 20_000) for i, byte in enumerate(sealed.read_bytes())))
    assert checksum(path) == "wrong"
    changed(sealed, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"labels: others"
    assert checksum(path) == "wrong"


def test_a_checksum_that_leaves_out_labels_and_card_is_called_none(sealed: Path, tmp_path: Path) -> None:
    card = {name: value for name, value in describe(sealed).card.items() if name != "checksum"}
    assert checksum(changed(sealed, tmp_path / "m.tflite", card_json=json.dumps(card))) == "none"


@pytest.mark.parametrize(
    "facts",
    [
        {"bytes": 0, "crc32": 0, "sha256": hashlib.sha256().hexdigest()},
        {"bytes": 8, "crc32": "of 8 bytes", "sha256": "of 8 bytes"},
        {"bytes": -1},
        {"bytes": None},
        {"bytes": "all"},
        {},
        [],
        None,
        0,
    ],
)
def test_a_checksum_of_nothing_or_of_a_part_is_wrong(facts: Any, sealed: Path, tmp_path: Path) -> None:
    """This is also detected if everything else is computed again, as an attacker would do."""
    card = describe(sealed).card
    if isinstance(facts, dict):
        front = sealed.read_bytes()[: facts.get("bytes") or 0] if facts.get("bytes") in {0, 8} else b""
        known = {"of 8 bytes": {"crc32": zlib.crc32(front), "sha256": hashlib.sha256(front).hexdigest()}}
        facts = {name: known.get(str(value), {}).get(name, value) for name, value in facts.items()}
    card["flatbuffer"] = facts
    card["checksum"] = seal(card, "\n".join(describe(sealed).labels) + "\n")
    path = changed(sealed, tmp_path / "m.tflite", card_json=json.dumps(card))
    assert checksum(path) == "wrong"
    assert model_part(path) in {"wrong", "none"}


def test_a_card_of_the_first_files_has_the_sha_256_alone(sealed: Path, tmp_path: Path) -> None:
    card = describe(sealed).card
    del card["flatbuffer"]["crc32"]
    path = changed(sealed, tmp_path / "m.tflite", card_json=json.dumps(card))
    assert model_part(path) == "right"
    path.write_bytes(bytes(byte ^ (i == 20_000) for i, byte in enumerate(path.read_bytes())))
    assert model_part(path) == "wrong"


def test_the_seal_has_the_form_that_is_documented() -> None:
    card = {"b": [1, 2.5], "a": "Käse", "checksum": "left out"}
    text = '{"card":{"a":"K\\u00e4se","b":[1,2.5]},"labels":"cat\\n"}'
    assert seal(card, "cat\n") == hashlib.sha256(text.encode("ascii")).hexdigest()
    assert seal({"a": "Käse", "b": (1, 2.5)}, "cat\n") == seal(card, "cat\n")


def test_labels_and_cards_of_exactly_the_most_are_read(tmp_path: Path) -> None:
    assert len(label_lines("\n" * MAX_LABELS)) == MAX_LABELS == 1_000_000
    assert label_lines("x" * MAX_LABEL_LENGTH) == ["x" * 10_000]
    card = '{"a": "'.ljust((4 << 20) - 2, "x") + '"}'
    assert describe(model_with(tmp_path / "m.tflite", card_json=card)).card == json.loads(card)
    labels = b"0\n" * (8 << 20)
    assert f"has more than {MAX_LABELS:,} labels" in error_of(model_with(tmp_path / "m.tflite", labels_txt=labels))


@pytest.mark.parametrize("thorough", [False, True])
def test_the_model_part_is_checked_quickly_and_thoroughly(thorough: bool, sealed: Path, tmp_path: Path) -> None:
    assert model_part(sealed, thorough=thorough) == "right"
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(byte ^ (i == 20_000) for i, byte in enumerate(sealed.read_bytes())))
    assert model_part(path, thorough=thorough) == "wrong"
    for parts in ({"labels_txt": "cat"}, {"card_json": "{}"}, {"card_json": "[]", "labels_txt": "cat"}):
        assert model_part(model_with(path, **parts), thorough=thorough) == "none"
    path.write_bytes(without_files(sealed.read_bytes()))
    assert model_part(path, thorough=thorough) == "none"
    assert checksum(path) == "none"


@pytest.mark.parametrize("thorough", [False, True])
def test_an_archive_without_a_model_before_it_has_no_right_model_part(thorough: bool, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    facts = {"bytes": 0, "crc32": 0, "sha256": hashlib.sha256().hexdigest()}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("card.json", json.dumps({"flatbuffer": facts}))
    assert model_part(path, thorough=thorough) == "wrong"
    assert checksum(path) == "wrong"


def test_a_text_without_a_line_has_no_labels() -> None:
    assert label_lines("") == []
