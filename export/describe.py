"""Writes a file's labels, its card, and the metadata that names both."""

from __future__ import annotations

import hashlib
import platform
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from zoo.errors import InputError
from zoo.export.detectors import custom_metadata_of, facts_of, policy_of
from zoo.export.lower.ending import output_of
from zoo.export.options import OF_INT8, ExportOptions
from zoo.files.places import base_name
from zoo.files.writing import atomic
from zoo.graph import layer_name
from zoo.inputs.preprocessing import is_picture
from zoo.runner.loading import known
from zoo.tasks import DEFAULT, Task
from zoo.text import finite, first_hidden, to_json
from zoo.tflite.card import CARD, CHECKSUM, FLATBUFFER, LABELS, seal
from zoo.tflite.card import describe as read_description
from zoo.tflite.labels import fault
from zoo.tflite.writing.metadata import append_files, with_metadata, without_files
from zoo.tflite.writing.tags import Signature, Tags
from zoo.versions import installed

if TYPE_CHECKING:
    import keras


_PLACE = re.compile(r"/|~[\w-]*[/\\]|[a-z]:[/\\]|\\\\|file:", re.IGNORECASE)
"""Matches the beginning of an absolute path."""


@dataclass(frozen=True)
class SelfDescription:
    """Labels and card of a file that is being made."""

    labels: list[str]
    card: dict[str, Any]
    image_shape: tuple[int, int, int] | None
    """The input's height, width and channels; None if it is not a picture."""
    signature: Signature
    task: Task[Any]
    custom: Mapping[str, bytes] = field(default_factory=dict)
    """Metadata in formats of their own, by name."""

    def announce(self, flatbuffer: bytes) -> bytes:
        """Returns the model with metadata that names the files that `append` will put behind it."""
        kind = f"image {self.task.noun}" if self.image_shape else self.task.noun
        tags = Tags(
            name=self.card["model"],
            description=f"{kind.capitalize()}, {self.card['quantize']}",
            author=str(self.card.get("author", "")),
            license=str(self.card.get("license", "")),
            image_shape=self.image_shape,
            signature=self.signature,
            outputs=self.task.output_tags,
            custom=self.custom,
        )
        return with_metadata(flatbuffer, tags, labels_file=LABELS, other_files=[CARD])

    def append(self, path: Path, **more: Any) -> dict[str, Any]:
        """Appends labels and card to an announced model's file.

        Args:
            path: the path of the file, which has only the flatbuffer so far.
            **more: more fields for the card.

        Returns:
            The card as it was written, with size, SHA-256 and CRC-32 of the flatbuffer, and a checksum over all of it.
        """
        with path.open("rb") as file:
            digest, crc = hashlib.sha256(), 0
            while block := file.read(1 << 20):
                digest.update(block)
                crc = zlib.crc32(block, crc)
        flatbuffer = {"bytes": path.stat().st_size, "sha256": digest.hexdigest(), "crc32": crc}
        card: dict[str, Any] = finite(
            self.card | without_places(more) | {"made_with": versions(), FLATBUFFER: flatbuffer}
        )
        labels = "\n".join(self.labels) + "\n"
        card[CHECKSUM] = seal(card, labels)
        append_files(path, {LABELS: labels, CARD: to_json(card, indent=1, ascii_only=True)})
        return card


def add_to_card(path: Path, **facts: Any) -> dict[str, Any]:
    """Writes a file of this package anew with more facts in its card, such as what an evaluation of it found.

    Args:
        path: the file; replaced whole or not at all.
        **facts: for the card; they win.

    Returns:
        The new card.

    Raises:
        ModelFileError: the file's labels and card cannot be read.
        OutputError: the file cannot be written.
    """
    found = read_description(path)
    card: dict[str, Any] = finite(found.card | without_places(facts))
    labels = "\n".join(found.labels) + "\n"
    card[CHECKSUM] = seal(card, labels)
    with atomic(path) as scratch:
        scratch.write_bytes(without_files(path.read_bytes()))
        append_files(scratch, {LABELS: labels, CARD: to_json(card, indent=1, ascii_only=True)})
    known.remember_made(path)
    return card


