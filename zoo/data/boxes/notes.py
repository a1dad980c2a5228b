"""Notes of a report on boxes: what their owner should know before a training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zoo.data.boxes.covered import Covered
from zoo.data.boxes.sizes import TINY, Sizes
from zoo.data.notes import FEW, FEW_HELD_OUT, listed
from zoo.inputs.splits import SplitName
from zoo.text import count_of, plural


def on_objects(names: Sequence[str], objects: dict[SplitName, tuple[int, ...]]) -> Iterator[str]:
    """Yields notes on classes with few objects or none.

    Args:
        names: the classes.
        objects: the number of objects of each class, by split.
    """
    none = [name for i, name in enumerate(names) if not any(counts[i] for counts in objects.values())]
    if none:
        yield f"no picture shows {listed(none)}: annotate some, or take the class out of the list"
    rare = [
        f"{name} {count}"
        for name, count in zip(names, objects["train"], strict=True)
        if count < FEW and name not in none
    ]
    if rare:
        yield f"classes with few objects to learn from: {listed(rare)}"
    splits: tuple[SplitName, ...] = ("validation", "test")
    for split in splits:
        if not any(objects[split]):
            continue
        few = [
            f"{name} {count}"
            for name, count in zip(names, objects[split], strict=True)
            if count < FEW_HELD_OUT and name not in none
        ]
        if few:
            yield f"few objects to judge by in {split}: {listed(few)}; the figures of such a class are chance"


def on_small(sizes: Sizes) -> Iterator[str]:
    """Yields a note on objects that are hardly to be seen in the model's input."""
    if sizes.tiny:
        yield (
            f"{sizes.tiny} of {count_of(sizes.count, 'object')} {plural(sizes.tiny, 'is', 'are')} "
            f"less than {TINY} pixels wide or high at "
            f"{sizes.width}x{sizes.height}, too small to be found: take a larger --input-size, or cut the pictures up"
        )


def on_anchors(covered: Covered) -> Iterator[str]:
    """Yields a note where many objects have no anchor without the level for small objects."""
    if covered.wants_fine:
        yield (
            f"fitted anchors cover {covered.share(covered.fitted_fine):.0%} of the boxes from stride 8, "
            f"{covered.share(covered.fitted):.0%} from stride 16: train with --small-objects"
        )
