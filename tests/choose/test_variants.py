from __future__ import annotations

import re
from typing import Any

import pytest

import zoo
from zoo import figures
from zoo.accuracies import Accuracies
from zoo.choose import Candidate, Measured, grid
from zoo.cli.main import main
from zoo.errors import ExportError, OptionError, UnknownModelError, ZooError
from zoo.specs import NUM_CLASSES, ModelSpec, Option


def test_the_published_combinations_of_mobilenet_v2() -> None:
    variants = grid("mobilenet_v2")
    assert len(variants) == 22 * 2
    assert all(variant.top1 for variant in variants)
    tops = {(variant.values["alpha"], variant.values["input_size"]): variant.top1 for variant in variants}
    # From ../shared/facts and the same README: all widths at 224, width 1 at all sizes.
    assert [tops[alpha, 224] for alpha in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)] == [60.3, 65.4, 69.8, 71.8, 74.4, 75.0]
    assert [tops[1.0, size] for size in (192, 160, 128, 96)] == [70.7, 68.8, 65.3, 60.3]


@pytest.mark.parametrize("model", zoo.models.rated_models())
def test_the_figures_are_of_models_that_can_be_built(model: str) -> None:
    spec = zoo.spec(model)
    known = spec.accuracies
    assert known is not None
    assert known.url.startswith("https://")
    for row in known.figures:
        facts = dict(zip(known.columns, row, strict=True))
        options = {name: facts[name] for name in known.options}
        assert spec.check(options)
        assert figures.top1(spec, options) == facts["top1"]
        assert 35 < facts["top1"] < 95
        assert facts["top5"] is None or facts["top1"] < facts["top5"] < 99
        # Integers cost a few points, and never gain one; the loss of another source's training does not count.
        in_int8 = facts.get("int8_top1")
        assert in_int8 is None or facts["top1"] - 5 < in_int8 < facts["top1"] + 1


def test_combinations_that_nobody_published() -> None:
    assert [variant.top1 for variant in grid("mobilenet_v2", alpha=[1.4], input_size=[96, 224], quantize=["int8"])] == [
        None,
        75,
    ]
    assert len(grid("mobilenet_v2", quantize=["none"], whole=True)) == 6 * 5
    # A width without a size is combined with the published sizes.
    assert [variant.values["input_size"] for variant in grid("mobilenet_v2", alpha=[0.6], quantize=["none"])] == [
        96,
        128,
        160,
        192,
        224,
    ]


@pytest.mark.parametrize(
    ("options", "stem", "command"),
    [
        ({}, "mobilenet_v2", "zoo build mobilenet_v2"),
        (
            {"alpha": [0.35], "input_size": [96], "quantize": ["int8"], "num_classes": 3},
            "mobilenet_v2_0.35_96_int8",
            "zoo build mobilenet_v2 --alpha 0.35 --input-size 96 --num-classes 3 --quantize int8",
        ),
    ],
)
def test_the_file_and_what_builds_it(options: dict[str, Any], stem: str, command: str) -> None:
    options = {"alpha": [1.0], "input_size": [224], "quantize": ["none"], **options}
    (variant,) = grid("mobilenet_v2", **options)
    assert (variant.stem, variant.command) == (stem, command)


@pytest.mark.slow
def test_the_command_builds_that_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (variant,) = grid("mobilenet_v2", alpha=[0.35], input_size=[96], quantize=["dynamic"], num_classes=3)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exited:
        main([*variant.command.split()[1:], "--no-verify"])
    assert exited.value.code == 0
    assert [file.name for file in tmp_path.iterdir()] == [f"{variant.stem}.tflite"]


