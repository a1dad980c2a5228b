"""Prints Pillow's version, and the SHA-256 of the pixels of each picture of a folder, as `load_image` gives them.

Beside them stands `plain`, the digest of what Pillow's own `resize` makes of `tall.png`.

    picture_digests.py PILLOW FOLDER

PILLOW is the folder that a Pillow is installed into.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

SIZES = ((24, 24), (96, 96), (64, 48))


def main() -> None:
    """Reads every picture in all sizes and policies."""
    sys.path.insert(0, sys.argv[1])
    import PIL
    from PIL import Image

    from zoo.inputs.pictures.images import load_image
    from zoo.inputs.preprocessing import RESIZES, Preprocessing

    folder = Path(sys.argv[2])
    with Image.open(folder / "tall.png") as image:
        plain = image.resize((24, 24), Image.Resampling.BILINEAR).tobytes()
    found = {
        f"{path.name} {height}x{width}x{channels} {resize}": hashlib.sha256(
            load_image(path, width, height, channels, Preprocessing(resize)).tobytes()
        ).hexdigest()
        for path in sorted(folder.iterdir())
        for height, width in SIZES
        for channels in (1, 3)
        for resize in RESIZES
    }
    sys.stdout.write(
        json.dumps({"version": PIL.__version__, "pixels": found, "plain": hashlib.sha256(plain).hexdigest()}) + "\n"
    )


if __name__ == "__main__":
    main()
