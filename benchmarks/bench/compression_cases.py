"""The cases of `compression.py`: what int8 costs, what wins it back, and what a teacher adds, on real pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.kept import SAMPLES, Bench
from bench.packages import FASHION, MNIST
from zoo.compress.diagnosis.diagnose import diagnose
from zoo.compress.graph import calibrate, quantize_aware
from zoo.export.options import Quantize
from zoo.files import atomic
from zoo.tasks import TASKS
from zoo.training import TrainResult, resume, train
from zoo.training.quantized import train_quantized

BITS = (8, 4, 3, 2)
"""Bits of LeNet's weights; its first and its last layer always have 8."""
FLOAT, POST, AWARE = "float", "int8", "int8, trained for it"
"""What rows are called: the float file, the usual int8 file, and that of a quantization-aware training."""
DIGITS_ON_PHOTOS = "digits on photos"
BOXES = (600, 200)
"""The most pictures with boxes, for training and held out."""
TENSOR = "one scale a kernel"
SHOWN = 5
"""Layers of a diagnosis that are kept in the result."""


def lenet(bench: Bench) -> dict[str, Any]:
    """LeNet on MNIST, with weights of 8, 4, 3 and 2 bits."""
    rows: list[dict[str, Any]] = []
    for seed in bench.seeds:
        run = _lenet(bench, f"lenet-{seed}", bench.pictures(MNIST, seed), seed, epochs=bench.count(20))
        rows.append({"seed": seed, "bits": 32, "how": FLOAT, **bench.file(run.folder.name, run.model, run, "none")[1]})
        for bits in BITS:
            post, aware = f"lenet-{bits}-post-{seed}", f"lenet-{bits}-aware-{seed}"
            model = run.model if bits == 8 else calibrated(run, bits)
            rows.append({"seed": seed, "bits": bits, "how": POST, **bench.file(post, model, run)[1]})
            taught = learnt(bench, run, aware, epochs=5, weight_bits=bits)
            rows.append({"seed": seed, "bits": bits, "how": AWARE, **bench.file(aware, taught.model, run)[1]})
    return {"data": MNIST.name, "rows": rows}


def _lenet(bench: Bench, name: str, data: Path, seed: int, **values: Any) -> TrainResult:
    return bench.run(name, lambda out: train("lenet", data, out=out, seed=seed, **values))


def mobilenet(bench: Bench) -> dict[str, Any]:
    """A new head on the body of Open Images, on clothes: one scale for each kernel, and what helps."""
    rows, found, files = [], dict[str, Any](), dict[str, Path]()
    for seed in bench.seeds:
        run = _head(bench, seed)
        for number, (how, model, options) in enumerate(_mobilenets(bench, run, seed)):
            path, row = bench.file(f"head-{number}-{seed}", model, run, **options)
            rows.append({"seed": seed, "how": how, **row})
            files.setdefault(how, path)
        if seed == bench.seeds[0]:
            found = _diagnosed(run)
    return {"data": FASHION.name, "rows": _timed(bench, rows, files), "diagnosis": found}


def _mobilenets(bench: Bench, run: TrainResult, seed: int) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yields what each file of MobileNetV2 is called, its model, and the options of the export."""
    yield FLOAT, run.model, {"quantize": "none"}
    yield POST, run.model, {}
    yield AWARE, learnt(bench, run, f"head-aware-{seed}", epochs=3).model, {}
    yield f"{POST}, {TENSOR}", run.model, {"per_tensor": True}
    yield f"{POST}, {TENSOR}, equalized", run.model, {"per_tensor": True, "equalize": True}
    taught = learnt(bench, run, f"head-aware-tensor-{seed}", epochs=3, per_tensor=True)
    yield f"{AWARE}, {TENSOR}", taught.model, {}


def _head(bench: Bench, seed: int) -> TrainResult:
    """Trains a head for clothes, and leaves the body as Open Images left it: its channels differ most in size."""
    data = bench.pictures(FASHION, seed)
    return bench.run(
        f"head-{seed}",
        lambda out: train(
            "mobilenet_v2", data, out=out, weights="openimages", input_size=96, augment="light", seed=seed,
            head_epochs=bench.count(40), epochs=0, body_rate=0.3,
        ),
    )  # fmt: skip


def clothes(bench: Bench, seed: int) -> TrainResult:
    """Trains MobileNetV2 on clothes, from the weights of Open Images."""
    data = bench.pictures(FASHION, seed)
    return bench.run(
        f"mobilenet-{seed}",
        lambda out: train(
            "mobilenet_v2", data, out=out, weights="openimages", input_size=96, augment="light", seed=seed,
            head_epochs=bench.count(20), epochs=bench.count(6), freeze="none", body_rate=0.3, learning_rate=3e-4,
        ),
    )  # fmt: skip


def _diagnosed(run: TrainResult) -> dict[str, Any]:
    """Returns what `zoo diagnose` says of a run's model, in short."""
    found = diagnose(run.model, run.data.sample(SAMPLES), TASKS[run.task])
    spoilt = sorted(
        (row for row in found.rows if row.weights),
        key=lambda row: -row.weights.per_tensor.divergence,  # type: ignore[union-attr]
    )
    return {
        "whole": {name: {"divergence": one.divergence, "changed": one.changed} for name, one in found.whole.items()},
        "per_tensor": [
            {"layer": row.layer, "divergence": row.weights.per_tensor.divergence, "spread": row.weights.spread}
            for row in spoilt[:SHOWN]
            if row.weights
        ],
        "advice": [one.text for one in found.advice],
    }


