from __future__ import annotations

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
