from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo.training.optimizer import BODY_MOST, compile_model, make_optimizer, slow_body
from zoo.training.recipe import Recipe
from zoo.training.stages import Stage
from zoo.training.tasks import Objective
from zoo.training.tasks.classification import CLASSIFICATION

STAGE = Stage("whole", 1, 1e-3, "none", "none", frozen_norms=False)


def stepped(rate: float, stage: Stage = STAGE, folder: Path | None = None, **recipe: Any) -> list[Any]:
    """How far each variable of a LeNet goes in one step of Adam, which makes all steps as long as the rate."""
    import keras

    keras.utils.set_random_seed(0)
    model = zoo.build("lenet")
    chosen = Recipe(schedule="constant", body_rate=rate, **recipe)
    optimizer = make_optimizer(chosen, stage, 1)
    slow_body(optimizer, model, CLASSIFICATION, chosen, stage)
    objective = Objective(lambda labels: labels, keras.losses.CategoricalCrossentropy(), {})
    compile_model(model, optimizer, objective, chosen)
    before = [np.asarray(one) for one in model.trainable_variables]
    pictures = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)).astype(np.float32)
    model.fit(pictures, np.eye(10)[:8], verbose=0)
    if folder is not None:
        model.save(folder / "model.keras")
    pairs = zip(model.trainable_variables, before, strict=True)
    return [float(np.abs(np.asarray(one) - other).max()) for one, other in pairs]


@pytest.mark.slow
def test_the_layers_before_the_head_go_a_share_of_the_way() -> None:
    whole, share = stepped(1.0), stepped(0.3)
    np.testing.assert_allclose(share[:-2], [0.3 * one for one in whole[:-2]], rtol=1e-3)
    np.testing.assert_allclose(share[-2:], whole[-2:], rtol=1e-3)


@pytest.mark.slow
def test_a_slow_body_never_learns_faster_than_is_good_for_it() -> None:
    fast = Stage("whole", 1, 0.01, "none", "none", frozen_norms=False)
    np.testing.assert_allclose(stepped(0.5, fast)[:-2], BODY_MOST, rtol=0.02)


@pytest.mark.slow
def test_while_the_head_alone_learns_nothing_is_slower() -> None:
    stage = Stage("head", 1, 1e-3, "none", "none", frozen_norms=False)
    np.testing.assert_allclose(stepped(0.3, stage), stepped(1.0, stage), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_saved_model_has_an_optimizer_of_keras_own(tmp_path: Path, optimizer: Any) -> None:
    import keras

    stepped(0.3, folder=tmp_path, optimizer=optimizer)
    found = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(found).__module__.startswith("keras.")
