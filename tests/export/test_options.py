"""Modes and options: which can be combined, and the messages about those that cannot."""

from __future__ import annotations

import dataclasses
import inspect
import math
import subprocess
import sys
from typing import Any

import pytest

from zoo.errors import ExportError, OptionError
from zoo.export.options import MODES, ExportOptions, mode
from zoo.inputs.preprocessing import Preprocessing


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
def test_lowering_follows_the_target(quantize: Any, target: Any, split: bool, per_channel: bool) -> None:
    chosen = ExportOptions(quantize, target=target)
    assert (chosen.split_groups, chosen.dense_per_channel) == (split, per_channel)


def test_input_types() -> None:
    assert ExportOptions("int8").ends == "uint8"
    assert ExportOptions("int8", io="int8").ends == "int8"
    assert ExportOptions("int16x8").ends == "float32"
    assert ExportOptions("int8").output_type == "uint8"
    decoded = ExportOptions("int8", nms="file")
    assert (decoded.ends, decoded.output_type) == ("uint8", "float32")


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
        ({"calibration_samples": 0}, "calibration_samples=0 is not allowed; give 1 or more"),
        ({"calibration_samples": 20.0}, "calibration_samples=20.0 is not allowed"),
        ({"logits": "no"}, "logits='no' is not allowed; give True or False"),
        ({"verify_file": None}, "verify_file=None is not allowed; give True or False"),
        ({"min_agreement": 1.01}, "min_agreement=1.01 is not allowed; give 0 to 1"),
        ({"min_agreement": math.nan}, "min_agreement=nan is not allowed; give 0 to 1"),
        ({"min_agreement": "all"}, "min_agreement='all' is not allowed; give 0 to 1"),
        ({"preprocessing": "pad"}, "preprocessing='pad' is not allowed; give a Preprocessing"),
        ({"nms": "board"}, "unknown place of non-maximum suppression 'board'; give one of runner, file"),
        (
            {"quantize": "int8", "nms": "file", "io": "uint8"},
            "nms='file' needs float32 outputs, .* zeros for uint8 ones",
        ),
        ({"quantize": "int8", "nms": "file", "io": "int8"}, "nms='file' needs float32 outputs"),
        ({"nms": "file", "batch": 2}, "nms='file' decodes one picture at a time, not batch=2"),
        (
            {"quantize": "int8", "calibration_method": "median"},
            "unknown calibration method 'median'; give one of minmax",
        ),
        ({"calibration_method": "mse"}, r"calibration_method='mse' \(--calibration-method\) is for int8 files only"),
        ({"quantize": "int16x8", "equalize": True}, r"equalize=True \(--equalize\) is for int8 files only"),
        ({"quantize": "int8", "per_tensor": 1}, "per_tensor=1 is not allowed; give True or False"),
        ({"quantize": "int8", "keep_float": "Conv1"}, "keep_float='Conv1' is not allowed; give names of layers"),
        ({"quantize": "int8", "keep_float": ("a",), "target": "edgetpu"}, "keep_float .* is for CPUs: an Edge TPU"),
        ({"quantize": "int8", "keep_float": "auto", "verify_file": False}, "'auto' goes by the check of the file"),
        ({"input_range": (1, -1)}, "input range 1,-1 is not allowed; give the lower end first"),
        ({"input_range": (0, math.inf)}, "input range 0,inf is not allowed"),
        ({"input_range": (0, 1), "pixels": "tf"}, "pixels and input_range both say how pixels are prepared"),
        (
            {"min_agreement": 0.9, "verify_file": False},
            r"min_agreement=0.9 asks for the check that verify_file=False \(",
        ),
        ({"input_range": 1}, "input_range=1 is not allowed; give two numbers"),
        ({"input_range": (0, 1, 2)}, r"input_range=\(0, 1, 2\) is not allowed; give two numbers"),
    ],
)
def test_options_that_do_not_fit_together(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        ExportOptions(**choices)
    with pytest.raises(ExportError, match=message):
        ExportOptions().change(**choices)


def test_invalid_seeds_are_refused() -> None:
    with pytest.raises(OptionError, match="seed=-1 is not allowed; give a whole number from 0"):
        ExportOptions(seed=-1)


def test_a_change_leaves_the_rest_and_the_original_alone() -> None:
    first = ExportOptions("int8", target="edgetpu", io="int8")
    second = first.change(seed=7, input_range=[-1, 1])
    assert second == ExportOptions("int8", target="edgetpu", io="int8", seed=7, input_range=(-1.0, 1.0))
    assert first.seed == 0
    with pytest.raises(ExportError, match="int8 files only, not 'none'"):
        second.change(quantize="none")


@pytest.mark.parametrize(
    ("name", "hint"), [("quantise", "did you mean 'quantize'?"), ("input-range", "did you mean 'input_range'?")]
)
def test_an_unknown_name_is_told_the_closest(name: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        ExportOptions().change(**{name: 1})
    assert str(caught.value).startswith(f"an export has no option {name!r}; {hint} it has quantize, target, io, ")


def test_one_value_for_each_of_several_modes() -> None:
    found = ExportOptions(seed=3).in_modes(["none", "int8", "int16x8"], io="int8", batch=2)
    assert [(one.quantize, one.io, one.batch, one.seed) for one in found] == [
        ("none", None, 2, 3),
        ("int8", "int8", 2, 3),
        ("int16x8", None, 2, 3),
    ]
    assert [one.io for one in ExportOptions("int8", io="float32").in_modes(["float16", "int8"])] == [None, "float32"]


def test_what_only_int8_files_have_is_for_those_of_several_modes() -> None:
    first, second = ExportOptions().in_modes(["none", "int8"], calibration_method="mse", keep_float=["a", "b", "a"])
    assert (first.calibration_method, first.keep_float) == ("minmax", ())
    assert (second.calibration_method, second.keep_float) == ("mse", ("a", "b"))
    with pytest.raises(ExportError, match=r"keep_float=\('a',\) .* is for int8 files only; give quantize='int8'"):
        ExportOptions().in_modes(["none", "float16"], keep_float=("a",))


def test_one_bad_mode_refuses_all() -> None:
    with pytest.raises(ExportError, match="int8 files only, not 'none'"):
        ExportOptions().in_modes(["int8", "none"], target="edgetpu")
    with pytest.raises(ExportError, match="unknown input and output type 'int16'"):
        ExportOptions().in_modes(["none"], io="int16")


@pytest.mark.parametrize(
    ("modes", "form"), [(["none"], "tflite"), (["float16", "int16x8"], "tflite"), (["none"], "onnx")]
)
def test_types_of_the_ends_are_refused_where_no_mode_has_them(modes: list[str], form: str) -> None:
    with pytest.raises(ExportError, match=f"'{modes[0]}' files take float32, not int8; only int8 files have a choice"):
        ExportOptions().in_modes(modes, io="int8", format=form)
    assert ExportOptions().in_modes(modes, io="float32", format=form)[0].ends == "float32"


def test_agreement_is_asked_for_by_the_mode_or_by_the_user() -> None:
    assert ExportOptions("int8").asked_agreement(trained=True) == mode("int8").min_agreement
    assert ExportOptions("none").asked_agreement(trained=True, task="detection") == 0.95
    assert ExportOptions("int8").asked_agreement(trained=True, task="detection") == 0.5
    assert ExportOptions("int8").asked_agreement(trained=False, task="detection") == 0
    assert ExportOptions("int8").asked_agreement(trained=False) == 0
    assert ExportOptions("int8", min_agreement=0.5).asked_agreement(trained=False) == 0.5
    assert ExportOptions("int8", min_agreement=0).asked_agreement(trained=True) == 0


def test_options_are_a_value() -> None:
    assert hash(ExportOptions("int8")) == hash(ExportOptions().change(quantize="int8"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        ExportOptions().batch = 2  # type: ignore[misc]


def test_every_option_says_what_it_is() -> None:
    lines = [line.strip() for line in inspect.getsource(ExportOptions).splitlines()]
    for option in dataclasses.fields(ExportOptions):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{option.name}: "))
        assert lines[at + 1].startswith('"""'), option.name


def test_they_are_checked_without_tensorflow() -> None:
    script = (
        "import sys; from zoo.export import ExportOptions; ExportOptions('int8', target='edgetpu');"
        "sys.exit(bool({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_resize_policy_is_checked_where_it_is_made() -> None:
    with pytest.raises(OptionError, match="resize='zoom' is not one of crop, pad, stretch"):
        Preprocessing("zoom")  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [1, (1,), [240, 320], (1, 1)])
def test_sizes_of_one_and_more_are_allowed(sizes: Any) -> None:
    assert ExportOptions(input_size=sizes).input_size == (tuple(sizes) if not isinstance(sizes, int) else (sizes,))
    with pytest.raises(ExportError, match="is not allowed; give 1 or more"):
        ExportOptions(input_size=0)  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="is not allowed; give 1 or more"):
        ExportOptions(input_size=(3, True))


def test_a_target_of_onnx_is_none_of_tflite() -> None:
    assert ExportOptions(target="litert").tflite_target == "litert"
    assert ExportOptions().tflite_target is None
    assert ExportOptions(quantize="float16", format="onnx", target="tensorrt8").tflite_target is None
