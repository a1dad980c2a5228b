"""Training for classification: one-hot targets, cross-entropy, top-1 accuracy, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo import graph, models, plots
from zoo.data import Data, load
from zoo.data.augment import Augment
from zoo.data.pipeline import Order, Source, make_dataset
from zoo.errors import InputError, OptionError
from zoo.inputs.annotations import holds_boxes
from zoo.inputs.labelled import Labelled, SplitName
from zoo.inputs.preprocessing import is_picture
from zoo.progress import Progress
from zoo.tasks.confidence import calibration_error, reliability, thresholds
from zoo.tasks.confusion import Confusion
from zoo.tasks.evaluation import Section
from zoo.text import count_of
from zoo.training.recipe import Recipe
from zoo.training.tasks.task import Objective
from zoo.training.tasks.temperature import Temperature, fit, scale
from zoo.weights.auto import TRIAL

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

MISTAKES_SHOWN = 25
"""The most pictures in `mistakes.png`."""

DETECTION = "detection"
"""The name of the task that learns from labelled boxes."""

REMEDY = "Train longer, or from published weights (--weights), and look at the pictures (zoo data check)."
"""What to do where a model has learned nothing."""

CONFUSION_PLOT, MISTAKES_PLOT, RELIABILITY_PLOT = "confusion.png", "mistakes.png", "reliability.png"


@dataclass(frozen=True, eq=False)
class ClassificationReport:
    """The metrics of a classifier on one split."""

    data: Data
    split: SplitName
    confusion: Confusion
    scores: Array
    """Scores of shape `(count, classes)`, float32."""
    temperature: Temperature | None = None
    """The temperature that the scores have; None if nobody looked for one."""
    raw: Array | None = None
    """The scores before that."""

    def _sure(self, scores: Array) -> tuple[Array, Array]:
        """Returns the best score of each file, and whether its class is the true one."""
        return scores.max(axis=1), scores.argmax(axis=1) == self.data.sources[self.split].labels

    def _scores(self) -> dict[str, Any]:
        """Returns what the scores are worth; empty if nobody looked."""
        found, raw = self.temperature, self.scores if self.raw is None else self.raw
        if found is None:
            return {}
        return {
            "scores": {
                "temperature": found.value,
                "fitted_on": {"split": "validation", "count": found.count},
                **({"why_not": found.why_not} if found.why_not else {}),
                "calibration_error_before": calibration_error(*self._sure(raw)),
                "calibration_error": calibration_error(*self._sure(self.scores)),
                "min_score": thresholds(*self._sure(self.scores)),
            }
        }

    def as_dict(self) -> dict[str, Any]:
        """The metrics as JSON can hold them, without the scores."""
        return {
            "split": self.split,
            "count": self.confusion.count,
            "accuracy": self.confusion.accuracy,
            "balanced_accuracy": self.confusion.balanced_accuracy,
            "classes": [vars(figures) for figures in self.confusion.classes()],
            "confusion": self.confusion.counts.tolist(),
            **self._scores(),
        }

    def plot(self, folder: Path) -> None:
        """Draws the confusion matrix, what the scores are worth and, for pictures, the worst mistakes."""
        lines = {"not calibrated": self.scores}
        if self.raw is not None and self.temperature is not None and not self.temperature.why_not:
            lines = {"before calibration": self.raw, "calibrated": self.scores}
        bins = {name: reliability(*self._sure(scores)) for name, scores in lines.items()}
        plots.plot_reliability(bins, folder / RELIABILITY_PLOT)
        plots.plot_confusion(self.confusion.counts, self.data.class_names, folder / CONFUSION_PLOT)
        if self.data.sources[self.split].reader.takes_pictures:
            self._plot_mistakes(folder / MISTAKES_PLOT)

    def _plot_mistakes(self, path: Path) -> None:
        """Draws the mistakes where the score of the wrong class exceeds that of the right one most."""
        source = self.data.sources[self.split]
        rows = np.arange(len(source))
        named = self.scores.argmax(axis=1)
        margin = self.scores[rows, named] - self.scores[rows, source.labels]
        worst = [int(i) for i in np.argsort(-margin, kind="stable") if named[i] != source.labels[i]][:MISTAKES_SHOWN]
        names = [plots.caption(name) for name in self.data.class_names]
        captions = [
            f"{names[source.labels[i]]}\nnamed {names[named[i]]}, {self.scores[i, named[i]]:.0%}" for i in worst
        ]
        pictures = source.fetch(np.array(worst, np.int64)) if worst else np.empty((0, 1, 1, 3), np.uint8)
        plots.plot_pictures(pictures, captions, path, "the worst misses" if worst else "no misses")


@dataclass(frozen=True)
class ClassificationTraining:
    """The training of a model that finds the one class of each input."""

    name: str = "classification"
    metrics: tuple[str, ...] = ("accuracy",)
    judged: tuple[str, ...] = ()
    monitor: str = "accuracy"
    score_name: str = "accuracy"
    counts_files: bool = True
    higher_is_better: bool = True
    trial: str = TRIAL
    caches_features: bool = True

    def load(self, data: str | Path, shape: tuple[int, ...], recipe: Recipe, progress: Progress) -> Data:
        """Loads labelled files; errors as `zoo.data.load`, and one that names a detector where the data hold boxes."""
        pictures = is_picture(shape)
        try:
            return load(
                data,
                shape,
                batch_size=recipe.batch_size,
                validation=recipe.validation,
                seed=recipe.seed,
                group_by=recipe.group_by,
                resize=recipe.resize if pictures else None,
                augment=recipe.augment if pictures else "none",
                min_batches=recipe.min_batches,
                progress=progress,
            )
        except InputError:
            path = Path(data)
            if not path.exists() or not holds_boxes(path):
                raise
            names = " or ".join(name for name in models.list_models() if models.spec(name).task == DETECTION)
            raise InputError(
                f"{path} holds labelled boxes, and a classifier learns from pictures by class: train a detector "
                f"({names}), or give a folder of pictures for each class"
            ) from None

    def training_batches(self, source: Source, batch_size: int, order: Order, augment: Augment, data: Data) -> Any:
        """Makes batches of augmented examples; a class stays what it is."""
        return make_dataset(source, batch_size, order, augment)

    def adapt(self, model: keras.Model, data: Data, recipe: Recipe) -> Sequence[str]:
        """Changes nothing: a classifier takes the data as they are."""
        return ()

    def check(self, model: keras.Model, data: Data) -> None:
        """Checks that the model has one output for each class.

        Raises:
            OptionError: it has another number of outputs.
        """
        if len(model.output_shape) != 2 or model.output_shape[-1] != len(data.class_names):
            raise OptionError(
                f"{model.name} gives {model.output_shape[1:]}, the data have "
                f"{count_of(len(data.class_names), 'class')}; give "
                f"a model with {count_of(len(data.class_names), 'output')}"
            )

    def head_index(self, model: keras.Model) -> int:
        """Returns the index of the last dense layer."""
        return graph.head_index(model)

    def split_at_head(self, model: keras.Model) -> tuple[keras.Model, keras.Model]:
        """Splits a model before its last dense layer and the dropout in front of that."""
        return graph.split_at_head(model)

    def objective(self, model: keras.Model, data: Data, recipe: Recipe) -> Objective:
        """Returns categorical cross-entropy on one-hot targets, with the recipe's label smoothing and balance."""
        import keras
        import tensorflow as tf

        classes = len(data.class_names)
        weights = np.array([data.class_weights.get(i, 1.0) for i in range(classes)], np.float32)
        return Objective(
            targets=lambda labels: tf.one_hot(labels, classes),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
            metrics={"accuracy": keras.metrics.categorical_accuracy},
            weights=(lambda labels: tf.gather(weights, labels)) if recipe.balance else None,
        )

    def imitation(
        self, model: keras.Model, teacher: keras.Model, objective: Objective, temperature: float
    ) -> Callable[[Any, Any], Any]:
        """Returns the divergence of the scores at a temperature."""
        from zoo.training.tasks.imitation import divergence

        return lambda answers, outputs: divergence(answers, outputs, temperature)

    def evaluate(self, outputs: Array, data: Data, split: SplitName) -> ClassificationReport:
        """Counts true and predicted classes by the scores, `(count, classes)`."""
        confusion = Confusion.of(data.class_names, data.sources[split].labels, outputs.argmax(axis=1))
        return ClassificationReport(data, split, confusion, outputs.astype(np.float32))

    def held_out(self, data: Data, split: SplitName) -> Sequence[Labelled]:
        """Returns the files of a split with their classes."""
        source = data.sources[split]
        return [Labelled(path, data.class_names[i]) for path, i in zip(source.paths, source.labels, strict=True)]

    def describe(self, metrics: Mapping[str, Any], *, pictures: bool) -> str:
        """Returns the kind of classifier with its number of classes."""
        classes = len(metrics["classes"])
        return (
            f"An image classifier of {count_of(classes, 'class')}"
            if pictures
            else f"A classifier of {count_of(classes, 'class')} of sensor values"
        )

    def figures(self, metrics: Mapping[str, Any]) -> str:
        """Returns top-1 accuracy and the mean recall of the classes."""
        return f"accuracy {metrics['accuracy']:.1%}, mean over classes {metrics['balanced_accuracy']:.1%}"

    def section(self, metrics: Mapping[str, Any]) -> Section:
        """Returns a table with precision and recall of each class."""

        def percent(value: float | None) -> str:
            return "" if value is None else f"{value:.1%}"

        rows = [
            (one["label"], str(one["count"]), percent(one["precision"]), percent(one["recall"]))
            for one in metrics["classes"]
        ]
        return Section("", ("class", "files", "precision", "recall"), rows)

    def plots(self, *, pictures: bool) -> Sequence[tuple[str, str]]:
        """Returns the confusion matrix, the plot of the scores and, for pictures, the worst mistakes."""
        mistakes = [("the worst misses", MISTAKES_PLOT)] if pictures else []
        return [("confusion", CONFUSION_PLOT), ("how sure, and how often right", RELIABILITY_PLOT), *mistakes]

    def calibrate(
        self, model: keras.Model, report: ClassificationReport, held_out: Array | None, data: Data
    ) -> ClassificationReport:
        """Scales the logits by the temperature that fits the validation files, where these show one."""
        if held_out is None:
            found = Temperature(why_not="there are no validation files")
        else:
            found = fit(held_out, data.sources["validation"].labels)
        if not found.why_not and not scale(model, found):
            found = Temperature(count=found.count, why_not="the model does not end in a dense layer and a softmax")
        scores = report.scores if found.why_not else found.apply(report.scores)
        return replace(report, scores=scores, raw=report.scores, temperature=found)

    def sureness(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns temperature and calibration error, and the least score for a precision that is reached.

        What shows that the model has learned nothing stands before them.
        """
        doubt = ""
        if "confusion" in metrics:  # older runs may lack it
            labels = tuple(one["label"] for one in metrics["classes"])
            doubt = Confusion(labels, np.array(metrics["confusion"], np.int64)).doubt()
        return [
            *([f"Nothing shows that the model tells the classes apart: {doubt}. {REMEDY}"] if doubt else []),
            *_worth(metrics),
        ]


_ERROR = "On average they differ from the share of right answers (ECE) by {:.1%}"
"""What the calibration error says."""


def _worth(metrics: Mapping[str, Any]) -> Sequence[str]:
    """Returns what the scores are worth, in lines of text; none for metrics of an older run."""
    scores = metrics.get("scores")
    if not scores:
        return ()
    before, now = scores["calibration_error_before"], scores["calibration_error"]
    if why := scores.get("why_not"):
        lines = [f"Scores are not calibrated: {why}. {_ERROR.format(now)}."]
    else:
        lines = [
            f"Scores are calibrated on {count_of(scores['fitted_on']['count'], 'validation file')} (temperature "
            f"{scores['temperature']:.2f}). {_ERROR.format(now)}, before by {before:.1%}."
        ]
    wanted = [one for one in scores["min_score"] if one["precision"] > metrics["accuracy"]]
    reached = [one for one in wanted if one["min_score"] is not None]
    if reached:
        one = reached[0]
        lines.append(
            f"For {one['precision']:.0%} right answers: --min-score {one['min_score']:.2f}, which leaves "
            f"{1 - one['coverage']:.1%} of the {count_of(metrics['count'], 'file')} without an answer."
        )
    return lines


CLASSIFICATION = ClassificationTraining()