def describe(
    model: keras.Model,
    options: ExportOptions,
    labels: list[str],
    *,
    trained: bool,
    facts: dict[str, Any],
    task: Task[Any] = DEFAULT,
) -> SelfDescription:
    """Makes the labels and the card of a model's file; `facts` replace other fields."""
    shape = tuple(model.inputs[0].shape[1:])
    pixels = is_picture(shape)
    card: dict[str, Any] = {
        "model": model.name,
        "task": task.name,
        "params": model.count_params(),
        "input": {"shape": list(shape), "values": "pixels 0..255" if pixels else "as in training"},
        "preprocessing": {"resize": (options.preprocessing or policy_of(task)).resize} if pixels else {},
        "classes": len(labels),
        "output": output_of(model, task, logits=options.logits),
        "weights": "trained" if trained else "random",
        "quantize": options.quantize,
        "target": options.target or ("onnxruntime" if options.format == "onnx" else "litert and tflite-runtime"),
        **_of_int8(options),
        **facts_of(model, task),
        **facts,
    }
    signature = Signature(layer_name(model.inputs[0]), ("logits",) if options.logits else output_names(model))
    card = without_places(card)
    picture = (shape[0], shape[1], shape[2]) if pixels else None
    return SelfDescription(labels, card, picture, signature, task, custom_metadata_of(task))


def _of_int8(options: ExportOptions) -> dict[str, Any]:
    """Returns the choices that only int8 files have, where they are not the usual ones."""
    chosen = {name: getattr(options, name) for name, usual in OF_INT8.items() if getattr(options, name) != usual}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}


def output_names(model: keras.Model) -> tuple[str, ...]:
    """Returns the name of each output's layer, in the model's order, with a number if several outputs have it."""
    names: list[str] = []
    for output in model.outputs:
        name = layer_name(output)
        tries = (name, *(f"{name}_{number}" for number in range(1, len(model.outputs))))
        names.append(next(one for one in tries if one not in names))
    return tuple(names)


def without_places(value: Any) -> Any:
    """Replaces absolute paths in a part of a card by names, because folders reveal who made a file."""
    if isinstance(value, dict):
        return {key: without_places(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(one) for one in value]
    if isinstance(value, Path) or (isinstance(value, str) and _PLACE.match(value)):
        return base_name(value)
    return value


def check_labels(labels: Sequence[str] | None, classes: int, trained: bool = False) -> list[str]:
    """Returns the labels to embed.

    Without labels, a trained model of 1000 classes gets ImageNet's, and any other model `class_0..`.

    Raises:
        InputError: their number is wrong, or one is empty, doubled, of more than one line, or holds a character that
            does not show itself (see `zoo.text.shown`).
    """
    if labels is None:
        return zoo.imagenet_labels() if trained and classes == 1000 else [f"class_{i}" for i in range(classes)]
    if len(labels) != classes:
        raise InputError(f"the model has {fault(classes, labels)}")
    seen: set[str] = set()
    for number, label in enumerate(labels, start=1):
        if not label.strip() or len(label.splitlines()) != 1:
            raise InputError(f"label {number} is {label!r}; give one line of text")
        if hidden := first_hidden(label):
            raise InputError(
                f"label {number}, {label!r}, holds the character {hidden}, which does not show itself: take it out"
            )
        if label in seen:
            raise InputError(f"label {number} {label!r} stands there twice")
        seen.add(label)
    return list(labels)


def versions(*more: str) -> dict[str, str]:
    """Returns the versions of the packages that make an export, and of `more`."""
    names = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "tflite-runtime", "numpy")
    return installed(*names, *more) | {"python": platform.python_version()}
