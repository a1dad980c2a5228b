"""What a model's spec says of its files in a quantization mode is said to whoever makes such a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import zoo
from zoo.errors import OptionError
from zoo.export import to_tflite
from zoo.models.layers import classifier_head, image_input
from zoo.specs import NUM_CLASSES, Caution, ModelSpec, Option

if TYPE_CHECKING:
    from tests.conftest import Cli

TEXT = "with steps a file in integers is slow; take --steps no"


@pytest.fixture(autouse=True)
def stepper(own_registry: None) -> Callable[..., Any]:
    """A registered model with a variant that 8 bits are bad for."""
    steps = Option("steps", "hard-swish, or not", kind=str, choices=("yes", "no"))
    caution = Caution(TEXT, ("int8", "int16x8"), {"steps": ("yes",)})

    @zoo.register(
        ModelSpec("stepper", "a net", input_shape=(12, 12, 3), options=(NUM_CLASSES, steps), cautions=(caution,))
    )
    def build(*, num_classes: int = 3, steps: str = "yes") -> Any:
        import keras
        from keras import layers

        pixels, x = image_input(12)
        x = layers.Conv2D(4, 3, activation="hard_swish" if steps == "yes" else "relu", name="conv")(x)
        return keras.Model(pixels, classifier_head(layers.GlobalAveragePooling2D()(x), num_classes))

    return build


@pytest.mark.slow
def test_it_is_a_note_on_files_of_the_mode_and_the_variant(tmp_path: Path) -> None:
    notes = {
        (steps, mode): to_tflite(
            zoo.build("stepper", steps=steps),
            tmp_path / "file.tflite",
            quantize=mode,
            facts={"architecture": "stepper", "options": {"num_classes": 3, "steps": steps}},
            verify_file=False,
        ).notes
        for steps, mode in (("yes", "int8"), ("yes", "none"), ("no", "int8"))
    }
    assert {key: TEXT in found for key, found in notes.items()} == {
        ("yes", "int8"): True,
        ("yes", "none"): False,
        ("no", "int8"): False,
    }


def test_a_model_that_is_not_registered_has_none(tmp_path: Path) -> None:
    report = to_tflite(zoo.build("stepper"), tmp_path / "f.tflite", quantize="int8", facts={"architecture": "other"})
    assert TEXT not in report.notes


@pytest.mark.slow
def test_a_conversion_that_fails_ends_with_the_way_out(cli: Cli, tmp_path: Path) -> None:
    result = cli("build", "stepper", "--quantize", "int16x8", "--out", tmp_path)
    assert result.code == 1
    assert "HARD_SWISH" in result.error
    assert result.error.endswith(f"; {TEXT}")
    assert not list(tmp_path.iterdir())


def test_info_says_it(cli: Cli) -> None:
    assert f"note: {TEXT}\n" in cli("info", "stepper").out
    assert TEXT not in cli("info", "stepper", "--steps", "no").out


@pytest.mark.slow
def test_the_files_of_a_run_have_it(cli: Cli, digits_folder: Path, tmp_path: Path) -> None:
    words = ("--out", tmp_path / "run", "--epochs", "1", "--export", "tflite", "--quantize", "none,int8")
    result = cli("train", "stepper", digits_folder, *words, "--min-agreement", "0")
    assert result.code == 0
    assert result.out.count(f"note: {TEXT}\n") == 1


def test_a_caution_about_an_option_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(OptionError, match="mine has no option 'depth'"):

        @zoo.register(
            ModelSpec("mine", "", options=(NUM_CLASSES,), cautions=(Caution("", ("int8",), {"depth": (1,)}),))
        )
        def mine(*, num_classes: int = 2) -> Any:
            """Is never called."""


@pytest.mark.parametrize("name", ["mobilenet_v3", "ssdlite_mobilenet_v3"])
def test_hard_swish_and_squeeze_excite_are_what_mobilenet_v3_is_warned_of(name: str) -> None:
    spec = zoo.spec(name)
    for variant in ("large", "small"):
        for mode in ("int8", "int16x8"):
            (text,) = spec.cautions_for(spec.check({"variant": variant}), [mode])
            assert "_minimalistic" in text
        assert spec.cautions_for(spec.check({"variant": variant}), ["none", "float16", "dynamic"]) == []
        assert spec.cautions_for(spec.check({"variant": f"{variant}_minimalistic"})) == []
