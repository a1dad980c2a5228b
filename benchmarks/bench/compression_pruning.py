"""The cases of `compression.py` on pruning: channels removed for real, beside narrower nets, and zeros that stay in."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.kept import Bench, Made
from bench.packages import FASHION
from zoo.compress.prune.scoring import Score
from zoo.export.lower.lowering import lower
from zoo.files.writing import atomic
from zoo.system.quiet import quiet
from zoo.training import TrainResult, train
from zoo.training.pruned import finetuning, prune_on, prune_run
from zoo.training.recipe import Recipe
from zoo.training.records import results
from zoo.training.tasks import task_named
from zoo.weights import build

if TYPE_CHECKING:
    import keras

HALF = 0.5
"""The share of the multiply-accumulates that is kept of AlexNet."""
WAYS: tuple[tuple[Score, bool], ...] = (("taylor", True), ("taylor", False), ("gamma", True), ("gamma", False))
"""The scores, and whether channels that sums couple, those of residual streams, are removed, too."""
ALPHAS = (0.75, 0.5)
"""Widths of MobileNetV2: the one that is pruned, and the one whose multiply-accumulates are kept."""
ZEROS = (0.0, 0.8, 0.9)
"""Shares of the weights of pointwise convolutions that are zero."""
ZEROED = 224
"""The input size of the MobileNetV2 with zeros."""


def alexnet(bench: Bench) -> dict[str, Any]:
    """AlexNet on clothes, and half of its multiply-accumulates, without and with training."""

    def made() -> Iterator[Made]:
        for seed in bench.seeds:
            run = _alexnet(bench, seed)
            half = _pruned(bench, run, HALF, f"alexnet-half-{seed}").model
            for how, model in (("float", run.model), ("half, not trained", _untrained(run)), ("half, trained", half)):
                yield Made(seed, how, model, run, {"quantize": "none"}, _size(model))

    return {"data": FASHION.name, "rows": bench.rows("alexnet", made())}


def scores(bench: Bench) -> dict[str, Any]:
    """MobileNetV2 on clothes, pruned in different ways and not trained: what the default score is chosen by."""
    rows = []
    for seed in bench.seeds:
        run = _mobilenet(bench, ALPHAS[0], seed)
        rows.append({"seed": seed, "how": "float", "keep": 1.0, "score": run.score, "bytes": None})
        for keep in (0.8, 0.6):
            for score, streams in WAYS:
                model = _untrained(run, keep, score=score, streams=streams)
                how = f"{score}{'' if streams else ', residual streams left'}"
                rows.append({"seed": seed, "how": how, "keep": keep, "score": _score(run, model), "bytes": None})
    return {"data": FASHION.name, "rows": rows}


def widths(bench: Bench) -> dict[str, Any]:
    """MobileNetV2 on clothes, pruned to the multiply-accumulates of a smaller alpha, beside that alpha."""

    def made() -> Iterator[Made]:
        for seed in bench.seeds:
            wide, narrow = (_mobilenet(bench, alpha, seed) for alpha in ALPHAS)
            keep = _size(narrow.model)["macs"] / _size(wide.model)["macs"]
            pruned = _pruned(bench, wide, keep, f"mobilenet-pruned-{seed}")
            less = f"alpha {ALPHAS[1]:g}"
            for how, run in (("float", wide), (f"pruned to {less}", pruned), (less, narrow)):
                yield Made(seed, how, run.model, run, {"quantize": "none"}, _size(run.model))

    return {"data": FASHION.name, "rows": bench.rows("widths", made())}


def zeros(bench: Bench) -> dict[str, Any]:
    """MobileNetV2 with small weights set to zero, in a dense and in a sparse file: bytes, and the time of one run."""
    model = build("mobilenet_v2", input_size=ZEROED, seed=0)
    rows, files = [], dict[str, Path]()
    before = model.get_weights()
    for share in ZEROS:
        model.set_weights(before)
        _silence(model, share)
        for sparse in (False, True) if share else (False,):
            name = f"zeros-{100 * share:.0f}-{'sparse' if sparse else 'dense'}"
            content = _converted(model, sparse=sparse)
            files[name] = bench.folder / "files" / f"{name}.tflite"
            with atomic(files[name]) as scratch:
                scratch.write_bytes(content)
            row = {"zeros": share, "sparse": sparse, "how": name, "bytes": len(content)}
            rows.append(row | {"zipped": len(gzip.compress(content, 6))})
    return {"rows": bench.timed(rows, files)}


def _alexnet(bench: Bench, seed: int) -> TrainResult:
    return bench.run(
        f"alexnet-{seed}",
        lambda out: train(
            "alexnet", bench.pictures(FASHION, seed), out=out, seed=seed, input_size=63, epochs=bench.count(8),
            batch_size=64, learning_rate=3e-4, warmup_epochs=1, label_smoothing=0.0, augment="none",
        ),
    )  # fmt: skip


def _mobilenet(bench: Bench, alpha: float, seed: int) -> TrainResult:
    """Trains from random weights, which all widths have; a narrower net learns as long as a pruned one altogether."""
    epochs = bench.count(12)
    both = epochs + finetuning(Recipe(epochs=epochs)).epochs
    return bench.run(
        f"mobilenet-{alpha:g}-{seed}",
        lambda out: train(
            "mobilenet_v2", bench.pictures(FASHION, seed), out=out, weights="none", seed=seed, alpha=alpha,
            input_size=32,
            epochs=epochs if alpha == ALPHAS[0] else both, batch_size=64, learning_rate=3e-3, label_smoothing=0.0,
            augment="none",
        ),
    )  # fmt: skip


def _pruned(bench: Bench, run: TrainResult, keep: float, name: str) -> TrainResult:
    return bench.run(name, lambda out: prune_run(run.folder, keep, out=out, finetune=True)[0])


def _untrained(run: TrainResult, keep: float = HALF, **ways: Any) -> keras.Model:
    recipe = Recipe(seed=0)
    return prune_on(run.model, task_named(run.task), run.data, recipe, keep, **ways).model


def _score(run: TrainResult, model: keras.Model) -> float:
    """Returns a model's monitored metric on the held-out files of a run of a classifier."""
    task, split = task_named(run.task), results.evaluated_split(run.data)
    found = task.evaluate(results.predict(model, run.data, split), run.data, split).as_dict()
    return float(found[task.monitor])


def _size(model: keras.Model) -> dict[str, int]:
    from zoo.summary.table import summarize

    found = summarize(model)
    return {"macs": found.macs, "params": found.params}


def _silence(model: keras.Model, share: float) -> None:
    """Sets the smallest weights of each pointwise convolution to zero."""
    import keras

    for layer in model.layers:
        if type(layer) is keras.layers.Conv2D and layer.kernel_size == (1, 1):
            kernel = np.array(layer.kernel)
            kernel[np.abs(kernel) < np.quantile(np.abs(kernel), share)] = 0
            layer.kernel.assign(kernel)


def _converted(model: keras.Model, *, sparse: bool) -> bytes:
    """Converts a model to a float file, with or without TensorFlow's encoding of sparse tensors."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    fixed = lower(model)
    signature = tf.TensorSpec(fixed.inputs[0].shape, fixed.inputs[0].dtype, name="input")
    with quiet():
        function = tf.function(lambda x: fixed(x, training=False)).get_concrete_function(signature)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY] if sparse else []
        return bytes(converter.convert())
