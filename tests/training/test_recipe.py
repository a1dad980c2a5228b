from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.cli.commands.train import train as command
from zoo.errors import InputError, OptionError
from zoo.specs import NUM_CLASSES, ModelSpec
from zoo.summary.table import outline
from zoo.training.recipe import Recipe, default_recipe, field_types, read_recipe


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_has_its_own(name: str) -> None:
    spec = zoo.spec(name)
    assert spec.recipe
    scratch, transfer = (default_recipe(name, pretrained=pretrained) for pretrained in (False, True))
    assert scratch == Recipe().change(dict(spec.recipe)) != Recipe()
    assert transfer == default_recipe(None, pretrained=True).change(dict(spec.transfer_recipe))
    # Whoever has published weights says how to train on from them: gently, and from which layer on.
    assert bool(spec.transfer_recipe) == bool(spec.weights)
    if spec.transfer_recipe:
        assert transfer.learning_rate * transfer.body_rate < scratch.learning_rate
        layers = [row.name for row in outline(name, input_size=96, num_classes=2).rows]
        assert transfer.freeze in layers or (transfer.freeze == "none" and transfer.body_rate < 1)


def test_a_model_by_nobodys_name_takes_the_common_one() -> None:
    assert default_recipe(None, pretrained=False) == Recipe()
    assert default_recipe(None, pretrained=True) == Recipe(epochs=20, learning_rate=1e-4)


@pytest.mark.parametrize(
    ("pretrained", "message"),
    [
        (False, "the recipe of mine: a recipe has no 'epoch'; did you mean 'epochs'\\? it has epochs, "),
        (True, "the transfer recipe of mine: patience=-1 is not allowed; give 0 to"),
    ],
)
def test_a_wrong_recipe_of_a_spec_is_named_with_its_model(own_registry: None, pretrained: bool, message: str) -> None:
    @zoo.register(ModelSpec("mine", "", options=(NUM_CLASSES,), recipe={"epoch": 3}, transfer_recipe={"patience": -1}))
    def mine(*, num_classes: int = 2) -> Any:
        """Not built."""

    with pytest.raises(OptionError, match=message):
        default_recipe("mine", pretrained=pretrained)


def test_every_field_is_an_option_of_the_command() -> None:
    options = {parameter.name for parameter in command.params}
    assert set(field_types()) <= options


