"""to_tflite: the one way from a Keras model to a `.tflite` file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import ExportError, VerificationError
from zoo.export import compat, edgetpu
from zoo.export.calibration import (
    Array,
    Calibration,
    Progress,
    class_names,
    from_array,
    from_file,
    from_folder,
    synthetic,
)
from zoo.export.card import SelfDescription, check_labels
from zoo.export.convert import Settings, convert
from zoo.export.lowering import Scaling, check_exportable, lower, scaling_of, with_scaling
from zoo.export.metadata import without_files
from zoo.export.quantize import Io, Plan, Quantize, Target, plan
from zoo.export.verify import Verification, verify
from zoo.files import atomic
from zoo.runner import modelfile
from zoo.specs import Preprocessing
from zoo.weights import is_untrained

if TYPE_CHECKING:
    import keras

VERIFY_INPUTS = 32
"""At most this many inputs are compared."""


@dataclass(frozen=True)
class ExportReport:
    """What an export made."""

    path: Path
    quantize: Quantize
    bytes: int
    seconds: float
    """Conversion and verification."""
    verification: Verification | None
    """None where it was declined."""
    trained: bool
    """False where the weights are those of a fresh build."""
    notes: tuple[str, ...]
    """What the user should know, one line each."""
    card: dict[str, Any]
    """What is embedded in the file."""
    edgetpu: edgetpu.EdgeTpuReport | None = None
    compiled: Path | None = None
    """The file compiled for the Edge TPU, where the compiler is there."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": str(self.path),
            "quantize": self.quantize,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "trained": self.trained,
            "notes": list(self.notes),
            "verification": self.verification.as_dict() if self.verification else None,
            "edgetpu": self.edgetpu.as_dict() if self.edgetpu else None,
            "compiled": str(self.compiled) if self.compiled else None,
        }


