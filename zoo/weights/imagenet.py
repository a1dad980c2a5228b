"""Published weights, ImageNet's among them: which file a model takes, where it lies and how it is fetched.

What is published of an architecture stands in its file in `zoo.models`, see `zoo.published.PublishedWeights`. Of a file
whose publisher gives no hash, as Keras Applications does for MobileNetV2, the length that the server announces, the MD5
that it sends along (`x-goog-hash`) and the shapes of all arrays are checked, which finds a damaged file and not an
exchanged one. What came first is remembered by its SHA-256 (`zoo.weights.pins`), so that an exchange is found out from
then on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import models
from zoo.errors import WeightsError
from zoo.files import home
from zoo.progress import SILENT, Progress
from zoo.published import KERAS_APPLICATIONS, PublishedWeights, WeightsFile
from zoo.specs import ModelSpec, in_words
from zoo.weights.download import LIMIT, fetch, file_hash
from zoo.weights.pins import Pins

URL_VARIABLE = "EDGEZOO_WEIGHTS_URL"
"""Environment variable: where Keras Applications' files lie instead, e.g. a mirror in a class room's network."""

IMAGENET = "imagenet"


@dataclass(frozen=True)
class Published:
    """The published file that a model takes."""

    model: str
    weights: PublishedWeights
    file: WeightsFile
    notes: tuple[str, ...] = ()
    """What the user should know of this choice."""

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.file.name

    @property
    def url(self) -> str:
        """Where it is downloaded from."""
        mirror = os.environ.get(URL_VARIABLE)
        if mirror and self._is_keras:
            return f"{mirror.rstrip('/')}/{self.file.address.removeprefix(KERAS_APPLICATIONS)}"
        return self.file.address

    @property
    def path(self) -> Path:
        """Where the file is, or will be: a local file in its place, a download in Keras' cache.

        Keras Applications' files are where Keras itself looks for them. Each model has a folder of its own for other
        files, since two may have one name.
        """
        if not self.file.is_remote:
            return Path(self.file.address)
        folder = keras_home() / "models"
        return (folder if self._is_keras else folder / self.model) / self.name

    @property
    def _is_keras(self) -> bool:
        return self.file.address.startswith(KERAS_APPLICATIONS)

    def fetch(self, progress: Progress = SILENT, *, within: float | None = None) -> Path:
        """Downloads the file, unless it is on this machine.

        Args:
            progress: is told how much of it has come.
            within: the seconds that an answer of the server is waited for; see `zoo.weights.download.fetch`.

        Raises:
            WeightsError: it cannot be downloaded, or is not the published file.
            OutputError: it cannot be written.
        """
        if not self.file.is_remote:
            self._require_hashes()
            return self.path
        pins = Pins(self.path.parent)
        pinned = self.file.sha256 or pins.get(self.name)
        md5 = None if pinned else self.file.md5 or None
        limit = self.file.most_bytes or LIMIT
        try:
            path = fetch(self.url, self.path, md5=md5, sha256=pinned, limit=limit, within=within, progress=progress)
        except WeightsError as error:
            if pinned and not self.file.sha256 and pinned in str(error):
                raise WeightsError(
                    f"{error}; what it was before stands in {pins.path}: delete that line to trust the new one"
                ) from error
            raise
        if not pinned:
            pins.add(self.name, file_hash(path, "sha256"))
        return path

    def _require_hashes(self) -> None:
        """Holds a file of this machine against its hashes; that it is missing is for its reader to say."""
        for algorithm, wanted in (("sha256", self.file.sha256), ("md5", self.file.md5)):
            if wanted and self.path.is_file() and (found := file_hash(self.path, algorithm)) != wanted:
                raise WeightsError(
                    f"{self.path} is not the published file: its {algorithm} is {found}, not {wanted}; put the right "
                    "file there"
                )


def find(spec: ModelSpec, name: str) -> PublishedWeights | None:
    """The published weights of this name; None where no model has any, so that the name is a file's.

    Raises:
        WeightsError: other models have weights of this name, and this one has not.
    """
    for weights in spec.weights:
        if weights.name == name:
            return weights
    others = models.models_by_weights().get(name)
    if others is None:
        return None
    data = next(weights.trained_on for weights in models.spec(others[0]).weights if weights.name == name)
    *first, last = others
    having = f"{', '.join(first)} and {last}" if first else last
    raise WeightsError(f"no {data} weights are published for {spec.name}; there are for {having}")


def choose(model: str, options: dict[str, Any], name: str = IMAGENET) -> Published:
    """The file that a model of these options takes.

    Args:
        model: the model's name in the registry.
        options: all of its options, see `ModelSpec.check`.
        name: the name of the published weights.

    Raises:
        WeightsError: there is none.
    """
    spec = models.spec(model)
    weights = find(spec, name)
    if weights is None:
        raise WeightsError(f"no weights are published as {name!r}; there are {', '.join(models.models_by_weights())}")
    file = weights.file_for(options)
    if file is None:
        raise WeightsError(_none_fits(spec, weights, options))
    notes: tuple[str, ...] = ()
    if file.input_size not in {None, options.get("input_size")}:
        notes = (_other_size(spec, weights, file, options),)
    return Published(model, weights, file, notes)


def _needed(spec: ModelSpec, weights: PublishedWeights) -> dict[str, tuple[Any, ...]]:
    """The options that every file is for certain values of, and those values."""
    found = {option.name: weights.values(option.name) for option in spec.options}
    return {name: values for name, values in found.items() if values}


def _none_fits(spec: ModelSpec, weights: PublishedWeights, options: dict[str, Any]) -> str:
    start = f"no {weights.trained_on} weights are published for {spec.name} with"
    for name, values in _needed(spec, weights).items():
        if options[name] not in values:
            return f"{start} {name}={in_words(options[name])}; choose of {', '.join(map(in_words, values))}"
    asked = {name: options[name] for file in weights.files for name in file.options}
    files = dict.fromkeys(_listed(file.options) for file in weights.files)
    return f"{start} {_listed(asked)}; there are for {'; for '.join(files)}"


def _other_size(spec: ModelSpec, weights: PublishedWeights, file: WeightsFile, options: dict[str, Any]) -> str:
    what = _listed({name: options[name] for name in _needed(spec, weights)}) or spec.name
    size, trained = options["input_size"], file.input_size
    known = ", ".join(map(str, weights.sizes(options)))
    return (
        f"the weights were trained at {trained}x{trained}: for {what} none are published at {size}x{size}, "
        f"only at {known}"
    )


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={in_words(value)}" for name, value in options.items())


def keras_home() -> Path:
    """Keras' folder: `$KERAS_HOME`, or `~/.keras`."""
    named = os.environ.get("KERAS_HOME")
    # Keras expands a tilde itself.
    return Path(os.path.expanduser(named)) if named else home() / ".keras"  # noqa: PTH111  # which raises no error
