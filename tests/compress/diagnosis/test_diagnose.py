"""The diagnosis of a model: which layer loses, by how much, and what is advised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import colours
from tests.compress.nets import depthwise_net, pictures, with_outlier
from zoo.compress.diagnosis.advice import advise
from zoo.compress.diagnosis.diagnose import diagnose
from zoo.compress.diagnosis.drawing import draw_diagnosis
from zoo.compress.diagnosis.findings import Diagnosis, Loss
from zoo.errors import CompressionError
from zoo.export.detectors import task_of
from zoo.tasks import DEFAULT


@pytest.fixture(scope="module")
def sound() -> Diagnosis:
    return diagnose(depthwise_net(), pictures())


@pytest.fixture(scope="module")
def outlier() -> Diagnosis:
    return diagnose(with_outlier(), pictures())


def test_every_layer_has_a_row_by_its_keras_name_the_worst_first(sound: Diagnosis) -> None:
    assert {row.layer for row in sound.rows} == {"input", "first", "depthwise", "pointwise", "pool", "logits"}
    losses = [row.divergence for row in sound.rows]
    assert losses == sorted(losses, reverse=True)
    rows = {row.layer: row for row in sound.rows}
    assert rows["depthwise"].kind == "DepthwiseConv2D"
    assert rows["pool"].weights is None
    for name in ("first", "depthwise", "pointwise", "logits"):
        weights = rows[name].weights
        assert weights is not None
        assert 0 < weights.int8.divergence < weights.four_bits.divergence


def test_it_says_when_nothing_is_wrong(sound: Diagnosis) -> None:
    assert sound.advice[0].what == "nothing"
    assert "nothing is wrong: int8 changes" in sound.advice[0].text


def test_ranges_are_those_of_the_results(sound: Diagnosis) -> None:
    import keras

    model = depthwise_net()
    inside = np.asarray(keras.Model(model.inputs[0], model.get_layer("first_relu").output)(pictures()))
    (row,) = [row for row in sound.rows if row.layer == "first"]
    assert row.activation is not None
    assert row.activation.seen.low == 0
    # An int8 file takes the pixel 127 for 0, which moves all of them by half a step.
    assert row.activation.seen.high == pytest.approx(inside.max(), rel=0.02)
    assert row.activation.inner.high <= row.activation.seen.high


def test_a_layer_with_one_huge_channel_is_found_and_can_be_kept_with_its_readers(outlier: Diagnosis) -> None:
    rows = {row.layer: row for row in outlier.rows[:2]}
    assert rows["pointwise"].divergence > 0.4 * outlier.total
    assert rows["pointwise"].together == ("pointwise", "pool")
    assert outlier.whole["int8"].changed > 0.3
    (advice,) = [one for one in outlier.advice if one.what == "keep_float"]
    # The mean of a huge channel is huge, too.
    assert set(advice.layers) == {"pointwise", "pool"}
    kept = advice.text.partition("--keep-float ")[2]
    assert set(kept.split(",")) == {"pointwise", "pool", "logits"}


@pytest.mark.slow
def test_rare_outliers_are_to_be_clipped() -> None:
    """A few values of a layer are huge, which clipping does not miss."""
    model = depthwise_net()
    inputs = pictures(64)
    inputs[0, 6:9, 6:9] = 0
    layer = model.get_layer("first")
    kernel, bias = layer.get_weights()
    # One filter that answers to black alone, and nothing reads.
    kernel[..., 0], bias[0] = -300.0, -6000.0
    layer.set_weights([kernel, bias])
    depthwise = model.get_layer("depthwise")
    weights = depthwise.get_weights()
    weights[0][:, :, 0] = 0
    depthwise.set_weights(weights)
    found = diagnose(model, inputs)
    (row,) = [row for row in found.rows if row.layer == "first"]
    assert row.activation is not None
    assert row.activation.outliers > 10
    assert row.activation.clipped is not None
    assert row.activation.clipped.divergence < row.activation.loss.divergence / 10
    (advice,) = [one for one in found.advice if one.what == "clip"]
    assert advice.layers == ("first",)
    assert "--calibration-method percentile" in advice.text
    assert diagnose(model, inputs, method="percentile").whole["int8"].divergence < found.whole["int8"].divergence / 5


@pytest.mark.slow
def test_uneven_channels_are_to_be_equalized_where_they_share_a_scale() -> None:
    found = diagnose(depthwise_net(uneven=300), pictures())
    rows = {row.layer: row for row in found.rows}
    assert rows["first"].weights is not None
    assert rows["first"].weights.spread > 100
    advice = [one for one in found.advice if one.what == "equalize"]
    assert {"first", "depthwise"} & set(advice[0].layers)
    assert "--equalize" in advice[0].text
    # It was tried before it was advised.
    assert found.whole["per_tensor_equalized"].divergence < found.whole["per_tensor"].divergence / 2


@pytest.mark.slow
def test_equalization_is_not_advised_where_it_was_tried_and_does_not_help() -> None:
    import dataclasses

    found = diagnose(depthwise_net(uneven=300), pictures())
    loss = found.whole["per_tensor"]
    spoilt = dataclasses.replace(found, whole={**found.whole, "per_tensor_equalized": loss})
    (text,) = [one.text for one in advise(spoilt) if "--per-tensor" in one.text]
    assert (
        f"--equalize does not mend it (a divergence of {loss.divergence:.2g} instead of {loss.divergence:.2g})" in text
    )
    assert [one for one in advise(spoilt) if one.what == "equalize" and "--per-tensor" in one.text] == []


def test_many_small_losses_are_for_training(sound: Diagnosis) -> None:
    import dataclasses

    rows = tuple(dataclasses.replace(sound.rows[1], layer=f"layer{i}") for i in range(30))
    whole = {**sound.whole, "int8": Loss(0.2, 0.1)}
    (first, *_) = advise(dataclasses.replace(sound, rows=rows, whole=whole))
    assert first.what == "train"
    assert "many layers lose a little each" in first.text


@pytest.mark.slow
def test_one_layer_alone_is_what_is_rounded() -> None:
    """The loss of a layer is that of the model with this kernel rounded by hand."""
    model, inputs = depthwise_net(), pictures()
    found = diagnose(model, inputs, count=len(inputs))
    (row,) = [row for row in found.rows if row.layer == "logits"]
    layer = model.get_layer("logits")
    kernel, bias = layer.get_weights()
    scale = np.abs(kernel).max() / 127
    before = np.asarray(model(inputs, training=False))
    layer.set_weights([np.round(kernel / scale) * scale, bias])
    after = np.asarray(model(inputs, training=False))
    expected = float((before * np.log(before / after)).sum(axis=1).mean())
    assert row.weights is not None
    assert row.weights.per_tensor == row.weights.int8
    assert row.weights.int8.divergence == pytest.approx(expected, rel=0.2)


@pytest.mark.slow
def test_a_detector_is_diagnosed_by_its_objects() -> None:
    model = colours.detector()
    found = diagnose(model, colours.pictures(), task_of(model), count=8)
    assert found.task == "detection"
    assert all(row.divergence >= 0 for row in found.rows)
    assert found.whole["int8"].divergence > 0


@pytest.mark.slow
def test_the_result_fits_into_json_and_a_drawing(outlier: Diagnosis, tmp_path: Path) -> None:
    document = json.loads(json.dumps(outlier.as_dict()))
    assert document["rows"][0]["layer"] == outlier.rows[0].layer
    assert document["rows"][0]["activation"]["outliers"] >= 1
    assert document["whole"]["int8"]["changed"] > 0.3
    draw_diagnosis(outlier, tmp_path / "drawn.svg")
    assert "pointwise" in (tmp_path / "drawn.svg").read_text()


def test_what_cannot_be_simulated_is_refused_by_its_name() -> None:
    import keras
    from keras import layers

    entry = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="hard_silu", name="swishy")(entry)
    model: Any = keras.Model(entry, layers.Dense(2, activation="softmax")(layers.Flatten()(x)))
    with pytest.raises(CompressionError, match="'swishy'"):
        diagnose(model, np.zeros((12, 8, 8, 3), np.float32), DEFAULT)
