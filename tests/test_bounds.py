from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo import bounds
from zoo.errors import InputError, OptionError


def test_a_whole_number_within_its_bounds_is_returned_as_pythons_own() -> None:
    assert bounds.whole("limit", 3) == 3
    assert type(bounds.whole("limit", np.int64(3))) is int
    assert bounds.whole("warmup", 0, 0) == 0


@pytest.mark.parametrize("value", [1.0, "1", None, True, [1], np.float32(1)])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(InputError) as error:
        bounds.whole("limit", value, 1, 9)
    assert str(error.value) == f"limit={value!r} is not allowed; give a whole number, 1 to 9"


def test_a_number_out_of_its_bounds_is_refused_by_the_error_that_is_asked_for() -> None:
    with pytest.raises(OptionError, match="runs=10 is not allowed; give 1 to 9"):
        bounds.whole("runs", 10, 1, 9, error=OptionError)
    for value in (-0.1, 1.1, float("nan"), "0.5", True, None):
        with pytest.raises(InputError, match="is not allowed; give a number from 0 to 1"):
            bounds.share("iou", value)
    assert bounds.share("iou", np.float32(0.5)) == 0.5
    with pytest.raises(InputError, match="give seconds above 0"):
        bounds.number("timeout", 0, 0, above=True, allowed="seconds above 0")


def test_a_text_is_no_list_of_letters() -> None:
    with pytest.raises(InputError, match=r"labels='cat' is not allowed; give a list of texts"):
        bounds.names("labels", "cat")
    with pytest.raises(InputError, match=r"labels=None is not allowed; give texts alone"):
        bounds.names("labels", ["cat", None])
    assert bounds.names("labels", ["cat", "dog"]) == ("cat", "dog")
    assert bounds.one_or_more("cat") == ("cat",)
    assert bounds.one_or_more(["cat", "dog"]) == ("cat", "dog")
    assert bounds.one_or_more(4) == (4,)


def test_a_long_value_is_cut_in_the_refusal() -> None:
    with pytest.raises(InputError) as error:
        bounds.whole("limit", "x" * 10_000)
    assert len(str(error.value)) < 200


def test_the_bounds_themselves_are_allowed_and_the_next_numbers_are_not() -> None:
    assert [bounds.whole("runs", value, 2, 4) for value in (2, 3, 4)] == [2, 3, 4]
    for value in (1, 5):
        with pytest.raises(InputError, match=f"^runs={value} is not allowed; give 2 to 4$"):
            bounds.whole("runs", value, 2, 4)
    assert bounds.whole("runs", 1) == 1
    with pytest.raises(InputError, match="^runs=0 is not allowed; give 1 or more$"):
        bounds.whole("runs", 0)
    assert bounds.whole_or_all("limit", None) is None
    with pytest.raises(InputError, match="^limit=0 is not allowed; give 1 or more$"):
        bounds.whole_or_all("limit", 0)
    assert [bounds.share("iou", value) for value in (0, 1)] == [0.0, 1.0]
    assert bounds.number("seconds", 1e-9, 0, above=True, allowed="seconds above 0") == 1e-9
    assert bounds.number("any", -1e300, allowed="a number") == -1e300
    for endless in (float("inf"), float("-inf")):
        with pytest.raises(InputError, match="inf is not allowed; give a number$"):
            bounds.number("any", endless, allowed="a number")


@pytest.mark.parametrize("value", [1, 0, None, "True", np.True_])
def test_a_flag_is_true_or_false_and_nothing_else(value: object) -> None:
    assert bounds.flag("shuffle", True) is True
    assert bounds.flag("shuffle", False) is False
    with pytest.raises(InputError, match="is not allowed; give True or False$"):
        bounds.flag("shuffle", value)


@pytest.mark.parametrize("value", [None, 3, b"cat", ["cat"]])
def test_what_is_no_text_is_refused(value: object) -> None:
    assert bounds.text("name", "") == ""
    with pytest.raises(InputError, match="is not allowed; give a text$"):
        bounds.text("name", value)


@pytest.mark.parametrize("value", ["cat", b"cat", Path("cat"), 3, None])
def test_what_is_no_list_of_texts_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"is not allowed; give a list of texts, such as"):
        bounds.names("labels", value)
    assert bounds.one_or_more(value) == (value,)


def test_a_refusal_repeats_eighty_characters_of_a_value() -> None:
    for length, cut in ((78, False), (79, True)):
        with pytest.raises(InputError) as error:
            bounds.text("name", [int("1" * (length))])
        shown = str(error.value).removeprefix("name=").removesuffix(" is not allowed; give a text")
        assert (len(shown), shown.endswith("...")) == (80, cut)


@pytest.mark.parametrize(("value", "wrong"), [(["cat", 3, None], "3"), ([None], "None"), ((b"cat",), "b'cat'")])
def test_the_first_of_several_that_is_no_text_is_named(value: object, wrong: str) -> None:
    with pytest.raises(InputError, match=f"^labels={wrong} is not allowed; give texts alone, such as"):
        bounds.names("labels", value)
    assert bounds.names("labels", iter(["cat"])) == ("cat",)
    assert bounds.names("labels", []) == ()


def test_the_largest_seed_is_that_of_numpy() -> None:
    np.random.RandomState(bounds.MAX_SEED)
    with pytest.raises(ValueError, match="Seed must be between"):
        np.random.RandomState(bounds.MAX_SEED + 1)
