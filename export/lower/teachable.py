"""Takes over what Teachable Machine knows of its Keras models: the range of their pixels, and their classes' names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.graph import scaling_of
from zoo.tflite import labels, teachable

if TYPE_CHECKING:
    import keras

    from zoo.export.options import ExportOptions


def is_its_model(model: keras.Model) -> bool:
    """Whether Teachable Machine made a model: by the names of its layers, or of the operations of its SavedModel."""
    layers = model._flatten_layers()
    names = [layer.name for layer in layers]
    for layer in layers:
        if (frozen := getattr(layer, "_frozen", None)) is not None:  # of `zoo.weights.formats.savedmodel`
            names += [operation.name for operation in frozen.graph.get_operations()]
    return teachable.has_its_names(names)


def with_its_range(model: keras.Model, options: ExportOptions, notes: list[str]) -> ExportOptions:
    """Returns the options with the range of pixels that one of its models takes, where they say none; adds a note.

    A model that scales its pixels itself, because it was trained further here, is left as it is.
    """
    if options.preparation is not None or not is_its_model(model) or scaling_of(model) is not None:
        return options
    notes.append(teachable.said_of_range(model.name))
    return options.change(input_range=teachable.RANGE)


def labels_of(model: keras.Model, path: Path) -> tuple[list[str] | None, str]:
    """Returns the names of the classes of one of its models, from the labels beside its file, and a note on them.

    Args:
        model: a Keras model.
        path: its file or folder.

    Returns:
        None and an empty note for any other model, and where no labels lie beside it; None and the reason where they
        do not fit.

    Raises:
        InputError: the labels cannot be read.
    """
    beside = teachable.labels_beside(path) if is_its_model(model) else None
    if beside is None:
        return None, ""
    names = labels.read(beside)
    fault = labels.fault(int(model.outputs[0].shape[-1] or 0), names)
    if fault:
        return None, f"{path}: the labels of {beside} are not used, because it has {fault}"
    return names, teachable.said_of_labels(path, beside)
