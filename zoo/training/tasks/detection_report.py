"""The quality of a trained detector on one split: figures, and the plots of a run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from zoo import plots
from zoo.inputs.pictures.images import upright
from zoo.inputs.splits import SplitName
from zoo.tasks.objects.figures import Evaluation

CONFUSION_PLOT, WORST_PLOT = "confusion.png", "worst.png"
WORST_SHOWN = 10
"""The most pictures in `worst.png`."""
SIDE = 480
"""Width and height in pixels of the squares in which they are drawn."""
OF_A_FILE = ("worst", "unreadable")
"""What an evaluation says of single files; the pages of a run name none."""


@dataclass(frozen=True, eq=False)
class DetectionReport:
    """The metrics of a detector on one split."""

    split: SplitName
    evaluation: Evaluation

    def as_dict(self) -> dict[str, Any]:
        """The metrics as JSON can hold them, without names of files."""
        known = {key: value for key, value in self.evaluation.as_dict().items() if key not in OF_A_FILE}
        return {"split": self.split, **known, "map": self.evaluation.score}

    def plot(self, folder: Path) -> None:
        """Draws the confusion matrix, and the pictures with the most mistakes."""
        confusion = self.evaluation.confusion
        plots.plot_confusion(confusion.counts, confusion.labels, folder / CONFUSION_PLOT)
        worst = self.evaluation.mistaken()[:WORST_SHOWN]
        squares = [_square(self.evaluation.drawn(upright(one.path), one)) for one in worst]
        pictures = np.stack(squares) if squares else np.empty((0, 1, 1, 3), np.uint8)
        captions = [f"{one.there} there, {one.found} found, {one.right} right" for one in worst]
        title = "the pictures with the most mistakes" if worst else "no mistakes"
        plots.plot_pictures(pictures, captions, folder / WORST_PLOT, title)


def _square(picture: Image.Image) -> Any:
    """Returns a picture within a square, `(SIDE, SIDE, 3)` uint8."""
    return np.asarray(ImageOps.pad(picture, (SIDE, SIDE), color="white"))


def share(value: float | None) -> str:
    """Returns a figure in percent; nothing where nothing counts."""
    return "" if value is None else f"{value:.1%}"
