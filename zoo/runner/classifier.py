"""The classifier: a `.tflite` or `.onnx` file that classifies pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from zoo import bounds
from zoo.inputs.preprocessing import Preprocessing
from zoo.runner.entry import Scaling
from zoo.runner.loading.runtimes import Runtime
from zoo.runner.loading.session import Array
from zoo.runner.predictor import Predictor, Result, Sample, Source
from zoo.tasks.classification import CLASSIFICATION, Prediction


class Classifier(Predictor[Prediction]):
    """Classifies pictures. The file contains everything it needs: labels, size, channels and resize policy."""

    def __init__(
        self,
        path: str | Path,
        *,
        runtime: Runtime = "auto",
        threads: int | None = None,
        delegate: str | None = None,
        provider: str | None = None,
        preprocessing: Preprocessing | None = None,
        input_range: Scaling | None = None,
        labels: str | Path | Sequence[str] | None = None,
        min_score: float | None = None,
        trusted: bool = False,
    ) -> None:
        """Loads the file; arguments and errors as for `Predictor`."""
        super().__init__(
            path,
            task=CLASSIFICATION,
            runtime=runtime,
            threads=threads,
            delegate=delegate,
            provider=provider,
            preprocessing=preprocessing,
            input_range=input_range,
            labels=labels,
            min_score=min_score,
            trusted=trusted,
        )

    def classify(self, source: Source | Sample, top_k: int = 5) -> list[Prediction]:
        """Classifies a picture.

        Args:
            source: see `Predictor.predict`.
            top_k: the number of classes to return, at most all.

        Returns:
            The most likely classes, best first; "not sure" before them if the best one is below the least score.

        Raises:
            InputError: the picture cannot be read, or does not fit the model, or `top_k` is out of range.
        """
        return self.predict(source, bounds.whole("top_k", top_k))

    def classify_many(
        self, sources: Iterable[Source], top_k: int = 5, *, workers: int | None = None
    ) -> Iterator[Result[Prediction]]:
        """Classifies many pictures, in order; see `Predictor.predict_many`."""
        return self.predict_many(sources, bounds.whole("top_k", top_k), workers=workers)

    def scores(self, values: Array) -> Array:
        """Returns the score of each class, `(classes,)` float32, for raw pixels or values of the input's shape.

        Raises:
            InputError: the values have another shape.
        """
        return self.outputs(values)[0].reshape(-1)
