from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import zoo
from zoo import figures
from zoo.accuracies import Accuracies
from zoo.specs import NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

    from tests.conftest import Cli


@pytest.fixture
def own(own_registry: None) -> None:
    """A model of a user's with variants, of which one is published in int8."""
    figures = (("large", 75.2, None, 73.9), ("small", 67.5, None, None))
    known = Accuracies("a paper", "https://example.org", ("variant", "top1", "top5", "int8_top1"), figures)
    variant = Option("variant", "which of the paper's nets", kind=str, choices=("large", "small"), in_name="{}")

    @zoo.register(ModelSpec("mine", "", options=(NUM_CLASSES, variant), accuracies=known))
    def mine(*, num_classes: int = 10, variant: str = "large") -> keras.Model:
        raise AssertionError("nothing is built")


def test_a_line_for_each_family(cli: Cli) -> None:
    result = cli("list")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) == 2 + len(zoo.list_models())
    assert max(len(line.rstrip()) for line in lines) <= 100
    (mobilenet,) = [line for line in lines if line.startswith("mobilenet_v2 ")]
    (detector,) = [line for line in lines if line.startswith("ssdlite_mobilenet_v2 ")]
    assert (mobilenet.split()[1], detector.split()[1]) == ("classification", "detection")
    for part in ("3.54 M", "301 M", "45.5 to 75.0%", "imagenet, openimages"):
        assert part in mobilenet


def test_a_line_for_each_variant(cli: Cli) -> None:
    result = cli("list", "--all")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) == 2 + sum(len(figures.variants(zoo.spec(name))) for name in zoo.list_models())
    (default,) = [line for line in lines if line.startswith("mobilenet_v2 ")]
    for part in (
        "Sandler et al.",
        "224x224x3",
        "3,538,984",
        "300,774,272",
        " imagenet openimages ",
        "--num-classes --alpha --input-size",
        "71.8%",
    ):
        assert part in default
    (narrow,) = [line for line in lines if line.startswith("mobilenet_v2_0.35_96 ")]
    # The backbone of the detector that is published for Open Images has another width.
    assert narrow.split() == [
        "mobilenet_v2_0.35_96", "classification", "96x96x3", "1,691,208", "11,934,128", "45.5%", "imagenet",
    ]  # fmt: skip
    facts = json.loads(cli("list", "--all", "--json").out)
    for variant in (one for model in facts for one in model["variants"]):
        assert min(variant["params"], variant["macs"]) > 1000, variant["name"]


def test_variants_of_a_users_own_model(cli: Cli, own: None) -> None:
    (family,) = [line for line in cli("list").out.splitlines() if line.startswith("mine ")]
    assert family.split() == ["mine", "classification", "67.5", "to", "75.2%"]
    large, small = [line.split() for line in cli("list", "--all").out.splitlines() if line.startswith("mine")]
    assert large == ["mine", "classification", "75.2%", "73.9%", "--num-classes", "--variant"]
    assert small == ["mine_small", "classification", "67.5%"]
    facts = json.loads(cli("list", "--all", "--json").out)[-1]
    assert [(one["name"], one["options"]["variant"], one["top1"], one["int8_top1"]) for one in facts["variants"]] == [
        ("mine", "large", 75.2, 73.9),
        ("mine_small", "small", 67.5, None),
    ]


def test_json(cli: Cli) -> None:
    result = cli("list", "--json")
    assert (result.code, result.err) == (0, "")
    found = {model["name"]: model for model in json.loads(result.out)}
    assert list(found) == zoo.list_models()
    alexnet = found["alexnet"]
    assert (alexnet["params"], alexnet["macs"], alexnet["input_shape"]) == (60_965_224, 724_406_816, [224, 224, 3])
    assert alexnet["options"][1] == {
        "name": "groups",
        "default": 2,
        "allowed": "one of 1, 2",
        "help": "number of groups of the convolutions conv2, conv4 and conv5",
    }
    assert (alexnet["task"], alexnet["recipe"]["epochs"], alexnet["weights"]) == ("classification", 60, [])
    assert "variants" not in alexnet
    imagenet, openimages = found["mobilenet_v2"]["weights"]
    assert (openimages["name"], openimages["licence"]) == ("openimages", "Apache-2.0")
    assert (imagenet["name"], imagenet["trained_on"], imagenet["licence"]) == ("imagenet", "ImageNet", "Apache-2.0")
    assert "TF-slim" in found["mobilenet_v2"]["accuracies"]["source"]
    assert all(model["paper"] and model["url"] for model in found.values())
