"""The cases of `compression.py`: what int8 costs, what wins it back, and what a teacher adds, on real pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.kept import SAMPLES, Bench, Made
from bench.packages import FASHION, MNIST
from zoo.compress.diagnosis.diagnose import diagnose
from zoo.compress.graph import calibrate, quantize_aware
from zoo.files.writing import atomic
from zoo.tasks import TASKS
from zoo.training import TrainResult, train
from zoo.training.quantized import train_quantized

BITS = (8, 4, 3, 2)
"""Bits of LeNet's weights; its first and its last layer always have 8."""
FLOAT, POST, AWARE = "float", "int8", "int8, trained for it"
"""What rows are called: the float file, the usual int8 file, and that of a quantization-aware training."""
BOXES = (600, 200)
"""The most pictures with boxes, for training and held out."""
TENSOR = "one scale a kernel"
SHOWN = 5
"""Layers of a diagnosis that are kept in the result."""


def lenet(bench: Bench) -> dict[str, Any]:
    """LeNet on MNIST, with weights of 8, 4, 3 and 2 bits."""

    def made() -> Iterator[Made]:
        for seed in bench.seeds:
            run = _lenet(bench, f"lenet-{seed}", bench.pictures(MNIST, seed), seed, epochs=bench.count(20))
            yield Made(seed, FLOAT, run.model, run, {"quantize": "none"}, {"bits": 32})
            for bits in BITS:
                yield Made(seed, POST, run.model if bits == 8 else calibrated(run, bits), run, facts={"bits": bits})
                taught = learnt(bench, run, f"lenet-{bits}-aware-{seed}", epochs=5, weight_bits=bits)
                yield Made(seed, AWARE, taught.model, run, facts={"bits": bits})

    return {"data": MNIST.name, "rows": bench.rows("lenet", made(), timed=False)}


def _lenet(bench: Bench, name: str, data: Path, seed: int, **values: Any) -> TrainResult:
    return bench.run(name, lambda out: train("lenet", data, out=out, seed=seed, **values))


def mobilenet(bench: Bench) -> dict[str, Any]:
    """A new head on the body of Open Images, on clothes: one scale for each kernel, and what helps."""

    def made() -> Iterator[Made]:
        for seed in bench.seeds:
            run = _head(bench, seed)
            yield Made(seed, FLOAT, run.model, run, {"quantize": "none"})
            yield Made(seed, POST, run.model, run)
            yield Made(seed, AWARE, learnt(bench, run, f"head-aware-{seed}", epochs=3).model, run)
            yield Made(seed, f"{POST}, {TENSOR}", run.model, run, {"per_tensor": True})
            equalized = {"per_tensor": True, "equalize": True}
            yield Made(seed, f"{POST}, {TENSOR}, equalized", run.model, run, equalized)
            taught = learnt(bench, run, f"head-aware-tensor-{seed}", epochs=3, per_tensor=True)
            yield Made(seed, f"{AWARE}, {TENSOR}", taught.model, run)

    rows = bench.rows("head", made())
    return {"data": FASHION.name, "rows": rows, "diagnosis": _diagnosed(_head(bench, bench.seeds[0]))}


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
    teachers = {seed: clothes(bench, seed) for seed in bench.seeds}
    rows: list[dict[str, Any]] = [
        {"seed": seed, "how": "the teacher", "score": big.score, "bytes": None, "ms": None}
        for seed, big in teachers.items()
    ]

    def made() -> Iterator[Made]:
        for seed, big in teachers.items():
            for how, given in (("labels alone", None), ("with the teacher", big.folder / "model.keras")):
                name = f"lenet-{'alone' if given is None else 'taught'}-{seed}"
                data, epochs = bench.pictures(FASHION, seed), bench.count(30)
                run = _lenet(bench, name, data, seed, epochs=epochs, augment="light", teacher=given)
                yield Made(seed, how, run.model, run)

    return {"data": FASHION.name, "rows": rows + bench.rows("taught", made())}


def detector(bench: Bench) -> dict[str, Any]:
    """A detector's mAP in float, in int8, and trained for int8."""

    def made() -> Iterator[Made]:
        for seed in bench.seeds:
            run = _detector(bench, seed)
            aware = learnt(bench, run, f"detector-aware-{seed}", epochs=3, min_steps=bench.count(300))
            yield Made(seed, FLOAT, run.model, run, {"quantize": "none"})
            yield Made(seed, POST, run.model, run)
            yield Made(seed, AWARE, aware.model, run)

    return {"data": "digits on photos", "rows": bench.rows("detector", made())}


def _detector(bench: Bench, seed: int) -> TrainResult:
    """Trains a detector on digits on photos."""
    data = bench.folder / f"digits-on-photos-{bench.train}-{bench.test}-{seed}"
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


def calibrated(run: TrainResult, bits: int) -> Any:
    """Returns a run's model with weights of a few bits, and ranges that training pictures showed."""
    graph = quantize_aware(run.model, weight_bits=bits)
    calibrate(graph, run.data.sample(SAMPLES))
    return graph


def learnt(bench: Bench, run: TrainResult, name: str, *, epochs: int, **how: Any) -> TrainResult:
    """Trains a run's model for int8, with the float model as its teacher."""
    return bench.run(name, lambda out: train_quantized(run.folder, out=out, epochs=bench.count(epochs), **how))
