"""Rebuilds whatever Keras runs as what an export takes: one float32 input of fixed size, and a list of outputs.

| what Keras knows | what becomes of it |
|---|---|
| a dtype policy other than float32, also of one layer or quantized | float32, with the same weights |
| dictionaries and lists of inputs and outputs | one input, and the outputs in Keras' order |
| a model of a class of its own, a Sequential model without `Input` | a functional model around it |
| a fixed batch, an open height or width | an open batch, the size that is asked for |
| pixels as whole numbers | the same numbers as float32 |
| gray pictures without an axis of channels, channels before height and width | (height, width, channels) |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import ExportError, first_line
from zoo.export.lower.float32 import as_float32
from zoo.graph import graph_of, has_graph, rebuild
from zoo.inputs.preprocessing import is_picture
from zoo.text import count_of

if TYPE_CHECKING:
    import keras

_SCALES = (1 / 255, 1 / 127.5)
"""Scales that only pixels have."""
_TAKES_WHOLE = frozenset({"Rescaling", "Normalization", "Cast", "TrueDivide", "Divide"})
"""Layers and operations that make real numbers of whole ones."""
_TAKES_IDS = frozenset({"Embedding", "ReversibleEmbedding", "Hashing", "CategoryEncoding", "OneHot"})
_SMALLEST = 8
"""Height and width from which two axes may be a picture's."""


def plain(model: keras.Model, input_size: Sequence[int] | None = None) -> tuple[keras.Model, list[str]]:
    """Rebuilds a model as one that can be exported; a model that is so already is returned as it is.

    Args:
        model: any Keras model.
        input_size: the sizes of the axes that the model leaves open, in their order; a single one counts for all.

    Returns:
        The model, which shares its weights with the given one unless their type had to change, and what the user
        should know of the change, one line each.

    Raises:
        ExportError: the model has no known input, several ones, one of texts or of token ids, or an open size that was
            not given; Keras cannot build it anew.
    """
    import keras

    model = _functional(model)
    entry = model.inputs[0]
    shape = _fixed(model, tuple(entry.shape[1:]), input_size)
    if entry.dtype == "string":
        raise ExportError(f"{model.name} takes texts; only models of pictures or measured values can be exported")
    first = _first(model)
    if any(type(one).__name__ in _TAKES_IDS for one in first) and not is_picture(shape):
        raise ExportError(
            f"{model.name} takes token ids (its first layer is {first[0].name!r}); only models of pictures or measured "
            "values can be exported"
        )
    notes: list[str] = []
    try:
        model = as_float32(model, notes)
        arrange, shape = _arrangement(model, shape, notes)
        whole = "int" in entry.dtype or entry.dtype == "bool"
        cast = None if not whole or all(type(one).__name__ in _TAKES_WHOLE for one in first) else str(entry.dtype)
        entry = model.inputs[0]
        if arrange is None and cast is None and (None, *shape) == tuple(entry.shape) and entry.dtype == "float32":
            return _flat(model), notes
        return _rebuilt(model, keras.Input(shape, name="input"), arrange, cast), notes
    except ExportError:
        raise
    except Exception as error:  # Keras and users' own layers raise anything
        sizes = f" with an input of {shape}" if input_size else ""
        raise ExportError(f"Keras cannot build {model.name} anew{sizes}: {first_line(error)}") from error


