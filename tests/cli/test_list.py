from __future__ import annotations

import json
from typing import TYPE_CHECKING

import zoo

if TYPE_CHECKING:
    from tests.conftest import Cli


def test_table(cli: Cli) -> None:
    result = cli("list")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) == 2 + len(zoo.list_models())
    (mobilenet,) = [line for line in lines if line.startswith("mobilenet_v2 ")]
    (detector,) = [line for line in lines if line.startswith("ssdlite_mobilenet_v2 ")]
    assert (mobilenet.split()[1], detector.split()[1]) == ("classification", "detection")
    for part in (
        "Sandler et al.",
        "224x224x3",
        "3,538,984",
        "300,774,272",
        " imagenet ",
        "--num-classes --alpha --input-size",
    ):
        assert part in mobilenet


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
    imagenet, openimages = found["mobilenet_v2"]["weights"]
    assert (openimages["name"], openimages["licence"]) == ("openimages", "Apache-2.0")
    assert (imagenet["name"], imagenet["trained_on"], imagenet["licence"]) == ("imagenet", "ImageNet", "Apache-2.0")
    assert "TF-slim" in found["mobilenet_v2"]["accuracies"]["source"]
    assert all(model["paper"] and model["url"] for model in found.values())
