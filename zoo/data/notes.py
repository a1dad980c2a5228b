"""Notes of a report on data: what its owner should know before a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.inputs.splits import SplitName
from zoo.text import count_of, plural

if TYPE_CHECKING:
    from zoo.data.report import NearCopies

Counts = dict[SplitName, tuple[int, ...]]

FEW = 10
"""Classes with fewer files get a note, because metrics on so few files are unreliable."""
FEW_HELD_OUT = 5
"""Classes with fewer held-out files get a note: one of them is a fifth of the class's recall."""
BADLY_OFF = 0.1
"""A share of a class that is further than this from the wanted one gets a note; groups that are large have such."""


def on_few(names: Sequence[str], counts: Counts) -> Iterator[str]:
    """Yields notes on classes with few files to learn from or to judge by."""
    for name, train in zip(names, counts["train"], strict=True):
        if 0 < train < FEW:
            yield f"class {name} has only {train} to learn from"
    for split in ("test", "validation"):
        if not any(counts[split]):
            continue
        few = [f"{name} {count}" for name, count in zip(names, counts[split], strict=True) if 0 < count < FEW_HELD_OUT]
        if few:
            yield (
                f"few files to judge by in {split}: {listed(few)}; the figures of such a class are chance; add files"
                + (", or hold out more (--validation)" if split == "validation" else "")
            )


def on_missing(names: Sequence[str], counts: Counts) -> Iterator[str]:
    """Yields a note for each given split that has no file of some classes."""
    for split in ("validation", "test"):
        missing = [name for name, count in zip(names, counts[split], strict=True) if not count]
        if any(counts[split]) and missing:
            yield f"{split} has no file of {listed(missing)}, so nothing is known of how well the model knows that"


def on_groups(groups: Sequence[str | None], splits: Sequence[SplitName | None]) -> Iterator[str]:
    """Yields notes on groups that given splits tear apart, and on files without a group where others have one."""
    used = [(group, split) for group, split in zip(groups, splits, strict=True) if split]
    sides: dict[str, set[str]] = {}
    for group, split in used:
        if group:
            sides.setdefault(group, set()).add(split)
    torn = [group for group, found in sides.items() if len(found) > 1]
    if torn:
        yield (
            f"{count_of(len(torn), 'group has', 'groups have')} files in several splits, such as "
            f"{torn[0]}: the held-out figures flatter"
        )
    alone = sum(group is None for group, _ in used)
    if sides and alone:
        yield (
            f"{count_of(alone, 'file belongs', 'files belong')} to no group, and "
            f"{plural(alone, 'stands for itself', 'stand for themselves')}"
        )


NOTHING_HELD_OUT = (
    "no file is held out for validation, because files that belong together stay together: group them otherwise, or "
    "train without validation (--validation 0)"
)
"""The problem of data whose groups leave nothing to judge by."""


def on_shares(names: Sequence[str], counts: Counts, validation: float) -> Iterator[str]:
    """Yields a note on classes of which groups or copies kept the split from taking its share."""
    off = []
    for name, train, held_out in zip(names, counts["train"], counts["validation"], strict=True):
        if train + held_out and abs(held_out / (train + held_out) - validation) > max(
            BADLY_OFF, 1 / (train + held_out)
        ):
            off.append(f"{name} {held_out} of {train + held_out}")
    if off:
        yield f"held out, because files that belong together stay together: {listed(off)}"


def on_near_copies(near: NearCopies | None) -> Iterator[str]:
    """Yields a note on held-out pictures that look almost like a training picture."""
    if near is not None and near.count:
        one, other = near.pairs[0][:2]
        yield (
            f"{near.count} of {count_of(near.compared, 'held-out picture')} "
            f"{plural(near.count, 'looks', 'look')} almost like a training picture, the most alike "
            f"{one} and {other}: if they are frames of one film, shots of one object, or made from one picture, the "
            "figures flatter; keep them together by --group-by REGEX or a column group in a CSV file"
        )


def on_unread(bad: Sequence[tuple[Path, str]]) -> Iterator[str]:
    """Yields a note for each reason that several files share, such as a decoder that is not installed."""
    reasons: Counter[str] = Counter()
    for path, reason in bad:
        if "no decoder is installed" in reason:
            reasons[
                reason.replace(f"{path} is", "files are", 1).replace(" a HEIF file,", " HEIC photos, as phones take,")
            ] += 1
    for reason, count in reasons.items():
        yield f"{count} {reason}"


def unfit_name(name: str, hidden: str) -> str:
    """Returns the problem of a class whose name holds a character that does not show itself."""
    return (
        f"the name of class {name} holds the character {hidden}, which does not show itself and which no label may "
        "hold: rename the class"
    )


def listed(words: Sequence[str], most: int = 10) -> str:
    """Returns words with commas between them, and how many more there are."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
