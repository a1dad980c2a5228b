"""What an export can do against the loss of int8: equalize channels, and keep the fewest layers float."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zoo.benchmark.interleave import Candidate, time_runs
from zoo.errors import VerificationError, listed
from zoo.export.checking.calibration import Array
from zoo.export.options import ExportOptions
from zoo.files.writing import temporary
from zoo.progress import SILENT, Progress
from zoo.system.quiet import quiet

if TYPE_CHECKING:
    import keras

RUNS = 30
"""Number of timed runs of each file."""
WARMUP = 5
MOST_SHARE = 0.5
"""The largest share of the layers that are kept: a file with more of them is no int8 file any more."""

Share = Callable[[Sequence[str]], float]
"""Returns the agreement of a file that keeps some layers float with Keras, 0..1."""


def equalized(model: keras.Model, options: ExportOptions, inputs: Array, notes: list[str]) -> keras.Model:
    """Returns the model with the channels of its layers equalized, where that is asked for; adds a note.

    Raises:
        CompressionError: its answers would change.
    """
    if not options.equalize:
        return model
    from zoo.compress.equalize import equalize

    found = equalize(model, inputs)
    notes.append(found.note)
    return found.model


def fewest(
    ranked: Sequence[Sequence[str]], share: Share, asked: float, progress: Progress = SILENT
) -> tuple[tuple[str, ...], str]:
    """Finds the fewest layers, of those that lose most, with which a file agrees well enough.

    Args:
        ranked: the names of the layers, those whose loss is largest first; layers that have to stay float together for
            it stand together.
        share: the agreement of the file that keeps some layers float.
        asked: the least agreement.
        progress: is told each file that is tried.

    Returns:
        The layers, none if the file agrees without, and what to tell the user in one line.

    Raises:
        VerificationError: the file does not agree with as many as `MOST_SHARE` of them.
    """
    tried: dict[int, float] = {}

    def names(count: int) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for group in ranked[:count] for name in group))

    def agrees(count: int) -> bool:
        progress.step(f"trying the file with {len(names(count))} layers in float")
        tried[count] = share(names(count))
        return tried[count] >= asked

    if agrees(0):
        return (), f"no layer has to stay float: the int8 file agrees on {tried[0]:.0%}, {asked:.0%} are asked for"
    most = max(1, int(MOST_SHARE * len(ranked)))
    low, high = 0, 1
    while not agrees(high):
        if high == most:
            best = max(tried, key=lambda count: tried[count])
            raise VerificationError(
                f"the file agrees with Keras on {tried[best]:.0%} at best, with {len(names(best))} layers in float; "
                f"{asked:.0%} are asked for (--min-agreement). Try --calibration-method percentile, --equalize, "
                "or --quantize int16x8"
            )
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if agrees(middle) else (middle, high)
    kept = names(high)
    return kept, (
        f"{listed(kept)} {'stay' if len(kept) > 1 else 'stays'} float: the file agrees on {tried[high]:.0%} with "
        f"{'them' if len(kept) > 1 else 'it'}, on {tried[0]:.0%} without, and {asked:.0%} are asked for"
    )


def cost(mixed: bytes, whole: bytes, options: ExportOptions, runtime: str) -> str:
    """Measures what layers that stay float cost, in one line.

    Args:
        mixed: the file that keeps them float.
        whole: the same in int8 alone.
        options: those of the file, with the names of the layers.
        runtime: runs both files in turn.
    """
    with temporary() as folder, quiet():
        candidates = []
        for name, flatbuffer in (("mixed", mixed), ("whole", whole)):
            path = folder / f"{name}.tflite"
            path.write_bytes(flatbuffer)
            candidates.append(Candidate(path, runtime, 1, None, trusted=True))
        time_runs(candidates, RUNS, WARMUP)
    slow, fast = (1e3 * statistics.median(one.record.seconds) for one in candidates)
    return (
        f"with {listed(options.keep_float)} in float a run takes {slow:.3g} ms and not {fast:.3g} ms, "
        f"{100 * (slow / fast - 1):+.0f}% ({candidates[0].record.runtime}, 1 thread, median of {RUNS} runs on this "
        f"machine), and the model has {(len(mixed) - len(whole)) / 1e3:+,.1f} kB"
    )
