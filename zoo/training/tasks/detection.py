"""Training for detection: anchors and their targets, focal loss and smooth L1, and COCO's mAP as the metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo import models
from zoo.data import Data
from zoo.data.augment import Augment
from zoo.data.boxes.loading import NO_CLASS, DetectionData, load_boxes, training_batches
from zoo.data.pipeline import Order, Source
from zoo.errors import InputError, OptionError
from zoo.inputs.annotations import holds_boxes
from zoo.inputs.preprocessing import is_picture
from zoo.inputs.splits import SplitName
from zoo.progress import Progress
from zoo.tasks.evaluation import Section
from zoo.tasks.objects.anchors import COVERED, cover
from zoo.tasks.objects.anchors import fit as fit_anchors
from zoo.tasks.objects.answer import Detection
from zoo.text import count_of
from zoo.training.recipe import Recipe
from zoo.training.tasks.detection_report import CONFUSION_PLOT, WORST_PLOT, DetectionReport, share
from zoo.training.tasks.finding import Finder, judged
from zoo.training.tasks.task import Objective

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

JUDGED_ON = 100
"""The most training pictures that an epoch is judged on, where none are held out."""
LEAST_RIGHT = 5
"""The fewest objects that are found rightly where a threshold is taken from the validation pictures."""
USUAL = (0.1, 0.9)
"""The range of thresholds that are taken."""
SAME_ANCHOR = 1e-4
"""The largest difference of two anchors that are the same, as a fraction of the picture's side."""
REMEDY = "Train longer (--min-steps), or from published weights (--weights), and look at the boxes (zoo data check)."
"""What to do where a detector has learned nothing."""
COUNTED_ON = 256
"""The most training pictures whose targets are counted to weigh the loss."""


