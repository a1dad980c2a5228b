"""Published facts in the specs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.accuracies import Accuracies
from zoo.errors import OptionError
from zoo.published import CLOUD_TPU, KERAS_APPLICATIONS, Preparation, PublishedWeights, WeightsFile
from zoo.specs import NUM_CLASSES, ModelSpec, Option

SHA256 = "0" * 64


def weights(*files: WeightsFile) -> PublishedWeights:
    return PublishedWeights("digits", "digits", 10, files)


def register(**facts: Any) -> ModelSpec:
    options = (NUM_CLASSES, Option("breadth", "", kind=float, above=0), Option("input_size", "", minimum=8))

    @zoo.register(ModelSpec("mine", "", options=options, **facts))
    def mine(*, num_classes: int = 10, breadth: float = 1.0, input_size: int = 32) -> Any:
        """Is never called, because the model is not built."""

    return zoo.spec("mine")


def test_the_file_of_the_same_input_size_is_taken_and_else_the_first_that_fits() -> None:
    large, small = (WeightsFile(f"{size}.h5", {"breadth": 1.0}, size) for size in (64, 32))
    wide = WeightsFile("wide.h5", {"breadth": 2.0})
    known = weights(large, small, wide)
    assert known.file_for({"breadth": 1.0, "input_size": 32}) is small
    assert known.file_for({"breadth": 1.0, "input_size": 48}) is large
    assert known.file_for({"breadth": 2.0, "input_size": 48}) is wide
    assert known.file_for({"breadth": 3.0, "input_size": 32}) is None
    assert known.values("breadth") == (1.0, 2.0)
    assert known.values("input_size") == ()
    assert known.sizes({"breadth": 1.0}) == (32, 64)


def test_a_file_for_any_value_leaves_no_value_unpublished(own_registry: None) -> None:
    some = (WeightsFile("a.h5", {"breadth": 1.0}), WeightsFile("b.h5"))
    spec = register(weights=(weights(*some),))
    assert spec.notes(spec.check({"breadth": 3.0})) == []


def test_relative_paths_start_at_the_file_that_registers(own_registry: None) -> None:
    remote = WeightsFile("https://example.org/w.h5", sha256=SHA256)
    spec = register(weights=(weights(WeightsFile("below/w.h5"), WeightsFile("/elsewhere/w.h5"), remote),))
    here = Path(__file__).resolve().parent
    assert [file.address for file in spec.weights[0].files] == [
        str(here / "below" / "w.h5"),
        "/elsewhere/w.h5",
        "https://example.org/w.h5",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightsFile("https://example.org/w.h5"), "the weights at https://example.org/w.h5 need their SHA-256"),
        (lambda: WeightsFile("w.h5", sha256="12AB"), "sha256='12AB' is not allowed; give 64 hexadecimal digits"),
        (lambda: WeightsFile("w.h5", md5="x" * 32), "give 32 hexadecimal digits in lower case"),
        (lambda: PublishedWeights("none", "", 2, (WeightsFile("w.h5"),)), "weights cannot be named 'none'"),
        (lambda: PublishedWeights("auto", "", 2, (WeightsFile("w.h5"),)), "weights cannot be named 'auto'"),
        (lambda: PublishedWeights("a/b", "", 2, (WeightsFile("w.h5"),)), "weights cannot be named 'a/b'"),
        (lambda: PublishedWeights("w", "", 2, ()), "the weights 'w' have no files"),
        (lambda: PublishedWeights("w", "", 2, (WeightsFile("w.h5"),), labels=("a",)), "have 2 classes and 1 label"),
        (lambda: Accuracies("", "", ("alpha", "top1", "top5"), ((1.0, 2.0),)), "accuracies need the columns"),
        (lambda: Accuracies("", "", ("alpha", "top5"), ()), "accuracies need the columns"),
        (lambda: Accuracies("", "", ("alpha", "top1", "int8_top1", "top5"), ()), "accuracies need the columns"),
        (lambda: Accuracies("", "", ("top1", "top5", "int8_top1", "alpha"), ()), "accuracies need the columns"),
    ],
)
def test_facts_that_make_no_sense(make: Any, message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"weights": (weights(WeightsFile("w.h5", {"width": 1})),)}, "mine has no option 'width'"),
        ({"weights": (weights(WeightsFile("w.h5", {"breadth": -1.0})),)}, "mine: breadth=-1.0 is not allowed"),
        ({"weights": (weights(WeightsFile("w.h5")),) * 2}, "mine: two published weights have one name"),
        ({"accuracies": Accuracies("", "", ("input_size", "top1", "top5"), ((4, 1.0, 2.0),))}, "mine: input_size=4 "),
    ],
)
def test_facts_that_the_model_cannot_have_are_refused_when_it_is_registered(
    own_registry: None, facts: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        register(**facts)
    assert "mine" not in zoo.list_models()


def test_every_published_file_has_a_hash_or_comes_from_a_publisher_that_gives_none() -> None:
    files = {
        name: [file for known in zoo.spec(name).weights for file in known.files]
        for name in zoo.list_models()
        if zoo.spec(name).weights
    }
    # Each with and without a top; those without are a detector's, too. One of an npm package for three models.
    counts = {
        "mobilenet_v2": 2 * 22 + 1,
        "mobilenet_v1": 2 * 16,
        "mobilenet_v3": 6,
        "mobilenet_v4": 3,
        "efficientnet_lite": 5,
        "vgg16": 2,
        "ssdlite_mobilenet_v2": 22 + 1,
        "ssdlite_mobilenet_v1": 16,
        "ssdlite_mobilenet_v3": 6,
        "ssd_mobilenet_v2": 1,
    }
    assert {name: len(found) for name, found in files.items() if name in counts} == counts
    for file in (file for found in files.values() for file in found):
        assert file.publisher
        assert file.sha256 or file.publisher in {KERAS_APPLICATIONS, CLOUD_TPU}
        assert file.most_bytes
    assert all(known.licence and known.source for name in zoo.list_models() for known in zoo.spec(name).weights)


def test_figures_of_float_and_int8_weights_stand_beside_each_other() -> None:
    known = Accuracies(
        "", "", ("alpha", "top1", "top5", "int8_top1"), ((1.0, 70.0, 90.0, 69.0), (0.5, 60.0, None, None))
    )
    assert known.options == ("alpha",)
    assert known.values("alpha") == (0.5, 1.0)
    assert [(known.top1({"alpha": alpha}), known.int8_top1({"alpha": alpha})) for alpha in (1.0, 0.5, 0.1)] == [
        (70, 69),
        (60, None),
        (None, None),
    ]
    plain = Accuracies("", "", ("alpha", "top1", "top5"), ((1.0, 70.0, 90.0),))
    assert (plain.top1({"alpha": 1.0}), plain.int8_top1({"alpha": 1.0})) == (70, None)


def test_the_body_of_published_weights_has_no_classes() -> None:
    files = (
        WeightsFile("top.h5", {"breadth": 1.0, "num_classes": 10}, 32),
        WeightsFile("body.h5", {"breadth": 1.0, "dense": False}, 32),
    )
    body = PublishedWeights("digits", "digits", 10, files, labels=tuple("0123456789")).body(["breadth"])
    assert (body.name, body.classes, body.labels) == ("digits", None, ())
    assert body.files == (WeightsFile("body.h5", {"breadth": 1.0}, 32),)


def test_pixels_in_the_order_of_their_own_channels() -> None:
    bgr = Preparation((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (2, 1, 0))
    assert bgr.in_rgb() == Preparation((3.0, 2.0, 1.0), (6.0, 5.0, 4.0))
    turned = Preparation((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (1, 2, 0))
    # The second channel of the pixels is the first prepared channel.
    assert turned.in_rgb() == Preparation((3.0, 1.0, 2.0), (6.0, 4.0, 5.0))


@pytest.mark.parametrize(
    ("other", "near"),
    [
        (Preparation((1 / 255 + 1e-9,) * 3), True),
        (Preparation((1 / 255 + 1e-6,) * 3), False),
        (Preparation((1 / 255,) * 3, (0.0, 0.0, 1e-3)), False),
        (Preparation((1 / 255,) * 3, order=(2, 1, 0)), False),
    ],
)
def test_preparations_that_differ_by_rounding_are_near(other: Preparation, near: bool) -> None:
    assert other.is_near(Preparation((1 / 255,) * 3)) is near
