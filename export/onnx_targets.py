"""Holds a finished `.onnx` file against the target of its export."""

from __future__ import annotations

from pathlib import Path

from zoo.export.onnx_options import is_onnx_target
from zoo.export.options import ExportOptions
from zoo.onnx.file import read
from zoo.onnx.support import judge, refused, require
from zoo.onnx.targets import ONNX_TARGETS, TITLES


def check(path: Path, options: ExportOptions) -> list[str]:
    """Refuses a file that its target does not take; without a target it says which ones do not.

    Returns:
        What is to be known of the target, or of those that do not take the file, each in one line.

    Raises:
        ExportError: the target does not take the file; the message names the operation, the reason, and what to do.
    """
    if is_onnx_target(options.target):
        return [f"{TITLES[options.target]}: {note}" for note in require(path, options.target).notes]
    file = read(path)
    verdicts = [judge(file, target) for target in ONNX_TARGETS]
    return [refused(one) for one in verdicts if not one.takes]
