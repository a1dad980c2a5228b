"""Loads a SavedModel folder, of Keras or of TensorFlow alone, as a Keras model of one layer, its serving signature."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import WeightsError, first_line
from zoo.files.writing import temporary
from zoo.system.quiet import quiet
from zoo.weights.formats.graphs import require_computing, require_passive

if TYPE_CHECKING:
    import keras

_PROTO = "saved_model.pb"
_DEFAULT = ("serving_default", "serve")
MAX_BYTES = 1 << 31
"""The largest size of a graph's file; Google's protocol buffers have no larger ones."""


def load(path: Path) -> keras.Model:
    """Loads a SavedModel.

    Args:
        path: the path of the folder, which may be a stranger's: one that could run code or read other files is refused.

    Returns:
        A model with one input, whose weights are constants; its name is that of the folder.

    Raises:
        UnsafeFileError: it could run code, lead to other files, or claims more than it holds.
        WeightsError: it is damaged, was saved by TensorFlow 1, or has no signature with one input of numbers.
    """
    _require_plain_files(path)
    try:
        saved = _read(path)
        require_passive(saved.meta_graphs[0], path)
        with quiet(), _without_optimizer(saved, path) as folder:
            import tensorflow as tf

            loaded = tf.saved_model.load(folder)
            function = _signature(loaded.signatures, path)
            require_computing(function.graph.as_graph_def(), path)
            return _as_keras(function, path)
    except WeightsError:
        raise
    except Exception as error:  # TensorFlow raises what its parts raise
        raise WeightsError(f"cannot load the SavedModel {path}: {first_line(error)}") from error


def name_of(path: Path) -> str:
    """The name of a model in a folder: that of the folder, without the ending that Teachable Machine gives it."""
    return path.resolve().name.removesuffix(".savedmodel") or "model"


def model_inside(path: Path) -> Path | None:
    """Returns the model in a folder such as a training's, which may be meant by the folder; None if there is none."""
    return next(iter(sorted(path.glob("*.keras"))), None)


def _require_plain_files(path: Path) -> None:
    if not (path / _PROTO).is_file():
        inside = model_inside(path)
        way = f"; give {inside}" if inside else ""
        raise WeightsError(f"{path} is a folder, and no SavedModel: there is no {_PROTO} in it{way}")
    for file in (path / _PROTO, path / "variables", *(path / "variables").glob("*")):
        if file.is_symlink():
            raise WeightsError(f"{path} is refused: {file.name} is a link that leads elsewhere; copy the file itself")


def _read(path: Path) -> Any:
    from tensorflow.core.protobuf import saved_model_pb2

    size = (path / _PROTO).stat().st_size
    if size > MAX_BYTES:
        raise WeightsError(
            f"cannot load the SavedModel {path}: its graph has {size} bytes; at most {MAX_BYTES} are read"
        )
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / _PROTO).read_bytes())
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        raise WeightsError(
            f"cannot load the SavedModel {path}: TensorFlow 1 saved it; load it with TensorFlow 2 and save it again "
            "(tf.saved_model.save)"
        )
    return saved


@contextlib.contextmanager
def _without_optimizer(saved: Any, path: Path) -> Iterator[str]:
    """A folder with the same model without the variables of its optimizer, which only Keras 2 can load.

    What is loaded is what was looked at, even if the file has changed meanwhile.
    """
    for node in saved.meta_graphs[0].object_graph_def.nodes:
        del node.slot_variables[:]
    with temporary() as folder:
        (folder / _PROTO).write_bytes(saved.SerializeToString())
        if (path / "variables").is_dir():
            (folder / "variables").symlink_to((path / "variables").resolve())
        yield str(folder)


def _signature(signatures: Mapping[str, Any], path: Path) -> Any:
    """The signature that is meant for use, if it takes one tensor of numbers."""
    names = sorted(signatures)
    chosen = next((name for name in _DEFAULT if name in signatures), names[0] if len(names) == 1 else None)
    if chosen is None:
        found = f"it has {', '.join(names)}, and none is called {_DEFAULT[0]}" if names else "it has none"
        raise WeightsError(
            f"cannot export the SavedModel {path} without a signature to use: {found}; save it with one: "
            "tf.saved_model.save(model, folder, signatures=model.serve), or model.export(folder) in Keras"
        )
    function = signatures[chosen]
    inputs = function.structured_input_signature[1]
    if len(inputs) != 1:
        raise WeightsError(
            f"the signature {chosen!r} of {path} has {len(inputs)} inputs ({', '.join(sorted(inputs))}); only models "
            "with one can be exported"
        )
    (entry,) = inputs.values()
    if not (entry.dtype.is_floating or entry.dtype.is_integer) or entry.shape.rank in {None, 0}:
        raise WeightsError(
            f"the signature {chosen!r} of {path} takes {entry.dtype.name} of shape {entry.shape}, no pictures or "
            "measured values; save one that takes them"
        )
    return function


def _as_keras(function: Any, path: Path) -> keras.Model:
    import keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    (entry,) = function.structured_input_signature[1].values()
    frozen = convert_variables_to_constants_v2(function)
    layer = _layer_class()(frozen, name="saved_model")
    # A batch of 1 is opened: the function is then called for one input after the other.
    batch = entry.shape[0] if entry.shape[0] != 1 else None
    inputs = keras.Input(batch_shape=(batch, *entry.shape[1:]), dtype=entry.dtype.name, name=entry.name)
    outputs = keras.tree.flatten(layer(inputs))
    return keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=name_of(path))


@functools.cache
def _layer_class() -> type[Any]:
    import keras
    import tensorflow as tf

    class Frozen(keras.layers.Layer):  # type: ignore[misc]
        """Calls a function of TensorFlow whose variables are constants."""

        def __init__(self, function: Any, **options: Any) -> None:
            super().__init__(autocast=False, **options)
            self._frozen = function

        def call(self, values: Any) -> Any:
            """The outputs of the function, in the order of their names."""
            if self._frozen.inputs[0].shape[0] != 1 or values.shape[0] == 1:
                return self._unpacked([self._frozen(values)])
            return self._unpacked([self._frozen(values[i : i + 1]) for i in range(values.shape[0])])

        def compute_output_spec(self, values: Any) -> Any:
            """The outputs, with an open batch where the function has one input at a time."""
            if self._frozen.inputs[0].shape[0] != 1:
                return super().compute_output_spec(values)
            specs = [
                keras.KerasTensor((values.shape[0], *one.shape[1:]), one.dtype.name) for one in self._frozen.outputs
            ]
            return specs if len(specs) > 1 else specs[0]

        @staticmethod
        def _unpacked(calls: list[Any]) -> Any:
            parts = zip(*(call if isinstance(call, list | tuple) else [call] for call in calls), strict=True)
            outputs = [tf.concat(list(one), 0) if len(one) > 1 else one[0] for one in parts]
            return outputs if len(outputs) > 1 else outputs[0]

    return Frozen
