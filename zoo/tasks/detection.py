"""Detection: the task of finding the objects in a picture, each with its class and its box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from zoo import bounds
from zoo.errors import InputError, closest
from zoo.inputs.pictures.fit import Box
from zoo.tasks.objects.answer import Detection
from zoo.tasks.scores import Scores, shown_score
from zoo.tasks.task import Agreement, Array, Shape, Stored
from zoo.tflite.labels import BACKGROUND
from zoo.tflite.writing.tags import OutputTag

if TYPE_CHECKING:
    from PIL import Image

    from zoo.inputs.pictures.fit import Fit
    from zoo.inputs.preprocessing import Resize
    from zoo.tasks.objects.figures import Comparison, Evaluation
    from zoo.tasks.objects.judge import DetectionJudge
    from zoo.tasks.objects.layout import Found
    from zoo.tflite.modelfile import ModelFile

LIMIT = 100
"""The most objects of one picture, unless told otherwise; COCO's metric counts as many."""
LEAST = 0.001
"""The least score of an object that counts in an evaluation."""

HEAD_TAGS = (
    OutputTag("location", "a coded box for each anchor", corners=(0, 1, 2, 3)),
    OutputTag("score", "one a class for each anchor", has_labels=True),
)
"""The metadata of the outputs of a file whose boxes the runner decodes, or MediaPipe Tasks."""
OBJECT_TAGS = (
    OutputTag("location", "top, left, bottom and right of each object", corners=(1, 0, 3, 2), group="detection_result"),
    OutputTag("category", "its class", has_labels=True, labels_are="values", group="detection_result"),
    OutputTag("score", "its score", group="detection_result"),
    OutputTag("number of detections", "how many of the objects count"),
)
"""The metadata of the outputs of a file that decodes its boxes itself, named as the Android Task Library expects it."""


