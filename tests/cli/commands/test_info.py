from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zoo.summary.table import outline

if TYPE_CHECKING:
    from tests.conftest import Cli


def test_alexnet_is_the_lectures_table(cli: Cli) -> None:
    result = cli("info", "alexnet", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    maps = [row["output_shape"][0] for row in found["rows"] if row["kind"] in {"Conv2D", "MaxPooling2D"}]
    assert maps == [55, 27, 27, 13, 13, 13, 13, 6]
    assert (found["params"], found["macs"]) == (60_965_224, 724_406_816)
    assert found["options"] == {"num_classes": 1000, "groups": 2, "lrn": False, "input_size": 224, "dropout": 0.5}
    (conv2,) = [row for row in found["rows"] if row["name"] == "conv2"]
    assert conv2 == {
        "name": "conv2",
        "kind": "Conv2D",
        "output_shape": [27, 27, 256],
        "kernel": [5, 5],
        "stride": [1, 1],
        "padding": [[2, 2], [2, 2]],
        "groups": 2,
        "params": 307_456,
        "macs": 223_948_800,
        "receptive_field": [51, 51],
        "jump": [8, 8],
    }


def test_table(cli: Cli) -> None:
    result = cli("info", "alexnet")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == [
        "layer",
        "kind",
        "output",
        "kernel",
        "stride",
        "pad",
        "groups",
        "params",
        "MACs",
        "field",
        "jump",
    ]
    (conv1,) = [line.split() for line in lines if line.startswith("conv1 ")]
    assert conv1 == ["conv1", "Conv2D", "55x55x96", "11x11", "4", "2", "1", "34,944", "105,415,200", "11", "4"]
    table = lines[2 : lines.index("")]
    assert [line.split()[0] for line in table] == [row.name for row in outline("alexnet").rows]
    assert "60,965,224 parameters (60,965,224 trainable), 724,406,816 MACs" in result.out
    assert "https://papers.nips.cc" in result.out
    assert "task: classification" in lines


def test_padding_on_one_side(cli: Cli) -> None:
    lines = cli("info", "mobilenet_v2").out.splitlines()
    (conv1,) = [line.split() for line in lines if line.startswith("Conv1 ")]
    assert conv1[:6] == ["Conv1", "Conv2D", "112x112x32", "3x3", "2", "0/1"]
    assert "3,538,984 parameters (3,504,872 trainable)" in lines[-1]


def test_options(cli: Cli) -> None:
    found = json.loads(
        cli("info", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--num-classes", "3", "--json").out
    )
    assert found["model"] == "mobilenet_v2_0.35_96"
    assert found["input_shape"] == [96, 96, 3]
    assert found["rows"][-1]["output_shape"] == [3]
    found = json.loads(cli("info", "mlp", "--hidden", "32,16", "--json").out)
    assert found["options"]["hidden"] == [32, 16]


def test_an_unpublished_alpha_is_noted(cli: Cli) -> None:
    assert (
        cli("info", "mobilenet_v2", "--alpha", "0.6")
        .out.splitlines()[-1]
        .startswith("note: alpha 0.6 is not a published")
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("a b.tflite",), "a b.tflite is no Keras model, whose layers are shown; zoo inspect 'a b.tflite' shows it"),
        (("alexnett",), "unknown model 'alexnett'; did you mean 'alexnet'? the zoo has "),
        (("alexnet", "--groups", "3"), "alexnet: --groups 3 is not allowed; give one of 1, 2"),
        (
            ("alexnet", "--alpha", "0.5"),
            "alexnet has no option 'alpha'; it takes num_classes, groups, lrn, input_size, dropout",
        ),
        (("mobilenet_v2", "--alpha", "0"), "mobilenet_v2: --alpha 0.0 is not allowed; give a number, above 0"),
        (("mobilenet_v2", "--alpha", "nan"), "mobilenet_v2: --alpha nan is not allowed; give a number, above 0"),
        (
            ("mobilenet_v2", "--input-size", "100"),
            "mobilenet_v2: --input-size 100 is not allowed; give an integer, at least 32",
        ),
        (("mlp", "--hidden", "0"), "mlp: --hidden 0 is not allowed; give integers such as 128,64, at least 1"),
    ],
)
def test_errors(cli: Cli, args: tuple[str, ...], message: str) -> None:
    result = cli("info", *args)
    assert result.code == 1
    assert result.error.startswith(message)
    assert result.out == ""


@pytest.mark.slow
def test_what_is_published_of_these_options_is_said(cli: Cli) -> None:
    said = cli("info", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96").out
    assert "published weights: --weights imagenet (TF-slim, by way of Keras Applications, Apache-2.0)\n" in said
    assert "published ImageNet top-1: 45.5% (TF-slim," in said
    said = cli("info", "mobilenet_v1", "--alpha", "0.25", "--input-size", "128").out
    assert "published ImageNet top-1: 41.5%, 39.9% in 8-bit integers (TF-slim," in said
    # There are weights for any size, but no accuracy for this one.
    said = cli("info", "mobilenet_v2", "--input-size", "64").out
    assert "--weights imagenet" in said
    assert "top-1" not in said
    assert "published" not in cli("info", "lenet").out
    # The accuracy of VGG-16 is one with the large dense layers.
    assert "published ImageNet top-1: 71.3%" in cli("info", "vgg16").out
    assert "top-1" not in cli("info", "vgg16", "--head", "average").out
