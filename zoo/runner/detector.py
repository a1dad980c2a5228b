"""The detector: a `.tflite` or `.onnx` file that finds objects in pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from zoo import bounds
from zoo.inputs.preprocessing import Preprocessing
from zoo.runner.entry import Scaling
from zoo.runner.loading.runtimes import Runtime
from zoo.runner.predictor import Predictor, Result, Sample, Source
from zoo.tasks.detection import DETECTION, LIMIT, Detecting
from zoo.tasks.objects.answer import Detection


class Detector(Predictor[Detection]):
    """Finds objects in pictures. The file contains everything it needs: anchors, labels, size and resize policy."""

    task: Detecting

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
        trusted: bool = False,
    ) -> None:
        """Loads the file; arguments and errors as for `Predictor`."""
        super().__init__(
            path,
            task=DETECTION,
            runtime=runtime,
            threads=threads,
            delegate=delegate,
            provider=provider,
            preprocessing=preprocessing,
            input_range=input_range,
            labels=labels,
            trusted=trusted,
        )

    def detect(
        self,
        picture: Source | Sample,
        *,
        threshold: float | None = None,
        iou: float | None = None,
        limit: int = LIMIT,
        only: str | Sequence[str] = (),
    ) -> list[Detection]:
        """Finds the objects in a picture.

        Args:
            picture: see `Predictor.predict`.
            threshold: the least score, 0..1; by default that of the file's card, or 0.5.
            iou: the overlap, 0..1, above which the worse of two boxes of one class is left out; by default 0.6. A file
                that decodes its boxes itself has one of its own.
            limit: the largest number of objects.
            only: the names of the classes to look for, or one name; by default all.

        Returns:
            The objects, best first, with boxes in pixels of the upright picture, or of the input for an array.

        Raises:
            InputError: the picture cannot be read or does not fit the model, or an argument is out of range.
            AnswerError: the file gives no answer.
        """
        limit = bounds.whole("limit", limit)
        task = self.task.narrowed(self.labels, threshold=threshold, iou=iou, only=only)
        return self._decode(picture if isinstance(picture, Sample) else self.read(picture), limit, task)

    def detect_many(
        self,
        pictures: Iterable[Source],
        *,
        threshold: float | None = None,
        iou: float | None = None,
        limit: int = LIMIT,
        only: str | Sequence[str] = (),
        workers: int | None = None,
    ) -> Iterator[Result[Detection]]:
        """Finds the objects in many pictures, in order; see `detect` and `Predictor.predict_many`."""
        limit = bounds.whole("limit", limit)
        task = self.task.narrowed(self.labels, threshold=threshold, iou=iou, only=only)
        return self.predict_many(pictures, limit, workers=workers, task=task)
