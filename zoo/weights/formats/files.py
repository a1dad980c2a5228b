"""Reads the files of Keras 2 and 3 into layers with their arrays, and those of other programs into named arrays."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import models
from zoo.errors import UnsafeFileError, WeightsError, first_line
from zoo.registry import needs_tensorflow
from zoo.weights.formats import old, pytorch, savedmodel, stored, tensorflow1
from zoo.weights.formats.config import names_old_layers
from zoo.weights.formats.named import Named

if TYPE_CHECKING:
    import keras

SUFFIXES = (".keras", ".h5", ".hdf5")
FINISHED = (".tflite", ".onnx")
"""What an export writes, and nothing reads as a Keras model."""


@dataclass(frozen=True)
class Layer:
    """A layer that has weights."""

    name: str
    kind: str
    """Its class as Keras writes it in files, e.g. `conv2d`; empty if the file does not say it."""
    arrays: tuple[Any, ...]
    """Arrays or variables that numpy can read, in the order of `layer.weights`."""
    names: tuple[str, ...] = ()
    """Names of the arrays, e.g. `kernel`; empty if they are not known."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the arrays."""
        return tuple(tuple(array.shape) for array in self.arrays)


@dataclass(frozen=True)
class Stage:
    """A layer as the configuration of a model names it."""

    kind: str
    name: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Group:
    """The layers of one model or nested model, in a file that keeps the order only among layers of one class."""

    layers: dict[str, list[Layer]]
    """The layers that have weights, by class."""
    kinds: frozenset[str]
    """All classes of layers, also those without weights."""


@dataclass(frozen=True)
class Contents:
    """The contents of a file."""

    path: Path
    layers: tuple[Layer, ...] = ()
    """Layers in the order of the graph, with nested models' layers in their place; empty if `groups` is filled."""
    groups: tuple[Group, ...] = ()
    """Groups of a `.weights.h5` file: nested models first, the outermost model last."""
    model: keras.Model | None = None
    """The model, if the file holds a whole one that Keras 3 can load."""
    stages: tuple[Stage, ...] = ()
    """All layers of the model, if the file holds a whole one, with nested models' layers in their place."""
    named: Named | None = None
    """The arrays of another program's file, which knows them by the names of that program's layers."""

    @property
    def count(self) -> int:
        """Number of all arrays."""
        layers = [layer for group in self.groups for kind in group.layers.values() for layer in kind]
        others = len(self.named.arrays) if self.named else 0
        return sum(len(layer.arrays) for layer in (*self.layers, *layers)) + others

    def group_of(self, kind: str) -> Group | None:
        """Finds the nested model, or the outermost one, that has most layers of a class."""
        holders = [group for group in self.groups if kind in group.layers]
        return max(holders, key=lambda group: len(group.layers[kind]), default=None)

    def in_order(self, kinds: Sequence[str]) -> list[Layer]:
        """Returns the layers in the order of a graph whose layers have these classes; the other layers come last."""
        if not self.groups:
            return list(self.layers)
        core = self.group_of(kinds[0])
        if core is None:
            return []
        queues = {kind: list(layers) for kind, layers in core.layers.items()}
        ordered = []
        for kind in kinds:
            if not queues.get(kind):
                break
            ordered.append(queues[kind].pop(0))
        rest = [layer for queue in queues.values() for layer in queue]
        others = [group for group in self.groups if group is not core]
        return [*ordered, *rest, *(layer for group in others for queue in group.layers.values() for layer in queue)]


