from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests.branches import ranges_of
from zoo.errors import OptionError
from zoo.graph import split_at_head
from zoo.training.recipe import Recipe
from zoo.training.stages import Stage, freeze_layers, plan
from zoo.training.tasks.classification import CLASSIFICATION

if TYPE_CHECKING:
    from tests.branches import Aware


@pytest.fixture(scope="module")
def mobilenet(randomize: Any) -> Any:
    return randomize(zoo.build("mobilenet_v2", alpha=0.35, input_size=32, num_classes=4))


def names(stages: list[Stage]) -> list[str]:
    return [stage.name for stage in stages]


def test_what_is_trained_when(mobilenet: Any) -> None:
    recipe = Recipe(freeze="res_connect_12", augment="light")
    both = plan(mobilenet, recipe, CLASSIFICATION, pretrained=True, new_head=True)
    assert names(both) == ["head", "whole"]
    assert (both[0].augment, both[1].augment) == ("none", "light")
    assert names(plan(mobilenet, recipe, CLASSIFICATION, pretrained=True, new_head=False)) == ["whole"]
    assert names(plan(mobilenet, recipe, CLASSIFICATION, pretrained=False, new_head=False)) == ["whole"]
    assert names(plan(mobilenet, Recipe(freeze="all"), CLASSIFICATION, pretrained=True, new_head=True)) == ["head"]
    assert names(plan(mobilenet, Recipe(epochs=0), CLASSIFICATION, pretrained=True, new_head=True)) == ["head"]
    assert names(plan(mobilenet, Recipe(head_epochs=0), CLASSIFICATION, pretrained=True, new_head=True)) == ["whole"]


def test_plans_that_train_nothing(mobilenet: Any) -> None:
    with pytest.raises(OptionError, match="there is nothing to train"):
        plan(mobilenet, Recipe(epochs=0), CLASSIFICATION, pretrained=False, new_head=False)
    with pytest.raises(OptionError, match="leaves mobilenet_v2_0.35_32 nothing to learn"):
        plan(mobilenet, Recipe(freeze="all"), CLASSIFICATION, pretrained=True, new_head=False)
    with pytest.raises(OptionError, match="freeze='nonesuch' is no layer of mobilenet"):
        plan(mobilenet, Recipe(freeze="nonesuch"), CLASSIFICATION, pretrained=True, new_head=False)


def test_what_learns(mobilenet: Any) -> None:
    def learning() -> set[str]:
        return {w.path.split("/")[0] for w in mobilenet.trainable_weights}

    everything = {layer.name for layer in mobilenet.layers if layer.weights}
    freeze_layers(mobilenet, Stage("whole", 1, 0.1, "none", "none", frozen_norms=False), CLASSIFICATION, steps=4)
    assert learning() == everything
    norms = [layer for layer in mobilenet.layers if "bn" in layer.name]
    # A mean over about two epochs, not over a thousand batches.
    assert {norm.momentum for norm in norms} == {0.9}
    freeze_layers(
        mobilenet, Stage("whole", 1, 0.1, "res_connect_12", "none", frozen_norms=True), CLASSIFICATION, steps=4
    )
    assert "mobl13_conv_expand" in learning()
    assert "mobl12_conv_project" not in learning()
    assert not any("bn" in name for name in learning())
    freeze_layers(mobilenet, Stage("head", 1, 0.1, "all", "none", frozen_norms=True), CLASSIFICATION, steps=4)
    assert len(learning()) == 1
    assert not learning() & {layer.name for layer in mobilenet.layers[:-3]}


def test_a_model_without_a_dense_layer_is_trained_as_a_whole_and_not_frozen_in_part() -> None:
    import keras

    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="conv"), keras.layers.GlobalAveragePooling2D(),
         keras.layers.Softmax()], name="pooled",
    )  # fmt: skip
    (stage,) = plan(model, Recipe(), CLASSIFICATION, pretrained=False, new_head=False)
    freeze_layers(model, stage, CLASSIFICATION, steps=4)
    assert len(model.trainable_weights) == 2
    with pytest.raises(OptionError, match="pooled has no dense layer to train as its head; use freeze='none'"):
        plan(model, Recipe(freeze="conv"), CLASSIFICATION, pretrained=False, new_head=False)


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg16", "alexnet", "lenet", "mlp"])
def test_both_halves_make_the_whole(cases: Any, name: str) -> None:
    case = cases(name)
    body, head = split_at_head(case.model)
    features = np.asarray(body(case.inputs, training=False))
    np.testing.assert_allclose(np.asarray(head(features, training=False)), case.scores, atol=1e-5)
    # They share the weights.
    assert {id(w) for w in head.weights} <= {id(w) for w in case.model.weights}
    assert 0 < head.count_params() < case.model.count_params()


