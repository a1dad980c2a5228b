"""The layers that a detector's head can begin at are named in each classifier's file, and have the strides it says."""

from __future__ import annotations

from typing import Any

import pytest

import zoo
from zoo.summary.table import outline

TAPPED = [name for name in zoo.list_models() if zoo.spec(name).taps]


def variants(name: str) -> list[dict[str, Any]]:
    """The variants of a model, whose layers may have different names."""
    choices = {option.name: option.choices for option in zoo.spec(name).options}.get("variant", ())
    return [{"variant": variant} for variant in choices] or [{}]


def test_the_nets_for_boards_are_tapped() -> None:
    assert {"mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "mobilenet_v4", "efficientnet_lite", "resnet"} <= set(
        TAPPED
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [(name, options) for name in TAPPED for options in variants(name)])
def test_their_strides(name: str, options: dict[str, Any]) -> None:
    spec = zoo.spec(name)
    taps = spec.taps_for(spec.check(options))
    summary = outline(name, **options, input_size=64)
    names = [row.name for row in summary.rows]
    rows = dict(zip(names, summary.rows, strict=True))
    assert {stride: rows[layer].output_shape[:2] for stride, layer in taps.items()} == {
        stride: (64 // stride, 64 // stride) for stride in (8, 16, 32)
    }
    # The last one is the whole body: pooling follows.
    assert "Pooling" in summary.rows[names.index(taps[32]) + 1].kind