def read(path: Path) -> Contents:
    """Reads a file of weights or a whole model.

    Raises:
        UnsafeFileError: the file could run code, leads to other files, or claims more data than it holds.
        WeightsError: the file is missing or damaged, or is no file of weights.
        MissingDependencyError: TensorFlow or the library for a kind of file is not installed.
    """
    if path.is_file() and (path.suffix == pytorch.SUFFIX or tensorflow1.is_archive(path)):
        return Contents(path, named=(pytorch if path.suffix == pytorch.SUFFIX else tensorflow1).read(path))
    require_keras_file(path, "weights")
    with needs_tensorflow():
        importlib.import_module("keras")  # and with it h5py
    with stored.opened(path) as source:
        if source.config is None:
            return _weights_only(source)
        stages = tuple(_stages(source.config))
    try:
        model = load_model(path)
    except UnsafeFileError:
        raise
    except WeightsError:
        # Keras 3 cannot build every model of Keras 2 (nested ones, `TFOpLambda`), but their weights can be read.
        with stored.opened(path) as source:
            try:
                return replace(_weights_only(source), stages=stages)
            except WeightsError:
                if path.suffix != ".keras":
                    raise
        raise
    return Contents(path, layers=tuple(layers_of(model)), model=model, stages=stages)


def load_model(path: str | Path) -> keras.Model:
    """Loads a whole model: a `.keras` or `.h5` file of Keras 2 or 3, or a SavedModel folder.

    Args:
        path: the path of the file or folder, which may be a stranger's: one that could run code or read other files is
            refused with any version of Keras. Your own layers must be registered with Keras.

    Raises:
        UnsafeFileError: the file could run code, leads to other files, or claims more data than it holds.
        WeightsError: the file is missing, damaged or not a Keras model.
        MissingDependencyError: TensorFlow is not installed.
    """
    path = Path(path)
    if path.is_dir():
        with needs_tensorflow():
            return savedmodel.load(path)
    require_keras_file(path, "model")
    with needs_tensorflow():
        import keras

    with stored.opened(path, whole=True) as source:
        if source.config is None:
            raise WeightsError(
                f"cannot load {path} as a Keras model: it holds weights alone; load them into their model and save "
                "that as .keras, or for a model of the zoo: zoo build MODEL --weights FILE"
            )
        if source.old:
            return old.load(source)
        strange = names_old_layers(source.config)
        if strange:
            raise WeightsError(f"cannot load {path} as a Keras model: Keras 3 does not have {', '.join(strange)}")
        stored.require_room_for(source)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises what its readers raise
        raise WeightsError(f"cannot load {path} as a Keras model: {first_line(error)}") from error


def require_keras_file(path: Path, what: str) -> None:
    """Refuses by its name what Keras does not read; `what` says what the file should have been.

    Raises:
        WeightsError: there is no such file, or it is of another kind.
    """
    if path.is_dir():
        inside = savedmodel.model_inside(path)
        if inside == path / "model.keras":
            raise WeightsError(
                f"{path} is a folder of a run; give its model, {inside}, or train it further: zoo train --from {path}"
            )
        way = f"give {inside}" if inside else "weights are taken from files (zoo export takes a SavedModel folder)"
        raise WeightsError(f"{path} is a folder; {way}")
    if not path.is_file():
        if what == "model" and models.is_name(str(path)):
            raise WeightsError(f"{path} is the name of a model, not a file: zoo build {path} builds and exports it")
        raise WeightsError(f"no {what} file {path}")
    if path.suffix == pytorch.SUFFIX or tensorflow1.is_archive(path):
        raise WeightsError(
            f"cannot load {path} as a Keras model: it holds weights alone; load them into their model: zoo build MODEL "
            "--weights FILE"
        )
    if path.suffix in FINISHED:
        raise WeightsError(
            f"{path} is a finished {path.suffix} file, which no Keras model can be made of; give the .keras or .h5 "
            "file, or the SavedModel folder, that it was made of"
        )
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path} is not a Keras model; give a .keras or .h5 file, or a SavedModel folder")


def layers_of(model: keras.Model) -> Iterator[Layer]:
    """Yields what is known of each of a model's layers that have weights; see `weighted_layers`."""
    for layer in weighted_layers(model):
        names = tuple(weight.name for weight in layer.weights)
        yield Layer(layer.name, _snake_case(type(layer).__name__), tuple(layer.weights), names)


