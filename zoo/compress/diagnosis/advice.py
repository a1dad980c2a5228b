"""Says in words what to do about what a diagnosis found, and when nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zoo.compress.diagnosis.findings import Advice, Diagnosis, Loss, Row
from zoo.errors import listed

LITTLE = 0.02
"""Divergence, in nats, below which nothing is wrong: that of a probability of 0.5 that becomes 0.6 or 0.4."""
FEW_CHANGED = 0.02
"""Share of changed answers up to which nothing is wrong."""
CULPRIT = 0.2
"""Share of the sum of all layers' losses from which a single layer is to blame."""
MOST_CULPRITS = 3
BETTER = 0.5
"""The part of a loss that may be left for a remedy to be worth it."""
UNEVEN = 10.0
"""How many times as large the largest channel's weights are as a small one's where equalization helps."""
EQUALIZED, PER_TENSOR_EQUALIZED = "equalized", "per_tensor_equalized"
"""The names of what a model loses whose channels are balanced."""
WORSE = 5.0
"""How many times as much as int8 a cheaper form loses to be told of."""


def advise(found: Diagnosis) -> Iterator[Advice]:
    """Yields what to do, the most useful first; at least one thing."""
    whole = found.whole["int8"]
    if is_little(whole, found.together):
        yield Advice(
            "nothing",
            (),
            f"nothing is wrong: {_lost(whole)}",
        )
    else:
        yield from _for_int8(found, whole)
    yield from _for_per_tensor(found)
    yield from _for_four_bits(found, whole)


def unevenly_lost(found: Diagnosis) -> Iterator[str]:
    """Yields the names of the losses that equalization might mend, and that are to be measured with it."""
    if not is_little(found.whole["int8"], found.together) and _uneven(found):
        yield EQUALIZED
    if _per_tensor_is_worse(found) and _spread(_per_tensor_culprits(found)) >= UNEVEN:
        yield PER_TENSOR_EQUALIZED


def is_little(loss: Loss, inputs: int) -> bool:
    """Whether a loss is none to speak of; one answer that was a near tie may change in any case."""
    return loss.divergence <= LITTLE and loss.changed <= max(FEW_CHANGED, 1.01 / inputs)


def culprits(rows: Sequence[Row], total: float) -> list[Row]:
    """Returns the few layers that lose most of the whole."""
    return [row for row in rows[:MOST_CULPRITS] if total > 0 and row.divergence >= CULPRIT * total]


def _for_int8(found: Diagnosis, whole: Loss) -> Iterator[Advice]:
    lost = _lost(whole)
    clipped = [row for row in found.rows if _is_better_clipped(row, found.total)]
    if clipped:
        names = tuple(row.layer for row in clipped)
        widest = max((row.activation for row in clipped if row.activation), key=lambda one: one.outliers)
        yield Advice(
            "clip",
            names,
            f"{lost}; a few values make the ranges of {listed(names)} up to {widest.outliers:.1f} times as wide as "
            "the others need: export with --calibration-method percentile",
        )
    blamed = [row for row in culprits(found.rows, found.total) if row not in clipped]
    uneven = _uneven(found)
    if uneven and _helps(found, EQUALIZED, whole):
        names = tuple(row.layer for row in uneven)
        spread = _spread(uneven)
        yield Advice(
            "equalize",
            names,
            f"{lost}; the channels of {listed(names)} differ up to {spread:.0f} times in size, so that small ones have "
            "few steps: export with --equalize",
        )
    if blamed:
        names = tuple(row.layer for row in blamed)
        kept = dict.fromkeys(name for row in blamed for name in row.together)
        share = sum(row.divergence for row in blamed) / found.total
        yield Advice(
            "keep_float",
            names,
            f"{lost}; {share:.0%} of what the layers lose one by one is lost in {listed(names)}: keep "
            f"{'them' if len(names) > 1 else 'it'} float on a CPU, --keep-float {','.join(kept)}",
        )
    if not clipped and not blamed:
        yield Advice(
            "train",
            (),
            f"{lost}; many layers lose a little each, so no single one is to blame: train quantization-aware "
            "(zoo train --from RUN --quantize-aware), or take --quantize int16x8",
        )
    elif found.total < BETTER * whole.divergence:
        yield Advice(
            "train",
            (),
            "together the layers lose more than one by one: what is left after that, training with "
            "--quantize-aware can learn to do without",
        )


