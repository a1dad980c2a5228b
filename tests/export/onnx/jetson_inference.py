"""What `imagenet` and `detectnet` of jetson-inference do before and behind a model, by their published sources.

The formulas are those of `gpuTensorNormMean` (`cudaTensorNormMeanRGB`), `imageNet::Classify`,
`detectNet::postProcessSSD_ONNX` and `detectNet::clusterDetections`; the model runs in ONNX Runtime in TensorRT's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

Array = npt.NDArray[Any]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
THRESHOLD, CLUSTERING = 0.5, 0.75


@dataclass
class Object:
    """An object that `detectnet` reports, its box in pixels of the picture."""

    label: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)

    def common(self, other: Object) -> float:
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)


class Program:
    """One of the programs with a model, as its command line names it."""

    def __init__(self, command: str, folder: Path) -> None:
        words = dict(word.lstrip("-").split("=", 1) for word in command.split()[1:-1])
        self.options = {name.replace("-", "_"): value for name, value in words.items()}
        self.session = onnxruntime.InferenceSession(
            str(folder / self.options["model"]), providers=["CPUExecutionProvider"]
        )
        self.labels = read_labels(folder / self.options["labels"])
        (self.input,) = self.session.get_inputs()
        assert self.input.name == self.options["input_blob"]

    def run(self, photo: Array, names: list[str], mean: tuple[float, ...], std: tuple[float, ...]) -> list[Array]:
        """Returns outputs without the batch; `photo` is (height, width, 3), red first."""
        _, _, height, width = self.input.shape
        rows = (np.arange(height, dtype=np.float32) * (photo.shape[0] / height)).astype(int)
        columns = (np.arange(width, dtype=np.float32) * (photo.shape[1] / width)).astype(int)
        sampled = photo[rows][:, columns].astype(np.float32) / np.float32(255)
        scaled = (sampled - np.array(mean, np.float32)) / np.array(std, np.float32)
        found = self.session.run(names, {self.input.name: scaled.transpose(2, 0, 1)[np.newaxis].astype(np.float32)})
        return [one[0] for one in found]


def read_labels(path: Path) -> list[str]:
    """Returns the labels as `tensorNet::LoadClassLabels` reads them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line[10:] if len(line) > 9 and line[0] == "n" and line[9] == " " else line for line in lines]


class ImageNet(Program):
    """The program `imagenet`."""

    def classify(self, photo: Array) -> tuple[str, float]:
        (scores,) = self.run(photo, [self.options["output_blob"]], IMAGENET_MEAN, IMAGENET_STD)
        assert len(scores) == len(self.labels)
        return self.labels[int(scores.argmax())], float(scores.max())


class DetectNet(Program):
    """The program `detectnet`."""

    def detect(self, photo: Array) -> list[Object]:
        names = [self.options["output_cvg"], self.options["output_bbox"]]
        scores, boxes = self.run(photo, names, (0.5,) * 3, (0.5,) * 3)
        assert scores.shape[1] == len(self.labels)
        height, width = photo.shape[:2]
        found: list[Object] = []
        for row, corners in zip(scores, boxes, strict=True):
            best = int(row[1:].argmax()) + 1  # column 0 is the background, and not looked at
            if row[best] < THRESHOLD:
                continue
            left, top, right, bottom = (float(side) for side in corners * (width, height, width, height))
            _cluster(found, Object(self.labels[best], float(row[best]), left, top, right, bottom))
        for one in found:
            one.left, one.top = max(one.left, 0), max(one.top, 0)
            one.right = one.right if one.right < width else width - 1
            one.bottom = one.bottom if one.bottom < height else height - 1
        return found


def _cluster(found: list[Object], new: Object) -> None:
    """Adds an object, or widens the first one of its class that it covers."""
    for old in found:
        if new.common(old) / max(new.area, old.area) > CLUSTERING and new.label == old.label:
            old.left, old.top = min(old.left, new.left), min(old.top, new.top)
            old.right, old.bottom = max(old.right, new.right), max(old.bottom, new.bottom)
            old.confidence = max(old.confidence, new.confidence)
            return
    found.append(new)