def to_tflite(
    model: keras.Model,
    path: str | Path,
    *,
    quantize: Quantize = "none",
    calibration: str | Path | Array | None = None,
    labels: Sequence[str] | None = None,
    target: Target | None = None,
    io: Io | None = None,
    batch: int = 1,
    logits: bool = False,
    calibration_samples: int = 200,
    seed: int = 0,
    preprocessing: Preprocessing | None = None,
    input_range: tuple[float, float] | None = None,
    min_agreement: float | None = None,
    verify_file: bool = True,
    facts: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Writes a checked, self-describing `.tflite` file.

    The file takes raw pixels 0..255: float32, or uint8 in int8 files, where the first layer's scaling costs
    nothing, because the input's scale and zero point carry it.

    Args:
        model: a functional classifier from pixels `(batch, height, width, channels)`, or values of another shape, to
            scores `(batch, classes)`.
        path: of the file; replaced whole or not at all.
        quantize: `none`, `float16`, `dynamic`, `int8` or `int16x8`; see `zoo.export.quantize`.
        calibration: for int8 and int16x8: a folder of pictures (of class folders), a `.npy` file, or an array
            `(count, ...)` of raw pixels or values. Other modes use it for the check.
        labels: one a class. By default the class folders of `calibration` where their number fits, ImageNet's names
            for a trained model of 1000 classes, else `class_0..`.
        target: a file for this board alone; by default one that loads on LiteRT and tflite-runtime alike.
        io: type of an int8 file's input and output; uint8 by default.
        batch: pictures at a time, fixed in the file.
        logits: leave the final softmax out.
        calibration_samples: at most this many examples, chosen by `seed`, as many of each class.
        seed: of that choice.
        preprocessing: the resize policy that calibration uses and the runner will.
        input_range: for a model that does not scale its pixels itself: what it takes, e.g. `(-1, 1)`. The scaling
            becomes part of the file.
        min_agreement: least share of inputs on which file and model must name the same best class. By default
            the mode's own; none in quantized modes on random weights, where nothing separates the classes.
        verify_file: False skips the comparison; the card says so.
        facts: more for the card, e.g. `{"options": {...}, "license": "CC-BY-4.0"}`.
        progress: is told what is going on, in a few words.

    Raises:
        ExportError: the choices do not go together, the model cannot be converted, or the target cannot load
            the result.
        VerificationError: the file disagrees with the model; nothing is left at `path`.
        InputError: labels or calibration data do not fit.
        OutputError: the file cannot be written.
    """
    path, started = Path(path), time.perf_counter()
    say = progress or (lambda _: None)
    chosen = plan(quantize, target=target, io=io, batch=batch, logits=logits)
    if input_range is not None:
        model = with_scaling(model, Scaling.for_range(input_range))
    shape = check_exportable(model)
    pixels = is_image(shape)
    trained = not is_untrained(model)
    classes = int(model.outputs[0].shape[-1])
    preprocessing = preprocessing or Preprocessing()
    examples, notes = _examples(chosen, shape, calibration, trained, calibration_samples, seed, preprocessing, progress)
    if labels is None and isinstance(calibration, str | Path) and Path(calibration).is_dir():
        folders = class_names(Path(calibration))
        if len(folders) == classes:
            labels = folders
            notes.append(f"labels: the folders of {calibration} in alphabetical order, as Keras numbers them")
    names = check_labels(labels, classes, trained)
    if pixels and scaling_of(model) is None and input_range is None:
        notes.append(
            f"{model.name} does not begin with one scale for all channels; the file hands it pixels 0..255 as they "
            "are. If it was trained on scaled pixels, give their range (input_range, --input-range -1,1)"
        )

    scaling = scaling_of(model) if chosen.io != "float32" and pixels else None
    lowered = lower(
        model,
        batch=batch,
        split_groups=chosen.split_groups,
        strip_scaling=scaling is not None,
        logits=logits,
    )
    settings = Settings(chosen.mode.name, chosen.io, chosen.dense_per_channel)
    samples = _samples(examples.inputs, pixels, scaling) if chosen.mode.calibrated else None
    say(f"converting ({chosen.mode.name})")
    flatbuffer = convert(lowered, settings, samples, say)
    card: dict[str, Any] = {
        "model": model.name,
        "params": model.count_params(),
        "input": {"shape": list(shape), "values": "pixels 0..255" if pixels else "as in training"},
        "preprocessing": {"resize": preprocessing.resize} if pixels else {},
        "classes": len(names),
        "output": "logits" if logits else "as the model ends: probabilities where it ends in a softmax",
        "weights": "trained" if trained else "random",
        "quantize": chosen.mode.name,
        "target": target or "litert and tflite-runtime",
        **(facts or {}),
    }
    if chosen.mode.calibrated:
        card["calibration"] = examples.manifest
    description = SelfDescription(names, card, (shape[0], shape[1], shape[2]) if pixels else None)
    with atomic(path) as scratch:
        scratch.write_bytes(description.announce(flatbuffer))
        del flatbuffer
        tpu = _check_file(modelfile.read(scratch), chosen)
        verification = None
        if verify_file:
            say("checking the file against Keras")
            reference = lower(model, batch=None, logits=True) if logits else model
            subset = Calibration(examples.inputs[:VERIFY_INPUTS], examples.manifest)
            verification = verify(reference, scratch, subset, pixels=pixels, target=target)
            _judge(verification, chosen, path.name, min_agreement, trained)
        card = description.append(scratch, verification=verification.as_dict() if verification else "declined")
        size = scratch.stat().st_size
    compiled = _compile(path, description, notes, say) if tpu else None
    if verification and chosen.mode.approximate and not trained:
        notes.append("the weights are random: how well a quantized file agrees on them means little")
    seconds = time.perf_counter() - started
    return ExportReport(path, chosen.mode.name, size, seconds, verification, trained, tuple(notes), card, tpu, compiled)


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether inputs of this shape (without the batch) are pictures."""
    return len(shape) == 3 and shape[-1] in {1, 3}


def _examples(
    chosen: Plan,
    shape: tuple[int, ...],
    calibration: str | Path | Array | None,
    trained: bool,
    samples: int,
    seed: int,
    preprocessing: Preprocessing,
    progress: Progress | None,
) -> tuple[Calibration, list[str]]:
    """What to calibrate and check with, and what to say about it."""
    if isinstance(calibration, np.ndarray):
        return from_array(calibration, shape, samples, seed), []
    if calibration is not None:
        source = Path(calibration)
        if source.suffix == ".npy":
            return from_file(source, shape, samples, seed), []
        found = from_folder(source, shape, samples=samples, seed=seed, preprocessing=preprocessing, progress=progress)
        skipped = found.manifest["skipped"]
        return found, [f"{skipped} calibration pictures could not be read and were skipped"] if skipped else []
    if chosen.mode.calibrated and trained:
        raise ExportError(
            f"{chosen.mode.name} measures the ranges of activations on real inputs: give some tens of training "
            "pictures (calibration='pictures/', --calibration pictures/)"
        )
    notes = ["the weights are random, so the file was calibrated on synthetic inputs"] if chosen.mode.calibrated else []
    return synthetic(shape, VERIFY_INPUTS, seed), notes


def _samples(inputs: Array, pixels: bool, scaling: Scaling | None) -> Array:
    """What the converter measures ranges on: inputs as the lowered model takes them."""
    if not pixels:
        return inputs
    samples: Array = inputs.copy()
    # One black and one white pixel make the measured range exactly that of 0..255, and with it the stored value
    # of each pixel the pixel itself. Two pixels do not move the ranges behind the first layer.
    samples[0, 0, 0], samples[0, -1, -1] = 0, 255
    if scaling is not None:
        samples *= np.float32(scaling.scale)
        samples += np.float32(scaling.offset)
    return samples


def _check_file(file: modelfile.ModelFile, chosen: Plan) -> edgetpu.EdgeTpuReport | None:
    """Holds a finished file against what was asked for."""
    dynamic = [tensor.name for tensor in file.main.tensors if tensor.dynamic]
    if dynamic:
        raise ExportError(
            f"{len(dynamic)} tensors have no fixed size, the first is {dynamic[0]!r}: runtimes are slow on it"
        )
    if chosen.mode.integer:
        floats = compat.float_ops(file)
        if floats:
            raise ExportError(
                f"the {chosen.mode.name} file is not fully integer: {', '.join(floats)} would compute with floats; "
                "leave such layers out, or choose another quantization"
            )
    if chosen.target == "edgetpu":
        compat.require(file, ["edgetpu_compiler 16"])
        return edgetpu.report(file)
    wanted = {"litert": "litert 2.3", "tflite-runtime": "tflite-runtime 2.14"}
    compat.require(file, [wanted[chosen.target]] if chosen.target else list(wanted.values()))
    return None


def _judge(verification: Verification, chosen: Plan, name: str, min_agreement: float | None, trained: bool) -> None:
    if min_agreement is None:
        min_agreement = chosen.mode.min_agreement if trained or not chosen.mode.approximate else 0.0
    if not np.isfinite(verification.max_diff):
        raise VerificationError(f"{name} computes values that are not finite numbers; it was not kept")
    if verification.top1 < min_agreement:
        raise VerificationError(
            f"{name} names the same class as Keras on {verification.top1:.0%} of {verification.inputs} "
            f"inputs only ({verification.source}), at least {min_agreement:.0%} are asked for (--min-agreement); "
            "it was not kept"
        )


def _compile(path: Path, description: SelfDescription, notes: list[str], progress: Progress) -> Path | None:
    """Runs the Edge TPU compiler, where it is there, and makes its file describe itself, too."""
    if not edgetpu.compiler():
        notes.append(edgetpu.missing_compiler(path))
        return None
    progress(f"running {edgetpu.COMPILER}")
    target = path.with_name(f"{path.stem}_edgetpu.tflite")
    try:
        with atomic(target) as scratch:
            edgetpu.compile_model(path, scratch)
            # Whether the compiler keeps what stands behind a model is its own affair.
            scratch.write_bytes(description.announce(without_files(scratch.read_bytes())))
            description.append(scratch, compiled_for="edgetpu")
    except ExportError as error:
        raise ExportError(f"{error}; {path} is the int8 file, not compiled") from error
    return target
