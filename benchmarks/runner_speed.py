"""Compares the runner with a bare script that does the same work with the same libraries, and with MediaPipe.

    python benchmarks/runner_speed.py [--rounds 15] [--json]

TensorFlow is needed to make the files: MobileNetV2 1.0/224 in float32 and int8, whose last layer distinguishes six
regions of two real photos (`bench/pictures.py`). They are timed in the environment of a board. MediaPipe's image
classifier reads the same files, with their labels, in a separate environment; `make test` makes both. It uses one
thread and has no option for it in Python, so our runner uses one thread in this comparison, and two beside the script.

All run in turn. A ratio is the median of the rounds' ratios, the other's figure divided by ours: above 1 ours is
better. The single photo is 640x427; those of `classify_many` are 12-megapixel JPEGs, cut from these regions and
enlarged.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.cells import ratio_text, sides
from bench.pictures import LARGE, fitted_mobilenet, photo_path, pixels_of_crops, save_crops
from bench.processes import PEERS, ZOO, Command, Worker, command_seconds, peak_resident
from bench.script import benchmark, environment, mediapipe, say
from bench.turns import compare, in_turn, versus
from tables import markdown_table
from zoo.export.options import Quantize

PYTHON = environment("base")
"""The Python of a board."""
THREADS = 2
Row = dict[str, Any]


def table(result: Row) -> str:
    """Compares the runner with a bare script and MediaPipe."""
    rows = []
    for row in result["rows"]:
        peer = f"MediaPipe {result['mediapipe_version']}" if row["peer"] == "MediaPipe" else row["peer"]
        more = f", {row['more_ms']:+.2f} ms" if "more_ms" in row else ""
        same = f"{row['same_top1']} of {row['of']}" if "same_top1" in row else ""
        rows.append((row["what"], peer, *sides(row)[:2], ratio_text(row) + more, same))
    text, missing = (
        markdown_table(("", "beside", "it", "ours", "it / ours", "same top-1"), rows),
        result["mediapipe_missing"],
    )
    return text + (f"\n\nWithout MediaPipe: {missing}." if missing else "")


@benchmark(table)
@click.option("--rounds", type=click.IntRange(min=3), default=15, show_default=True)
@click.option("--pictures", type=click.IntRange(min=2), default=24, show_default=True, help="Of 12 megapixels.")
def main(rounds: int, pictures: int) -> Row:
    """Makes files and photos, and times the runner and the others."""
    peer, versions = mediapipe()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        say("making the file and the photos")
        models, photo = make_files(folder), photo_path("china.jpg")
        save_crops(folder / "photos", pictures, LARGE)
        say("timing")
        rows = beside_bare(models["none"], photo, folder / "photos", rounds)
        if peer:
            say("timing beside MediaPipe")
            rows += beside_mediapipe(peer, models, photo, folder / "photos", rounds)
    return {"threads": THREADS, "pictures": pictures, "rows": rows, **versions}


def make_files(folder: Path) -> dict[Quantize, Path]:
    """Makes the float32 and the int8 file; returns them by mode."""
    from zoo.export import to_tflite
    from zoo.system.quiet import quiet, quiet_tensorflow

    quiet_tensorflow()
    modes: tuple[Quantize, ...] = ("none", "int8")
    files = {mode: folder / f"{mode}.tflite" for mode in modes}
    with quiet():
        model = fitted_mobilenet()
        for mode, path in files.items():
            to_tflite(model, path, quantize=mode, calibration=pixels_of_crops(100), verify_file=False)
    return files


def zoo(*words: str | Path) -> list[str | Path]:
    """Returns a `zoo` command of a board's environment, which does not import the checkout."""
    return [PYTHON, "-I", "-c", ZOO, *words]


def beside_bare(model: Path, photo: Path, photos: Path, rounds: int) -> list[Row]:
    """Measures the comparison with the bare script."""
    bare: Command = [PYTHON, "-I", PEERS / "bare_script.py", model, photo, str(THREADS)]
    click_alone: Command = [PYTHON, "-I", "-c", "import click"]
    with (
        Worker(PYTHON, "bare", model, photos, THREADS) as plain,
        Worker(PYTHON, "ours", model, photos, THREADS) as own,
    ):
        # Both on the interpreter of the runner, so that the difference is the time of our code.
        once = in_turn({"plain": own.second("invoke"), "ours": own.second("one")}, 10 * rounds)
        many = whole_folder(plain, own, max(3, rounds // 5))
    more = float(np.median(np.subtract(once["ours"], once["plain"])))
    rows = [
        *commands(bare, zoo("run", model, photo, "--threads", str(THREADS)), rounds),
        {
            "what": "`classify`, a decoded picture, float32",
            **versus(once["plain"], once["ours"], "ms", 1e3),
            "more_ms": 1e3 * more,
        },
        {"what": "`classify_many`, files of 12 MP, float32", **many},
    ]
    help_ = compare(command_seconds(click_alone), command_seconds(zoo("--help")), rounds)
    rows.insert(1, {"what": "`zoo --help` beside `import click`", **help_})
    return [{"peer": "bare script", **row} for row in rows]


def commands(other: Command, ours: Command, rounds: int) -> list[Row]:
    """Compares the time and the memory of two commands."""
    peaks = compare(lambda: peak_resident(other), lambda: peak_resident(ours), 3, "MB", 1e-6)
    return [
        {"what": "cold start of `zoo run`", **compare(command_seconds(other), command_seconds(ours), rounds)},
        {"what": "memory of `zoo run`, peak", **peaks},
    ]


def beside_mediapipe(other: Path, models: dict[Quantize, Path], photo: Path, photos: Path, rounds: int) -> list[Row]:
    """Measures the comparison with MediaPipe, with one thread each."""
    script: Command = [other, "-I", PEERS / "mediapipe_script.py", models["none"], photo]
    rows = commands(script, zoo("run", models["none"], photo, "--threads", "1"), rounds)
    for mode, file in models.items():
        name = "float32" if mode == "none" else mode
        with Worker(other, "mediapipe", file, photos) as plain, Worker(PYTHON, "ours", file, photos) as own:
            one = compare(plain.second("one"), own.second("one"), 10 * rounds, "ms", 1e3)
            many = whole_folder(plain, own, max(3, rounds // 5))
        rows += [
            {"what": f"`classify`, a decoded picture, {name}", **one},
            {"what": f"`classify_many`, files of 12 MP, {name}", **many},
        ]
    return [{"peer": "MediaPipe", **row} for row in rows]


def whole_folder(plain: Worker, ours: Worker, rounds: int) -> Row:
    """Times all pictures of the folder, and counts those for which both give the same class."""
    asked = {who: functools.partial(worker.ask, "many") for who, worker in (("plain", plain), ("ours", ours))}
    found = in_turn(asked, rounds)
    times = {who: [seconds for seconds, _ in answers] for who, answers in found.items()}
    same = [a == b for a, b in zip(found["plain"][-1][1], found["ours"][-1][1], strict=True)]
    return {**versus(times["plain"], times["ours"], "s"), "same_top1": sum(same), "of": len(same)}


if __name__ == "__main__":
    main()
