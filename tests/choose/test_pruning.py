"""What is not measured when architectures are compared, and why."""

from __future__ import annotations

from typing import Any

import pytest

import zoo
from zoo.accuracies import Accuracies
from zoo.choose import Limits, Measured, Variant, choose, grid, pruning
from zoo.choose.pruning import Cost, prune
from zoo.errors import InputError
from zoo.specs import NUM_CLASSES, ModelSpec, Option

# Width: top-1, millions of weights, millions of MACs.
NETS: dict[int, tuple[float, int, int]] = {
    10: (50.0, 1, 20),
    20: (60.0, 2, 40),
    30: (58.0, 3, 60),  # more of everything than 20, and less accurate
    40: (70.0, 8, 80),
}


def register(name: str) -> None:
    """Registers a net with one option, whose costs are those of `NETS`."""
    rows = tuple((width, top1, None) for width, (top1, _, _) in NETS.items())
    option = Option("width", "", in_name="{}")

    @zoo.register(
        ModelSpec(
            name, "", options=(NUM_CLASSES, option), accuracies=Accuracies("", "", ("width", "top1", "top5"), rows)
        )
    )
    def own(*, num_classes: int = 1000, width: int = 10) -> Any:
        """Is never called, because the model is not built."""


@pytest.fixture
def nets(own_registry: None, monkeypatch: pytest.MonkeyPatch) -> tuple[Variant, ...]:
    """The combinations of two architectures, in float and int8."""
    register("one")
    register("two")
    costs = {width: Cost(weights * 10**6, macs * 10**6) for width, (_, weights, macs) in NETS.items()}
    monkeypatch.setattr(pruning, "outline", lambda name, **options: costs[options["width"]])
    monkeypatch.setattr(Cost, "of", staticmethod(lambda cost: cost))
    return grid(["one", "two"])


def widths(variants: tuple[Variant, ...], quantize: str) -> list[int]:
    return [one.values["width"] for one in variants if (one.model, one.quantize) == ("one", quantize)]


def test_without_limits_only_what_a_cheaper_one_outdoes_is_left_out(nets: tuple[Variant, ...]) -> None:
    pruned = prune(nets, Limits())
    assert widths(pruned.variants, "int8") == widths(pruned.variants, "none") == [10, 20, 40]
    assert pruned.notes == (
        "4 combinations are not measured: they need more MACs than others of their kind that are as accurate",
    )
    # The cheapest come first, whatever their architecture.
    assert [one.values["width"] for one in pruned.variants] == [10] * 4 + [20] * 4 + [40] * 4


def test_limits_leave_out_what_is_too_inaccurate_or_has_too_many_weights(nets: tuple[Variant, ...]) -> None:
    pruned = prune(nets, Limits(max_mb=4, min_top1=55))
    assert widths(pruned.variants, "int8") == [20]
    # Two million float weights are 8 MB.
    assert widths(pruned.variants, "none") == []
    assert pruned.notes[:2] == (
        "4 combinations are not measured: they have less than 55%",
        "8 combinations are not measured: they have weights of more than 4 MB",
    )


def test_what_may_be_too_large_itself_leaves_nothing_out(nets: tuple[Variant, ...]) -> None:
    # The file of 20 has 2 million bytes of weights, and may have more than 2.2 MB in all; 30 has 3 million.
    assert widths(prune(nets, Limits(max_mb=2.2)).variants, "int8") == [10, 20]
    assert widths(prune(nets, Limits(max_mb=3.0)).variants, "int8") == [10, 20]


def test_larger_ones_are_hopeless_once_a_smaller_one_is_far_too_slow(nets: tuple[Variant, ...]) -> None:
    pruned = prune(nets, Limits(max_ms=10))
    small, *_, large = [one for one in pruned.variants if (one.model, one.quantize) == ("one", "int8")]
    elsewhere = next(one for one in pruned.variants if one.model == "two" and one.values == large.values)
    slow, just = Measured(1, 16, 16, 1), Measured(1, 14, 14, 1)
    assert pruned.is_hopeless(large, {small: slow}, 10)
    assert not pruned.is_hopeless(large, {small: just}, 10)
    assert not pruned.is_hopeless(large, {small: slow}, None)
    assert not pruned.is_hopeless(elsewhere, {small: slow}, 10)
    assert not pruned.is_hopeless(small, {large: slow}, 10)


def test_limits_that_rule_out_everything_are_one_line(nets: tuple[Variant, ...]) -> None:
    with pytest.raises(
        InputError, match="nothing is left to measure: 16 combinations are not measured: they have less"
    ):
        choose(limits=Limits(min_top1=99), variants=nets)


@pytest.mark.slow
def test_the_cost_of_a_net_is_that_of_its_file() -> None:
    """1,691,208 parameters, of which batch normalization has 41,664: a file holds the others, as biases or not."""
    from zoo.summary.table import outline

    cost = Cost.of(outline("mobilenet_v2", alpha=0.35, input_size=96))
    summary = outline("mobilenet_v2", alpha=0.35, input_size=96)
    norms = sum(row.params for row in summary.rows if row.kind == "BatchNormalization")
    assert cost.weights == summary.params - norms
    # The int8 file of it has 1.89 MB (docs/choose.md), the float file 6.7.
    assert cost.megabytes("int8") < 1.89 < pruning._OVERHEAD * cost.megabytes("int8")
    assert cost.megabytes("none") < 6.7 < pruning._OVERHEAD * cost.megabytes("none")