def test_the_norms_of_a_new_head_learn_while_those_before_it_are_frozen(mobilenet: Any) -> None:
    # A task whose head begins before the last convolution and its norm.
    task = dataclasses.replace(CLASSIFICATION, caches_features=False)
    start = [layer.name for layer in mobilenet.layers].index("Conv_1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "head_index", lambda self, model: start)
        recipe = Recipe(augment="light", freeze="all")
        (stage,) = plan(mobilenet, recipe, task, pretrained=True, new_head=True)
        assert (stage.augment, stage.cached_features) == ("light", False)
        freeze_layers(mobilenet, stage, task, steps=4)
        assert {w.path.split("/")[0] for w in mobilenet.trainable_weights} == {"Conv_1", "Conv_1_bn", "logits"}
        freeze_layers(mobilenet, dataclasses.replace(stage, freeze="none"), task, steps=4)
        learning = {w.path.split("/")[0] for w in mobilenet.trainable_weights}
    assert "Conv1" in learning
    assert {name for name in learning if "bn" in name} == {"Conv_1_bn"}


def test_ranges_move_at_first_and_are_frozen_before_the_best_epoch_is_chosen(aware_lenet: Aware) -> None:
    stages = plan(aware_lenet.aware, Recipe(epochs=6), CLASSIFICATION, pretrained=True, new_head=False)
    assert [(stage.name, stage.epochs, stage.preliminary) for stage in stages] == [
        ("ranges", 2, True), ("int8", 4, False),
    ]  # fmt: skip
    for stage, moves in zip(stages, (True, False), strict=True):
        freeze_layers(aware_lenet.aware, stage, CLASSIFICATION, 10)
        assert {layer.trainable for layer in ranges_of(aware_lenet.aware)} == {moves}
        assert aware_lenet.aware.get_layer("conv1").trainable
    (alone,) = plan(aware_lenet.aware, Recipe(epochs=1), CLASSIFICATION, pretrained=True, new_head=False)
    assert (alone.name, alone.epochs, alone.frozen_ranges) == ("int8", 1, True)


@pytest.mark.parametrize(("values", "why"), [({"epochs": 0}, "nothing to learn"), ({"freeze": "all"}, "all layers")])
def test_recipes_that_leave_nothing_to_learn_are_refused(aware_lenet: Aware, values: dict[str, Any], why: str) -> None:
    with pytest.raises(OptionError, match=why):
        plan(aware_lenet.aware, Recipe().change(values), CLASSIFICATION, pretrained=True, new_head=False)


@pytest.mark.parametrize(("epochs", "expected"), [(1, [1]), (2, [2]), (3, [1, 2]), (5, [1, 4]), (9, [3, 6])])
def test_a_third_of_the_epochs_for_int8_has_moving_ranges(aware_lenet: Aware, epochs: int, expected: list[int]) -> None:
    stages = plan(aware_lenet.aware, Recipe(epochs=epochs), CLASSIFICATION, pretrained=True, new_head=False)
    assert [stage.epochs for stage in stages] == expected


def test_a_stage_has_the_values_that_the_recipe_has_for_it(mobilenet: Any) -> None:
    recipe = Recipe(head_epochs=3, head_learning_rate=0.3, epochs=5, learning_rate=0.5, freeze="Conv1", augment="light")
    head, whole = plan(mobilenet, recipe, CLASSIFICATION, pretrained=True, new_head=True)
    assert head == Stage("head", 3, 0.3, "all", "none", frozen_norms=True, cached_features=True)
    assert whole == Stage("whole", 5, 0.5, "Conv1", "light", frozen_norms=True)
    # Random weights come with a new head, and have nothing that a head could be trained on.
    (only,) = plan(mobilenet, recipe, CLASSIFICATION, pretrained=False, new_head=True)
    assert only == Stage("whole", 5, 0.5, "Conv1", "light", frozen_norms=False)


def trained(model: Any) -> list[str]:
    return [layer.name for layer in model.layers if layer.trainable]


def test_the_layers_up_to_the_named_one_stay_and_the_head_never_does(mobilenet: Any) -> None:
    names = [layer.name for layer in mobilenet.layers]
    head, middle = CLASSIFICATION.head_index(mobilenet), names.index("res_connect_12")
    for freeze, first in (("none", 0), ("res_connect_12", middle + 1), ("all", head), (names[-1], head)):
        freeze_layers(mobilenet, Stage("whole", 1, 0.1, freeze, "none", frozen_norms=False), CLASSIFICATION, steps=4)
        assert trained(mobilenet) == names[first:]


def normed(momentum: float = 0.999) -> Any:
    """A net whose first layer is a norm, and another one the first of what a task takes for its head."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)), layers.BatchNormalization(name="first", momentum=momentum),
            layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(name="second", momentum=momentum),
            layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax", name="dense"),
        ], name="normed",
    )  # fmt: skip


@pytest.mark.parametrize("freeze", ["none", "all"])
def test_norms_before_the_head_keep_their_statistics_where_they_are_to(
    freeze: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(CLASSIFICATION), "head_index", lambda self, model: 2)
    model = normed()
    freeze_layers(model, Stage("head", 1, 0.1, freeze, "none", frozen_norms=True), CLASSIFICATION, steps=100)
    body = ["conv"] if freeze == "none" else []
    assert trained(model) == [*body, "second", model.layers[3].name, "dense"]
    assert [model.get_layer(name).momentum for name in ("first", "second")] == [0.999, 0.995]
    if freeze == "none":
        freeze_layers(model, Stage("whole", 1, 0.1, freeze, "none", frozen_norms=False), CLASSIFICATION, steps=100)
        assert trained(model) == [layer.name for layer in model.layers]
        assert [model.get_layer(name).momentum for name in ("first", "second")] == [0.995, 0.995]


@pytest.mark.parametrize(
    ("steps", "own", "momentum"),
    [(1, 0.99, 0.9), (5, 0.99, 0.9), (10, 0.99, 0.95), (100, 0.999, 0.995), (100, 0.98, 0.98), (1, 0.5, 0.5)],
)
def test_statistics_are_averaged_over_two_epochs_or_ten_batches_unless_the_layer_has_less(
    steps: int, own: float, momentum: float
) -> None:
    model = normed(own)
    freeze_layers(model, Stage("whole", 1, 0.1, "none", "none", frozen_norms=False), CLASSIFICATION, steps)
    assert model.get_layer("second").momentum == pytest.approx(momentum)
