"""The interface between the code for all trainings and the code for one task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zoo.data import Data
from zoo.data.augment import Augment
from zoo.data.pipeline import Order, Source
from zoo.inputs.labelled import SplitName
from zoo.progress import Progress
from zoo.tasks.evaluation import Section
from zoo.training.recipe import Recipe

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Teaching:
    """What a teacher adds to an objective: another model's outputs for the very examples that the model is given.

    The functions run inside TensorFlow graphs, on each replica for its rows.
    """

    answers: Callable[[Any], Any]
    """Turns examples, `(batch, ...)` as the model gets them, into the teacher's outputs: a tensor, or a structure of
    tensors if the task's models have several outputs."""
    loss: Callable[[Any, Any], Any]
    """Compares the teacher's outputs with the model's: one value for each example, `(batch,)` float32."""
    weight: float
    """The share of the teacher's loss in the whole, 0..1; the task's own loss has the rest."""

    def mix(self, own: Any, answers: Any, outputs: Any) -> Any:
        """Returns the loss of each example, `(batch,)`, from its loss on the labels and the teacher's outputs."""
        return (1 - self.weight) * own + self.weight * self.loss(answers, outputs)


@dataclass(frozen=True, eq=False)
class Objective:
    """The aim of one training: what is learned, how errors are measured, and by which metrics.

    "Labels" are a batch of a source's labels, `(batch, ...)`. "Outputs" are those of the model for this batch: a
    tensor, or a structure of tensors if the model has several outputs. The functions run inside TensorFlow graphs, on
    each replica for its rows.
    """

    targets: Callable[[Any], Any]
    """Turns labels into targets, what the loss compares outputs with: a tensor, or a structure of tensors."""
    loss: Any
    """A `keras.losses.Loss`; its `call(targets, outputs)` gives one value for each example, `(batch,)`, also for
    structures of several outputs."""
    metrics: Mapping[str, Callable[[Any, Any], Any]]
    """The metrics by name: named functions of targets and outputs that give one value for each example, `(batch,)`, of
    which the mean is reported. Keras writes the functions' names into the saved model."""
    weights: Callable[[Any], Any] | None = None
    """Turns labels into the weight of each example in the loss, `(batch,)` float32; None if all weigh the same."""
    judge: Callable[[], dict[str, float]] | None = None
    """Computes, at the end of an epoch, the metrics of the model on the validation files that are no mean over the
    examples (or on the training files if there are none); None if the task has no such metrics. Of several workers,
    only the chief calls it."""
    teaching: Teaching | None = None
    """A teacher's part in the loss; None if the labels alone are learned."""


class Report(Protocol):
    """The quality of a trained model on one split."""

    def as_dict(self) -> dict[str, Any]:
        """The metrics as JSON can hold them: at least `split`, `count` and the task's monitored metric."""

    def plot(self, folder: Path) -> None:
        """Draws the task's plots into the run's folder.

        Raises:
            OutputError: a plot cannot be written.
        """


