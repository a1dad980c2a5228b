from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.errors import OptionError
from zoo.graph import split_at_head
from zoo.training.recipe import Recipe
from zoo.training.stages import Stage, freeze_layers, plan
from zoo.training.tasks.classification import CLASSIFICATION


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
