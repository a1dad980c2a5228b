"""Size and orientation of a picture file, without its pixels where that can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zoo.inputs.pictures import images, picture_memory


@dataclass(frozen=True)
class Stored:
    """Size and orientation of a picture as it is stored."""

    size: tuple[int, int]
    """Width and height in pixels."""
    orientation: int = 1
    """EXIF's orientation, 1 to 8; 1 where the file states none that there is."""

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the picture when it has been turned upright."""
        return self.size[::-1] if self.orientation in images.QUARTER_TURNS else self.size


def stored(source: str | Path | BinaryIO) -> Stored:
    """Returns a picture's size and orientation, from the file's header where it states both.

    Raises:
        InputError: as in `load_image`; of what is behind the header, a PNG alone is looked at.
    """
    with images.opened(source) as image:
        size = image.size
        if image.format == "PNG" and "exif" not in image.info:
            # A PNG may state it behind the pixels, which Pillow decodes to get there.
            with images.BUDGET.hold(picture_memory.needed(image, size, (1, 1), 3, 0, images.BUDGET.total)):
                return Stored(size, images.orientation_of(image))
        return Stored(size, images.orientation_of(image))
