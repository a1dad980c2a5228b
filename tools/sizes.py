"""Writes the table of parameters and MACs of all nets that `zoo list --all` has a line for, without their weights.

    .venv/bin/python tools/sizes.py      (`make tables` runs it; it takes about a minute)

`zoo list` reads the table, so that it needs no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo import figures, models
from zoo.assets import SIZES
from zoo.files.writing import atomic
from zoo.summary.table import outline

PATH = Path(__file__).parents[1] / "zoo" / "assets" / SIZES
HEAD = "# family\tnet\tparameters\tmultiply-accumulates of one input; written by tools/sizes.py"


def rows(names: list[str]) -> Iterator[str]:
    """Yields a line for each net of these families; each is built, without its weights."""
    for name in names:
        spec = models.spec(name)
        for values in figures.variants(spec):
            counted = outline(name, **values)
            yield f"{name}\t{spec.instance_name(values)}\t{counted.params}\t{counted.macs}"


def main() -> None:
    """Writes the table."""
    with atomic(PATH) as scratch:
        scratch.write_text("\n".join([HEAD, *rows(models.list_models())]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
