"""What a detector finds in one picture, beside what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.inputs.boxes import Boxes
from zoo.tasks.objects.answer import Detection


@dataclass(frozen=True)
class PictureFigures:
    """What a detector finds in one picture with the threshold in use, at an overlap of 0.5."""

    path: Path
    truth: Boxes
    """The objects, in pixels of the upright picture."""
    met: tuple[bool, ...]
    """Whether each of them is found as what it is."""
    detections: tuple[Detection, ...]
    """What the detector finds, right or wrong, the best first."""
    are_right: tuple[bool, ...]
    """Whether each of those is there, and of its class."""

    @property
    def there(self) -> int:
        """Number of objects."""
        return len(self.truth)

    @property
    def found(self) -> int:
        """Number of objects that the detector finds, right or wrong."""
        return len(self.detections)

    @property
    def right(self) -> int:
        """Number of those that are there, of their class."""
        return sum(self.are_right)

    @property
    def mistakes(self) -> int:
        """Number of objects missed, and of those that are not there."""
        return self.there + self.found - 2 * self.right

    def as_dict(self) -> dict[str, Any]:
        """Returns the numbers as JSON can hold them."""
        return {"path": str(self.path), "there": self.there, "found": self.found, "right": self.right}