def teacher(bench: Bench) -> dict[str, Any]:
    """A LeNet that learns clothes from labels alone, and from the MobileNetV2 of the same seed besides."""
    rows, files = [], dict[str, Path]()
    for seed in bench.seeds:
        big, data = clothes(bench, seed), bench.pictures(FASHION, seed)
        rows.append({"seed": seed, "how": "the teacher", "score": big.score, "bytes": None})
        for how, given in (("labels alone", None), ("with the teacher", big.folder / "model.keras")):
            name = f"lenet-{'alone' if given is None else 'taught'}-{seed}"
            run = _lenet(bench, name, data, seed, epochs=bench.count(30), augment="light", teacher=given)
            path, row = bench.file(name, run.model, run)
            rows.append({"seed": seed, "how": how, **row})
            files.setdefault(how, path)
    return {"data": FASHION.name, "rows": _timed(bench, rows, files)}


def detector(bench: Bench, folder: Path | None) -> dict[str, Any]:
    """A detector's mAP in float, in int8, and trained for int8."""
    rows, files = [], dict[str, Path]()
    for seed in bench.seeds if folder is None else (0,):
        run = _detector(bench, folder, seed)
        aware = learnt(bench, run, f"detector-aware-{seed}", epochs=3, min_steps=bench.count(300))
        kinds: tuple[tuple[str, Any, Quantize], ...] = (
            (FLOAT, run.model, "none"), (POST, run.model, "int8"), (AWARE, aware.model, "int8"),
        )  # fmt: skip
        for number, (how, model, quantize) in enumerate(kinds):
            path, row = bench.file(f"detector-{number}-{seed}", model, run, quantize)
            rows.append({"seed": seed, "how": how, **row})
            files.setdefault(how, path)
    return {"data": DIGITS_ON_PHOTOS if folder is None else folder.name, "rows": _timed(bench, rows, files)}


def _detector(bench: Bench, folder: Path | None, seed: int) -> TrainResult:
    """Returns a copy of a trained detector, or trains one on digits on photos."""
    if folder is not None:
        return bench.run(f"detector-{folder.name}", lambda out: resume(shutil.copytree(folder, out)))
    data = bench.folder / f"{DIGITS_ON_PHOTOS.replace(' ', '-')}-{bench.train}-{bench.test}-{seed}"
    if not data.exists():
        import demo_boxes

        with atomic(data) as scratch:
            demo_boxes.save(scratch, min(bench.train, BOXES[0]), min(bench.test, BOXES[1]), seed)
    epochs, steps = bench.count(12), bench.count(700)
    return bench.run(
        f"detector-{seed}",
        lambda out: train(
            "ssdlite_mobilenet_v2", data, out=out, weights="openimages", input_size=256, augment="no-flip", seed=seed,
            epochs=epochs, min_steps=steps,
        ),
    )  # fmt: skip


def _timed(bench: Bench, rows: list[dict[str, Any]], files: dict[str, Path]) -> list[dict[str, Any]]:
    """Returns rows with the milliseconds of one run of the first file of their kind; None for a row without one."""
    times = bench.times(files)
    return [row | {"ms": times[row["how"]]["median"] if row["how"] in times else None} for row in rows]


def calibrated(run: TrainResult, bits: int) -> Any:
    """Returns a run's model with weights of a few bits, and ranges that training pictures showed."""
    graph = quantize_aware(run.model, weight_bits=bits)
    calibrate(graph, run.data.sample(SAMPLES))
    return graph


def learnt(bench: Bench, run: TrainResult, name: str, *, epochs: int, **how: Any) -> TrainResult:
    """Trains a run's model for int8, with the float model as its teacher."""
    return bench.run(name, lambda out: train_quantized(run.folder, out=out, epochs=bench.count(epochs), **how))
