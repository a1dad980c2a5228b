"""What is given for a `.tflite` file by mistake, and can be made into one."""

from __future__ import annotations

from pathlib import Path

HDF5 = b"\x89HDF"
ZIP = b"PK"


def advice(path: Path, head: bytes = b"") -> str:
    """Returns how a `.tflite` file is made of this one, as the rest of a sentence; empty where it cannot be.

    Args:
        path: a file, or a folder.
        head: the first bytes of a file.
    """
    if head.startswith(HDF5) or (head.startswith(ZIP) and path.suffix == ".keras"):
        kind = "Keras model"
    elif (path / "saved_model.pb").exists():
        kind = "SavedModel folder"
    else:
        return ""
    return f"it is a {kind}, and zoo export {path} makes a .tflite file of that"
