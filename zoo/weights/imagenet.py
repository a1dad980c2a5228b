"""ImageNet weights as Keras Applications publishes them: which file a model takes, where it lies, what is known of it.

Addresses and hashes are those in Keras' own source, `keras/src/applications/mobilenet_v2.py` and `vgg16.py` (3.15).
Keras gives MD5 hashes for VGG-16; for MobileNetV2 it gives none, and we know of none: of those files the length that
the server announces, the MD5 that it sends along (`x-goog-hash`) and the shapes of all arrays are checked, which
finds a damaged file and not an exchanged one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import WeightsError
from zoo.models.mobilenet_v2 import PUBLISHED_ALPHAS
from zoo.weights.download import Progress, fetch

BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications/"
URL_VARIABLE = "EDGEZOO_WEIGHTS_URL"
"""Environment variable: where the files lie instead, e.g. a mirror in a class room's network."""

CLASSES = 1000
SIZE = 224
MOBILENET_SIZES = (96, 128, 160, 192, 224)
MOBILENET_ALPHAS_OF_ONE_SIZE = (1.3, 1.4)
"""Published for 224x224 only (keras#16452: other addresses answer 404)."""

MD5 = {
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5": "64373286793e3c8b2b4e3219cbf3544b",
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5": "6d6bbae143d832006294945121d1f1fc",
}


@dataclass(frozen=True)
class Published:
    """A published file."""

    folder: str
    name: str
    notes: tuple[str, ...] = ()
    """What the user should know of this choice."""

    @property
    def url(self) -> str:
        """Where it is downloaded from."""
        base = os.environ.get(URL_VARIABLE) or BASE_URL
        return f"{base.rstrip('/')}/{self.folder}/{self.name}"

    @property
    def path(self) -> Path:
        """Where Keras keeps it."""
        return keras_home() / "models" / self.name

    def fetch(self, progress: Progress | None = None) -> Path:
        """Downloads the file, unless it is in Keras' cache.

        Raises:
            WeightsError: it cannot be downloaded, or is not the published file.
            OutputError: it cannot be written.
        """
        return fetch(self.url, self.path, md5=MD5.get(self.name), progress=progress)


def choose(model: str, options: dict[str, Any]) -> Published:
    """The file that a model of these options takes.

    Args:
        model: its name in the registry.
        options: all of its options, see `ModelSpec.check`.

    Raises:
        WeightsError: there is none.
    """
    if model == "mobilenet_v2":
        return _mobilenet_v2(**options)
    if model == "vgg16":
        return _vgg16(**options)
    raise WeightsError(f"no ImageNet weights are published for {model}; there are for mobilenet_v2 and vgg16")


def _mobilenet_v2(*, alpha: float, input_size: int, num_classes: int, **_: Any) -> Published:
    if alpha not in PUBLISHED_ALPHAS:
        known = ", ".join(f"{value:g}" for value in PUBLISHED_ALPHAS)
        raise WeightsError(
            f"no ImageNet weights are published for mobilenet_v2 with alpha={alpha:g}; choose of {known}"
        )
    sizes = (SIZE,) if alpha in MOBILENET_ALPHAS_OF_ONE_SIZE else MOBILENET_SIZES
    size: int = input_size
    notes: tuple[str, ...] = ()
    if input_size not in sizes:
        size, notes = SIZE, (_other_size(input_size, f"alpha={alpha:g}", sizes),)
    top = "" if num_classes == CLASSES else "_no_top"
    return Published("mobilenet_v2", f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}{top}.h5", notes)


def _vgg16(*, input_size: int, head: str, **_: Any) -> Published:
    # The dense layers are of use with any number of classes, but fit one input size only.
    top = "" if head == "dense" and input_size == SIZE else "_notop"
    notes = () if input_size == SIZE else (_other_size(input_size, "vgg16", (SIZE,)),)
    return Published("vgg16", f"vgg16_weights_tf_dim_ordering_tf_kernels{top}.h5", notes)


def _other_size(size: int, what: str, sizes: tuple[int, ...]) -> str:
    known = ", ".join(map(str, sizes))
    return f"the weights were trained at {SIZE}x{SIZE}: for {what} none are published at {size}x{size}, only at {known}"


def keras_home() -> Path:
    """Keras' folder: `$KERAS_HOME`, or `~/.keras`."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
