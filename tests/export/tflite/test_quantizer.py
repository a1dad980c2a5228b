"""Ranges of our own in int8 files, and layers that stay float."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compress.nets import pictures, with_outlier
from tests.conftest import Case
from zoo.compress.ranges import Watch
from zoo.errors import ExportError, VerificationError
from zoo.export import to_tflite
from zoo.export.lower.lowering import lower
from zoo.export.tflite.converter import convert_in_memory, convert_on_disk
from zoo.export.tflite.naming import LayerNames
from zoo.export.tflite.settings import Settings
from zoo.tflite import modelfile
from zoo.tflite.modelfile import Graph

SETTINGS = Settings("int8", "uint8")


@pytest.fixture(scope="module")
def lowered() -> Any:
    return lower(with_outlier(), strip_scaling=True)


@pytest.fixture(scope="module")
def samples() -> Any:
    return np.asarray(pictures() / 127.5 - 1, np.float32)


def graph_of(flatbuffer: bytes) -> Graph:
    return modelfile.parse(flatbuffer, Path("made")).main


def shape_of(graph: Graph) -> list[tuple[str, int]]:
    return [(op.name, op.version) for op in graph.ops]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_another_method_gives_the_same_operations_with_its_own_ranges(method: Any, lenet: Case) -> None:
    model = lower(lenet.model, strip_scaling=True)
    inputs = np.asarray(np.random.default_rng(0).normal(0, 1, (20, 28, 28, 1)).clip(-1, 1), np.float32)
    usual = graph_of(convert_in_memory(model, SETTINGS, inputs))
    other = graph_of(convert_in_memory(model, Settings("int8", "uint8", calibration_method=method), inputs))
    assert shape_of(usual) == shape_of(other)
    import keras

    inside = keras.Model(lenet.model.inputs[0], lenet.model.get_layer("fc3").output)
    watch = Watch()
    # Each of the inputs has 120 values: none is left out of what is seen.
    watch.add(np.asarray(inside((inputs + 1) * 127.5)))
    (stored,) = (float(one.scales[0]) for one in other.tensors if "fc3" in one.name and one.shape == (1, 120))
    assert stored == pytest.approx(watch.seen().range(method).width / 255, rel=1e-3)
    assert stored < watch.seen().range("minmax").width / 255


def test_the_input_and_the_softmax_keep_their_scales(lowered: Any, samples: Any) -> None:
    graph = graph_of(convert_in_memory(lowered, Settings("int8", "uint8", calibration_method="percentile"), samples))
    assert graph.tensors[graph.outputs[0]].scales.tolist() == [1 / 256]


@pytest.mark.slow
def test_a_kept_layer_alone_computes_in_float(lowered: Any, samples: Any) -> None:
    usual = graph_of(convert_in_memory(lowered, SETTINGS, samples))
    mixed = graph_of(convert_in_memory(lowered, Settings("int8", "uint8", keep_float=("depthwise",)), samples))
    floats = [op.name for op in mixed.ops if {mixed.tensors[i].dtype for i in op.outputs} == {"FLOAT32"}]
    assert floats == ["DEQUANTIZE", "DEPTHWISE_CONV_2D"]
    names = [op.name for op in mixed.ops]
    at = names.index("DEPTHWISE_CONV_2D")
    assert names[at - 1 : at + 2] == ["DEQUANTIZE", "DEPTHWISE_CONV_2D", "QUANTIZE"]
    rest = [name for i, name in enumerate(names) if i not in {at - 1, at + 1}]
    assert rest == [op.name for op in usual.ops]


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_file(lowered: Any, samples: Any) -> None:
    settings = Settings("int8", "uint8", calibration_method="mse", keep_float=("depthwise",))
    here, there = (graph_of(way(lowered, settings, samples)) for way in (convert_in_memory, convert_on_disk))
    assert shape_of(here) == shape_of(there)
    assert [t.scales.tolist() for t in here.tensors if not t.is_constant and len(t.scales)] == [
        t.scales.tolist() for t in there.tensors if not t.is_constant and len(t.scales)
    ]


@pytest.mark.slow
def test_weights_of_one_scale_a_layer(lowered: Any, samples: Any) -> None:
    for settings in (
        Settings("int8", "uint8", per_tensor=True),
        Settings("int8", "uint8", per_tensor=True, calibration_method="percentile"),
    ):
        graph = graph_of(convert_in_memory(lowered, settings, samples))
        assert {len(t.scales) for t in graph.tensors if t.dtype == "INT8" and t.is_constant} == {1}


@pytest.mark.slow
def test_layers_that_cannot_stay_float_are_named(lowered: Any, samples: Any) -> None:
    with pytest.raises(ExportError, match="no layer 'depthwize' to keep in float; did you mean 'depthwise'?"):
        convert_in_memory(lowered, Settings("int8", "uint8", keep_float=("depthwize",)), samples)
    with pytest.raises(ExportError, match="layer 'rescale' leaves no operation|no layer 'rescale'"):
        convert_in_memory(lowered, Settings("int8", "uint8", keep_float=("rescale",)), samples)


@pytest.mark.slow
def test_a_file_that_needs_floats_tells_what_they_cost(tmp_path: Path) -> None:
    report = to_tflite(
        with_outlier(),
        tmp_path / "mixed.tflite",
        quantize="int8",
        calibration=pictures(),
        keep_float=("pointwise", "pool", "logits"),
    )
    assert report.card["keep_float"] == ["pointwise", "pool", "logits"]
    (note,) = [one for one in report.notes if "in float a run takes" in one]
    assert "pointwise, pool and logits in float a run takes" in note
    assert "median of 30 runs" in note
    assert report.verification is not None
    assert report.verification.agreement.share == 1


@pytest.mark.slow
def test_auto_keeps_no_more_than_what_the_loss_comes_from(tmp_path: Path) -> None:
    model, path = with_outlier(), tmp_path / "auto.tflite"
    with pytest.raises(VerificationError):
        to_tflite(model, path, quantize="int8", calibration=pictures())
    assert not path.exists()
    report = to_tflite(model, path, quantize="int8", calibration=pictures(), keep_float="auto", min_agreement=0.95)
    assert set(report.card["keep_float"]) <= {"pointwise", "pool", "logits"}
    assert report.verification is not None
    assert report.verification.agreement.share >= 0.95
    assert any("stay float: the file agrees on" in note for note in report.notes)


@pytest.mark.slow
def test_auto_keeps_nothing_where_nothing_is_wrong(lenet: Case, tmp_path: Path) -> None:
    report = to_tflite(
        lenet.model, tmp_path / "auto.tflite", quantize="int8", calibration=pictures_of(lenet), keep_float="auto"
    )
    assert "keep_float" not in report.card
    assert any(note.startswith("no layer has to stay float") for note in report.notes)


@pytest.mark.slow
def test_what_is_float_by_accident_is_refused_still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = LayerNames.nodes_of

    def more(names: Any, graph: Graph, layers: Any) -> list[str]:
        return real(names, graph, [*layers, "first"])

    monkeypatch.setattr(LayerNames, "nodes_of", more)
    with pytest.raises(ExportError, match=r"not fully integer: CONV_2D \(float32\) would compute with floats .*'first"):
        to_tflite(
            with_outlier(), tmp_path / "m.tflite", quantize="int8", calibration=pictures(), keep_float=("depthwise",)
        )


def pictures_of(case: Case) -> Any:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, *case.model.input_shape[1:])).astype(np.float32)
