"""Loads whole models that Keras 2 wrote, `.h5` and `.keras`, with every weight in the place that its name says."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import UnsafeFileError, WeightsError, first_line
from zoo.files.writing import temporary
from zoo.weights.formats import config as configs
from zoo.weights.formats.keras2 import plain_name

if TYPE_CHECKING:
    import keras

    from zoo.weights.formats.stored import Source

_CONTAINER, _OLD_CONTAINER = "layers", "_layer_checkpoint_dependencies"


def load(source: Source) -> keras.Model:
    """Loads a model of Keras 2.

    Args:
        source: the opened file.

    Raises:
        UnsafeFileError: it is larger than its file.
        WeightsError: Keras 3 cannot build the model, or its weights are not those that the model has.
    """
    try:
        if source.fault:
            raise ValueError(source.fault)
        strange = configs.names_old_layers(source.config or {})
        if strange:
            raise ValueError(f"it has no {', '.join(strange)}")
        configs.require_room(lambda: build(source), source.values, source.path)
        model = build(source)
        if not getattr(model, "inputs", None):
            raise ValueError("the shape of its input is not known")
        _load_weights(model, source)
    except UnsafeFileError:
        raise
    except Exception as error:  # Keras raises what its layers raise
        raise WeightsError(_message(source, _reason(error))) from error
    return model


def build(source: Source) -> keras.Model:
    """Builds the model that a file's translated configuration describes, without its weights."""
    import keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras would rather see in a program
        return keras.saving.deserialize_keras_object(copy.deepcopy(source.config), safe_mode=True)


def _reason(error: Exception) -> str:
    """What Keras says of its failure: the reason stands behind the whole configuration that it did not like."""
    text = str(error)
    if isinstance(error.__cause__, Exception) and "deserializ" in text.partition("\n")[0]:
        return _reason(error.__cause__)
    for mark in ("Exception encountered: ", "Error encountered:"):
        text = text.rpartition(mark)[2]
    return first_line(ValueError(text)).rstrip(".")


def _message(source: Source, reason: str) -> str:
    wrote = f"Keras {source.version}" if source.version else "Keras 2"
    return (
        f"cannot load {source.path} as a Keras model: {wrote} wrote it, and Keras 3 cannot build it: {reason}. Load it "
        "where TensorFlow is older than 2.16, save it there by model.export('FOLDER') or tf.saved_model.save(model, "
        "'FOLDER'), and export the folder"
    )


def _load_weights(model: keras.Model, source: Source) -> None:
    if source.path.suffix == ".keras":
        _load_by_structure(model, source.arrays)
        return
    import h5py

    file = source.arrays
    group = file.get("model_weights", file)
    stored = {name: group[name] for name in _texts(group, "layer_names")}
    known = {plain_name(name): name for name in stored}
    for layer in model.layers:
        member = stored.pop(known.get(layer.name, ""), None)
        if member is not None or layer.weights:
            names = _texts(member, "weight_names") if isinstance(member, h5py.Group) else []
            _assign(layer, names, [member[name][()] for name in names if member is not None])
    for layer in model._flatten_layers():
        if layer.weights and hasattr(layer, "finalize_state"):
            layer.finalize_state()  # a normalization computes with what it makes of its weights
    left = [name for name, member in stored.items() if _texts(member, "weight_names")]
    if left:
        raise ValueError(f"its weights of {', '.join(left[:3])} belong to no layer of the model")


def _texts(group: Any, name: str) -> list[str]:
    """The texts of an attribute, which Keras 2 cut into pieces `name0`, `name1`... where they were many."""
    attributes = group.attrs
    pieces = [name] if name in attributes else []
    while not pieces or pieces[0] != name:
        if f"{name}{len(pieces)}" not in attributes:
            break
        pieces.append(f"{name}{len(pieces)}")
    return [text.decode() if isinstance(text, bytes) else str(text) for piece in pieces for text in attributes[piece]]


def _assign(layer: Any, names: Sequence[str], arrays: Sequence[Any]) -> None:
    """Gives a layer, or a nested model, its weights: by their names, where those tell them apart, else in order.

    The order alone is not enough: Keras writes the trainable weights first, and what is trainable may have changed.
    """
    ours = [*layer.trainable_weights, *layer.non_trainable_weights]
    if len(ours) != len(arrays):
        raise ValueError(f"its layer {layer.name!r} has {len(arrays)} arrays, not {len(ours)}")
    order = _order([weight.path for weight in ours], names)
    if order is None:
        raise ValueError(f"the weights of its layer {layer.name!r} have other names ({', '.join(names[:3])}, ...)")
    for weight, index in zip(ours, order, strict=True):
        value = np.asarray(arrays[index])
        if tuple(value.shape) != tuple(weight.shape):
            raise ValueError(f"its array {names[index]!r} has shape {value.shape}, not {tuple(weight.shape)}")
        weight.assign(value)


def _order(paths: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """Where in a file the weights of a layer stand; None where the names are others."""
    cut = [_parts(name) for name in names]
    ours = [tuple(_parts(path)[-2:]) for path in paths]
    # A slash in the name of a layer became an underscore.
    joined: list[tuple[str, ...]] = [("_".join(parts[:-1]), parts[-1]) for parts in cut]
    last: list[tuple[str, ...]] = [tuple(parts[-2:]) for parts in cut]
    for theirs in (last, joined):
        if len(set(ours)) == len(ours) and set(ours) == set(theirs):
            return [theirs.index(place) for place in ours]
    return list(range(len(ours))) if [one[-1] for one in ours] == [parts[-1] for parts in cut] else None


def _parts(path: str) -> list[str]:
    """The names in the path of a weight: `block/conv/kernel:0` -> `["block", "conv", "kernel"]`."""
    *owners, last = path.partition(":")[0].split("/")
    return [*owners, "kernel" if last == "depthwise_kernel" else last]  # which Keras 3 calls so in a depthwise layer


def _load_by_structure(model: keras.Model, file: Any) -> None:
    """Loads the weights of a `.keras` file, whose groups are named after classes in the order of the layers."""
    import h5py

    with temporary() as folder:
        path = folder / "model.weights.h5"
        with h5py.File(path, "w") as target:
            for name in file:
                file.copy(file[name], target, name=name)
            _rename_containers(target)
        model.load_weights(path)


def _rename_containers(group: Any) -> None:
    """Gives the groups of layers the name that Keras 3 knows; the first versions of the format had another."""
    import h5py

    if _OLD_CONTAINER in group and _CONTAINER not in group:
        group.move(_OLD_CONTAINER, _CONTAINER)
    for name in list(group):
        if isinstance(group[name], h5py.Group):
            _rename_containers(group[name])
