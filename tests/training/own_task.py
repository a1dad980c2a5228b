"""A second task, so that the code for all trainings is seen to know none: where in a picture the bright square is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import zoo
from zoo import graph
from zoo.data import Data, load
from zoo.data.augment import Augment
from zoo.data.pipeline import Order, Source, make_dataset
from zoo.inputs.labelled import SplitName
from zoo.progress import Progress
from zoo.specs import NUM_CLASSES, ModelSpec
from zoo.tasks.evaluation import Section
from zoo.training.recipe import Recipe
from zoo.training.tasks import Objective

SIZE = 16
NEAR = 0.15
"""The distance, as a fraction of the picture's side, that counts as found."""

Array = npt.NDArray[Any]


def joined(outputs: Any) -> Array:
    """Rows and columns in one array `(count, 2)`, also of a model that has an output for each."""
    return np.concatenate(outputs, axis=-1) if isinstance(outputs, list | tuple) else np.asarray(outputs)


def distance(targets: Any, outputs: Any) -> Any:
    """The distance of two positions, `(batch,)`."""
    import keras

    if isinstance(outputs, list | tuple):
        outputs = keras.ops.concatenate(outputs, axis=-1)
    return keras.ops.sqrt(keras.ops.sum((targets - outputs) ** 2, axis=-1))


@dataclass(frozen=True)
class PositionReport:
    """How far from the squares the model points."""

    split: SplitName
    distances: Array

    def as_dict(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "count": len(self.distances),
            "distance": float(self.distances.mean()),
            "found": float((self.distances < NEAR).mean()),
        }

    def plot(self, folder: Path) -> None:
        (folder / "distances.txt").write_text(" ".join(map(str, self.distances)))


@dataclass(frozen=True)
class PositionTraining:
    """The training of a model with two outputs, the place of the square's centre as fractions of the picture's side."""

    name: str = "position"
    metrics: tuple[str, ...] = ("distance",)
    judged: tuple[str, ...] = ("found",)
    monitor: str = "found"
    score_name: str = "found"
    counts_files: bool = True
    higher_is_better: bool = True
    trial: str = "squares are easily found"
    caches_features: bool = True

    def load(self, data: str | Path, shape: tuple[int, ...], recipe: Recipe, progress: Progress) -> Data:
        """The names of the files say where the square is."""
        loaded = load(data, shape, batch_size=recipe.batch_size, seed=recipe.seed, progress=progress)
        sources = {
            split: dataclasses.replace(
                source,
                labels=np.array([path.stem.split("_")[:2] for path in source.paths], np.float32).reshape(-1, 2) / SIZE,
            )
            for split, source in loaded.sources.items()
        }

        def batches(split: SplitName) -> Any:
            if split == "train":
                return self.training_batches(sources[split], recipe.batch_size, loaded.order, recipe.augment, loaded)
            return make_dataset(sources[split], recipe.batch_size)

        return dataclasses.replace(loaded, sources=sources, batches=batches)

    def training_batches(self, source: Source, batch_size: int, order: Order, augment: Augment, data: Data) -> Any:
        """Every picture of a training is mirrored, and its label with it."""
        batches = make_dataset(source, batch_size, order)
        return batches.map(lambda pictures, places: (pictures[:, :, ::-1], places * [1.0, -1.0] + [0.0, 1.0]))

    def check(self, model: Any, data: Data) -> None:
        pass

    def adapt(self, model: Any, data: Data, recipe: Recipe) -> Sequence[str]:
        return ()

    def held_out(self, data: Data, split: SplitName) -> Sequence[Any]:
        return data.sources[split].paths

    def head_index(self, model: Any) -> int:
        return graph.head_index(model)

    def split_at_head(self, model: Any) -> tuple[Any, Any]:
        return graph.split_at_head(model)

    def objective(self, model: Any, data: Data, recipe: Recipe) -> Objective:
        import keras

        def judge() -> dict[str, float]:
            source = data.sources["validation"]
            pictures = source.fetch(np.arange(len(source))).astype(np.float32)
            found = joined(model(pictures, training=False))
            return {"found": float((np.linalg.norm(found - source.labels, axis=1) < NEAR).mean())}

        class SquaredDistance(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
            def call(self, targets: Any, outputs: Any) -> Any:
                return distance(targets, outputs) ** 2

        return Objective(
            targets=lambda labels: labels,
            loss=SquaredDistance(),
            metrics={"distance": distance},
            judge=judge,
        )

    def evaluate(self, outputs: Any, data: Data, split: SplitName) -> PositionReport:
        return PositionReport(split, np.linalg.norm(joined(outputs) - data.sources[split].labels, axis=1))

    def describe(self, metrics: Mapping[str, Any], *, pictures: bool) -> str:
        return "A finder of squares"

    def figures(self, metrics: Mapping[str, Any]) -> str:
        return f"found {metrics['found']:.1%}"

    def section(self, metrics: Mapping[str, Any]) -> Section:
        return Section("", ("figure", "value"), [("mean distance", f"{metrics['distance']:.3f}")])

    def plots(self, *, pictures: bool) -> Sequence[tuple[str, str]]:
        return [("distances", "distances.txt")]


def register_model() -> None:
    """Registers two small models for the task."""

    @zoo.register(ModelSpec("finder", "finds a square", options=(NUM_CLASSES,), task="position"))
    def finder(*, num_classes: int = 2) -> Any:
        """Builds a model with one output for row and column, whatever the number of folders."""
        import keras
        from keras import layers

        inputs, x = body()
        return keras.Model(inputs, layers.Dense(2, activation="sigmoid")(x))

    @zoo.register(ModelSpec("two_ends", "finds a square", options=(NUM_CLASSES,), task="position"))
    def two_ends(*, num_classes: int = 2) -> Any:
        """Builds a model with an output for the row and one for the column."""
        import keras
        from keras import layers

        inputs, x = body()
        return keras.Model(inputs, [layers.Dense(1, activation="sigmoid")(x) for _ in range(2)])


def body() -> tuple[Any, Any]:
    """The input of both models, and the features."""
    import keras
    from keras import layers

    inputs = keras.Input((SIZE, SIZE, 1))
    x = layers.Rescaling(1 / 255)(inputs)
    return inputs, layers.Dense(16, activation="relu")(layers.Flatten()(x))


def draw_squares(folder: Path, count: int = 120) -> None:
    """Draws pictures of a bright square, in two folders, which mean nothing."""
    rng = np.random.default_rng(0)
    for i in range(count):
        picture = rng.integers(0, 40, (SIZE, SIZE)).astype(np.uint8)
        row, column = (int(n) for n in rng.integers(2, SIZE - 2, 2))
        picture[row - 2 : row + 2, column - 2 : column + 2] = 255
        into = folder / "ab"[i % 2]
        into.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(into / f"{row}_{column}_{i}.png")
