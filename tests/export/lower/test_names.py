"""Names that TensorFlow's graphs do not take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from zoo.errors import ExportError
from zoo.export import to_onnx, to_tflite
from zoo.export.lower.names import require_names

L = keras.layers


def net(layer: Any, name: str = "net") -> keras.Model:
    entry = keras.Input((8, 8, 3))
    return keras.Model(entry, L.Dense(3, "softmax")(L.Flatten()(layer(entry))), name=name)


@pytest.mark.parametrize("export", [to_tflite, to_onnx])
@pytest.mark.parametrize("name", ["my layer", "caf\u00e9", "what?", "a:b"])
def test_a_layer_is_named_whose_name_no_graph_can_have(name: str, export: Callable[..., Any], tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(2, 3, name=name)])
    for model in (net(L.Conv2D(2, 3, name=name)), net(inner)):
        with pytest.raises(ExportError, match=r"layer '.+' of net has a name that no graph .* can have") as caught:
            export(model, tmp_path / "net")
        assert repr(name) in str(caught.value)
        assert not list(tmp_path.iterdir())


def test_so_is_the_model() -> None:
    with pytest.raises(ExportError, match="the model 'my net' has a name that no graph"):
        require_names(net(L.ReLU(), "my net"))


@pytest.mark.parametrize("name", ["_x", "42", "a-b.c", "a>b"])
def test_others_are_exported_and_named_where_they_fail(name: str, tmp_path: Path) -> None:
    class Bessel(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * tf.math.bessel_i0(x)

    require_names(net(L.Conv2D(2, 3, name=name)))
    with pytest.raises(ExportError, match=rf"tf2onnx cannot convert net: .*\(at layer '{name}' \(Bessel\)\)"):
        to_onnx(net(Bessel(name=name)), tmp_path / "net.onnx")
