from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from zoo.data.split import split_by_content

# There are few contents, so that copies are common; a content keeps its class.
FILES = st.lists(st.integers(0, 40), max_size=60)
SHARES = st.sampled_from([0.05, 0.2, 0.5, 0.9])
SEEDS = st.integers(0, 5)
GOLDEN = [7, 13, 20, 21, 26, 32, 39, 40, 41, 46, 48, 57]


def split(contents: list[int], share: float, seed: int) -> list[str]:
    return list(split_by_content([f"{c:x}" for c in contents], [c % 3 for c in contents], share, seed))


@pytest.mark.slow
@given(FILES, SHARES, SEEDS)
def test_copies_fall_on_one_side_and_every_class_on_both(contents: list[int], share: float, seed: int) -> None:
    sides: dict[int, set[str]] = {}
    classes: dict[int, set[str]] = {}
    for content, side in zip(contents, split(contents, share, seed), strict=True):
        sides.setdefault(content, set()).add(side)
        classes.setdefault(content % 3, set()).add(side)
    assert all(len(found) == 1 for found in sides.values())
    for label, found in classes.items():
        distinct = {content for content in contents if content % 3 == label}
        assert found == ({"train", "validation"} if len(distinct) > 1 else {"train"})


@given(FILES, st.integers(41, 60), SHARES, SEEDS)
def test_a_file_that_is_added_moves_at_most_one_other(before: list[int], added: int, share: float, seed: int) -> None:
    old = dict(zip(before, split(before, share, seed), strict=True))
    new = dict(zip([*before, added], split([*before, added], share, seed), strict=True))
    moved = [content for content, side in old.items() if new[content] != side]
    assert len(moved) <= 1
    assert all(content % 3 == added % 3 for content in moved)


@given(st.randoms(use_true_random=False), FILES, SHARES, SEEDS)
def test_order_and_names_of_files_do_not_matter(random: object, contents: list[int], share: float, seed: int) -> None:
    other = contents.copy()
    random.shuffle(other)  # type: ignore[attr-defined]
    sides = dict(zip(contents, split(contents, share, seed), strict=True))
    assert sides == dict(zip(other, split(other, share, seed), strict=True))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_the_share_holds_in_each_class_exactly(share: float, seed: int) -> None:
    sizes = [3600, 400, 39, 38, 30, 7, 2]
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    sides = split_by_content([f"file {i}" for i in range(len(labels))], labels, share, seed)
    for label, size in enumerate(sizes):
        chosen = sum(side == "validation" and at == label for side, at in zip(sides, labels, strict=True))
        # In tenths, which are exact.
        assert chosen == min(size - 1, -(-round(share * 10) * size // 10))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), max_size=60), SHARES, SEEDS)
def test_units_stay_together_and_every_class_has_both_sides(
    files: list[tuple[int, int]], share: float, seed: int
) -> None:
    # A unit's number is unique to its class here, as objects are.
    units = [f"{unit} {label}" for unit, label in files]
    sides = split_by_content([str(i) for i in range(len(files))], [label for _, label in files], share, seed, units)
    assert len(set(zip(units, sides, strict=True))) == len(set(units))
    for label in range(3):
        found = {side for side, (_, at) in zip(sides, files, strict=True) if at == label}
        several = len({unit for unit, (_, at) in zip(units, files, strict=True) if at == label}) > 1
        assert found in (({"train", "validation"},) if several else ({"train"}, set()))


def test_units_of_equal_size_reach_the_share() -> None:
    contents = [f"{unit} {i}" for unit in range(20) for i in range(6)]
    units = [content.split()[0] for content in contents]
    sides = split_by_content(contents, [0] * 120, 0.2, 0, units)
    assert sides.count("validation") == 24


def test_a_unit_of_several_classes_leaves_each_something_to_train_on() -> None:
    sides = split_by_content(list("abcd"), [0, 0, 1, 1], 0.5, 0, ["x", "y", "x", "y"])
    assert sorted(set(zip("xyxy", sides, strict=True))) in (
        [("x", "train"), ("y", "validation")],
        [("x", "validation"), ("y", "train")],
    )


def test_seeds_differ_and_repeat() -> None:
    contents = list(range(60))
    assert split(contents, 0.2, 1) == split(contents, 0.2, 1)
    assert split(contents, 0.2, 1) != split(contents, 0.2, 2)
    # The expected split is written here, so that the test fails if another version or machine splits differently.
    assert [i for i, side in enumerate(split(contents, 0.2, 0)) if side == "validation"] == GOLDEN


def test_no_validation() -> None:
    assert set(split(list(range(60)), 0, 0)) == {"train"}


def test_a_fifth_is_held_out_with_the_seed_0_unless_told_otherwise() -> None:
    contents = [f"{number}" for number in range(40)]
    usual = split_by_content(contents, [0] * 40)
    assert usual == split_by_content(contents, [0] * 40, 0.2, 0) != split_by_content(contents, [0] * 40, 0.2, 1)
    assert usual.count("validation") == 8
    assert split_by_content(contents, [0] * 40, 0).count("validation") == 0