def test_vgg16_has_one_size_and_no_width() -> None:
    (variant,) = grid("vgg16", quantize=["int8"])
    assert (variant.stem, variant.top1) == ("vgg16_int8", 71.3)
    with pytest.raises(OptionError, match="vgg16 has no option 'alpha'; leave it out"):
        grid("vgg16", alpha=[0.5])


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        ("lenet", {}, OptionError, "no ImageNet accuracy is published for lenet as it is built here"),
        ("mobilnet_v2", {}, UnknownModelError, "did you mean 'mobilenet_v2'?"),
        ("mobilenet_v2", {"input_size": [100]}, OptionError, "mobilenet_v2: input_size=100 is not allowed"),
        ("mobilenet_v2", {"alpha": [0]}, OptionError, "mobilenet_v2: alpha=0 is not allowed"),
        ("mobilenet_v2", {"quantize": ["int4"]}, ExportError, "unknown quantization 'int4'"),
        ("mobilenet_v2", {"num_classes": 1}, OptionError, "num_classes=1 is not allowed"),
    ],
)
def test_errors(model: str, options: dict[str, Any], error: type[ZooError], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        grid(model, **options)


def test_without_a_name_all_models_with_accuracies_are_combined() -> None:
    variants = grid(quantize=["int8"])
    assert tuple(dict.fromkeys(variant.model for variant in variants)) == zoo.models.rated_models()
    assert all(variant.top1 for variant in variants)
    assert len(set(variants)) == len(variants)
    assert len({variant.stem for variant in variants}) == len(variants)
    assert set(grid(["vgg16", "mobilenet_v2"], quantize=["int8"])) <= set(variants)


def test_without_a_name_models_without_an_option_or_its_value_are_left_out() -> None:
    narrow = grid(alpha=[0.5], quantize=["int8"])
    assert {variant.values["alpha"] for variant in narrow} == {0.5}
    assert "vgg16" not in {variant.model for variant in narrow}
    # 100 is no multiple of 32, and the only published size of VGG-16 is 224.
    assert {variant.values["input_size"] for variant in grid(input_size=[100, 224])} == {224}
    with pytest.raises(OptionError, match="no model has a published accuracy with input_size=100; name a model"):
        grid(input_size=[100])
    with pytest.raises(OptionError, match="vgg16 has no option 'alpha'; leave it out"):
        grid(["mobilenet_v2", "vgg16"], alpha=[0.5])


def test_int8_files_have_the_accuracy_of_int8_where_it_is_published(own_registry: None) -> None:
    rows = ((1.0, 60.0, 80.0, 58.5), (0.5, 50.0, 75.0, None))
    known = Accuracies("a paper", "https://example.org", ("breadth", "top1", "top5", "int8_top1"), rows)
    options = (Option("breadth", "", kind=float, in_name="{:g}"), Option("variant", "", kind=str, choices=("a", "b")))

    @zoo.register(ModelSpec("mine", "", options=(NUM_CLASSES, *options), accuracies=known))
    def mine(*, num_classes: int = 1000, breadth: float = 1.0, variant: str = "a") -> Any:
        """Is never called, because the model is not built."""

    def tops(**values: Any) -> list[tuple[str, float | None]]:
        found = grid("mine", quantize=["none", "int8", "dynamic"], **values)
        return [(Candidate(one, Measured(1, 1, 1, 1), one.top1).top1_of or "", one.top1) for one in found]

    assert tops(breadth=[1.0]) == [("float", 60.0), ("int8", 58.5), ("float", 60.0)]
    assert tops(breadth=[0.5]) == [("float", 50.0)] * 3
    # The table does not name the variant, so that its figures are those of the default one.
    assert tops(breadth=[1.0], variant=["b"]) == [("", None)] * 3
    assert figures.top1(zoo.spec("mine"), {"breadth": 1.0, "variant": "b"}) is None
    (variant,) = grid("mine", quantize=["int8"], variant=["b"], breadth=[0.5])
    assert (variant.short, variant.command) == ("0.5/b", "zoo build mine --breadth 0.5 --variant b --quantize int8")
    assert "mine" in {one.model for one in grid()}


def test_a_users_own_model_brings_its_accuracies(own_registry: None) -> None:
    rows = ((1.0, 96, 60.0, 80.0), (0.5, 96, 50.0, 75.0))
    accuracies = Accuracies("a paper", "https://example.org", ("breadth", "input_size", "top1", "top5"), rows)
    options = (Option("breadth", "", kind=float, above=0, in_name="{:g}"), Option("input_size", "", in_name="{}"))

    @zoo.register(ModelSpec("mine", "", options=(NUM_CLASSES, *options), accuracies=accuracies))
    def mine(*, num_classes: int = 1000, breadth: float = 1.0, input_size: int = 96) -> Any:
        """Is never called, because the model is not built."""

    variants = grid("mine", quantize=["int8"])
    assert [(variant.stem, variant.top1) for variant in variants] == [("mine_0.5_int8", 50.0), ("mine_int8", 60.0)]
    assert variants[0].varied == ("breadth", "input_size")
    assert variants[0].command == "zoo build mine --breadth 0.5 --quantize int8"
    # A size without published accuracies is combined with the published widths.
    assert [
        (variant.values["breadth"], variant.top1) for variant in grid("mine", input_size=[64], quantize=["none"])
    ] == [
        (0.5, None),
        (1.0, None),
    ]
