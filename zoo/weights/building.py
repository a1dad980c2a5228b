"""Builds a model of the zoo with the weights that are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import models
from zoo.compress.baking import is_quantization_aware
from zoo.errors import WeightsError
from zoo.progress import SILENT, Progress
from zoo.registry import needs_tensorflow
from zoo.specs import ModelSpec, check_seed
from zoo.text import count_of
from zoo.weights import auto, reading, transfer
from zoo.weights.fetch import imagenet
from zoo.weights.fitting import misfit
from zoo.weights.formats import files
from zoo.weights.preprocessing import adopt
from zoo.weights.reading import NONE

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Built:
    """A model and the source of its weights."""

    model: keras.Model
    options: dict[str, Any]
    """All options, including those that the file decides."""
    notes: tuple[str, ...] = field(default=())
    """Notes for the user, one line each."""
    new_head: bool = False
    """Whether only the head is untrained."""
    why_new: str = ""
    """Where the head is new: what is the matter with the file's."""
    weights: str = NONE
    """The source of the weights as `weights=` names it, and what `auto` chose."""
    labels: tuple[str, ...] = ()
    """The names of the classes, where published weights came with them."""
    has_boxes: bool = False
    """Whether a detector's boxes came with the weights, and with them the anchors that they are relative to."""


def build(
    name: str,
    *,
    weights: str | Path | None = None,
    seed: int | None = None,
    progress: Progress = SILENT,
    **options: Any,
) -> keras.Model:
    """Builds a model.

    Args:
        name: a registered name, see `list_models`.
        weights: None or `none` for random ones. `auto` for published ones where they exist for these options and can be
            had at once, else random ones (`zoo.weights.auto`). The name of published ones, such as `imagenet`, where
            `spec(name).weights` has them; they are downloaded into Keras' cache. Or a file: `.keras`, `.h5` or
            `.weights.h5` of the zoo's models, of the same architecture in keras.applications with or without top, or of
            a model in which such a backbone is nested; or another program's file of an architecture whose spec lists
            its `originals`: timm's `.safetensors`, or a checkpoint of TensorFlow 1 in a `.tar.gz`. If `num_classes` is
            not given, it is that of the file's head; if it differs from the file's, the backbone is kept and the head
            is new.
        seed: the random seed of the weights, 0 to 2^32 - 1: the same seed always gives the same weights. It
            becomes the seed of all that Keras draws from then on (`keras.utils.set_random_seed`). None draws on.
        progress: is told how much of a download has come.
        **options: the model's own options, see `spec(name).options`.

    Returns:
        A functional `keras.Model`. Image models take raw pixels 0..255 as float32
        `(batch, height, width, channels)` and return class probabilities `(batch, num_classes)`.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: the model does not take an option or its value, or the seed is out of range.
        WeightsError: there are no such weights, they cannot be downloaded or read, or do not fit; the message names
            the first layer that does not fit.
        MissingDependencyError: TensorFlow is not installed.
    """
    return build_from(name, weights, options, seed=seed, progress=progress).model


def build_from(
    name: str,
    weights: str | Path | None,
    options: dict[str, Any],
    *,
    seed: int | None = None,
    progress: Progress = SILENT,
    skeleton: keras.Model | None = None,
) -> Built:
    """Builds a model like `build`, and returns it with its options and notes; same arguments and errors.

    Args:
        name: as in `build`.
        weights: as in `build`.
        options: the model's options.
        seed: as in `build`.
        progress: as in `build`.
        skeleton: a model of these options from `zoo.weights.reading.skeleton`, which may have any number of classes,
            where the caller has one already; else it is built here.
    """
    spec = models.spec(name)
    if str(weights) == auto.AUTO:
        choice = auto.choose(name, options, progress=progress)
        built = build_from(name, choice.name, options, seed=seed, progress=progress, skeleton=skeleton)
        return replace(built, notes=(choice.sentence(), *built.notes))
    if seed is not None:
        check_seed(seed)
        with needs_tensorflow():
            import keras
        keras.utils.set_random_seed(seed)
    if weights is None or str(weights) == NONE:
        return Built(models.build(name, **options), spec.check(options))
    full, asked = spec.check(options), spec.check(options)
    notes: list[str] = []
    published = imagenet.find(spec, str(weights))
    if published is not None:
        if "num_classes" in full:
            options = published.decided | options
            full = spec.check(options)
        source = imagenet.choose(name, full, published.name)
        notes += source.notes
        path = source.fetch(progress)
        contents = reading.read(source)
    else:
        path = Path(weights)
        contents = files.read(path)
        _require_float(name, contents)
    skeleton = _skeleton_for(spec, full, contents, skeleton if full == asked else None, head="head" in options)
    found = transfer.fit(skeleton, contents, published.pixels if published else None)
    new_head = False
    if found.heads and "num_classes" in full:
        if "num_classes" not in options:
            if found.classes is None:
                raise WeightsError(
                    f"{path}: {found.why}; say how many classes a new head should have (num_classes, --num-classes)"
                )
            full["num_classes"] = found.classes
        new_head = full["num_classes"] != found.classes
    names = [layer.name for layer in files.weighted_layers(skeleton)]
    del contents, skeleton
    model = models.build(name, **full)
    _apply(model, found, names, new_head)
    if published is not None and source.file.inside:
        _freeze_norms(model, found)
    what = ""
    if new_head:
        what = f"it has {count_of(found.classes, 'class')}" if found.classes else found.why
        notes.append(f"{path.name}: {what}, so the head for {count_of(full['num_classes'], 'class')} is new: train it")
    notes += _notes(found, path, known=published is not None)
    labels = _named(model, published.labels) if published and not new_head else ()
    return Built(model, full, tuple(notes), new_head, what, str(weights), labels, found.has_boxes)


