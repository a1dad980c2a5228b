"""What is given for a `.tflite` file by mistake: what can be made into one, and folders that hold one."""

from __future__ import annotations

from pathlib import Path

HDF5 = b"\x89HDF"
ZIP = b"PK"


def advice(path: Path, head: bytes = b"") -> str:
    """Returns which `.tflite` file may be meant, or how one is made of this, as the rest of a sentence; else nothing.

    Args:
        path: a file, or a folder.
        head: the first bytes of a file.
    """
    if head.startswith(HDF5) or (head.startswith(ZIP) and path.suffix == ".keras"):
        kind = "Keras model"
    elif (path / "saved_model.pb").exists():
        kind = "SavedModel folder"
    elif files := sorted(path.glob("*.tflite")):
        return f"it is a folder; give a file in it, such as {files[0]}"
    elif path.is_dir() and (keras := sorted(path.glob("*.keras"))):
        return f"it is a folder; zoo export {keras[0]} makes a .tflite file of the model in it"
    else:
        return ""
    return f"it is a {kind}, and zoo export {path} makes a .tflite file of that"
