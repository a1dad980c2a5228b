"""Reads a published file of weights, and finds out whether it fits a model before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo import models
from zoo.errors import WeightsError
from zoo.graph import unallocated
from zoo.weights import transfer
from zoo.weights.fetch import imagenet
from zoo.weights.formats import files, lite

if TYPE_CHECKING:
    import keras

NONE = "none"
"""The name of random weights."""


def read(source: imagenet.Published) -> files.Contents:
    """Reads a published file that is on this machine.

    Raises:
        WeightsError: the file is damaged; a download's message says to delete it.
    """
    try:
        inside = source.file.inside
        return lite.read(source.path, inside) if inside else files.read(source.path)
    except WeightsError as error:
        if source.file.is_remote:
            raise WeightsError(f"{error}; delete the file; it is then downloaded again") from error
        raise


def fit(name: str, full: dict[str, Any], source: imagenet.Published, contents: files.Contents) -> None:
    """Lays the layers of a model of these options beside those of a published file.

    Raises:
        WeightsError: the file does not fit; the message names the first layer.
    """
    transfer.fit(skeleton(name, full), contents, source.weights.pixels)


def skeleton(name: str, options: dict[str, Any]) -> keras.Model:
    """Builds a model with layers and shapes, but without weights."""
    with unallocated():
        return models.build(name, **options)
