"""to_tflite: the one way from a Keras model to a `.tflite` file."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata as distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from zoo.errors import InputError, VerificationError
from zoo.export.convert import convert
from zoo.export.lowering import lower
from zoo.export.metadata import Tags, append_files, with_metadata
from zoo.export.verify import Verification, synthetic_inputs, verify
from zoo.files import atomic
from zoo.runner.modelfile import CARD, LABELS
from zoo.specs import Preprocessing
from zoo.weights import is_untrained

if TYPE_CHECKING:
    import keras

VERIFY_INPUTS = 8


@dataclass(frozen=True)
class ExportReport:
    """What an export made."""

    path: Path
    quantize: str
    bytes: int
    seconds: float
    """Conversion and verification."""
    verification: Verification
    trained: bool
    """False where the weights are those of a fresh build."""
    card: dict[str, Any]
    """What is embedded in the file."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": str(self.path),
            "quantize": self.quantize,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "trained": self.trained,
            "verification": self.verification.as_dict(),
        }


def to_tflite(
    model: keras.Model,
    path: str | Path,
    *,
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    facts: dict[str, Any] | None = None,
    min_agreement: float = 0.95,
) -> ExportReport:
    """Writes a checked, self-describing float32 `.tflite` file.

    Args:
        model: a functional classifier: pixels 0..255 `(batch, height, width, channels)`, or values of another
            shape, to scores `(batch, classes)`.
        path: of the file; replaced whole or not at all.
        labels: one a class; `class_0..` by default.
        preprocessing: the resize policy that the runner applies to pictures.
        facts: more for the card, e.g. `{"options": {...}, "weights": "where they came from"}`.
        min_agreement: least share of inputs on which file and model must agree on the best class.

    Raises:
        ExportError: the model cannot be converted.
        VerificationError: the file disagrees with the model; nothing is left at `path`.
        InputError: the labels do not fit.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    started = time.perf_counter()
    lowered = lower(model)
    classes = int(lowered.outputs[0].shape[-1])
    labels = check_labels(labels, classes)
    trained = not is_untrained(model)
    shape = tuple(lowered.inputs[0].shape[1:])
    with atomic(path) as scratch:
        tags = Tags(
            name=model.name,
            description="Image classifier" if _is_image(shape) else "Classifier",
            author="",
            license=str((facts or {}).get("license", "")),
            image_shape=shape if _is_image(shape) else None,
        )
        flatbuffer = with_metadata(convert(lowered), tags, labels_file=LABELS, other_files=[CARD])
        scratch.write_bytes(flatbuffer)
        inputs = synthetic_inputs(shape, VERIFY_INPUTS)
        verification = verify(model, scratch, inputs, source="synthetic inputs")
        if not verification.top1 >= min_agreement:
            raise VerificationError(
                f"{path.name} agrees with the Keras model on {verification.top1:.0%} of {verification.inputs} "
                f"inputs only, at least {min_agreement:.0%} are asked for; it was not kept"
            )
        card: dict[str, Any] = {
            "model": model.name,
            "params": model.count_params(),
            "input": {
                "shape": list(shape),
                "values": "pixels 0..255" if _is_image(shape) else "as in training",
            },
            "preprocessing": {"resize": (preprocessing or Preprocessing()).resize},
            "classes": classes,
            "weights": "trained" if trained else "random",
            "quantize": "none",
            **(facts or {}),
            "verification": verification.as_dict(),
            "made_with": versions(),
            "flatbuffer": {"bytes": len(flatbuffer), "sha256": hashlib.sha256(flatbuffer).hexdigest()},
        }
        append_files(scratch, {LABELS: "\n".join(labels) + "\n", CARD: json.dumps(card, indent=1)})
        size = scratch.stat().st_size
    return ExportReport(path, "none", size, time.perf_counter() - started, verification, trained, card)


def check_labels(labels: Sequence[str] | None, classes: int) -> list[str]:
    """The labels to embed, `class_0..` where none are given.

    Raises:
        InputError: their number is wrong, or one is empty, doubled or of more than one line.
    """
    if labels is None:
        return [f"class_{i}" for i in range(classes)]
    if len(labels) != classes:
        raise InputError(f"the model has {classes} classes, got {len(labels)} labels")
    seen: set[str] = set()
    for number, label in enumerate(labels, start=1):
        if not label.strip() or len(label.splitlines()) != 1:
            raise InputError(f"label {number} is {label!r}; give one line of text")
        if label in seen:
            raise InputError(f"label {number} {label!r} stands there twice")
        seen.add(label)
    return list(labels)


def versions() -> dict[str, str]:
    """The versions of what makes an export."""
    found = {"edgezoo": zoo.__version__, "python": platform.python_version()}
    for name in ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "tflite-runtime", "numpy"):
        try:
            found[name] = distributions.version(name)
        except distributions.PackageNotFoundError:
            continue
    return found


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in {1, 3}
