"""What others have published of an architecture: its weights, how their pixels are prepared, its accuracies.

Each architecture's file in `zoo.models` states its own facts with these classes; the other packages only read them.
Standard library only.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import OptionError

KERAS_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications/"
"""The address under which Keras Applications publishes its weights; Keras' own source names it."""

TOLERANCE = 1e-5
"""Differences below this share of the range that 0..255 becomes are those of float32 arithmetic."""


@dataclass(frozen=True)
class Preparation:
    """Channel `c` that enters the first convolution is `scale[c] * pixel[order[c]] + offset[c]`, pixels RGB."""

    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    order: tuple[int, ...] = (0, 1, 2)

    @classmethod
    def none(cls, channels: int) -> Preparation:
        """Pixels as they are, of so many channels."""
        return cls((1.0,) * channels, (0.0,) * channels, tuple(range(channels)))

    def is_near(self, other: Preparation) -> bool:
        """Whether the difference is rounding."""
        return self.order == other.order and all(
            abs(255 * (scale - their_scale)) <= TOLERANCE * 255 * abs(their_scale)
            and abs(offset - their_offset) <= TOLERANCE * 255 * abs(their_scale)
            for scale, their_scale, offset, their_offset in zip(
                self.scale, other.scale, self.offset, other.offset, strict=True
            )
        )

    def in_rgb(self) -> Preparation:
        """The same values, in the order of the pixels' own channels."""
        places = [self.order.index(channel) for channel in range(len(self.order))]
        return Preparation(tuple(self.scale[c] for c in places), tuple(self.offset[c] for c in places))


RAW = Preparation()
MINUS_1_TO_1 = Preparation((1 / 127.5,) * 3, (-1.0,) * 3)


@dataclass(frozen=True)
class WeightsFile:
    """One published file of weights, and the models that it is for."""

    address: str
    """An https address, or the path of a file. A relative path starts at the folder of the file that registers the
    model."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The option values that a model must have for the file to be chosen; options that are not named may have any."""
    input_size: int | None = None
    """Width and height in pixels of the pictures that it was trained on. A model of another size may take it, with
    a note."""
    sha256: str = ""
    """The SHA-256 in hexadecimal. Every address needs it but those of Keras Applications, which publishes none."""
    md5: str = ""
    """The MD5 in hexadecimal, where the publisher gives that; it finds damage, not an exchanged file."""
    most_bytes: int | None = None
    """The most bytes that the file may have, where that is known: of a larger one no more is downloaded."""

    def __post_init__(self) -> None:
        for name, digits in (("sha256", 64), ("md5", 32)):
            value = getattr(self, name)
            if value and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
                raise OptionError(f"{name}={value!r} is not allowed; give {digits} hexadecimal digits in lower case")
        if self.is_remote and not self.sha256 and not self.address.startswith(KERAS_APPLICATIONS):
            raise OptionError(
                f"the weights at {self.address} need their SHA-256; give sha256= (`sha256sum FILE` prints it)"
            )

    @property
    def is_remote(self) -> bool:
        """Whether the file has to be downloaded."""
        return "://" in self.address

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.address.rsplit("/", 1)[-1]

    def fits(self, options: Mapping[str, Any]) -> bool:
        """Whether the file is for a model of these options."""
        return all(options.get(name) == value for name, value in self.options.items())


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that are published for an architecture under one name: one file, or one for each choice of options."""

    name: str
    """What `weights=` and `--weights` take, e.g. `imagenet`."""
    trained_on: str
    """The data in words, e.g. `ImageNet`."""
    classes: int
    """The number of classes of that data."""
    files: tuple[WeightsFile, ...]
    """The preferred ones first: where no file was trained at a model's input size, the first that fits is taken."""
    pixels: Preparation | None = None
    """How pixels were prepared where the file does not say it; None: as the architecture does it."""
    source: str = ""
    """Who published them."""
    licence: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]+", self.name) or self.name in {"none", "auto"}:
            raise OptionError(
                f"weights cannot be named {self.name!r}; give letters, digits, _ and - only, and another word than "
                "none and auto"
            )
        if not self.files:
            raise OptionError(f"the weights {self.name!r} have no files; give at least one")

    def file_for(self, options: Mapping[str, Any]) -> WeightsFile | None:
        """The file that a model of these options takes; None where none is for it.

        Args:
            options: all of the model's options, see `ModelSpec.check`.
        """
        fitting = [file for file in self.files if file.fits(options)]
        size = options.get("input_size")
        return next((file for file in fitting if file.input_size in {None, size}), fitting[0] if fitting else None)

    def sizes(self, options: Mapping[str, Any]) -> tuple[int, ...]:
        """The input sizes that files for a model of these options were trained at, ascending."""
        return tuple(sorted({file.input_size for file in self.files if file.input_size and file.fits(options)}))

    def values(self, option: str) -> tuple[Any, ...]:
        """The values of an option that there are files for, ascending; empty where some file is for any value."""
        if not all(option in file.options for file in self.files):
            return ()
        return tuple(sorted({file.options[option] for file in self.files}))

    def starting_at(self, folder: Path) -> PublishedWeights:
        """The same weights with the relative paths of files counted from a folder."""
        files = tuple(
            file if file.is_remote else dataclasses.replace(file, address=str(folder / file.address))
            for file in self.files
        )
        return dataclasses.replace(self, files=files)


@dataclass(frozen=True)
class Backbone:
    """What has to be known to take weights from the same architecture in keras.applications, alone or in a model."""

    last: str
    """The backbone's last layer with weights, by the name that it has in the zoo."""
    pixels: Preparation
    """What keras.applications' model wants to be given, by its `preprocess_input`."""
    layers: tuple[str, ...] = ()
    """The names that keras.applications gives the layers with weights, in order; empty where they are the zoo's."""


@dataclass(frozen=True)
class Accuracies:
    """ImageNet accuracies from one source, in percent, of float weights."""

    source: str
    url: str
    columns: tuple[str, ...]
    """The names of the options, then `top1` and `top5`."""
    figures: tuple[tuple[float, ...], ...]
    """One row for each combination of options that has a published accuracy."""
    quantized: str = ""
    """What is published of the loss in quantized files; may be empty."""

    def __post_init__(self) -> None:
        if self.columns[-2:] != ("top1", "top5") or any(len(row) != len(self.columns) for row in self.figures):
            raise OptionError("accuracies need the columns of their options, then top1 and top5, and rows as long")

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options that the figures depend on."""
        return self.columns[:-2]

    def values(self, option: str) -> tuple[Any, ...]:
        """The values of an option that figures are published for, in ascending order."""
        if option not in self.options:
            return ()
        at = self.columns.index(option)
        return tuple(sorted({row[at] for row in self.figures}))

    def top1(self, options: Mapping[str, Any]) -> float | None:
        """The top-1 accuracy with these options; None where nobody published it."""
        wanted = tuple(options.get(name) for name in self.options)
        return next((row[-2] for row in self.figures if row[:-2] == wanted), None)
