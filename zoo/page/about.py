"""What the page says of a model: the file, its task, input, labels, card and operations.

Only those fields of the card are shown that are known to be about the model. Others may reveal something about the
person who made it, or about a machine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from zoo.onnx.kinds import is_onnx
from zoo.runner import Predictor
from zoo.tasks import min_score_of, scores_of, threshold_of
from zoo.tflite import modelfile

EXACT = 2**53
"""Integers up to this one are exact in every programming language."""
TEXT = 200
"""The most characters of a text in the card."""
PLACE = re.compile(r"""(^|[\s'"(=,;])(~|[A-Za-z]:[/\\]|file:|\\\\|/[^/\s]+/|/(home|root|Users|tmp)\b)""")
"""The pattern of paths, which would show places on somebody's disk."""


def _text(value: Any) -> str | None:
    return value[:TEXT] if isinstance(value, str) and not PLACE.search(value) else None


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= EXACT
    return value if known else None


def _numbers(value: Any) -> list[float | None] | None:
    return [_number(one) for one in value[:8]] if isinstance(value, list) else None


def _either(value: Any) -> str | float | list[float | None] | bool | None:
    return value if isinstance(value, bool) else _text(value) or _number(value) or _numbers(value)


def _options(value: Any) -> dict[str, Any] | None:
    """Returns an architecture's options with plain names and values; None if there are none."""
    if not isinstance(value, dict):
        return None
    names = [name for name in list(value)[:20] if name.isidentifier() and len(name) < 40]
    return {name: _either(value[name]) for name in names}


Fields = dict[str, Callable[[Any], Any] | dict[str, Any]]

CARD: Fields = {
    "model": _text,
    "architecture": _text,
    "options": _options,
    "params": _number,
    "input": {"shape": _numbers, "values": _text},
    "preprocessing": {"resize": _text},
    "classes": _number,
    "output": _text,
    "detection": {"anchors": _number},
    "threshold": _number,
    "weights": _text,
    "quantize": _text,
    "target": _text,
    "trained_on": _either,
    "accuracy": _number,
    "accuracy_on": {"split": _text, "count": _number},
    "accuracy_interval": _numbers,
    "accuracy_keras": _number,
    "map": _number,
    "map_on": {"split": _text, "count": _number},
    "map_keras": _number,
    "scores": {"temperature": _number, "calibration_error": _number},
    "license": _text,
    "calibration": {"count": _number, "range": _numbers},
    "verification": {
        **dict.fromkeys(("inputs", "max_diff", "mean_diff", "top1", "top5", "same_objects"), _number),
        "runtime": _text,
    },
    **{name: {"bytes": _number, "sha256": _text, "crc32": _number} for name in ("flatbuffer", "contents")},
}
"""The fields of the card that visitors see, with a function that returns a value of the right kind, or None."""


def public_card(card: dict[str, Any], fields: Fields | None = None) -> dict[str, Any]:
    """Returns the fields of a card that visitors see: those of `CARD` that have values of the right kind."""
    found: dict[str, Any] = {}
    for name, kind in (CARD if fields is None else fields).items():
        value = card.get(name)
        if isinstance(kind, dict):
            inner = public_card(value, kind) if isinstance(value, dict) else None
        else:
            inner = kind(value)
        if inner is not None and inner != {}:
            found[name] = inner
    return found


def describe(predictor: Predictor[Any]) -> dict[str, Any]:
    """Returns what there is to know of a model, as JSON can hold it.

    Raises:
        ModelFileError: the file is damaged.
        InputError: it does not take pictures.
    """
    session, picture = predictor.session, predictor.picture
    file = session.file
    return {
        # Not the path: it says more of the machine than a visitor needs to know.
        "file": session.path.name,
        "bytes": file.size,
        "task": predictor.task.name,
        "input": {
            "shape": [picture.height, picture.width, picture.channels],
            "dtype": session.input.dtype.name,
            "resize": predictor.preprocessing.resize,
        },
        # Of an .onnx file they are not counted: it does not hold the shapes between its operations.
        "macs": None if is_onnx(session.path) else file.main.total_macs,
        "labels": list(predictor.labels),
        "scores": scores_of(predictor.task),
        "min_score": min_score_of(predictor.task),
        "threshold": threshold_of(predictor.task),
        "notes": [note.replace(str(session.path), session.path.name) for note in predictor.notes],
        "card": public_card(predictor.card),
        "ops": operations(file),
    }


def operations(file: modelfile.ModelFile) -> list[dict[str, Any]]:
    """Returns each kind of operation with its count, its multiply-accumulates and the bytes of its constants.

    A constant that several operations read counts for the first one. The most frequent kind stands first.
    """
    count: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for graph in file.graphs:
        sizes.update(graph.constant_bytes())
        for op in graph.ops:
            count[op.name] += 1
            macs[op.name] += graph.macs(op)
    return [
        {"op": name, "count": number, "macs": macs[name], "bytes": sizes[name]} for name, number in count.most_common()
    ]
