"""Describes the weights that are published for an architecture, and how their pixels are prepared.

Each architecture's file in `zoo.models` states its own facts with these classes; the other packages only read them.
This module needs only the standard library.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import OptionError
from zoo.text import count_of

KERAS_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications/"
"""The address under which Keras Applications publishes its weights; Keras' own source names it."""
KERAS_EFFICIENTNET = "https://storage.googleapis.com/keras-applications/"
"""The address under which Keras Applications publishes the weights of EfficientNet."""
NPM_FILES = "https://cdn.jsdelivr.net/npm/"
"""The address under which single files of npm packages are served, each version of a package in a folder of its own."""
CLOUD_TPU = "https://storage.googleapis.com/cloud-tpu-checkpoints/"
"""The address under which Google publishes the checkpoints of its reference models for Cloud TPUs."""
HUGGING_FACE = "https://huggingface.co/"
"""The address under which Hugging Face serves the files of each revision of a model."""
KERAS_FILES = (KERAS_APPLICATIONS, KERAS_EFFICIENTNET)
PUBLISHERS = (*KERAS_FILES, NPM_FILES, CLOUD_TPU, HUGGING_FACE)
"""The addresses that a mirror stands for; what follows in a file's address is the same on the mirror."""
WITHOUT_HASHES = (*KERAS_FILES, CLOUD_TPU)
"""The publishers that give no SHA-256 of their files."""

TOLERANCE = 1e-5
"""Differences below this fraction of the range of prepared pixels are rounding errors of float32."""


@dataclass(frozen=True)
class Preparation:
    """How RGB pixels become a model's input: channel `c` is `scale[c] * pixel[order[c]] + offset[c]`."""

    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    order: tuple[int, ...] = (0, 1, 2)

    @classmethod
    def none(cls, channels: int) -> Preparation:
        """Pixels as they are, of so many channels."""
        return cls((1.0,) * channels, (0.0,) * channels, tuple(range(channels)))

    def is_near(self, other: Preparation) -> bool:
        """Whether the difference to another preparation is only a rounding error."""
        return self.order == other.order and all(
            abs(255 * (scale - their_scale)) <= TOLERANCE * 255 * abs(their_scale)
            and abs(offset - their_offset) <= TOLERANCE * 255 * abs(their_scale)
            for scale, their_scale, offset, their_offset in zip(
                self.scale, other.scale, self.offset, other.offset, strict=True
            )
        )

    def in_rgb(self) -> Preparation:
        """Returns the same preparation with scale and offset in the order red, green, blue."""
        places = [self.order.index(channel) for channel in range(len(self.order))]
        return Preparation(tuple(self.scale[c] for c in places), tuple(self.offset[c] for c in places))


RAW = Preparation()
MINUS_1_TO_1 = Preparation((1 / 127.5,) * 3, (-1.0,) * 3)


@dataclass(frozen=True)
class Inside:
    """A TensorFlow Lite model in a file, whose convolutions hold the weights.

    Batch normalization is folded into the convolutions of such a file: a kernel and a bias are all that is left.
    """

    begin: int
    """The first byte of the model; it ends where the file ends."""
    layers: tuple[str, ...]
    """The layer that each convolution stands for, in the order of the file; empty where a convolution is left out."""
    norms: Mapping[str, str] = field(default_factory=dict)
    """The batch normalization behind each layer that has one. It gets the bias, and does nothing else."""
    background: frozenset[str] = frozenset()
    """The layers that give scores, whose first class of each anchor is the background, which is left out."""
    classes: int = 0
    """The number of classes of those layers, with the background."""
    epsilon: float = 1e-3
    """The constant that batch normalization adds to the variance."""


