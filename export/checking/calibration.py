"""Provides example inputs, on which integer quantization measures activation ranges and every export is checked."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo.errors import ExportError, InputError, first_line
from zoo.export.checking.digest import set_digest
from zoo.export.options import CALIBRATION_SAMPLES, ExportOptions
from zoo.graph import Scaling
from zoo.inputs import labelled, npy
from zoo.inputs.annotations import find_boxes, holds_boxes
from zoo.inputs.pictures.images import load_image
from zoo.inputs.preprocessing import Preprocessing, is_picture
from zoo.progress import SILENT, Progress

Array = npt.NDArray[Any]

MIN_SAMPLES = 10
"""Smallest number of calibration samples; fewer do not show the activation ranges."""
VERIFY_INPUTS = 32
"""The most inputs that are compared with Keras."""


@dataclass(frozen=True)
class Calibration:
    """Example inputs and their source."""

    inputs: Array
    """`(count, *input_shape)` float32: pixels 0..255, or values."""
    manifest: dict[str, Any]
    """The fields of the card: source, count, seed, observed range, and the digest of `zoo.export.checking.digest`."""
    files: tuple[Path, ...] = ()
    """The pictures, where it came from a folder; nothing that is given away names them."""
    notes: tuple[str, ...] = ()
    """What was left out, and why, one line each."""

    @property
    def source(self) -> str:
        """The source in a few words."""
        return str(self.manifest["source"])


def find_examples(
    source: str | Path | Array | None,
    shape: tuple[int, ...],
    options: ExportOptions,
    *,
    trained: bool,
    learnt: bool = False,
    progress: Progress,
) -> tuple[Calibration, list[str]]:
    """Finds the examples for calibration and for the check; returns them with notes for the user, one line each.

    Args:
        source: a folder, a `.npy` file, an array, or None for synthetic inputs.
        shape: the shape of an input, without the batch.
        options: the mode of the file, the number of examples, the random seed of their choice, and the resize policy.
        trained: whether the model is trained; a trained one is not calibrated on synthetic inputs.
        learnt: whether the model has learnt the ranges of its activations, so that none are measured.
        progress: is told how many pictures have been read.

    Raises:
        InputError: the source cannot be read or does not fit.
        ExportError: there is no source, and the mode needs one.
    """
    mode, samples, seed, preprocessing = options.mode, options.calibration_samples, options.seed, options.preprocessing
    if isinstance(source, np.ndarray):
        return from_array(source, shape, samples, seed), []
    if source is not None:
        path = Path(source)
        if path.suffix == ".npy":
            return from_file(path, shape, samples, seed), []
        found = from_folder(path, shape, samples=samples, seed=seed, preprocessing=preprocessing, progress=progress)
        return found, list(found.notes)
    calibrated = mode.calibrated and not learnt
    if calibrated and trained:
        raise ExportError(
            f"{mode.name} measures the ranges of activations on real inputs: give some tens of training "
            "pictures (calibration='pictures/', --calibration pictures/)"
        )
    notes = ["the weights are random, so the file was calibrated on synthetic inputs"] if calibrated else []
    return synthetic(shape, seed=seed), notes


def as_lowered(inputs: Array, scaling: Scaling | None) -> Array:
    """Converts pixels for the lowered model, on which the converter measures ranges.

    Args:
        inputs: `(count, height, width, channels)`, 0..255.
        scaling: the scaling that was taken out of the model.
    """
    samples: Array = inputs.copy()
    # One black and one white pixel make the measured range exactly that of 0..255, and with it the stored value
    # of each pixel the pixel itself. Two pixels do not move the ranges behind the first layer.
    samples[0, 0, 0], samples[0, -1, -1] = 0, 255
    if scaling is not None:
        samples *= np.float32(scaling.scale)
        samples += np.float32(scaling.offset)
    return samples


def from_array(
    array: Array,
    shape: tuple[int, ...] | None,
    samples: int = CALIBRATION_SAMPLES,
    seed: int = 0,
    *,
    salt: str | None = None,
) -> Calibration:
    """Takes examples that are in memory; picks at most `samples` of them.

    Args:
        array: `(count, *shape)`; an axis of one channel may be left out.
        shape: the shape of an example; None for any.
        samples: the largest number of samples.
        seed: the random seed of the choice.
        salt: the salt of the digest; by default a new one.

    Raises:
        InputError: the array's shape is not `(count, *shape)`, or its examples are too few or not finite.
    """
    if shape and shape[-1] == 1 and array.shape[1:] == shape[:-1]:
        array = array[..., np.newaxis]
    if not array.shape or shape not in {None, array.shape[1:]}:
        wanted = "..." if shape is None else str(shape)[1:].removesuffix(")")
        raise InputError(f"calibration data has shape {array.shape}, the model takes (count, {wanted})")
    _check_count(len(array), "an array")
    if len(array) > samples:
        array = array[np.sort(np.random.default_rng(seed).choice(len(array), samples, replace=False))]
    array = np.asarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise InputError("calibration data holds values that are not finite numbers")
    return Calibration(array, {"source": "array", "count": len(array), "seed": seed, **describe_set(array, (), salt)})


def describe_set(inputs: Array, files: Sequence[Path], salt: str | None = None) -> dict[str, Any]:
    """Returns the fields of a manifest that tell of the examples themselves: their range, and a digest of the set.

    Args:
        inputs: the examples.
        files: where they come from, if from files.
        salt: the salt of the digest; by default a new one.
    """
    hashes = map(_hash, files) if files else (hashlib.sha256(example.tobytes()).hexdigest() for example in inputs)
    return {"range": [float(inputs.min()), float(inputs.max())], "digest": set_digest(hashes, salt)}


def from_file(
    path: Path,
    shape: tuple[int, ...] | None,
    samples: int = CALIBRATION_SAMPLES,
    seed: int = 0,
    *,
    salt: str | None = None,
) -> Calibration:
    """Takes examples from a `.npy` file, e.g. sensor windows; see `from_array`."""
    try:
        array = npy.map_file(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read calibration data {path}: {first_line(error)}") from error
    calibration = from_array(array, shape, samples, seed, salt=salt)
    return Calibration(calibration.inputs, calibration.manifest | {"source": path.name})


def from_folder(
    folder: Path,
    shape: tuple[int, ...],
    *,
    samples: int = CALIBRATION_SAMPLES,
    seed: int = 0,
    preprocessing: Preprocessing | None = None,
    progress: Progress = SILENT,
    salt: str | None = None,
) -> Calibration:
    """Reads pictures from a folder, the same number from each sub-folder (class) if possible.

    Pictures that cannot be read are skipped and counted. The choice depends on the seed and the files' names only.

    Args:
        folder: a folder of pictures, a data folder or a CSV file as `find_labelled` reads them, or pictures with
            labelled boxes as `zoo.inputs.annotations` reads them; of splits, only the training split is used.
        shape: `(height, width, channels)`.
        samples: the largest number of pictures.
        seed: the random seed of the choice.
        preprocessing: the resize policy that the runner will use.
        progress: is told how many pictures have been read.
        salt: the salt of the digest; by default a new one.

    Raises:
        InputError: the folder cannot be read, or holds too few good pictures.
    """
    listed = listed_in(folder)
    queue = _interleave(listed.by_class, seed)
    if not is_picture(shape):
        raise InputError(f"a model with input {shape} takes no pictures; give a .npy file of shape (count, ...)")
    height, width, channels = shape
    pixels: list[Array] = []
    files: list[Path] = []
    faults: list[str] = []
    for path in queue:
        if len(pixels) == samples:
            break
        try:
            pixels.append(load_image(path, width, height, channels, preprocessing))
        except InputError as error:
            faults.append(str(error))
            continue
        files.append(path)
        progress.step("reading calibration pictures", len(pixels), min(samples, len(queue)))
    why = f", the first because {faults[0]}" if faults else ""
    _check_count(len(pixels), f"{folder} ({len(faults)} could not be read{why})")
    inputs = np.stack(pixels).astype(np.float32)
    manifest = {
        "source": folder.name,
        "count": len(pixels),
        "skipped": len(faults),
        "seed": seed,
        **describe_set(inputs, files, salt),
    }
    notes = [f"calibration: {note}" for note in listed.notes]
    if faults:
        notes.append(f"{len(faults)} calibration pictures could not be read and were skipped; the first: {faults[0]}")
    return Calibration(inputs, manifest, tuple(files), tuple(notes))


def class_names(folder: Path) -> list[str]:
    """The classes of a data folder or CSV file, as a training on it would number them.

    That is in alphabetical order, in which Keras' `image_dataset_from_directory` numbers them, or in the order of the
    data's own list, where boxes are labelled.
    """
    return list(listed_in(folder).class_names)


def listed_in(folder: Path) -> labelled.Examples:
    """Lists the pictures to calibrate on, with their classes, or in one group where it is boxes that have classes.

    Raises:
        InputError: the folder or file cannot be read, or is none.
    """
    if holds_boxes(folder):
        data = find_boxes(folder)
        train = [one for one in data.pictures if one.split in {None, "train"}] or data.pictures
        return labelled.Examples({"": [one.path for one in train]}, data.class_names, data.notes)
    if not folder.is_dir() and folder.suffix.lower() not in {".csv", ".tsv"}:
        raise InputError(f"no calibration folder {folder}")
    return labelled.find_examples(folder)


def synthetic(shape: tuple[int, ...], count: int = VERIFY_INPUTS, seed: int = 0) -> Calibration:
    """Makes synthetic inputs: pictures of random patches, or sensor windows of noise.

    Pictures have whole numbers 0..255. The patches are 1 to 32 pixels wide, because every filter would respond in the
    same way to white noise alone.
    """
    rng = np.random.default_rng(seed)
    if is_picture(shape):
        height, width, channels = shape
        inputs = np.empty((count, *shape), np.float32)
        for i in range(count):
            patch = int(rng.choice([1, 2, 4, 8, 16, 32]))
            small = rng.integers(0, 256, (-(-height // patch), -(-width // patch), channels))
            inputs[i] = small.repeat(patch, axis=0).repeat(patch, axis=1)[:height, :width]
    else:
        inputs = rng.standard_normal((count, *shape)).astype(np.float32)
    ends = [float(inputs.min()), float(inputs.max())]
    return Calibration(inputs, {"source": "synthetic inputs", "count": count, "seed": seed, "range": ends})


def _interleave(by_class: dict[str, list[Path]], seed: int) -> list[Path]:
    """All pictures, shuffled within their class, then one of each class in turn."""
    classes = {name: list(paths) for name, paths in by_class.items()}
    rng = random.Random(seed)  # noqa: S311  # a repeatable choice, not a secret
    for paths in classes.values():
        rng.shuffle(paths)
    longest = max(map(len, classes.values()), default=0)
    return [paths[i] for i in range(longest) for paths in classes.values() if i < len(paths)]


def _check_count(count: int, source: str) -> None:
    if count < MIN_SAMPLES:
        raise InputError(f"calibration needs at least {MIN_SAMPLES} examples, found {count} in {source}")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
