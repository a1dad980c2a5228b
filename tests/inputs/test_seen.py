"""What is remembered of the pictures that a file was trained on, and of whom it can be asked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import InputError
from zoo.inputs import seen
from zoo.inputs.splits import SplitName

SPLITS: dict[int, SplitName | None] = {0: "train", 1: "train", 2: "validation", 3: "train", 4: "test", 5: None}


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    (tmp_path / "data").mkdir()
    made = [tmp_path / "data" / f"{i}.jpg" for i in range(6)]
    for i, path in enumerate(made):
        path.write_bytes(bytes([i]) * 100)
    return made


@pytest.fixture
def contents(paths: list[Path]) -> list[tuple[str, SplitName | None]]:
    return [(hashlib.sha256(path.read_bytes()).hexdigest(), SPLITS[i]) for i, path in enumerate(paths)]


def by_number(found: dict[Path, SplitName] | None) -> dict[int, SplitName] | None:
    return None if found is None else {int(path.stem): split for path, split in found.items()}


def card_field(folder: Path, contents: seen.Contents) -> dict[str, Any] | None:
    """What the card of a run with this data says."""
    seen.write(folder, contents)
    return seen.from_record(folder)


KNOWN = {i: split for i, split in SPLITS.items() if split}


def test_who_has_all_the_data_can_tell_by_the_card(paths: list[Path], contents: seen.Contents, tmp_path: Path) -> None:
    card = json.loads(json.dumps({seen.FIELD: card_field(tmp_path, contents)}))
    assert by_number(seen.recall(card, tmp_path / "m.tflite", paths)) == KNOWN
    # Neither names nor copies matter.
    moved = paths[0].rename(tmp_path / "0.png")
    assert by_number(seen.recall(card, tmp_path / "m.tflite", [moved, *paths[1:], paths[1]])) == KNOWN


def test_the_card_tells_nothing_of_single_pictures(paths: list[Path], contents: seen.Contents, tmp_path: Path) -> None:
    card = {seen.FIELD: card_field(tmp_path, contents)}
    assert seen.recall(card, tmp_path / "m.tflite", paths[:1]) is None
    assert seen.recall(card, tmp_path / "m.tflite", paths[:5]) is None
    salt = card[seen.FIELD]["salt"]  # type: ignore[index]
    text = json.dumps(card)
    for content, _ in contents:
        assert content[:16] not in text
        assert hashlib.sha256(f"{salt} {content}".encode()).hexdigest()[:16] not in text
    other = card_field(tmp_path, contents)
    assert other is not None
    assert other["value"] != card[seen.FIELD]["value"]  # type: ignore[index]


def test_the_record_of_a_run_tells_of_any_picture(paths: list[Path], contents: seen.Contents, tmp_path: Path) -> None:
    seen.write(tmp_path, contents)
    new = tmp_path / "new.jpg"
    new.write_bytes(b"new")
    card = {"weights_from": "trained"}
    found = seen.recall(card, tmp_path / "m.tflite", [*paths[:3], new])
    assert found == {paths[0]: "train", paths[1]: "train", paths[2]: "validation"}
    assert not any(content in (tmp_path / seen.FILE).read_text() for content, _ in contents)
    # A file that only lies there was not trained in that run.
    assert seen.recall({}, tmp_path / "m.tflite", paths) is None


def test_the_record_of_a_run_gives_what_a_card_says(paths: list[Path], contents: seen.Contents, tmp_path: Path) -> None:
    assert seen.from_record(tmp_path) is None
    seen.write(tmp_path, contents)
    card = json.loads(json.dumps({seen.FIELD: seen.from_record(tmp_path)}))
    elsewhere = tmp_path / "elsewhere" / "m.tflite"
    assert by_number(seen.recall(card, elsewhere, paths)) == KNOWN
    assert seen.recall(card, elsewhere, paths[:5]) is None


def test_a_copy_that_was_trained_on_counts(contents: seen.Contents, paths: list[Path], tmp_path: Path) -> None:
    seen.write(tmp_path, [(contents[0][0], None), (contents[0][0], "train"), (contents[0][0], "validation")])
    assert seen.recall({"weights_from": "trained"}, tmp_path / "m.tflite", paths[:1]) == {paths[0]: "train"}


@pytest.mark.parametrize(
    "stated",
    [
        None,
        7,
        {},
        {"salt": "a", "value": 3, "splits": "tt"},
        {"salt": "a", "value": "b", "splits": "t"},
        {"salt": "a", "value": "b", "splits": "eJw="},
    ],
)
def test_damaged_cards_tell_nothing(stated: Any, paths: list[Path], tmp_path: Path) -> None:
    assert seen.recall({seen.FIELD: stated}, tmp_path / "m.tflite", paths) is None


def test_large_data_are_not_recorded_in_a_card(
    contents: seen.Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "MOST", 5)
    assert card_field(tmp_path, contents) is None


@pytest.mark.parametrize("content", ["", "[]", '{"salt": 1}', '{"salt": "a", "train": 7}'])
def test_a_damaged_record_is_told(content: str, paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / seen.FILE).write_text(content)
    with pytest.raises(InputError, match=r"split.json is no record of a split; remove it"):
        seen.recall({"weights_from": "trained"}, tmp_path / "m.tflite", paths)
