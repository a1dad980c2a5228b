from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.errors import InputError
from zoo.inputs.annotations import Stated, Tally, place
from zoo.inputs.annotations.place import MOST_OBJECTS, turned
from zoo.inputs.pictures.images import load_image
from zoo.inputs.pictures.stored import Stored, stored

PATH = Path("a.jpg")
SIDES = st.integers(4, 40)


def stated(*boxes: tuple[float, ...], labels: tuple[str, ...] | None = None, **more: Any) -> Stated:
    return Stated(PATH, labels or ("dog",) * len(boxes), np.array(boxes, np.float64).reshape(-1, 4), **more)


def counted(one: Stated, picture: Stored) -> Any:
    """The boxes in place, and how many of each kind are odd."""
    tally = Tally()
    boxes = place(one, picture, tally)
    return boxes.boxes.tolist(), {remark.kind: remark.count for remark in tally.remarks()}


@settings(deadline=None, max_examples=50)
@given(st.data(), st.integers(1, 8))
def test_a_box_is_turned_as_pillow_turns_its_pixels(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, orientation: int
) -> None:
    """A white rectangle in the stored picture is where its turned box says in the picture that the model sees."""
    width, height = data.draw(SIDES), data.draw(SIDES)
    left, top = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    image = Image.new("L", (width, height))
    image.paste(255, (left, top, right, bottom))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path_factory.getbasetemp() / f"turned{orientation}.png"
    image.save(path, exif=exif)
    about = stored(path)
    assert about == Stored((width, height), orientation)
    seen = load_image(path, *about.upright, channels=1)[..., 0]
    rows, columns = np.nonzero(seen)
    box = turned(np.array([[left, top, right, bottom]], np.float64), (width, height), orientation)[0]
    assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.floats(-50, 150)] * 4), max_size=8), st.integers(1, 8))
def test_whatever_is_stated_the_boxes_lie_inside_and_nothing_is_lost_in_silence(
    boxes: list[tuple[float, ...]], orientation: int
) -> None:
    labels = tuple("ab"[i % 2] for i in range(len(boxes)))
    tally = Tally()
    found = place(stated(*boxes, labels=labels), Stored((90, 60), orientation), tally)
    width, height = Stored((90, 60), orientation).upright
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [width, height, width, height]).all()
    assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()
    told = {remark.kind: remark.count for remark in tally.remarks()}
    assert len(found) == len(boxes) - sum(told.get(kind, 0) for kind in ("beyond", "empty", "duplicate"))


@pytest.mark.parametrize(
    ("box", "kind", "result"),
    [
        ((10, 10, 30, 30), None, [[10, 10, 30, 30]]),
        ((-0.9, 10, 30, 60.9), None, [[0, 10, 30, 60]]),
        ((-5, 10, 30, 30), "outside", [[0, 10, 30, 30]]),
        ((95, 10, 99, 30), "beyond", []),
        ((10, 10, 10, 30), "empty", []),
        ((30, 30, 10, 10), "reversed", [[10, 10, 30, 30]]),
    ],
)
def test_what_is_odd_about_a_box(box: tuple[float, ...], kind: str | None, result: list[list[float]]) -> None:
    found, told = counted(stated(box), Stored((90, 60)))
    assert found == result
    assert told == ({kind: 1} if kind else {})


def test_boxes_with_x_and_y_swapped_show_where_they_lie_outside() -> None:
    found, told = counted(stated((10, 70, 30, 88), (5, 5, 9, 9)), Stored((90, 60)))
    assert found == [[5, 5, 9, 9]]
    assert told == {"beyond": 1, "swapped": 1}


def test_a_box_counts_once_for_each_class() -> None:
    box = (10, 10, 30, 30)
    found, told = counted(stated(box, box, (10.2, 10, 30, 30), labels=("dog", "cat", "dog")), Stored((90, 60)))
    assert (len(found), told) == (2, {"duplicate": 1})


def test_shares_are_of_the_upright_picture() -> None:
    found, told = counted(stated((0.1, 0.5, 0.2, 1.0), relative=True), Stored((90, 60), 6))
    assert found == [pytest.approx([6, 45, 12, 90])]
    assert told == {"oriented": 1}


def test_the_stated_size_tells_which_picture_the_boxes_are_of() -> None:
    box = (10.0, 20.0, 30.0, 40.0)
    sideways = Stored((90, 60), 6)
    upright = counted(stated(box, size=(60, 90)), sideways)
    assert upright == ([list(box)], {})
    as_stored = counted(stated(box, size=(90, 60)), sideways)
    assert as_stored == ([[20, 10, 40, 30]], {"turned": 1})
    # Resized to half of the labelled size: 5, 10, 15, 20 in the stored picture.
    assert counted(stated(box, size=(180, 120)), sideways) == ([[40, 5, 50, 15]], {"turned": 1})


def test_a_picture_that_was_resized_has_its_boxes_scaled() -> None:
    larger = counted(stated((10, 20, 30, 40), size=(180, 120)), Stored((90, 60)))
    assert larger == ([[5, 10, 15, 20]], {"resized": 1})
    assert counted(stated((10, 20, 30, 40), size=(60, 90)), Stored((90, 60))) == (
        [[10, 20, 30, 40]],
        {"size_swapped": 1},
    )


def test_an_annotation_of_another_picture_is_refused() -> None:
    with pytest.raises(InputError, match="a.jpg has 90x60 pixels, but its annotation is of a picture of 64x64"):
        counted(stated((1, 2, 3, 4), size=(64, 64)), Stored((90, 60)))


def test_a_picture_of_too_many_boxes_is_refused() -> None:
    boxes = [(1.0, 2.0, 3.0, 4.0)] * (MOST_OBJECTS + 1)
    with pytest.raises(InputError, match=r"a\.jpg has 2,001 boxes, and at most 2,000 are taken"):
        place(stated(*boxes), Stored((60, 40)), Tally())
    assert len(place(stated(*boxes[1:]), Stored((60, 40)), Tally())) == 1
