"""Pictures without classes, for a training that learns a teacher's answers: each is named by what the teacher sees."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.loading import make_reader
from zoo.data.reading import read_all
from zoo.errors import InputError
from zoo.files.writing import atomic
from zoo.inputs.labelled import find_examples
from zoo.inputs.preprocessing import Resize
from zoo.progress import SILENT, Progress
from zoo.text import count_of

if TYPE_CHECKING:
    import keras

AT_ONCE = 256
"""Files that are in memory at a time."""


def without_classes(path: Path, input_shape: tuple[int, ...]) -> list[Path]:
    """Returns the files of a folder that has no class folders, sorted; none of data with classes.

    Args:
        path: the data.
        input_shape: the input of the model, without the batch: pictures or windows of values.

    Raises:
        InputError: as `zoo.inputs.labelled.find_examples`.
    """
    if not path.is_dir():
        return []
    found = find_examples(path, make_reader(tuple(input_shape)).suffixes)
    return found.by_class.get("", []) if list(found.by_class) == [""] and not found.class_names else []


def name_by(
    model: keras.Model,
    files: list[Path],
    class_names: tuple[str, ...],
    table: Path,
    *,
    resize: Resize,
    progress: Progress = SILENT,
) -> str:
    """Names each file by a classifier's answer, and writes the names as a CSV file of `path,label`.

    Args:
        model: the classifier, with one output of scores.
        files: the pictures, or the windows of values; those that cannot be read keep no name, and are not listed.
        class_names: its classes, in their order.
        table: the CSV file to write; it must not exist.
        resize: the resize policy of the pictures.
        progress: is told how many files have been read.

    Returns:
        One line for the user.

    Raises:
        InputError: no file can be read, or the model sees a class in none of them; or the table exists.
        OutputError: the table cannot be written.
    """
    if table.exists():
        raise InputError(f"{table} exists already; move it away, or give another --out")
    reader = make_reader(tuple(model.input_shape[1:]), resize)
    answers: dict[Path, int] = {}
    error = None
    for start in range(0, len(files), AT_ONCE):
        progress.step("naming pictures", start, len(files), "files")
        some = files[start : start + AT_ONCE]
        pixels = np.zeros((len(some), *reader.shape), reader.dtype)
        findings = read_all(some, reader, pixels)
        good = [row for row, finding in enumerate(findings) if finding.error is None]
        error = error or next((finding.error for finding in findings if finding.error), None)
        if good:
            scores = np.asarray(model(pixels[good].astype(np.float32), training=False))
            answers |= {some[row]: int(np.argmax(one)) for row, one in zip(good, scores, strict=True)}
    if not answers:
        raise InputError(f"none of the {count_of(len(files), 'file')} without a class can be read: {error}")
    missing = [name for number, name in enumerate(class_names) if number not in answers.values()]
    if missing:
        raise InputError(
            f"the model sees no {', '.join(missing)} in {count_of(len(answers), 'picture')} without a class; add "
            "some, or leave the folder out, to take the run's own"
        )
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(("path", "label"))
    written.writerows((str(path.absolute()), class_names[answer]) for path, answer in answers.items())
    with atomic(table) as scratch:
        scratch.write_text(text.getvalue(), encoding="utf-8")
    left = len(files) - len(answers)
    unread = f", and {count_of(left, 'file')} cannot be read" if left else ""
    number = f"{count_of(len(answers), 'picture')} without a class {'is' if len(answers) == 1 else 'are'}"
    return (
        f"{number} named by the model's own answers in {table}{unread}: the accuracy is the share of the same answers"
    )
