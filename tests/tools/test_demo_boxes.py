"""`tools/demo_boxes.py`: boxes of digits on photos are exact, and held-out digits are on no training picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import demo_boxes
import demo_digits
from zoo.inputs.annotations import find_boxes, ground_truth

Pictures = list[tuple[Image.Image, list[demo_boxes.Digit]]]


@pytest.fixture(scope="module")
def made() -> Pictures:
    return demo_boxes.pictures(12, held_out=True)


def test_the_same_seed_gives_the_same_pictures(made: Pictures) -> None:
    for (picture, placed), (again, placed_again) in zip(made[:3], demo_boxes.pictures(3, held_out=True), strict=True):
        assert placed == placed_again
        assert np.array_equal(np.asarray(picture), np.asarray(again))
    other = demo_boxes.pictures(3, held_out=True, seed=1)
    assert [placed for _, placed in other] != [placed for _, placed in made[:3]]


def test_digits_lie_within_the_picture_and_apart(made: Pictures) -> None:
    for picture, placed in made:
        assert picture.size == (demo_boxes.SIZE, demo_boxes.SIZE)
        assert len(placed) <= demo_boxes.COUNTS[1]
        taken = np.zeros(picture.size, int)
        for _, (left, top, right, bottom) in placed:
            assert 0 <= left < right <= demo_boxes.SIZE
            assert 0 <= top < bottom <= demo_boxes.SIZE
            taken[top:bottom, left:right] += 1
        assert taken.max(initial=0) <= 1


def test_a_box_holds_all_the_ink_and_touches_it_on_every_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a plain background it is seen where the ink is."""
    plain = Image.new("RGB", (640, 427), (250, 250, 250))
    monkeypatch.setattr(demo_boxes, "photos", lambda: [plain])
    for picture, placed in demo_boxes.pictures(6, held_out=False):
        ink = np.asarray(picture).mean(axis=-1) < 200
        for _, (left, top, right, bottom) in placed:
            part = ink[top:bottom, left:right]
            assert part[0].any()
            assert part[-1].any()
            assert part[:, 0].any()
            assert part[:, -1].any()
            ink[top:bottom, left:right] = False
        assert not ink.any()


def test_held_out_pictures_share_no_digit_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out digits are made squares here, the others lines."""
    drawn, truth = demo_digits.digits()
    told = np.zeros_like(drawn)
    told[: demo_digits.HELD_OUT, 4:24, 4:24] = 255
    told[demo_digits.HELD_OUT :, 4:24, 10:18] = 255
    monkeypatch.setattr(demo_boxes, "digits", lambda: (told, truth))
    for held_out in (True, False):
        shapes = [digit.box for _, placed in demo_boxes.pictures(6, held_out=held_out) for digit in placed]
        assert len(shapes) > 6
        for left, top, right, bottom in shapes:
            assert ((right - left) / (bottom - top) > 0.8) == held_out


def test_it_is_read_as_what_a_labelling_tool_exports(tmp_path: Path) -> None:
    demo_boxes.save(tmp_path / "data", 3, 2)
    data = find_boxes(tmp_path / "data")
    assert (data.format, data.class_names) == ("YOLO", tuple(demo_digits.LABELS))
    assert [picture.split for picture in data.pictures] == ["train"] * 3 + ["validation"] * 2
    held_out = demo_boxes.pictures(2, held_out=True)
    for (_, boxes), (_, placed) in zip(list(ground_truth(data))[3:], held_out, strict=True):
        assert list(boxes.labels) == [demo_digits.LABELS[digit.number] for digit in placed]
        assert np.allclose(boxes.boxes, [digit.box for digit in placed], atol=0.01)
