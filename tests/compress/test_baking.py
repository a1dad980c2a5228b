"""A plain model with the kernels that a file will have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.branches import ranges_of
from zoo.compress.baking import bake, facts_of, is_quantization_aware
from zoo.compress.graph import quantize_aware
from zoo.errors import CompressionError

if TYPE_CHECKING:
    from tests.branches import Aware


def test_a_baked_model_answers_the_same_with_layers_of_keras_and_rounded_kernels(aware_branches: Aware) -> None:
    baked = bake(aware_branches.aware)
    wanted, found = (np.asarray(one(aware_branches.inputs)) for one in (aware_branches.aware, baked))
    # A sum in another order can be on the other side of half a step.
    np.testing.assert_allclose(found, wanted, atol=0.02)
    own = [layer for layer in baked.layers if not type(layer).__module__.startswith("keras.")]
    assert own == ranges_of(baked)
    kernel = np.asarray(baked.get_layer("small").kernel)
    numbers = kernel / (np.abs(kernel).max(axis=(0, 1, 2)) / 127)
    np.testing.assert_allclose(numbers, np.round(numbers), atol=1e-3)
    assert np.abs(kernel - np.asarray(aware_branches.aware.get_layer("small").kernel)).max() > 0


def test_without_ranges_it_is_a_plain_float_model(aware_branches: Aware) -> None:
    plain = bake(aware_branches.aware, ranges=False)
    assert not is_quantization_aware(plain)
    wanted, found = (np.asarray(one(aware_branches.inputs)) for one in (aware_branches.model, plain))
    assert np.abs(found - wanted).max() < 0.05


def test_the_facts_of_a_model(aware_lenet: Aware) -> None:
    assert facts_of(aware_lenet.aware) == {"weight_bits": 8, "per_tensor": False}
    made = quantize_aware(aware_lenet.model, weight_bits=3, per_tensor=True)
    assert facts_of(made) == {"weight_bits": 3, "per_tensor": True}


def test_a_plain_model_has_nothing_to_bake(aware_lenet: Aware) -> None:
    assert not is_quantization_aware(aware_lenet.model)
    with pytest.raises(CompressionError, match="--quantize-aware"):
        bake(aware_lenet.model)
