"""Modes and plans: what goes together, and what is said of what does not."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.errors import ExportError
from zoo.export.options import MODES, mode, plan


@pytest.mark.parametrize("name", MODES)
def test_each_mode_says_what_it_does(name: str) -> None:
    assert len(mode(name).what) > 80
    assert 0.8 <= mode(name).min_agreement <= 1


@pytest.mark.parametrize(
    ("quantize", "target", "split", "per_channel"),
    [
        ("none", None, False, False),
        ("int8", None, True, False),
        ("dynamic", None, True, False),
        ("int16x8", "tflite-runtime", False, False),
        ("int8", "tflite-runtime", True, False),
        ("int8", "litert", False, True),
        ("int8", "edgetpu", True, False),
    ],
)
def test_lowering_follows_the_target(quantize: str, target: str | None, split: bool, per_channel: bool) -> None:
    chosen = plan(quantize, target=target)
    assert (chosen.split_groups, chosen.dense_per_channel) == (split, per_channel)


def test_input_types() -> None:
    assert plan("int8").io == "uint8"
    assert plan("int8", io="int8").io == "int8"
    assert plan("int16x8").io == "float32"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"quantize": "int4"}, "unknown quantization 'int4'; give one of none, float16"),
        ({"quantize": "none", "target": "pi"}, "unknown target 'pi'"),
        ({"quantize": "none", "target": "edgetpu"}, "int8 files only, not 'none'"),
        ({"quantize": "int8", "target": "edgetpu", "io": "float32"}, "no float32 input"),
        ({"quantize": "int8", "target": "edgetpu", "batch": 2}, "one picture at a time, not batch=2"),
        ({"quantize": "none", "io": "uint8"}, "'none' files take float32, not uint8"),
        ({"quantize": "int8", "io": "int16"}, "unknown input and output type 'int16'"),
        ({"quantize": "none", "batch": 0}, "batch=0 is not allowed"),
        ({"quantize": "none", "batch": True}, "batch=True is not allowed"),
    ],
)
def test_what_does_not_go_together(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        plan(**choices)
