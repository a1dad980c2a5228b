"""The errors this package raises on purpose.

Each message is one line that names the bad value and says what to do. The command line prints it and
exits with the class's ``exit_code``; anything that is not a `ZooError` is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable


def first_line(error: BaseException) -> str:
    """The reason that another library's error gives, in a line of at most 300 characters; see `zoo.system.reasons`."""
    from zoo.system.reasons import reason  # only where there is an error to tell

    return reason(str(error)) or type(error).__name__


def in_one_line(error: object, most: int = 500) -> str:
    """Returns the whole message of another library's error in one line, at most `most` characters."""
    line = " ".join(str(error).split())
    return line if len(line) <= most else line[: most - 4] + " ..."


def closest(name: str, known: Iterable[str], *, least: float = 0.5) -> str:
    """Returns the part of a message that suggests the closest known name, the first of several that are equally close;
    empty if the likeness of none, 0..1, is at least `least`.
    """
    import difflib  # imported only if there is an error to report

    wanted = name.lower().replace("-", "_")
    near = {one: difflib.SequenceMatcher(None, one, wanted).ratio() for one in known}
    best = max(near, key=near.__getitem__, default="")
    return f"did you mean {best!r}? " if best and near[best] >= least else ""


def listed(names: Iterable[object], word: str = "and") -> str:
    """Returns names as part of a sentence: `a`, `a and b`, `a, b and c`."""
    *first, last = map(str, names)
    return f"{', '.join(first)} {word} {last}" if first else last


class ZooError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class UnknownModelError(ZooError):
    """A model name that is not in the registry."""


class OptionError(ZooError):
    """An option that the model does not take, or a value that it does not allow."""


class MissingDependencyError(ZooError):
    """A package that is not installed; the message says what to type."""


class ModelFileError(ZooError):
    """A model file that cannot be read, or is not what it claims to be."""


class WeightsError(ZooError):
    """Weights that cannot be read or do not fit the model."""


class UnsafeFileError(WeightsError):
    """A file that could run code, lead to other files or fill the memory; nothing of it was used."""


class InputError(ZooError):
    """A picture, label file or array that cannot be read or does not fit the model."""


class AnswerError(ZooError):
    """An answer of a model that is none: scores that are not finite numbers, or that are the same for every picture."""


class OutputError(ZooError):
    """A file that could not be written; nothing is left in its place."""


class CompressionError(ZooError):
    """A model that cannot be made smaller in the way that was asked for; it is left as it was."""


class ExportError(ZooError):
    """A conversion that failed; nothing was written."""


class TrainingError(ZooError):
    """A training that cannot go on; the message says what to change."""


class TrainingStopped(TrainingError):  # noqa: N818  # nothing went wrong
    """A training that was interrupted; its state is saved, and the message says how to go on."""

    exit_code = 130


class VerificationError(ExportError):
    """An exported file that disagrees with the Keras model; it was not handed over."""

    exit_code = 3