@dataclass(frozen=True)
class WeightsFile:
    """One published file of weights, and the models that it is for."""

    address: str
    """An https address, or the path of a file. A relative path starts at the folder of the file that registers the
    model."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The option values that a model must have for this file; options that are not listed may have any value."""
    input_size: int | None = None
    """Width and height in pixels of the pictures that it was trained on. A model with another input size can use the
    file, too; the user gets a note."""
    sha256: str = ""
    """The SHA-256 in hexadecimal. Every address needs it, except those of publishers that give none."""
    md5: str = ""
    """The MD5 in hexadecimal, if the publisher gives it; it detects damage, but not an exchanged file."""
    most_bytes: int | None = None
    """The most bytes that the file may have, if that is known; the download of a larger file is refused."""
    inside: Inside | None = None
    """Where the weights are in a file that is none of Keras."""

    def __post_init__(self) -> None:
        for name, digits in (("sha256", 64), ("md5", 32)):
            value = getattr(self, name)
            if value and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
                raise OptionError(f"{name}={value!r} is not allowed; give {digits} hexadecimal digits in lower case")
        if self.is_remote and not self.sha256 and self.publisher not in WITHOUT_HASHES:
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

    @property
    def publisher(self) -> str:
        """The one of `PUBLISHERS` that the address begins with; empty for any other address."""
        return next((one for one in PUBLISHERS if self.address.startswith(one)), "")

    def fits(self, options: Mapping[str, Any]) -> bool:
        """Whether the file is for a model of these options."""
        return all(options.get(name) == value for name, value in self.options.items())


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that are published for an architecture under one name: one file, or one for each choice of options."""

    name: str
    """The name for `weights=` and `--weights`, e.g. `imagenet`."""
    trained_on: str
    """The name of the training data, e.g. `ImageNet`."""
    classes: int | None
    """The number of classes of the training data; None if the files hold a backbone alone."""
    files: tuple[WeightsFile, ...]
    """The files, preferred ones first: if none was trained at a model's input size, the first that fits is taken."""
    pixels: Preparation | None = None
    """How pixels were prepared, for files that do not say it; None if the architecture's own way is right."""
    source: str = ""
    """The publisher of the weights."""
    licence: str = ""
    labels: tuple[str, ...] = ()
    """The names of the classes, in the order of the scores; empty if they are not known, or known elsewhere."""

    def __post_init__(self) -> None:
        if self.labels and len(self.labels) != self.classes:
            raise OptionError(
                f"the weights {self.name!r} have {count_of(self.classes or 0, 'class')} and "
                f"{count_of(len(self.labels), 'label')}"
            )
        if not re.fullmatch(r"[\w-]+", self.name) or self.name in {"none", "auto"}:
            raise OptionError(
                f"weights cannot be named {self.name!r}; give letters, digits, _ and - only, and another word than "
                "none and auto"
            )
        if not self.files:
            raise OptionError(f"the weights {self.name!r} have no files; give at least one")

    @property
    def decided(self) -> dict[str, Any]:
        """The options that the files decide where a user does not."""
        return {} if self.classes is None else {"num_classes": self.classes}

    def file_for(self, options: Mapping[str, Any]) -> WeightsFile | None:
        """Returns the file for a model with these options; None if there is none.

        Args:
            options: all of the model's options, see `ModelSpec.check`.
        """
        fitting = [file for file in self.files if file.fits(options)]
        size = options.get("input_size")
        return next((file for file in fitting if file.input_size in {None, size}), fitting[0] if fitting else None)

    def body(self, names: Sequence[str] = ()) -> PublishedWeights:
        """Returns the same weights for a model of another task, which takes the layers before the head alone.

        Args:
            names: the options that such a model has; the files' other options are left out.
        """
        files = tuple(
            dataclasses.replace(file, options={name: file.options[name] for name in names if name in file.options})
            for file in self.files
            if "num_classes" not in file.options
        )
        return dataclasses.replace(self, classes=None, files=files, labels=())

    def sizes(self, options: Mapping[str, Any]) -> tuple[int, ...]:
        """Returns the input sizes of the files for a model with these options, in ascending order."""
        return tuple(sorted({file.input_size for file in self.files if file.input_size and file.fits(options)}))

    def values(self, option: str) -> tuple[Any, ...]:
        """Returns an option's values for which there are files, in ascending order; empty if a file fits any value."""
        if not all(option in file.options for file in self.files):
            return ()
        return tuple(sorted({file.options[option] for file in self.files}))

    def values_with(self, option: str, options: Mapping[str, Any]) -> tuple[Any, ...]:
        """Returns an option's values for which there are files, in ascending order, with these values of others."""
        others = {name: value for name, value in options.items() if name != option}
        fitting = [
            file for file in self.files if all(file.options.get(n, value) == value for n, value in others.items())
        ]
        return tuple(sorted({file.options[option] for file in fitting if option in file.options}))

    def starting_at(self, folder: Path) -> PublishedWeights:
        """Returns the same weights, with relative paths of files resolved from a folder."""
        files = tuple(
            file if file.is_remote else dataclasses.replace(file, address=str(folder / file.address))
            for file in self.files
        )
        return dataclasses.replace(self, files=files)


@dataclass(frozen=True)
class Backbone:
    """The facts that are needed to take weights from the same architecture in keras.applications, alone or nested."""

    last: str
    """The backbone's last layer with weights, by the name that it has in the zoo."""
    pixels: Preparation
    """How keras.applications' model expects its pixels, as its `preprocess_input` makes them."""
    layers: tuple[str, ...] = ()
    """The names that keras.applications gives the layers with weights, in order; empty if they are the zoo's names."""


@dataclass(frozen=True)
class Original:
    """The same architecture in another program, whose files say which layer each array belongs to."""

    program: str
    pixels: Preparation
    """How the program prepares pixels."""
    layers: tuple[tuple[str, ...], ...]
    """The names that it gives the layers with weights, in the order of the zoo's model; one row for each depth."""