@dataclass(frozen=True)
class DetectionTraining:
    """The training of a model that finds objects with their boxes."""

    name: str = "detection"
    metrics: tuple[str, ...] = ()
    judged: tuple[str, ...] = ("map", "ap50")
    monitor: str = "map"
    score_name: str = "mAP"
    counts_files: bool = False
    higher_is_better: bool = True
    trial: str = "a detector finds about half as well from random weights as from published ones"
    caches_features: bool = False

    def load(self, data: str | Path, shape: tuple[int, ...], recipe: Recipe, progress: Progress) -> DetectionData:
        """Loads labelled boxes.

        Raises:
            InputError: the data cannot be used, or are pictures by class, for which a classifier fits.
            OptionError: the recipe does not fit a detector.
        """
        if recipe.resize != "stretch":
            raise OptionError(
                f"resize={recipe.resize!r} is not for detectors, which see the whole picture, stretched; leave it at "
                "stretch"
            )
        path = Path(data)
        if path.exists() and not holds_boxes(path):
            names = ", ".join(name for name in models.list_models() if _takes_photos(name))
            raise InputError(
                f"{path} holds no labelled boxes, which a detector learns from (COCO JSON, Pascal VOC XML, YOLO text "
                f"files or CSV); for pictures by class train a classifier: {names}"
            )
        return load_boxes(
            path,
            shape,
            batch_size=recipe.batch_size,
            validation=recipe.validation,
            seed=recipe.seed,
            group_by=recipe.group_by,
            augment=recipe.augment,
            min_batches=recipe.min_batches,
            progress=progress,
        )

    def training_batches(self, source: Source, batch_size: int, order: Order, augment: Augment, data: Data) -> Any:
        """Makes batches of augmented pictures, with which their boxes move."""
        return training_batches(source, batch_size, order, augment, data.class_names)

    def check(self, model: keras.Model, data: Data) -> None:
        """Checks that the model is a detector of as many classes as the data have.

        Raises:
            OptionError: it is not.
        """
        from zoo.models.detectors.anchored import anchors_of

        anchors_of(model)
        shapes = [tuple(one.shape[1:]) for one in model.outputs]
        classes = len(data.class_names)
        if len(shapes) != 2 or shapes[0][-1] != 4 or shapes[1][-1] != classes:
            raise OptionError(
                f"{model.name} gives {shapes}, the data have {count_of(classes, 'class')}; give a "
                f"detector with the outputs "
                f"(anchors, 4) and (anchors, {classes})"
            )

    def adapt(self, model: keras.Model, data: Data, recipe: Recipe) -> Sequence[str]:
        """Fits the anchors of a new head to the training boxes, if the recipe says so.

        Raises:
            OptionError: the levels of the model have different numbers of anchors, which cannot be fitted.
        """
        from zoo.models.detectors.anchored import grids_of, set_shapes, shapes_of

        labels = data.sources["train"].labels
        boxes = labels[labels[..., 0] > NO_CLASS][:, 1:]
        grids = grids_of(model)
        if recipe.anchors == "fitted":
            if len({len(level) for level in shapes_of(model)}) > 1:
                raise OptionError(f"anchors='fitted' is not for {model.name}, which has its own; give anchors='paper'")
            sizes = np.stack([boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]], axis=1)
            set_shapes(model, fit_anchors(sizes, grids, per_cell=len(shapes_of(model)[0]), seed=recipe.seed))
        covered = float((cover(boxes, grids, shapes_of(model)) >= COVERED).mean())
        named = (
            f"fitted to {count_of(len(boxes), 'training box')}"
            if recipe.anchors == "fitted"
            else "those of the SSD paper"
        )
        return [f"anchors are {named}: {covered:.0%} of the boxes have one that overlaps them by half or more"]

    def name_classes(self, model: keras.Model, data: Data) -> None:
        """Writes the names into the model, so that an export of its file alone knows them."""
        from zoo.models.detectors.anchored import set_labels

        set_labels(model, data.class_names)

    def head_index(self, model: keras.Model) -> int:
        """Returns the index of the first layer behind the body."""
        from zoo.models.detectors.anchored import head_start

        return head_start(model)

    def split_at_head(self, model: keras.Model) -> tuple[keras.Model, keras.Model]:
        """Refuses: the head of a detector reads several layers of the body.

        Raises:
            OptionError: always.
        """
        raise OptionError(f"{model.name} has a head that begins at several layers and cannot be split off")

    def objective(self, model: keras.Model, data: Data, recipe: Recipe) -> Objective:
        """Returns focal loss and smooth L1 on the targets of the model's anchors; each epoch is judged by mAP."""
        from zoo.models.detectors.anchored import anchors_of
        from zoo.training.tasks.detection_loss import DetectionLoss
        from zoo.training.tasks.targets import Matcher

        assert isinstance(data, DetectionData)  # noqa: S101  # `load` loaded it
        matcher = Matcher(anchors_of(model))
        finder = Finder(model, data.class_names)
        split: SplitName = "validation" if len(data.sources["validation"]) else "train"
        count = len(data.sources[split])
        rows = range(count if split == "validation" else min(count, JUDGED_ON))

        def judge() -> dict[str, float]:
            found = finder.judge(data, split, rows)
            return {"map": found.ap or 0.0, "ap50": found.ap50 or 0.0}

        positives = _mean_positives(matcher, data.sources["train"].labels)
        return Objective(targets=matcher, loss=DetectionLoss(positives), metrics={}, judge=judge)

    def imitation(
        self, model: keras.Model, teacher: keras.Model, objective: Objective, temperature: float
    ) -> Callable[[Any, Any], Any]:
        """Returns the divergence of scores and boxes, anchor by anchor.

        Raises:
            OptionError: the teacher's anchors are others.
        """
        from zoo.models.detectors.anchored import anchors_of
        from zoo.training.tasks.imitation import detection_divergence

        own, taught = anchors_of(model), anchors_of(teacher)
        if own.shape != taught.shape or not np.allclose(own, taught, atol=SAME_ANCHOR):
            raise OptionError(
                f"the teacher {teacher.name} has other anchors ({len(taught)}) than {model.name} ({len(own)}), so that "
                "their boxes cannot be compared; a teacher of a detector has the same levels and input size, and was "
                "trained on the same pictures with the same seed, which gives the same anchors"
            )
        positives = objective.loss.positives
        return lambda answers, outputs: detection_divergence(answers, outputs, temperature) / positives

    def predict(self, model: keras.Model, data: Data, split: SplitName) -> list[list[Detection]]:
        """Returns the objects that a model finds in each picture of a split."""
        assert isinstance(data, DetectionData)  # noqa: S101  # `load` loaded it
        return list(Finder(model, data.class_names).find(data, split, range(len(data.sources[split]))))

    def evaluate(self, outputs: Any, data: Data, split: SplitName) -> DetectionReport:
        """Judges what `predict` found."""
        assert isinstance(data, DetectionData)  # noqa: S101  # `load` loaded it
        return DetectionReport(split, judged(data, split, range(len(outputs)), outputs))

    def held_out(self, data: Data, split: SplitName) -> Sequence[Any]:
        """Returns the pictures of a split with their objects in pixels of the upright picture."""
        assert isinstance(data, DetectionData)  # noqa: S101  # `load` loaded it
        return data.truth[split]

    def settings(self, model: keras.Model, data: Data) -> Mapping[str, Any]:
        """Returns the threshold with the best balance of precision and recall (F1), within `USUAL`."""
        assert isinstance(data, DetectionData)  # noqa: S101  # `load` loaded it
        count = len(data.sources["validation"])
        found = Finder(model, data.class_names).judge(data, "validation", range(count)) if count else None
        best = None if found is None else found.best
        if found is None or best is None or (best.recall or 0) * sum(one.count for one in found.classes) < LEAST_RIGHT:
            return {}
        return {"threshold": round(min(max(best.threshold, USUAL[0]), USUAL[1]), 2)}

    def on_settings(self, settings: Mapping[str, Any]) -> str:
        """Returns from which score on the files show objects."""
        if "threshold" not in settings:
            return ""
        return (
            f"the files show objects from a score of {settings['threshold']:g} on, the best balance of precision and "
            "recall on the validation pictures; --threshold changes it"
        )

    def describe(self, metrics: Mapping[str, Any], *, pictures: bool) -> str:
        """Returns the kind of model with its number of classes."""
        return f"A detector of {count_of(len(metrics['classes']), 'class')}"

    def figures(self, metrics: Mapping[str, Any]) -> str:
        """Returns COCO's figures, and by how many objects a picture is miscounted."""
        return (
            f"mAP {share(metrics['map'])} (AP50 {share(metrics['ap50'])}, AP75 {share(metrics['ap75'])}), "
            f"counts off by {metrics['counting_error']:.2f} objects a picture"
        )

    def section(self, metrics: Mapping[str, Any]) -> Section:
        """Returns a table with average precision, precision and recall of each class."""
        rows = [
            (
                one["label"],
                str(one["count"]),
                *(share(one[name]) for name in ("ap", "ap50")),
                *(share(one["use"][name]) for name in ("precision", "recall")),
            )
            for one in metrics["classes"]
        ]
        return Section("", ("class", "objects", "AP", "AP50", "precision", "recall"), rows)

    def sureness(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns precision and recall at the default threshold, and the threshold with the best balance of both.

        That nothing is found stands before them.
        """
        there = sum(one["count"] for one in metrics["classes"])
        lines = [] if metrics["map"] or not there else [f"None of {count_of(there, 'object')} is found. {REMEDY}"]
        for title, one in (("By default", metrics["threshold"]), ("Best balance (F1)", metrics["best_threshold"])):
            if one is not None:
                found = f"precision {share(one['precision']) or 'none'}, recall {share(one['recall']) or 'none'}"
                lines.append(f"{title}: --threshold {one['threshold']:.2f}, {found}.")
        sizes = [f"{name} {value:.1%}" for name, value in metrics["by_size"].items() if value is not None]
        return [*lines, f"mAP by size of the objects: {', '.join(sizes)}."] if sizes else lines

    def plots(self, *, pictures: bool) -> Sequence[tuple[str, str]]:
        """Returns the confusion matrix, and the worst pictures with what is there and what was found."""
        return [("confusion", CONFUSION_PLOT), ("the worst pictures", WORST_PLOT)]


def _mean_positives(matcher: Any, labels: Array) -> float:
    """Returns how many anchors of a training picture show something on average, at least 1."""
    rows = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), COUNTED_ON)).astype(np.int64))
    counts = [
        int((np.asarray(matcher(labels[chosen])[1]) >= 0).sum()) for chosen in np.array_split(rows, len(rows) // 16 + 1)
    ]
    return max(1.0, sum(counts) / len(rows))


def _takes_photos(name: str) -> bool:
    """Whether a model is a classifier of photos."""
    spec = models.spec(name)
    shape = spec.input_shape or ()
    return spec.task == "classification" and is_picture(shape) and shape[-1] == 3


DETECTION_TRAINING = DetectionTraining()
