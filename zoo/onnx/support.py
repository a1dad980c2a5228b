"""Tells whether a target takes an `.onnx` file, and why not: by its operations, types, sizes and operation set.

Nothing is run, and no board is needed. What such a check cannot know is said by `Verdict.notes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ExportError
from zoo.onnx import kernels, tensorrt
from zoo.onnx.problem import Problem, merged
from zoo.onnx.reading.file import read
from zoo.onnx.reading.model import OnnxFile
from zoo.onnx.targets import ONNX_TARGETS, TITLES, OnnxTarget

NO_ENGINE = "judged by the parser's published list; no engine was built, which only trtexec on the board can do"
NO_INT8 = "an original Nano's GPU has no int8 arithmetic; there, float16 is the faster file"
EXPERIMENTAL = "NonMaxSuppression is experimental there, and its output always has the full size"


@dataclass(frozen=True)
class Verdict:
    """Whether a target takes a file."""

    target: OnnxTarget
    problems: tuple[Problem, ...]
    """What keeps it from that; none if it takes the file."""
    notes: tuple[str, ...]
    """What the check cannot know, and what else there is to know of the target."""

    @property
    def takes(self) -> bool:
        """Whether the target takes the file, as far as the check knows."""
        return not self.problems

    def lines(self) -> list[str]:
        """Returns the verdict as lines of text."""
        title = TITLES[self.target]
        head = f"{title}: takes it" if self.takes else f"{title}: does not take it, because"
        return [head, *(f"  {problem}" for problem in self.problems), *(f"  ({note})" for note in self.notes)]

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        return {"takes": self.takes, "problems": list(map(str, self.problems)), "notes": list(self.notes)}


def judge(file: OnnxFile, target: OnnxTarget) -> Verdict:
    """Holds a file against what a target takes.

    Raises:
        MissingDependencyError: the package `onnx` is not installed; the message says what to type.
    """
    if target == "onnxruntime":
        return Verdict(target, tuple(merged(kernels.problems(file))), ())
    notes = [NO_ENGINE]
    ops = {node.op for graph in file.all_graphs() for node in graph.nodes}
    if target == "tensorrt8":
        notes += [NO_INT8] * ("DequantizeLinear" in ops) + [EXPERIMENTAL] * ("NonMaxSuppression" in ops)
    return Verdict(target, tuple(merged(tensorrt.problems(file, target))), tuple(notes))


def judge_all(file: OnnxFile) -> dict[OnnxTarget, Verdict]:
    """Holds a file against what each target takes."""
    return {target: judge(file, target) for target in ONNX_TARGETS}


def require(path: Path, target: OnnxTarget) -> Verdict:
    """Refuses a file that a target does not take.

    Args:
        path: the file.
        target: what it is for.

    Raises:
        ExportError: the target does not take it; the message names the operation, the reason, and what to do.
        ModelFileError: it is no sound file.
    """
    verdict = judge(read(path), target)
    if not verdict.takes:
        raise ExportError(_refused(verdict))
    return verdict


def refusals(path: Path) -> list[str]:
    """Returns why targets do not take a file, a line for each that does not; errors as those of `require`."""
    return [_refused(verdict) for verdict in judge_all(read(path)).values() if not verdict.takes]


def _refused(verdict: Verdict) -> str:
    """Returns why a target does not take a file, in one line."""
    more = f" ({len(verdict.problems)} reasons, this is the first)" if len(verdict.problems) > 1 else ""
    return f"{TITLES[verdict.target]} does not take this file{more}: {verdict.problems[0]}"
