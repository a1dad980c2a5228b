from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.errors import OptionError
from zoo.specs import Caution, ModelSpec, Option, check_seed

CLASSIFIERS = [name for name in zoo.list_models() if zoo.spec(name).task == "classification"]

WRONG: list[tuple[str, str, Any]] = [
    ("mobilenet_v2", "input_size", value) for value in (0, -32, 16, 33, 100, 96.5, "96", True, None, math.nan, [96])
]
WRONG += [("mobilenet_v2", "alpha", value) for value in (0, -1, -0.5, math.nan, math.inf, "1", False, None)]
WRONG += [(name, "num_classes", value) for name in zoo.list_models() for value in (0, -3, 2.5, "10", True, None)]
WRONG += [(name, "num_classes", 1) for name in CLASSIFIERS]
WRONG += [(name, "dropout", value) for name in CLASSIFIERS for value in (-0.1, 1, 1.5, math.nan, "0.5")]
WRONG += [("ssdlite_mobilenet_v2", "small_objects", value) for value in ("yes", 1, 0.0, None)]
WRONG += [("alexnet", "groups", value) for value in (0, 3, 1.5, "2")]
WRONG += [("alexnet", "input_size", 62), ("vgg16", "input_size", 31), ("lenet", "input_size", 11)]
WRONG += [("lenet", "channels", value) for value in (0, 2, 4)]
WRONG += [("mlp", "hidden", value) for value in ((0,), (128, -1), (1.5,), "128", ("128",), (True,), None)]
WRONG += [("mlp", "features", value) for value in (0, 2.5)]
WRONG += [("conv1d", "width", 7), ("conv1d", "channels", 0)]


@pytest.mark.parametrize(("model", "option", "value"), WRONG)
def test_a_wrong_value_is_named_with_what_is_allowed(model: str, option: str, value: Any) -> None:
    allowed = next(o.allowed for o in zoo.spec(model).options if o.name == option)
    with pytest.raises(OptionError) as caught:
        zoo.spec(model).check({option: value})
    assert str(caught.value) == f"{model}: {option}={value!r} is not allowed; give {allowed}"


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        (Option("n", "", minimum=32, multiple_of=32), "an integer, at least 32, a multiple of 32"),
        (Option("n", "", kind=float, above=0), "a number, above 0"),
        (Option("n", "", kind=float, minimum=0, below=1), "a number, at least 0, below 1"),
        (Option("n", "", kind=tuple, minimum=1), "integers such as 128,64, at least 1"),
        (Option("n", "", choices=(1, 2)), "one of 1, 2"),
    ],
)
def test_the_description_of_allowed_values(option: Option, allowed: str) -> None:
    assert option.allowed == allowed


def test_an_unknown_option_is_named_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"mobilenet_v2 has no option 'groups'; it takes num_classes, alpha, input"):
        zoo.spec("mobilenet_v2").check({"groups": 2})


@given(st.integers(-(2**40), 2**40) | st.integers(1, 40).map(lambda n: 32 * n))
def test_mobilenet_takes_exactly_the_multiples_of_32(size: int) -> None:
    spec = zoo.spec("mobilenet_v2")
    if size in range(32, 2**40 + 1, 32):
        assert spec.check({"input_size": size})["input_size"] == size
    else:
        with pytest.raises(OptionError, match=f"input_size={size} "):
            spec.check({"input_size": size})


@given(st.floats() | st.integers(-1000, 1000))
def test_mobilenet_takes_exactly_the_positive_finite_alphas(alpha: float) -> None:
    spec = zoo.spec("mobilenet_v2")
    if 0 < alpha < math.inf:
        checked = spec.check({"alpha": alpha})["alpha"]
        assert checked == alpha
        assert type(checked) is float
    else:
        with pytest.raises(OptionError, match="alpha="):
            spec.check({"alpha": alpha})


@given(st.sampled_from(zoo.list_models()), st.integers(-(2**40), 2**40) | st.integers(-5, 5))
def test_a_classifier_takes_two_classes_or_more_and_a_detector_one(model: str, classes: int) -> None:
    spec, least = zoo.spec(model), 2 if model in CLASSIFIERS else 1
    if classes >= least:
        assert spec.check({"num_classes": classes})["num_classes"] == classes
    else:
        with pytest.raises(OptionError, match=f"{model}: num_classes={classes} .* at least {least}"):
            spec.check({"num_classes": classes})


