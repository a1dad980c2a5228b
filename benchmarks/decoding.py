"""Times what comes after a detector's model: from its stored outputs to objects, beside a plain loop in numpy.

    python benchmarks/decoding.py [--rounds 30] [--json]

The outputs are random stored numbers of a detector with this many anchors and classes; scores have 16 bits, so that no
two are equal and both sides have one order. *usual* has 40 scores above the
threshold, *worst* has all of them above it: then the best 400 are compared with each other. The plain loop makes real
numbers of everything, takes the same 400, and goes through them box by box, as most scripts do; it has to find the same
objects. One thread; nothing but numpy runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from bench.cells import sides
from bench.script import benchmark
from bench.turns import compare, timed
from tables import markdown_table
from zoo.inputs.pictures.fit import fit
from zoo.inputs.preprocessing import PictureShape
from zoo.tasks.detection import DETECTION, LIMIT, Detecting
from zoo.tasks.objects.boxes import Coding
from zoo.tasks.objects.decoding import CANDIDATES
from zoo.tasks.objects.layout import Found, Heads
from zoo.tasks.task import Stored

Array = npt.NDArray[Any]

SIZES = ((1360, 4), (3000, 3), (3000, 80), (12804, 80))
"""Anchors and classes; the first is SSDLite at 256 pixels."""
THRESHOLD, IOU = 0.05, 0.6
SIDE, PICTURE = 320, (640, 480)
STEP = 2**-16
"""The real value of one stored unit of a score."""
REPEATS = 20
"""Pictures in one measurement: one alone is too short for a clock."""


def table(result: dict[str, Any]) -> str:
    """Shows both sides and their ratio for each size and case."""
    rows = [(f"{row['anchors']} x {row['classes']}", row["case"], *sides(row)) for row in result["rows"]]
    return markdown_table(("anchors x classes", "case", "a plain loop", "ours", "it / ours"), rows)


@benchmark(table)
@click.option("--rounds", type=click.IntRange(min=3), default=30, show_default=True)
def main(rounds: int) -> dict[str, Any]:
    """Measures each size and case; the exit code is 1 if the two find other objects."""
    rows = [compared(*size, case, rounds) for size in SIZES for case in ("usual", "worst")]
    found: dict[str, Any] = {"rows": rows}
    return found if all(row["same"] for row in rows) else found | {"problems": ["the plain loop finds other objects"]}


def compared(anchors: int, classes: int, case: str, rounds: int) -> dict[str, Any]:
    """Times both in turn."""
    task, outputs = outputs_of(anchors, classes, case)
    labels = tuple(f"class_{i}" for i in range(classes))
    place = fit(PICTURE, (SIDE, SIDE), "stretch")

    def ours() -> list[tuple[float, ...]]:
        found = task.decode_stored(outputs, labels, place, LIMIT)
        return [(one.index, one.score, *one.box) for one in found]

    def loop() -> list[tuple[float, ...]]:
        return plain(task, outputs)

    same = bool(np.allclose(ours(), loop(), atol=1e-3))
    figures = compare(_several(loop), _several(ours), rounds, "ms", 1e3 / REPEATS)
    return {"anchors": anchors, "classes": classes, "case": case, "same": same, **figures}


def _several(work: Any) -> Any:
    return timed(lambda: [work() for _ in range(REPEATS)])


def outputs_of(anchors: int, classes: int, case: str) -> tuple[Detecting, list[Stored]]:
    """Returns a detector's task and one picture's outputs; every score is another one, so that the order is known."""
    rng = np.random.default_rng(0)
    shapes = np.concatenate([rng.random((anchors, 2)), rng.uniform(0.05, 0.5, (anchors, 2))], axis=1)
    stored = np.clip(np.round(rng.normal(0, 1, (1, anchors, 4)) / 0.05) + 128, 0, 255).astype(np.uint8)
    scores = np.full((1, anchors, classes), THRESHOLD / 2 / STEP, np.uint16)
    above = rng.choice(anchors, 40 if case == "usual" else anchors, replace=False)
    values = np.linspace(2 * THRESHOLD, 1 - STEP, len(above))
    scores[0, above, rng.integers(0, classes, len(above))] = np.round(values / STEP)
    heads = Heads(0, 1, shapes.astype(np.float32), Coding(), False, classes, False)
    task = replace(DETECTION, threshold=THRESHOLD, iou=IOU, found=Found(heads, "", PictureShape(SIDE, SIDE, 3)))
    return task, [Stored(stored, 0.05, 128), Stored(scores, STEP, 0)]


def plain(task: Detecting, outputs: list[Stored]) -> list[tuple[float, ...]]:
    """Decodes everything, and compares the best boxes one by one with all that are left."""
    assert task.found is not None  # `outputs_of` made it
    layout: Any = task.found.layout
    boxes = layout.coding.decode(outputs[0].real(outputs[0].values[0]), layout.anchors)
    scores = outputs[1].real(outputs[1].values[0])
    where, which = np.nonzero(scores >= THRESHOLD)
    values = scores[where, which]
    best = np.argsort(-values, kind="stable")[:CANDIDATES]
    where, which, values = where[best], which[best], values[best]
    corners = np.clip(boxes[where] * SIDE, 0, SIDE)
    keep: list[int] = []
    order = np.flatnonzero((corners[:, 2:] > corners[:, :2]).all(axis=1))
    corners = boxes[where] * SIDE
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    while len(order) and len(keep) < LIMIT:
        at, rest = order[0], order[1:]
        keep.append(int(at))
        wide = np.minimum(corners[at, 2], corners[rest, 2]) - np.maximum(corners[at, 0], corners[rest, 0])
        high = np.minimum(corners[at, 3], corners[rest, 3]) - np.maximum(corners[at, 1], corners[rest, 1])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        overlap = shared / (areas[at] + areas[rest] - shared)
        order = rest[(overlap <= IOU) | (which[rest] != which[at])]
    scale = np.array([PICTURE[0], PICTURE[1]] * 2) / SIDE
    found = np.clip(corners[keep], 0, SIDE) * scale
    return [(int(which[at]), float(values[at]), *box) for at, box in zip(keep, found.tolist(), strict=True)]


if __name__ == "__main__":
    main()
