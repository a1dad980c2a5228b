"""Holds examples out of the calibration, so that a file is checked on inputs whose ranges were not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zoo.errors import InputError
from zoo.export.checking.calibration import (
    MIN_SAMPLES,
    VERIFY_INPUTS,
    Array,
    Calibration,
    describe_set,
    find_examples,
    synthetic,
)
from zoo.export.options import ExportOptions
from zoo.inputs.preprocessing import is_picture
from zoo.progress import Progress
from zoo.tasks.task import Agreement
from zoo.text import count_of

LEAST = 8
"""The fewest inputs of a check that are held out."""
UNLIKE = 16
"""How many inputs of each kind unlike the calibration's are tried."""
DOUBTFUL = 0.75
"""Share of agreement on those below which a file is said to depend on the choice of its calibration pictures."""
MARGIN = 0.2
"""How far the best score has to be ahead of the second for Keras to count as sure."""
NAMED = 0.5
"""Share of pictures that Keras names as their folders, below which something is wrong with one or the other."""


@dataclass(frozen=True)
class Examples:
    """What a file is calibrated on, and what it is checked on."""

    calibration: Calibration
    check: Calibration
    held_out: bool
    """Whether no example is in both."""


def find(
    source: str | Path | Array | None,
    shape: tuple[int, ...],
    options: ExportOptions,
    *,
    trained: bool,
    learnt: bool = False,
    progress: Progress,
) -> tuple[Examples, list[str]]:
    """Finds what to calibrate and to check a file with, and notes for the user; see `find_examples`.

    A model that has learnt its ranges needs examples for the check alone.

    Raises:
        InputError: the source cannot be read or does not fit, or too few examples are asked for.
        ExportError: there is none, and the mode needs one.
    """
    asked = options.calibration_samples
    calibrated = options.mode.calibrated and not learnt
    if calibrated and source is not None and asked < MIN_SAMPLES:
        raise InputError(f"calibration needs at least {MIN_SAMPLES} examples, not --calibration-samples {asked}")
    more = options.change(calibration_samples=asked + VERIFY_INPUTS)
    found, notes = find_examples(source, shape, more, trained=trained, learnt=learnt, progress=progress)
    if source is None:
        found = synthetic(shape, 2 * VERIFY_INPUTS, options.seed)
        asked = min(asked, VERIFY_INPUTS)
    examples = hold_out(found, asked)
    if calibrated and not examples.held_out:
        notes.append(
            f"{count_of(len(found.inputs), 'example is', 'examples are')} too few to hold some out of "
            f"the calibration: the file is checked on "
            f"those that it was calibrated on, and may be worse on others. Give {2 * MIN_SAMPLES} or more"
        )
    return examples, notes


def hold_out(found: Calibration, samples: int, salt: str | None = None) -> Examples:
    """Divides examples into those to calibrate on and those to check with.

    A third is held out, at least 8 and at most 32, and all that is more than `samples`. Of a folder's pictures the
    last ones are: they come class by class in turn. Of an array they are drawn by the seed of the set.

    Args:
        found: all examples.
        samples: the largest number to calibrate on.
        salt: the salt of the digest of those; by default a new one.
    """
    total = len(found.inputs)
    if total < 2 * MIN_SAMPLES:
        few = part(found, range(min(total, samples)), salt)
        return Examples(few, part(found, range(min(total, VERIFY_INPUTS))), False)
    count = min(samples, total - min(VERIFY_INPUTS, max(LEAST, total // 3)))
    order = np.arange(total)
    if not found.files:
        order = np.random.default_rng(int(found.manifest.get("seed", 0))).permutation(total)
    calibration = part(found, sorted(order[:count]), salt)
    return Examples(calibration, part(found, sorted(order[count : count + VERIFY_INPUTS])), True)


def part(found: Calibration, indexes: Sequence[int], salt: str | None = None) -> Calibration:
    """Returns some of the examples, with a manifest of their own that says how many there were in all."""
    inputs = found.inputs[list(indexes)]
    files = tuple(found.files[i] for i in indexes) if found.files else ()
    described = describe_set(inputs, files, salt) if "digest" in found.manifest else {}
    manifest = found.manifest | described | {"count": len(inputs), "of": len(found.inputs)}
    return replace(found, inputs=inputs, manifest=manifest, files=files)


def unlike(check: Calibration, shape: tuple[int, ...]) -> Array | None:
    """Returns pictures that a calibration on the right ones still serves: negatives, and patches of all colours.

    None where the inputs are no pictures: of values nobody can say which others there could be.
    """
    if not is_picture(shape):
        return None
    patches = synthetic(shape, UNLIKE, seed=1).inputs
    negatives: Array = np.float32(255) - check.inputs[:UNLIKE]
    return np.concatenate([patches, negatives])


def doubts(agreement: Agreement, check: Calibration, reference: Array | None, labels: Sequence[str]) -> list[str]:
    """What makes a check of a trained model say less than its figures, one line each.

    Args:
        agreement: what was found.
        check: the inputs.
        reference: Keras' scores of them, `(count, classes)`; None if it names no pictures.
        labels: the names of the classes.
    """
    count, notes = len(check.inputs), []
    if agreement.doubt:
        notes.append(
            f"Keras gives {agreement.doubt} for all {count} inputs of the check ({check.source}), so it could hardly "
            "fail. Give pictures of all classes, as the model takes them (--calibration)"
        )
    if reference is None:
        return notes
    known = {label: i for i, label in enumerate(labels)}
    pairs = [
        (known[path.parent.name], int(scores.argmax()))
        for path, scores in zip(check.files, reference, strict=False)
        if path.parent.name in known
    ]
    right = sum(truth == named for truth, named in pairs)
    if len(pairs) >= MIN_SAMPLES and right < NAMED * len(pairs):
        notes.append(
            f"Keras itself names only {right} of {count_of(len(pairs), 'picture')} of {check.source} "
            f"as their folders are called. "
            "Either they are none of the model's, or its labels stand in another order, or it was trained on prepared "
            "pixels (--pixels)"
        )
    return notes


def sure(reference: Array) -> npt.NDArray[np.bool_]:
    """Returns on which inputs scores of classes leave no doubt; of other outputs there is nothing to be unsure of."""
    if reference.shape[1] < 2 or reference.min() < 0 or not np.allclose(reference.sum(axis=1), 1, atol=1e-3):
        return np.ones(len(reference), np.bool_)
    best = np.sort(reference, axis=1)
    return np.asarray(best[:, -1] - best[:, -2] >= MARGIN)


def dependence(agreement: Agreement, count: int) -> list[str]:
    """What to say where a file and Keras part on pictures that are unlike those of the calibration.

    Args:
        agreement: on those of which Keras is sure.
        count: how many there were.
    """
    if agreement.share >= DOUBTFUL or count < MIN_SAMPLES:
        return []
    return [
        f"on {count_of(count, 'picture')} unlike those of the calibration (negatives, patches of colour) the file "
        f"{agreement.meaning} on {agreement.share:.0%} only: it is good for pictures like those that it was calibrated "
        "on. Are they as varied as those that the board will see, of all classes and lights?"
    ]