def weighted_layers(model: keras.Model) -> Iterator[keras.Layer]:
    """Yields a model's layers that have weights, in the order of its graph, including those of nested models."""
    for layer in model.layers:
        if hasattr(layer, "layers") and hasattr(layer, "inputs"):
            yield from weighted_layers(layer)
        elif layer.weights:
            yield layer


def listed(layers: Sequence[Layer]) -> str:
    """Returns the names of layers for a message, the first of them if there are many."""
    names = [layer.name for layer in layers[:3]]
    return ", ".join(names) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")


def _stages(config: dict[str, Any]) -> Iterator[Stage]:
    """Yields the layers of a model's configuration, with nested models' layers in their place."""
    layers = config.get("config")
    for layer in layers.get("layers", ()) if isinstance(layers, dict) else ():
        inner = layer.get("config") if isinstance(layer, dict) else None
        if not isinstance(inner, dict):
            continue
        if "layers" in inner:
            yield from _stages(layer)
        else:
            yield Stage(_snake_case(str(layer.get("class_name", ""))), str(inner.get("name", "")), inner)


def _weights_only(source: stored.Source) -> Contents:
    """Reads the arrays of a file that was checked, without its model."""
    path, file = source.path, source.arrays
    try:
        if "layer_names" in file.attrs or "model_weights" in file:
            return Contents(path, layers=tuple(_legacy(file.get("model_weights", file))))
        groups = tuple(_groups(file))
    except Exception as error:  # h5py raises errors of many types
        raise WeightsError(f"cannot read weights from {path}: {first_line(error)}") from error
    if not any(group.layers for group in groups):
        raise WeightsError(f"{path} holds no weights that Keras wrote")
    return Contents(path, groups=groups)


def _legacy(file: Any) -> Iterator[Layer]:
    """Yields the layers of a weights file of Keras 1 or 2, such as those that keras.applications publishes."""
    for layer in _texts(file.attrs["layer_names"]):
        group = file[layer]
        arrays: dict[str, list[tuple[str, Any]]] = {}
        for name in _texts(group.attrs["weight_names"]):
            # A nested model's weights are in one group: `block_1_expand/kernel:0`, the trainable ones first.
            owner, _, own = name.rpartition("/")
            arrays.setdefault(owner.rsplit("/", 1)[-1], []).append((own.partition(":")[0], group[name][()]))
        for owner, found in arrays.items():
            single = len(arrays) == 1
            yield Layer(layer if single else owner, "", tuple(a for _, a in found), tuple(n for n, _ in found))


def _texts(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _groups(file: Any) -> Iterator[Group]:
    """Yields the models in a `.weights.h5` file. Layers are named after their classes: `conv2d`, `conv2d_1`, ..."""
    container = file.get("layers", file.get("_layer_checkpoint_dependencies"))
    if container is None:
        return
    layers: dict[str, list[Layer]] = {}
    kinds = set()
    for key in sorted(container, key=_counted):
        member, (kind, _) = container[key], _counted(key)
        kinds.add(kind)
        if "layers" in member or "_layer_checkpoint_dependencies" in member:
            yield from _groups(member)
        elif len(member.get("vars", ())):
            stored = member["vars"]
            name = stored.attrs.get("name", key)
            arrays = tuple(stored[str(i)][()] for i in range(len(stored)))
            layers.setdefault(kind, []).append(Layer(str(name), kind, arrays))
    yield Group(layers, frozenset(kinds))


def _counted(key: str) -> tuple[str, int]:
    """Splits a layer's key into class and number: `conv2d_10` -> `("conv2d", 10)`."""
    match = re.fullmatch(r"(.*?)(?:_(\d+))?", key)
    assert match is not None  # noqa: S101  # matches any text
    return match[1], int(match[2] or 0)


def _snake_case(name: str) -> str:
    """Returns the name that Keras gives a class in its files."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
