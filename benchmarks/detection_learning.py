"""Measures what the default recipe of a detector learns, in how many minutes, and what int8 costs.

    python benchmarks/detection_learning.py --stamps FOLDER --photos FOLDER [--pictures 900]
    python benchmarks/detection_learning.py --data FOLDER [--seed 0 --seed 1] [--small-objects] [--set min_steps=700]

With `--stamps` and `--photos` the pictures are made first: cut-outs of four classes on photos, see
`bench/composites.py`; 240 test pictures show other cut-outs and photos. Debian's packages `tuxpaint-stamps-default`
and `mate-backgrounds`, `lomiri-wallpapers-16.04` and `-20.04`, and `ukui-wallpapers` have both; they need not be
installed, `dpkg -x` does. `--data` is a folder of labelled boxes with test or validation pictures. mAP and AP50 are
those of the float Keras model and of the int8 file with the runner that boards use, on the same held-out pictures.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click

import zoo
from bench import composites
from bench.script import benchmark
from tables import markdown_table
from zoo.cli.types import any_list
from zoo.export.options import ExportOptions
from zoo.export.run import export_files
from zoo.system.quiet import quiet_tensorflow

TEST_PICTURES = 240
COLUMNS = ("data", "pictures", "seed", "epochs", "minutes", "map", "ap50", "int8 map")
FOLDER = click.Path(path_type=Path, exists=True)


def table(result: dict[str, Any]) -> str:
    """Shows one row for each seed."""
    shown = [[row[name] for name in COLUMNS] for row in result["rows"]]
    return markdown_table(
        COLUMNS, [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in shown]
    )


@benchmark(table)
@click.option("--data", type=FOLDER, help="Labelled boxes.  [made of --stamps and --photos]")
@click.option("--stamps", type=FOLDER, help="Cut-outs.")
@click.option("--photos", type=FOLDER, help="Photos to put them on.")
@click.option("--pictures", default=900, show_default=True, help="Training pictures to make.")
@click.option("--seed", "seeds", type=int, multiple=True, default=(0, 1, 2), show_default=True)
@click.option("--size", default=256, show_default=True, help="Width and height of the model's input.")
@click.option("--small-objects", is_flag=True, default=None, help="Adds a level with a stride of 8 pixels.")
@click.option("--set", "fields", metavar="FIELD=VALUE", multiple=True, help="Changes a field of the recipe.")
def main(
    data: Path | None,
    stamps: Path | None,
    photos: Path | None,
    pictures: int,
    seeds: tuple[int, ...],
    size: int,
    small_objects: bool | None,
    fields: tuple[str, ...],
) -> dict[str, Any]:
    """Trains a detector once for each seed."""
    values = {name: any_list(text)[0] for name, text in (field.split("=", 1) for field in fields)}
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as place:
        if data is None:
            if stamps is None or photos is None:
                raise click.UsageError("give --data, or --stamps and --photos")
            data = Path(place) / "composites"
            composites.write(data, stamps, photos, count=pictures, test=TEST_PICTURES, size=size)
        options = {"input_size": size, "small_objects": small_objects, **values}
        return {"rows": [run(data, Path(place) / str(seed), seed=seed, **options) for seed in seeds]}


def run(data: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """Trains, exports float and int8, and returns the figures of one seed."""
    started = time.perf_counter()
    result = zoo.train("ssdlite_mobilenet_v2", data, out=folder, weights="openimages", **options)
    trained = time.perf_counter()
    files = export_files(result, ExportOptions().in_modes(("none", "int8")))
    if files.failures:
        raise files.failures[0].error
    return {
        "data": data.name,
        "pictures": len(result.data.sources["train"]),
        "seed": options["seed"],
        "epochs": len(result.history),
        "minutes": (trained - started) / 60,
        "export minutes": (time.perf_counter() - trained) / 60,
        "split": result.metrics["split"],
        "map": result.map,
        "ap50": result.metrics["ap50"],
        "int8 map": next(row["map"] for row in files.rows if row["mode"] == "int8"),
    }


if __name__ == "__main__":
    main()