def test_values_come_back_in_the_options_own_type() -> None:
    checked = zoo.spec("mobilenet_v2").check({"alpha": 1, "input_size": np.int64(96), "num_classes": np.uint8(3)})
    assert [type(checked[name]) for name in ("alpha", "input_size", "num_classes")] == [float, int, int]
    assert zoo.spec("mlp").check({"hidden": [32, 16]})["hidden"] == (32, 16)
    assert zoo.spec("mlp").check({"hidden": 32})["hidden"] == (32,)


def test_check_fills_in_the_defaults() -> None:
    assert zoo.spec("mobilenet_v2").check({"alpha": 0.5}) == {
        "num_classes": 1000,
        "alpha": 0.5,
        "input_size": 224,
        "dropout": 0.2,
    }


@pytest.mark.parametrize(
    ("model", "options", "name"),
    [
        ("mobilenet_v2", {}, "mobilenet_v2"),
        ("mobilenet_v2", {"alpha": 1.0, "input_size": 224}, "mobilenet_v2"),
        ("mobilenet_v2", {"alpha": 0.35, "input_size": 96}, "mobilenet_v2_0.35_96"),
        ("mobilenet_v2", {"num_classes": 3, "dropout": 0.5}, "mobilenet_v2"),
        ("alexnet", {"groups": 1, "input_size": 95}, "alexnet_g1_95"),
        ("lenet", {"channels": 3}, "lenet_c3"),
        ("mlp", {"features": 7}, "mlp_f7"),
        ("conv1d", {"width": 64, "channels": 3}, "conv1d_64_c3"),
    ],
)
def test_a_name_says_what_differs_from_the_default(model: str, options: dict[str, Any], name: str) -> None:
    spec = zoo.spec(model)
    assert spec.instance_name(spec.check(options)) == name


def test_an_unpublished_alpha_earns_a_note() -> None:
    spec = zoo.spec("mobilenet_v2")
    (note,) = spec.notes(spec.check({"alpha": 0.6}))
    assert note == (
        "alpha 0.6 is not a published one (0.35, 0.5, 0.75, 1, 1.3, 1.4): no pretrained weights exist for it"
    )
    for alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4):
        assert spec.notes(spec.check({"alpha": alpha})) == []


def test_options_that_are_published_but_not_together_earn_a_note() -> None:
    spec = zoo.spec("mobilenet_v3")
    (note,) = spec.notes(spec.check({"variant": "small_minimalistic", "alpha": 0.75}))
    assert note == (
        "alpha 0.75 is not a published one with variant small_minimalistic (1): no pretrained weights exist for it"
    )
    (note,) = spec.notes(spec.check({"variant": "small", "alpha": 0.5}))
    assert note == "alpha 0.5 is not a published one (0.75, 1): no pretrained weights exist for it"
    assert spec.notes(spec.check({"variant": "small", "alpha": 0.75})) == []


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        zoo.spec("lenet").params = 1  # type: ignore[misc]
    assert isinstance(zoo.spec("lenet"), ModelSpec)


def test_a_seed_is_a_whole_number_that_numpy_takes() -> None:
    for seed in (0, 1, 2**32 - 1):
        check_seed(seed)
    for wrong in (-1, 2**32, 1.0, True, None, "1"):
        with pytest.raises(OptionError, match="is not allowed; give a whole number from 0 to 4294967295$"):
            check_seed(wrong)  # type: ignore[arg-type]


def test_a_caution_is_told_of_the_variants_and_modes_that_it_is_about() -> None:
    small = Caution("small ones lose much", ("int8", "int16"), {"size": (1, 2)})
    spec = ModelSpec("net", "", cautions=(small, Caution("all are slow", ("float16",))))
    assert spec.cautions_for({"size": 2}) == ["small ones lose much", "all are slow"]
    assert spec.cautions_for({"size": 3}) == ["all are slow"]
    assert spec.cautions_for({"size": 1}, ["float32", "int8"]) == ["small ones lose much"]
    assert spec.cautions_for({"size": 1}, ["float32"]) == spec.cautions_for({"size": 1}, []) == []