def _is_better_clipped(row: Row, total: float) -> bool:
    one = row.activation
    if one is None or one.clipped is None or one.loss.divergence < CULPRIT / MOST_CULPRITS * total:
        return False
    return one.clipped.divergence <= BETTER * one.loss.divergence


def _has_few_steps(row: Row) -> bool:
    """Whether results lose because small channels share a range with large ones; weights have a scale for each."""
    weights, results = row.weights, row.activation
    if weights is None or results is None or weights.spread < UNEVEN:
        return False
    return results.loss.divergence > weights.int8.divergence


def _uneven(found: Diagnosis) -> list[Row]:
    """Returns the layers that lose most of the whole, and whose results share a range that is too wide for some."""
    return [row for row in culprits(found.rows, found.total) if _has_few_steps(row)]


def _helps(found: Diagnosis, name: str, loss: Loss) -> bool:
    """Whether balanced channels mend so much of a loss that it is worth it."""
    return name in found.whole and found.whole[name].divergence <= BETTER * loss.divergence


def _per_tensor_is_worse(found: Diagnosis) -> bool:
    whole = found.whole["per_tensor"]
    return not is_little(whole, found.together) and _is_worse(whole, found.whole["int8"])


def _per_tensor_culprits(found: Diagnosis) -> list[Row]:
    rows = [row for row in found.rows if row.weights]
    rows.sort(key=lambda row: -row.weights.per_tensor.divergence if row.weights else 0.0)
    return rows[:MOST_CULPRITS]


def _spread(rows: Sequence[Row]) -> float:
    return max((row.weights.spread for row in rows if row.weights), default=0.0)


def _for_per_tensor(found: Diagnosis) -> Iterator[Advice]:
    if not _per_tensor_is_worse(found):
        return
    whole, rows = found.whole["per_tensor"], _per_tensor_culprits(found)
    names, train = tuple(row.layer for row in rows), "train with --quantize-aware --per-tensor"
    lost = (
        f"weights with one scale a layer (--per-tensor) would change {_changed(whole)} of the answers, most by "
        f"{listed(names)}"
    )
    balanced = found.whole.get(PER_TENSOR_EQUALIZED)
    if balanced is None:
        yield Advice("train", names, f"{lost}: where a board needs them, {train}")
        return
    uneven = f"{lost}, whose channels differ up to {_spread(rows):.0f} times in size"
    if _helps(found, PER_TENSOR_EQUALIZED, whole):
        yield Advice("equalize", names, f"{uneven}: where a board needs them, add --equalize, or {train}")
    else:
        told = f"a divergence of {balanced.divergence:.2g} instead of {whole.divergence:.2g}"
        yield Advice(
            "train", names, f"{uneven}; --equalize does not mend it ({told}): where a board needs them, {train}"
        )


def _for_four_bits(found: Diagnosis, int8: Loss) -> Iterator[Advice]:
    whole = found.whole["four_bits"]
    if is_little(whole, found.together) or not _is_worse(whole, int8):
        return
    yield Advice(
        "four_bits",
        (),
        f"weights of 4 bits would change {_changed(whole)} of the answers: they need training with --quantize-aware "
        "--weight-bits 4",
    )


def _is_worse(whole: Loss, int8: Loss) -> bool:
    """Whether a cheaper form loses so much more than int8 that it is to be told."""
    return whole.divergence >= WORSE * int8.divergence or whole.changed - int8.changed > FEW_CHANGED


def _lost(whole: Loss) -> str:
    return f"int8 changes {_changed(whole)} of the answers, with a divergence of {whole.divergence:.2g}"


def _changed(loss: Loss) -> str:
    return f"{loss.changed:.0%}"
