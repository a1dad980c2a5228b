"""Compares the runner with a bare script that does the same work with the same libraries, and with MediaPipe.

    python benchmarks/runner_speed.py [--rounds 15] [--python .venv-base/bin/python] [--json]
    python benchmarks/runner_speed.py --mediapipe no

TensorFlow is needed to make the files: MobileNetV2 1.0/224 in float32 and int8, whose last layer distinguishes six
regions of two real photos (`bench/fitted.py`). They are timed with `--python`, the environment of a board. MediaPipe's
image classifier reads the same files, with their labels, in a separate environment: that of `--mediapipe PYTHON`, or
one that is made in the cache folder, which needs a network once. It uses one thread and has no option for it in Python,
so our runner uses one thread in this comparison.

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

from bench import mediapipe_env, script
from bench.fitted import fitted_mobilenet, pixels_of_crops
from bench.pictures import LARGE, photo_path, save_crops
from bench.processes import PEERS, Command, Worker, command_seconds, output, peak_resident
from bench.turns import in_turn, ratio_text, versus, versus_pairs
from zoo.cli.output import print_json, print_table
from zoo.export.options import Quantize

BASE_PYTHON = Path(__file__).resolve().parent.parent / ".venv-base/bin/python"
ZOO = "from zoo.cli.main import main; main()"
Row = dict[str, Any]


@click.command()
@click.option("--rounds", type=click.IntRange(min=3), default=15, show_default=True)
@click.option("--pictures", type=click.IntRange(min=2), default=24, show_default=True, help="Of 12 megapixels.")
@click.option("--python", type=click.Path(path_type=Path), default=BASE_PYTHON, help="A board's. [.venv-base]")
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Beside the bare script.")
@click.option("--mediapipe", default="auto", show_default=True, help="A Python that has it, auto, or no.")
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, pictures: int, python: Path, threads: int, mediapipe: str, as_json: bool) -> None:
    """Makes files and photos, times the runner and the others, and prints the results."""
    peer, missing = mediapipe_env.find(mediapipe)
    if missing:
        click.echo(f"without MediaPipe: {missing}", err=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        click.echo("making the file and the photos", err=True)
        models, photo = make_files(folder), photo_path("china.jpg")
        save_crops(folder / "photos", pictures, LARGE)
        click.echo("timing", err=True)
        rows = beside_bare(python, models["none"], photo, folder / "photos", rounds, threads)
        if peer:
            click.echo("timing beside MediaPipe", err=True)
            rows += beside_mediapipe(python, peer, models, photo, folder / "photos", rounds)
    found = {"threads": threads, "pictures": pictures, "rows": rows, "mediapipe_missing": missing}
    found["mediapipe_version"] = mediapipe_env.version(peer) if peer else None
    if as_json:
        print_json(found)
        return
    table = [
        (r["what"], r["peer"], f"{r['plain']:.4g} {r['unit']}", f"{r['ours']:.4g} {r['unit']}", versus_text(r))
        for r in rows
    ]
    print_table(("", "beside", "it", "ours", "it / ours"), table, left=("beside",))


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


def zoo(python: Path, *words: str | Path) -> list[str | Path]:
    """Returns a `zoo` command of another environment, which does not import the checkout."""
    return [python, "-I", "-c", ZOO, *words]


def beside_bare(python: Path, model: Path, photo: Path, photos: Path, rounds: int, threads: int) -> list[Row]:
    """Measures the comparison with the bare script."""
    bare: Command = [python, "-I", PEERS / "bare_script.py", model, photo, str(threads)]
    ours = zoo(python, "run", model, photo, "--threads", str(threads))
    cold = in_turn({"plain": command_seconds(bare), "ours": command_seconds(ours)}, rounds)
    help_ = {
        "plain": command_seconds([python, "-I", "-c", "import click"]),
        "ours": command_seconds(zoo(python, "--help")),
    }
    starts = in_turn(help_, rounds)
    peaks = [(peak_resident(bare), peak_resident(ours)) for _ in range(3)]
    pairs = output([python, "-I", PEERS / "overhead.py", model, photo, str(threads), str(10 * rounds)])
    extra = float(np.median([own - plain for plain, own in pairs]))
    arguments = (str(model), str(photos), str(threads))
    with (
        Worker(python, "worker.py", "bare", *arguments) as plain,
        Worker(python, "worker.py", "ours", *arguments) as own,
    ):
        many = whole_folder(plain, own, max(3, rounds // 5))
    peer = {"peer": "bare script"}
    return [
        {"what": "cold start of `zoo run`", **peer, **versus(cold["plain"], cold["ours"], "s")},
        {"what": "`zoo --help` beside `import click`", **peer, **versus(starts["plain"], starts["ours"], "s")},
        {"what": "memory of `zoo run`, peak", **peer, **versus_pairs(peaks, "MB", 1e-6)},
        {
            "what": "`classify`, a decoded picture, float32",
            **peer,
            **versus_pairs(pairs, "ms", 1e3),
            "more_ms": 1e3 * extra,
        },
        {"what": "`classify_many`, files of 12 MP, float32", **peer, **many},
    ]


def beside_mediapipe(
    python: Path, other: Path, models: dict[Quantize, Path], photo: Path, photos: Path, rounds: int
) -> list[Row]:
    """Measures the comparison with MediaPipe, with one thread each."""
    script: Command = [other, "-I", PEERS / "mediapipe_script.py", models["none"], photo]
    ours = zoo(python, "run", models["none"], photo, "--threads", "1")
    cold = in_turn({"plain": command_seconds(script), "ours": command_seconds(ours)}, rounds)
    peaks = [(peak_resident(script), peak_resident(ours)) for _ in range(3)]
    peer = {"peer": "MediaPipe"}
    rows: list[Row] = [
        {"what": "cold start of `zoo run`", **peer, **versus(cold["plain"], cold["ours"], "s")},
        {"what": "memory of `zoo run`, peak", **peer, **versus_pairs(peaks, "MB", 1e-6)},
    ]
    for mode, file in models.items():
        name = "float32" if mode == "none" else mode
        arguments = (str(file), str(photos), "1")
        with (
            Worker(other, "worker.py", "mediapipe", *arguments) as plain,
            Worker(python, "worker.py", "ours", *arguments) as own,
        ):
            one = in_turn({"plain": functools.partial(warm, plain), "ours": functools.partial(warm, own)}, 10 * rounds)
            many = whole_folder(plain, own, max(3, rounds // 5))
        rows += [
            {"what": f"`classify`, a decoded picture, {name}", **peer, **versus(one["plain"], one["ours"], "ms", 1e3)},
            {"what": f"`classify_many`, files of 12 MP, {name}", **peer, **many},
        ]
    return rows


def warm(worker: Worker) -> float:
    """Returns the seconds of the second of two pictures, because the first one loads the weights into the caches."""
    worker.ask("one")
    return worker.ask("one")[0]


def whole_folder(plain: Worker, ours: Worker, rounds: int) -> Row:
    """Times all pictures of the folder, and counts those for which both give the same class."""
    classes: dict[str, list[int]] = {}

    def many(who: str, worker: Worker) -> float:
        took, classes[who] = worker.ask("many")
        return took

    times = in_turn({"plain": lambda: many("plain", plain), "ours": lambda: many("ours", ours)}, rounds)
    same = sum(a == b for a, b in zip(classes["plain"], classes["ours"], strict=True))
    return {**versus(times["plain"], times["ours"], "s"), "same_top1": same, "of": len(classes["ours"])}


def versus_text(row: Row) -> str:
    """Returns the ratio with further notes."""
    text = ratio_text(row)
    if "more_ms" in row:
        text += f", {row['more_ms']:+.2f} ms"
    if "same_top1" in row:
        text += f", same top-1 on {row['same_top1']} of {row['of']}"
    return text


if __name__ == "__main__":
    script.run(main)