class TrainingTask(Protocol):
    """The training side of a task; one object, without state, serves all trainings.

    The device side has the same name: see `zoo.tasks`. Metrics are fractions, 0..1.
    """

    @property
    def name(self) -> str:
        """The name of the task in specs, recipes and cards."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the objective's `metrics`."""

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of the metrics that the objective's `judge` computes."""

    @property
    def monitor(self) -> str:
        """The metric that decides on the validation files which epoch is the best; at a tie, the lower loss does."""

    @property
    def score_name(self) -> str:
        """What the monitored metric is called in tables: `accuracy`."""

    @property
    def counts_files(self) -> bool:
        """Whether the monitored metric is the share of files that are right, which has a confidence interval."""

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher value of the monitored metric is better."""

    @property
    def trial(self) -> str:
        """What it costs to begin from random weights with few pictures, as part of a sentence."""

    @property
    def caches_features(self) -> bool:
        """Whether a new head is trained on features that a frozen body computes once for each example.

        Where random changes to the examples move what is to be learned, it is not.
        """

    def load(self, data: str | Path, shape: tuple[int, ...], recipe: Recipe, progress: Progress) -> Data:
        """Loads the data of a training.

        Args:
            data: the path that the user gave.
            shape: the shape of the model's input, without the batch.
            recipe: the recipe of the training.
            progress: is told how many files have been read.

        Raises:
            InputError: the data cannot be used.
        """

    def training_batches(self, source: Source, batch_size: int, order: Order, augment: Augment, data: Data) -> Any:
        """Makes the `tf.data` batches of `(examples, labels)` of a training, as `Data.train` has them.

        Args:
            source: examples with their labels.
            batch_size: number of examples in a batch.
            order: the order of the examples, which depends on the epoch.
            augment: the random changes to the examples; labels that say where something is must change with them.
            data: the data that the source is a part of.
        """

    def check(self, model: keras.Model, data: Data) -> None:
        """Checks whether the outputs of a user's own model fit the data.

        Raises:
            OptionError: they do not.
        """

    def adapt(self, model: keras.Model, data: Data, recipe: Recipe) -> Sequence[str]:
        """Adapts a model whose head is new to the data, before its weights are trained.

        Returns:
            Notes for the user.
        """

    def head_index(self, model: keras.Model) -> int:
        """Returns the index in `model.layers` of the first layer of the head, which every stage trains.

        Raises:
            OptionError: the model has no such head.
        """

    def split_at_head(self, model: keras.Model) -> tuple[keras.Model, keras.Model]:
        """Splits a model into its body, from inputs to features, and its head, which share the model's layers.

        Raises:
            OptionError: the model has no such head.
        """

    def objective(self, model: keras.Model, data: Data, recipe: Recipe) -> Objective:
        """Returns the objective of training a model, as the strategy trains it, on data that `load` loaded."""

    def evaluate(self, outputs: Any, data: Data, split: SplitName) -> Report:
        """Evaluates a model's outputs, arrays `(count, ...)`, for the files of a split in their order."""

    def held_out(self, data: Data, split: SplitName) -> Sequence[Any]:
        """Returns the files of a split in their order, with what is known of each, as exported files are judged by."""

    def describe(self, metrics: Mapping[str, Any], *, pictures: bool) -> str:
        """Returns the kind of model, to begin a sentence with: `An image classifier of 10 classes`.

        Args:
            metrics: a report's `as_dict()`, as it was written to `metrics.json`.
            pictures: whether the model's inputs are pictures.
        """

    def figures(self, metrics: Mapping[str, Any]) -> str:
        """Returns the main metrics as part of a sentence, the monitored one first."""

    def section(self, metrics: Mapping[str, Any]) -> Section:
        """Returns the metrics in detail, as a table."""

    def plots(self, *, pictures: bool) -> Sequence[tuple[str, str]]:
        """Returns titles and file names of the plots that a report draws into the run's folder."""


@runtime_checkable
class Predicting(Protocol):
    """A task that makes results of a model's outputs at once, since those of all files take much memory."""

    def predict(self, model: keras.Model, data: Data, split: SplitName) -> Any:
        """Returns the results for the files of a split in their order, for `evaluate` instead of the outputs."""


@runtime_checkable
class Teachable(Protocol):
    """A task whose models can learn from a teacher's outputs as well; a task need not be one."""

    def imitation(
        self, model: keras.Model, teacher: keras.Model, objective: Objective, temperature: float
    ) -> Callable[[Any, Any], Any]:
        """Returns the loss that compares a teacher's outputs with the model's, see `Teaching.loss`.

        Args:
            model: the model that learns.
            teacher: the teacher, which gives outputs for the classes of the data in their order.
            objective: the objective of the training on labels.
            temperature: the number by which the logits of both are divided before they are compared.

        Raises:
            OptionError: an output of the teacher means something else than that of the model.
        """


@runtime_checkable
class Naming(Protocol):
    """A task whose models carry the names of their classes; a task need not be one."""

    def name_classes(self, model: keras.Model, data: Data) -> None:
        """Gives a model the names of the data's classes, before its training begins or continues."""


@runtime_checkable
class Tuning(Protocol):
    """A task whose files use numbers that held-out files decide; a task need not be one."""

    def settings(self, model: keras.Model, data: Data) -> Mapping[str, Any]:
        """Returns what a file of a trained model is to use unless told otherwise, by its card's fields.

        The validation files decide, not the test files, on which the file is judged.
        """

    def on_settings(self, settings: Mapping[str, Any]) -> str:
        """Returns what the user should know of settings, in one line; empty if there are none."""


@runtime_checkable
class Advising(Protocol):
    """A task that can say what the scores of its models are worth; a task need not be one."""

    def sureness(self, metrics: Mapping[str, Any]) -> Sequence[str]:
        """Returns what the scores are worth, in lines of text; none for metrics of an older run."""


@runtime_checkable
class Calibrating(Protocol):
    """A task whose scores can be made to say how often they are right; a task need not be one."""

    def calibrate(self, model: keras.Model, report: Any, held_out: Any, data: Data) -> Any:
        """Calibrates the scores of a trained model, in its weights.

        Args:
            model: the best model; its weights may be changed, but none of its answers.
            report: what `evaluate` returned for the model.
            held_out: the model's outputs for the validation files; None if there are none.
            data: the data of the training.

        Returns:
            The report of the calibrated model.
        """