def _functional(model: Any) -> keras.Model:
    """A functional model, around one that only knows the shape that it was built with.

    Raises:
        ExportError: it is no model, knows no shape, or has several inputs.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise ExportError(f"{type(model).__name__} is no Keras model")
    inputs = getattr(model, "inputs", None)
    if not inputs:
        built = list((getattr(model, "_build_shapes_dict", None) or {}).values())
        if not built or not model.built:
            raise ExportError(
                f"{model.name} is not built, so that the shape of its input is not known: begin it with "
                "keras.Input(shape), or call it once on data, and save it again"
            )
        if len(built) > 1 or not _is_shape(built[0]):
            raise ExportError(
                f"{model.name} has {len(built[0] if len(built) == 1 else built)} inputs; only models with one can be "
                "exported"
            )
        entry = keras.Input(tuple(built[0])[1:])
        try:
            return keras.Model(entry, keras.tree.flatten(model(entry)), name=model.name)
        except Exception as error:  # a user's own code runs here
            raise ExportError(f"{model.name} cannot be called on {tuple(entry.shape)}: {first_line(error)}") from error
    if len(inputs) != 1:
        raise ExportError(
            f"{model.name} has {len(inputs)} inputs; only models with one can be exported: make a model of the part "
            "from one input to the classes, with keras.Model(input, output)"
        )
    return model


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)


def _fixed(model: keras.Model, shape: tuple[int | None, ...], sizes: Sequence[int] | None) -> tuple[int, ...]:
    """The shape of an input, with the sizes that were asked for in its open axes."""
    places = [axis for axis, size in enumerate(shape) if size is None]
    known = [size for size in shape if size is not None]
    if not places:
        if sizes and any(size not in known for size in sizes):
            raise ExportError(
                f"{model.name} has an input of fixed size {shape}; input_size (--input-size) is for open sizes"
            )
        return tuple(known)
    if not sizes:
        raise ExportError(
            f"{model.name} has an input of open size {shape}: say which size the file is to have (input_size, "
            "--input-size 224)"
        )
    if len(sizes) not in {1, len(places)}:
        raise ExportError(
            f"{model.name} has an input of open size {shape}; give {count_of(len(places), 'size')}, "
            f"not {len(sizes)} (--input-size)"
        )
    given = list(sizes) * (len(places) if len(sizes) == 1 else 1)
    return tuple(given.pop(0) if size is None else size for size in shape)


def _first(model: keras.Model) -> list[Any]:
    """The layers and operations that the input enters, those of a nested model for the model."""
    entry = model.inputs[0]
    found = []
    for operation in graph_of(model).operations:
        for node in operation._inbound_nodes:
            if any(tensor is entry for tensor in node.input_tensors):
                nested = has_graph(operation) and len(operation.inputs) == 1
                found += _first(operation) if nested else [operation]
                break
    return found


def _arrangement(
    model: keras.Model, shape: tuple[int, ...], notes: list[str]
) -> tuple[Callable[[Any], Any] | None, tuple[int, ...]]:
    """What makes of a picture (height, width, channels) what the model takes, and the picture's shape."""
    import keras

    if _is_gray(model, shape):
        notes.append(f"the input {shape} is taken for gray pictures, {shape[1]} wide and {shape[0]} high")
        return keras.layers.Reshape(shape, name="without_channels"), (*shape, 1)
    if len(shape) == 3 and shape[0] in {1, 3} and not is_picture(shape) and _has_channels_first(model):
        notes.append(f"the input {shape} has its channels first; the file takes pictures with their channels last")
        return keras.layers.Permute((3, 1, 2), name="channels_first"), (*shape[1:], shape[0])
    return None, shape


def _is_gray(model: keras.Model, shape: tuple[int, ...]) -> bool:
    """Whether two axes are those of a picture, and not steps and values of a measurement."""
    if len(shape) != 2 or min(shape) < _SMALLEST:
        return False
    following = _first(model)
    while following and type(following[0]).__name__ in {"Rescaling", "Normalization"}:
        layer = following[0]
        scale = getattr(layer, "scale", None)
        if isinstance(scale, float) and any(abs(scale - one) < 1e-6 for one in _SCALES):
            return True
        following = _after(layer)
    if not following or shape[0] != shape[1]:
        return False
    kind, output = type(following[0]).__name__, tuple(following[0].output.shape)
    return kind == "Flatten" or (kind in {"Reshape", "ExpandDims"} and output[1:] in {(*shape, 1), (shape[0] ** 2,)})


def _after(layer: Any) -> list[Any]:
    """The layers that a layer's output enters."""
    return [node.operation for node in layer._outbound_nodes]


def _has_channels_first(model: keras.Model) -> bool:
    return any(getattr(layer, "data_format", None) == "channels_first" for layer in model._flatten_layers())


def _flat(model: keras.Model) -> keras.Model:
    """The same model with one input tensor and a list of outputs, where it has dictionaries or nested lists."""
    import keras

    graph = graph_of(model)
    if isinstance(graph.input, keras.KerasTensor) and not isinstance(graph.output, dict | list | tuple):
        return model
    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    return keras.Model(model.inputs[0], outputs, name=model.name)


def _rebuilt(
    model: keras.Model, entry: keras.KerasTensor, arrange: Callable[[Any], Any] | None, cast: str | None
) -> keras.Model:
    """The same layers on another input; what arranges it stands behind a first scaling of pixels, which stays first."""
    import keras

    prepared: list[Any] = []

    def prepare(value: Any) -> Any:
        if value is not entry:
            return value
        if not prepared:
            ready = value if arrange is None else arrange(value)
            prepared.append(ready if cast is None else keras.ops.cast(ready, cast))
        return prepared[0]

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if arrange and args and args[0] is entry and type(layer).__name__ == "Rescaling":
            return arrange(layer(entry))
        args, kwargs = keras.tree.map_structure(prepare, (args, kwargs))
        return layer(*args, **kwargs)

    return rebuild(model, call, entry)
