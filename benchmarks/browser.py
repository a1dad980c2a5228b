"""Times one model in a browser, on a page of `zoo web`, beside the runner: opening it, and one run.

    python benchmarks/browser.py [--model 0.35,96 --model 1,224] [--runs 30] [--opened 5] [--json]

MobileNetV2 with random weights of one seed is exported to `.tflite`, float32 and int8, and each file gets its page,
which Chromium opens from disk. The page's own time of one inference is compared with LiteRT's here, both with one
thread and in turn; and the time until the page is ready with that of `zoo run` on one picture, process and all. A ratio
is the median of the rounds' ratios, the browser's time divided by the other's. LiteRT.js comes from edgezoo's cache, or
is fetched; Chromium is the system's, or that of EDGEZOO_CHROMIUM.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from bench.cells import between, bits, ratio_text
from bench.processes import Command, command_seconds
from bench.script import benchmark
from bench.turns import in_turn, spread, timed, versus
from tables import markdown_table
from zoo.cli.types import number_pair
from zoo.errors import MissingDependencyError
from zoo.runner import Predictor
from zoo.web import write

MODES = ("none", "int8")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
READY = "document.querySelector('#facts').textContent.trim() !== ''"
MEASURED = "performance.getEntriesByName('inference')[0]?.duration ?? null"
WARMUP = 20
LONGEST = 60.0
"""Seconds after which a page is given up."""


def table(result: dict[str, Any]) -> str:
    """Compares a page of `zoo web` with the runner."""
    rows = [
        (
            f"{row['alpha']:g}/{row['size']}",
            bits(row["mode"]),
            f"{row['bytes'] / 1e6:.1f} MB",
            between(row["open"]["browser"], "s"),
            ratio_text(row["open"]),
            between(row["run"]["browser"], "ms"),
            ratio_text(row["run"]),
        )
        for row in result["rows"]
    ]
    columns = ("alpha/size", "mode", "page", "opened", "opened / zoo run", "a run", "browser / LiteRT")
    return markdown_table(columns, rows)


@benchmark(table)
@click.option("--model", "models", type=number_pair, metavar="ALPHA,SIZE", multiple=True, default=("0.35,96", "1,224"))
@click.option("--runs", type=click.IntRange(min=3), default=30, show_default=True, help="Timed inferences of each.")
@click.option("--opened", type=click.IntRange(min=3), default=5, show_default=True, help="How often a page is opened.")
def main(models: tuple[tuple[float, float], ...], runs: int, opened: int) -> dict[str, Any]:
    """Exports the files, writes their pages, times them in turn, and returns a row for each model and mode."""
    with _chromium() as browser, tempfile.TemporaryDirectory() as folder:
        rows = [
            row for alpha, size in models for row in measured(alpha, int(size), runs, opened, browser, Path(folder))
        ]
    return {"rows": rows}


def measured(alpha: float, size: int, runs: int, opened: int, browser: Any, folder: Path) -> Iterator[dict[str, Any]]:
    """Yields a row for each mode of a model."""
    from zoo.export import to_tflite
    from zoo.system.quiet import quiet, quiet_tensorflow

    quiet_tensorflow()
    import zoo

    picture = folder / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)).save(picture)
    with quiet():
        model = zoo.build("mobilenet_v2", alpha=alpha, input_size=size, weights="none", seed=0)
    for mode in MODES:
        file = folder / f"{alpha:g}-{size}-{mode}.tflite"
        page = file.with_suffix(".html")
        with quiet():
            to_tflite(model, file, quantize=mode, verify_file=False)
        predictor: Predictor[Any] = Predictor(file, trusted=True, threads=1)
        write(predictor, page)
        shown = browser.new_page()
        shown.goto(page.as_uri())
        _wait(shown, READY)
        in_browser = _inference(shown, picture)
        for _ in range(WARMUP):  # the browser compiles what is run often once more
            in_browser()
        values = np.asarray(Image.open(picture)).astype(predictor.session.input.dtype)
        once = in_turn({"browser": in_browser, "native": timed(functools.partial(predictor.session.run, values))}, runs)
        shown.close()
        command: Command = [sys.executable, "-m", "zoo", "run", file, picture, "--json"]
        opening = in_turn({"browser": _opening(browser, page), "native": command_seconds(command)}, opened)
        yield {
            "alpha": alpha,
            "size": size,
            "mode": mode,
            "bytes": page.stat().st_size,
            "run": _beside(once, "ms", 1e3),
            "open": _beside(opening, "s", 1.0),
        }


def _beside(times: dict[str, list[float]], unit: str, scale: float) -> dict[str, Any]:
    """Returns the times of both sides, and the ratio: the browser's time divided by the other's."""
    both = {who: spread(seconds, scale) for who, seconds in times.items()}
    return {**versus(times["browser"], times["native"], unit, scale), **both}


def _wait(page: Any, expression: str) -> Any:
    """Returns what an expression is worth as soon as that is something; the page's policy forbids it to wait itself.

    Raises:
        TimeoutError: it stays nothing.
    """
    started = time.perf_counter()
    while not (found := page.evaluate(expression)):
        if time.perf_counter() - started > LONGEST:
            raise TimeoutError(f"{page.url} is not ready after {LONGEST:.0f} s: {page.inner_text('#message')}")
        time.sleep(0.001)
    return found


def _inference(page: Any, picture: Path) -> Callable[[], float]:
    """Returns a function that has a page answer a picture, and returns its seconds of inference."""

    def run() -> float:
        page.evaluate("performance.clearMeasures()")
        page.set_input_files("input[type=file]", picture)
        return float(_wait(page, MEASURED)) / 1e3

    return run


def _opening(browser: Any, page: Path) -> Callable[[], float]:
    """Returns a function that opens a page in a window of its own, and returns the seconds until it is ready."""

    def run() -> float:
        context = browser.new_context()
        shown = context.new_page()
        started = time.perf_counter()
        shown.goto(page.as_uri())
        _wait(shown, READY)
        seconds = time.perf_counter() - started
        context.close()
        return seconds

    return run


@contextmanager
def _chromium() -> Iterator[Any]:
    """Opens the browser.

    Raises:
        MissingDependencyError: there is none, or playwright is not installed.
    """
    program = os.environ.get("EDGEZOO_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise MissingDependencyError(f"there is no browser here: install {PROGRAMS[0]}, or set EDGEZOO_CHROMIUM")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MissingDependencyError("playwright is not installed: pip install '.[dev]'") from error
    # Root cannot have the sandbox.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