def test_changes_are_converted_and_checked() -> None:
    changed = Recipe().change({"epochs": 3, "learning_rate": 1, "balance": False, "schedule": "plateau"})
    assert (changed.epochs, changed.learning_rate, changed.balance, changed.schedule) == (3, 1.0, False, "plateau")
    assert isinstance(changed.learning_rate, float)
    assert Recipe().change(dataclasses.asdict(changed)) == changed


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "a recipe has no 'epoch'; did you mean 'epochs'\\? it has epochs, "),
        ({"epochs": "3"}, "epochs='3' is not allowed; give a int"),
        ({"epochs": 2.5}, "epochs=2.5 is not allowed"),
        ({"epochs": True}, "epochs=True is not allowed"),
        ({"epochs": -1}, "epochs=-1 is not allowed; give 0 to"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"validation": 1.0}, "validation=1.0"),
        ({"schedule": "step"}, "schedule='step' is not one of cosine, plateau, constant"),
        ({"augment": "much"}, "augment='much' is not one of none, light, no-flip, standard"),
    ],
)
def test_what_is_not_allowed(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Recipe().change(values)


@pytest.mark.parametrize(
    ("name", "low", "default", "high"),
    [
        ("epochs", 0, 40, 100_000),
        ("head_epochs", 0, 60, 100_000),
        ("batch_size", 1, 32, 65_536),
        ("learning_rate", 0, 0.001, 10),
        ("head_learning_rate", 0, 0.003, 10),
        ("body_rate", 0, 1, 1),
        ("weight_decay", 0, 0, 1),
        ("warmup_epochs", 0, 1, 1000),
        ("patience", 0, 10, 100_000),
        ("label_smoothing", 0, 0, 0.9),
        ("validation", 0, 0.2, 0.9),
        ("min_steps", 0, 0, 10_000_000),
        ("teacher_weight", 0, 0.5, 1),
        ("temperature", 0.1, 3, 100),
    ],
)
def test_a_number_may_be_as_low_and_as_high_as_is_said(name: str, low: float, default: float, high: float) -> None:
    """A recipe from an older run must mean the same: neither what was allowed nor what was left out may change."""
    assert getattr(Recipe(), name) == default
    for end in (low, high):
        assert getattr(Recipe().change({name: end}), name) == end
    beyond = (math.nextafter(low, -1), math.nextafter(high, math.inf))
    for wrong in (low - 1, high + 1) if field_types()[name] is int else beyond:
        with pytest.raises(OptionError, match=f"^{name}={wrong!r} is not allowed; give {low} to {high}$"):
            Recipe().change({name: wrong})


def test_by_default_nothing_is_frozen_or_grouped_and_the_seed_is_zero() -> None:
    assert (Recipe().seed, Recipe().group_by, Recipe().freeze) == (0, "", "none")


def test_whole_numbers_count_as_shares_and_nothing_else_is_taken_for_another_type() -> None:
    assert Recipe().change({"validation": 0}).validation == 0
    for values in ({"validation": False}, {"validation": "0.1"}, {"balance": 1}, {"augment": 3}, {"seed": 1.0}):
        ((name, value),) = values.items()
        with pytest.raises(OptionError, match=f"^{name}={value!r} is not allowed; give a "):
            Recipe().change(values)


def test_the_first_of_several_unknown_fields_is_named() -> None:
    with pytest.raises(OptionError, match="a recipe has no 'patienc'; did you mean 'patience'"):
        Recipe().change({"rate": 3, "patienc": 2, "epochs": 4})


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("epochs = 7\n")
    assert read_recipe(path) == {"epochs": 7}
    path.write_text("[model]\nname = 'x'\n[recipe]\nepochs = 8\n")
    assert read_recipe(path) == {"epochs": 8}
    for outside in ("learning_rate = 5.0", "nonsense = 3"):
        path.write_text(f"{outside}\n[recipe]\nbatch_size = 8\n")
        with pytest.raises(
            InputError, match=f"has '{outside.split()[0]}' outside of its table .*belong below .recipe."
        ):
            read_recipe(path)
    path.write_text("recipe = 3\n")
    with pytest.raises(InputError, match="has a value named recipe; write a table"):
        read_recipe(path)
    path.write_text("epochs = \n")
    with pytest.raises(InputError, match=r"r\.toml is not a TOML file"):
        read_recipe(path)
    with pytest.raises(InputError, match="cannot read recipe"):
        read_recipe(tmp_path / "none.toml")


def test_the_least_number_of_steps_is_spread_over_the_epochs() -> None:
    assert Recipe(epochs=14, min_steps=700).min_batches == 50
    assert Recipe(epochs=14, min_steps=701).min_batches == 51
    assert Recipe(epochs=0, head_epochs=6, min_steps=300).min_batches == 50
    # With all else frozen there are only those of the head.
    assert Recipe(epochs=1, head_epochs=2, min_steps=400, freeze="all").min_batches == 200
    assert Recipe().min_batches == 0


def test_detectors_count_steps_and_see_the_whole_picture() -> None:
    transfer = default_recipe("ssdlite_mobilenet_v2", pretrained=True)
    assert (transfer.head_epochs + transfer.epochs) * transfer.min_batches == 1000
    # Layers that know something already never learn faster than this.
    assert transfer.learning_rate * transfer.body_rate <= 1e-3
    for pretrained in (True, False):
        recipe = default_recipe("ssdlite_mobilenet_v2", pretrained=pretrained)
        assert (recipe.resize, recipe.augment, recipe.anchors) == ("stretch", "standard", "fitted")
    # Its anchors come with its boxes.
    assert default_recipe("ssd_mobilenet_v2", pretrained=True).anchors == "paper"