@dataclass(frozen=True)
class Detecting:
    """The task of finding the objects in a picture."""

    name: str = "detection"
    noun: str = "detector"
    verb: str = "detect"
    action: str = "Finds the objects in a picture."
    has_confusion: bool = True
    columns: tuple[str, ...] = ("label", "index", "score", "left", "top", "right", "bottom")
    output_tags: tuple[OutputTag, ...] = HEAD_TAGS
    scores: Scores = "probabilities"
    resize: Resize = "stretch"
    truth: Literal["boxes"] = "boxes"
    threshold: float = 0.5
    """The least score of an object."""
    iou: float = 0.6
    """The overlap of two boxes of one class above which the one with the lower score is left out."""
    only: frozenset[int] | None = None
    """The classes that are looked for; None for all."""
    across: bool = False
    """Whether an anchor has its best class only, and boxes of all classes are rivals, as in files with `nms="file"`."""
    found: Found | None = field(default=None, compare=False)
    """How the outputs of the file are arranged; None if no file was looked at."""
    compared: Found | None = field(default=None, compare=False)
    """How the outputs are arranged that `agreement` holds against a reference; None if they are as the reference's."""

    @property
    def facts(self) -> dict[str, str]:
        """How the boxes of the file come about, and which ones are shown."""
        layout = self.found.layout if self.found is not None else None
        if layout is None:
            return {}
        threshold = f"{self.threshold:g}, the least score of an object unless told otherwise"
        if layout.leaves_overlaps:
            threshold += f"; of two of one class that overlap by more than {self.iou:g}, the better one is shown"
        return {"boxes": layout.origin, "threshold": threshold}

    @property
    def note(self) -> str:
        """What is assumed of the file's boxes."""
        return self.found.layout.note if self.found is not None and self.found.layout is not None else ""

    def recognizes(self, file: ModelFile) -> bool:
        """Whether the outputs of a file are those of a detector."""
        if len(file.main.outputs) == 1 and len(file.main.tensors[file.main.outputs[0]].shape) != 3:
            return False  # most files are classifiers, and need none of what follows
        from zoo.tasks.objects.layout import looks_like

        return looks_like(file)

    def for_file(self, card: Mapping[str, Any], file: ModelFile) -> Detecting:
        """The task with how a file's outputs are arranged, and the least score that its card names."""
        from zoo.tasks.objects.layout import find

        stated = card.get("threshold")
        threshold = float(stated) if isinstance(stated, float) and 0 < stated < 1 else self.threshold
        return replace(self, found=find(file), threshold=threshold)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the fields of `Detection`."""
        numbers = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
        return {
            "label": {"type": "string"},
            "index": {"type": "integer"},
            "score": {"type": "number"},
            "box": {**numbers, "description": "left, top, right, bottom in pixels of the upright picture"},
        }

    def fault(self, shapes: Sequence[Shape]) -> str:
        """Returns why the boxes of a file cannot be decoded."""
        if self.found is not None:
            return f"no detector that can be decoded: {self.found.fault}" if self.found.fault else ""
        boxes = [shape for shape in shapes if len(shape) == 3]
        if len(shapes) == len(boxes) == 2 and boxes[0][1] == boxes[1][1] and 4 in (boxes[0][2], boxes[1][2]):
            return ""
        shown = ", ".join(map(str, shapes[:8]))
        return f"no detector: its outputs are {shown}, not (batch, anchors, 4) and (batch, anchors, classes)"

    def classes(self, shapes: Sequence[Shape]) -> int:
        """The number of classes, without the background."""
        layout = self.found.layout if self.found is not None else None
        if layout is None:
            first, second = shapes
            return second[2] if first[2] == 4 else first[2]
        return layout.columns - getattr(layout, "has_background", False)

    def fitted_labels(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the labels without a first one of the background, as label maps have it."""
        return labels[1:] if labels and labels[0].strip().lower() in BACKGROUND else labels

    def decode(
        self, outputs: Sequence[Array], labels: tuple[str, ...], fit: Fit | None = None, limit: int | None = None
    ) -> list[Detection]:
        """The objects of one picture from real outputs, best first; see `decode_stored`."""
        return self.decode_stored([Stored(values) for values in outputs], labels, fit, limit)

    def decode_stored(
        self, outputs: Sequence[Stored], labels: tuple[str, ...], fit: Fit | None = None, limit: int | None = None
    ) -> list[Detection]:
        """The objects of one picture, best first; at most `LIMIT` if no limit is given.

        Raises:
            AnswerError: a score or the box of an object is not a finite number.
        """
        from zoo.tasks.objects.decoding import objects_in

        if self.found is None or self.found.layout is None or self.found.picture is None:
            raise ValueError("the boxes of a file are decoded by the task that `for_file` returned")
        picture = self.found.picture
        boxes, scores, classes = objects_in(
            self.found.layout,
            outputs,
            (picture.width, picture.height),
            fit,
            threshold=self.threshold,
            iou=self.iou,
            only=self.only,
            limit=LIMIT if limit is None else limit,
            across=self.across,
        )
        return [
            Detection(labels[at] if at < len(labels) else f"class_{at}", at, score, Box(*box))
            for box, score, at in zip(boxes.tolist(), scores.tolist(), classes.tolist(), strict=True)
        ]

    def narrowed(
        self,
        labels: tuple[str, ...],
        *,
        threshold: float | None = None,
        iou: float | None = None,
        only: str | Sequence[str] = (),
    ) -> Detecting:
        """Returns the task with another threshold, overlap, or classes to look for; a text is the name of one class.

        Raises:
            InputError: a number is not in 0..1, or a name is none of the labels.
        """
        for name, value in (("threshold", threshold), ("iou", iou)):
            if value is not None:
                bounds.share(name, value)
        only = bounds.names("only", bounds.one_or_more(only))
        for name in only:
            if name not in labels:
                known = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
                raise InputError(
                    f"{name!r} is none of the classes of the file ({known}); {closest(name, labels)}".rstrip("; ")
                )
        names = set(only)
        wanted = frozenset(at for at, label in enumerate(labels) if label in names) if names else self.only
        return replace(
            self,
            threshold=self.threshold if threshold is None else threshold,
            iou=self.iou if iou is None else iou,
            only=wanted,
        )

    def for_judging(self) -> Detecting:
        """Returns the task that also finds what is unsure, since the metric is taken over all thresholds."""
        return replace(self, threshold=min(self.threshold, LEAST))

    def draw(self, picture: Image.Image, found: Sequence[Detection]) -> Image.Image:
        """Returns a copy of an upright picture with boxes and names."""
        from zoo.tasks.objects.draw import drawn

        return drawn(picture, found)

    def crops(self, picture: Image.Image, found: Sequence[Detection]) -> list[Image.Image]:
        """Returns the part of an upright picture in each box, at least one pixel wide and high."""
        from zoo.tasks.objects.draw import crop

        return [crop(picture, one.box) for one in found]

    def judge(self, labels: tuple[str, ...]) -> DetectionJudge:
        """Returns a new judge."""
        from zoo.tasks.objects.judge import DetectionJudge

        return DetectionJudge(labels, self.threshold)

    def compare(self, first: Evaluation, second: Evaluation) -> Comparison:
        """Compares two detectors on the same pictures.

        Raises:
            InputError: there is no picture that both could read.
        """
        from zoo.tasks.objects import figures as detection_figures

        return detection_figures.compare(first, second)

    def agreement(self, reference: Sequence[Array], outputs: Sequence[Array], *, least: float = 0.0) -> Agreement:
        """Returns how many objects above the threshold are the same; see `zoo.tasks.objects.decoding.agreement`.

        Args:
            reference: the outputs of the reference, real numbers; the first axis is the inputs.
            outputs: the outputs to compare, arranged as `compared` says.
            least: a score below which nothing is compared.
        """
        from zoo.tasks.objects.decoding import agreement

        every = replace(self, threshold=0.0)
        theirs = replace(every, found=self.compared or self.found)
        labels = tuple(map(str, range(self.classes([one.shape for one in reference]))))

        def found(task: Detecting, answer: Sequence[Array], at: int) -> list[Detection]:
            return task.decode([one[at : at + 1] for one in answer], labels)

        pairs = [(found(every, reference, at), found(theirs, outputs, at)) for at in range(len(reference[0]))]
        return agreement(pairs, self.threshold, least=least)

    def divergence(self, reference: Sequence[Array], outputs: Sequence[Array]) -> float:
        """Returns the divergence of the scores and of the boxes of anchors that show objects, for each such anchor.

        Raises:
            ValueError: it is not known how the outputs are arranged.
        """
        from zoo.tasks.divergence import of_boxes, of_labels
        from zoo.tasks.objects.layout import Heads

        layout = self.found.layout if self.found is not None else None
        if not isinstance(layout, Heads):
            raise ValueError("the boxes of a model are compared by the task that knows its anchors")
        first, second = reference[layout.scores], outputs[layout.scores]
        best = first.max(axis=-1)
        boxes = of_boxes(reference[layout.boxes], outputs[layout.boxes], best)
        # A picture has thousands of anchors, and a few of them count.
        return (of_labels(first, second) + boxes) / max(1.0, float(best.sum()) / len(best))

    def cells(self, found: Detection) -> tuple[object, ...]:
        """The values of one object, in the order of `columns`."""
        return found.label, found.index, found.score, *found.box

    def lines(self, found: Sequence[Detection]) -> list[str]:
        """Returns a line for each object."""
        wide = max((len(one.label) for one in found), default=0)
        return [
            f"{one.label:<{wide}}  {shown_score(one.score, self.scores, 0):>4}  {_corners(one.box)}" for one in found
        ] or ["nothing found"]

    def brief(self, found: Sequence[Detection]) -> str:
        """Returns how many objects of each class there are as part of a line."""
        return ", ".join(f"{count} {label}" for label, count in counted(found).items()) or "nothing found"


def counted(found: Sequence[Detection]) -> dict[str, int]:
    """Returns how many objects there are by class, in the order of the file's labels, the same for every picture."""
    return dict(Counter(one.label for one in sorted(found, key=lambda one: one.index)))


def _corners(box: Box) -> str:
    return f"{box.left:.0f},{box.top:.0f}-{box.right:.0f},{box.bottom:.0f}"


DETECTION = Detecting()