def _require_float(name: str, contents: files.Contents) -> None:
    """Refuses a file whose layers compute as an int8 file does: they hold other numbers than those of the named model.

    Raises:
        WeightsError: it is such a file.
    """
    if contents.model is not None and is_quantization_aware(contents.model):
        raise WeightsError(
            f"{contents.path} was trained for int8, with batch normalization folded, and does not fit {name}; zoo "
            f"export {contents.path} takes it as it is, and zoo train --from its run"
        )


def _named(model: keras.Model, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Writes the names of the classes into a model that has a place for them, and returns them."""
    from zoo.models.detectors.anchored import set_labels

    set_labels(model, labels)
    return labels


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Loads the weights of a file into a model of the zoo, its head too.

    Args:
        model: a model that `build` returned.
        path: any file that `build(weights=)` takes, with the same number of classes.

    Raises:
        WeightsError: the file is missing or is no such file, or its weights do not fit; the message names
            the first layer that does not fit. The model is left as it was.
    """
    path = Path(path)
    found = transfer.fit(model, files.read(path))
    if found.heads and found.classes is None:
        raise WeightsError(
            f"{path} does not fit {model.name}: there is nothing for layer {found.heads[0]!r}: {found.why}"
        )
    for layer in files.layers_of(model):
        theirs = files.Layer(path.name, layer.kind, found.arrays.get(layer.name, ()))
        if theirs.shapes != layer.shapes:
            raise WeightsError(f"{path} does not fit {model.name}: {misfit(layer, theirs)}")
    _apply(model, found, [layer.name for layer in files.weighted_layers(model)], new_head=False)


def _skeleton_for(
    spec: ModelSpec, full: dict[str, Any], contents: files.Contents, known: keras.Model | None, *, head: bool
) -> keras.Model:
    """Returns a model without weights that a file's layers are matched with.

    Args:
        spec: the model's spec.
        full: all options of the model; `head` is set to average pooling if the file decides for it.
        contents: the contents of the file.
        known: such a model of these options, if there is one.
        head: whether the user chose the head, so that the file does not.
    """
    found = reading.skeleton(spec.name, full) if known is None else known
    may_average = not head and any(o.name == "head" and "average" in o.choices for o in spec.options)
    if may_average and transfer.average_head(found, contents):
        full["head"] = "average"
        return reading.skeleton(spec.name, full)
    return found


def _apply(model: keras.Model, found: transfer.Fit, names: list[str], new_head: bool) -> None:
    """Sets a model's weights.

    Args:
        model: the model.
        found: the weights, by the names that its layers had when they were looked for: those that Keras gives by itself
            (`dense_1`) are others in each model.
        names: those names, of all layers with weights in order.
        new_head: whether the head keeps its own weights.
    """
    for name, layer in zip(names, files.weighted_layers(model), strict=True):
        if name in found.arrays and not (new_head and name in found.heads):
            layer.set_weights(found.arrays[name])
    if found.adopt:
        adopt(model, found.adopt)
    if found.shapes is not None:
        from zoo.models.detectors import anchored

        anchored.set_shapes(model, found.shapes)


def _freeze_norms(model: keras.Model, found: transfer.Fit) -> None:
    """Lets batch normalization keep its statistics in every training, where a file has it folded into convolutions."""
    from keras import layers

    for layer in model.layers:
        if layer.name in found.arrays and isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def _notes(found: transfer.Fit, path: Path, *, known: bool) -> list[str]:
    notes = []
    if found.adopt:
        notes.append(
            f"{path.name} was trained on pixels scaled in another way; the model's first layers now do the same. A "
            ".weights.h5 file does not keep that: save the model as .keras"
        )
    if found.has_boxes and found.shapes is None and not known:
        notes.append(
            f"{path.name} does not hold the anchors that its boxes are relative to; the model's own are taken. A "
            ".keras file holds them"
        )
    if found.assumed and not known:
        notes.append(f"{path.name} does not say how its pixels are prepared; they are taken to be {found.assumed}")
    return notes
