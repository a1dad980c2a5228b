"""Measures what the default recipe of a detector learns, in how many minutes, and what int8 costs.

    python benchmarks/detection_learning.py composites --stamps FOLDER --photos FOLDER [--pictures 900]
    python benchmarks/detection_learning.py data FOLDER
    ... [--seed 0 --seed 1 --seed 2] [--weights openimages] [--small-objects] [--set min_steps=700] [--json]

`composites` makes the pictures first: cut-outs of four classes on photos, see `bench/composites.py`; 240 test pictures
show other cut-outs and photos. On Debian the packages `tuxpaint-stamps-default` and `mate-backgrounds`,
`lomiri-wallpapers-16.04` and `-20.04`, and `ukui-wallpapers` have both; they need not be installed, `dpkg -x` does.
`data` takes a folder of labelled boxes with test or validation pictures. mAP and AP50 are those of the float Keras
model and of the int8 file with the runner that boards use, on the same held-out pictures.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import click

import zoo
from bench import composites, script
from zoo.cli.output import print_json, print_table
from zoo.export.options import ExportOptions
from zoo.export.run import export_files
from zoo.system.quiet import quiet_tensorflow

TEST_PICTURES = 240


@click.group()
def main() -> None:
    """Trains a detector once for each seed."""


def training_options(command: Any) -> Any:
    """Adds the options of the trainings."""
    for decorate in (
        click.option("--seed", "seeds", type=int, multiple=True, default=(0, 1, 2), show_default=True),
        click.option("--model", default="ssdlite_mobilenet_v2", show_default=True),
        click.option("--weights", default="openimages", show_default=True),
        click.option("--size", default=256, show_default=True, help="Width and height of the model's input."),
        click.option("--small-objects", is_flag=True, default=None, help="Adds a level with a stride of 8 pixels."),
        click.option("--set", "fields", metavar="FIELD=VALUE", multiple=True, help="Changes a field of the recipe."),
        click.option("--keep", type=click.Path(path_type=Path), help="A folder that the runs stay in."),
        click.option("--json", "as_json", is_flag=True),
    ):
        command = decorate(command)
    return command


@main.command("composites")
@click.option("--stamps", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--photos", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--pictures", default=900, show_default=True, help="Training pictures.")
@training_options
def on_composites(
    stamps: Path, photos: Path, pictures: int, size: int, seeds: tuple[int, ...], as_json: bool, **options: Any
) -> None:
    """Trains on cut-outs on photos."""
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "composites"
        composites.write(data, stamps, photos, count=pictures, test=TEST_PICTURES, size=size, seed=0)
        show([run(data, size=size, seed=seed, **options) for seed in seeds], as_json)


@main.command("data")
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@training_options
def on_data(folder: Path, size: int, seeds: tuple[int, ...], as_json: bool, **options: Any) -> None:
    """Trains on labelled boxes in a folder."""
    show([run(folder, size=size, seed=seed, **options) for seed in seeds], as_json)


def run(
    data: Path,
    *,
    model: str,
    weights: str,
    size: int,
    small_objects: bool | None,
    fields: tuple[str, ...],
    seed: int,
    keep: Path | None,
) -> dict[str, Any]:
    """Trains, exports float and int8, and returns the figures of one seed."""
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as place:
        folder = (keep or Path(place)) / f"{model}-{data.name}-{seed}"
        values = {name: _value(text) for name, text in (field.split("=", 1) for field in fields)}
        started = time.perf_counter()
        result = zoo.train(
            model, data, out=folder, weights=weights, input_size=size, small_objects=small_objects, seed=seed, **values
        )
        trained = time.perf_counter()
        files = export_files(result, ExportOptions().in_modes(("none", "int8")))
        exported = time.perf_counter()
        maps = {row["mode"]: row["map"] for row in files.rows}
        for failure in files.failures:
            click.echo(f"not exported: {failure.error}", err=True)
        return {
            "data": data.name,
            "pictures": len(result.data.sources["train"]),
            "seed": seed,
            "epochs": len(result.history),
            "minutes": (trained - started) / 60,
            "export minutes": (exported - trained) / 60,
            "split": result.metrics["split"],
            "map": result.map,
            "ap50": result.metrics["ap50"],
            "int8 map": maps.get("int8"),
        }


def show(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Prints one row for each seed."""
    if as_json:
        print_json(rows)
        return
    columns = ("data", "pictures", "seed", "epochs", "minutes", "map", "ap50", "int8 map")
    print_table(columns, [tuple(_shown(row[name]) for name in columns) for row in rows])


def _value(text: str) -> Any:
    """Returns the value of a field in its type: a whole number, a number, or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    script.run(main)
