"""Runs all benchmarks one after the other and writes docs/benchmarks.json and docs/scaling.png.

    python benchmarks/all.py                      # about 90 minutes on two cores that do nothing else
    python benchmarks/all.py --only scaling,modes # only these; the other results in the file stay
    python benchmarks/all.py --quick              # a few minutes, small settings, nothing is kept

Then `cog -r docs/*.md` updates the tables. The exit code is 1 if a benchmark failed; the results of the others are in
the file all the same.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from bench import results, script, suite
from bench.scaling_plot import draw
from zoo.cli.types import words


@click.command()
@click.option("--only", type=words(*suite.NAMES), metavar="NAMES", help=f"Some of {', '.join(suite.NAMES)}.")
@click.option("--quick", is_flag=True, help="Small settings that show that all works, in a few minutes.")
@click.option("--out", type=click.Path(path_type=Path), help="A JSON file.  [docs/benchmarks.json; with --quick none]")
def main(only: tuple[str, ...] | None, quick: bool, out: Path | None) -> None:
    """Runs the benchmarks, writes their results, and says what failed."""
    if out is None and quick:
        # The results of a quick run must not get into the docs by accident.
        with tempfile.TemporaryDirectory() as folder:
            run(only, quick, Path(folder) / "benchmarks.json")
    else:
        run(only, quick, out or results.FILE)


def run(only: tuple[str, ...] | None, quick: bool, out: Path) -> None:
    """Runs the benchmarks, writes their results to one file and a picture beside it, and says what failed."""
    chosen = [one for one in suite.SUITE if not only or one.name in only]
    started = time.perf_counter()
    failed = suite.run_all(chosen, out, quick=quick, say=lambda text: click.echo(text, err=True))
    scaling = results.read(out)["benchmarks"].get("scaling")
    if scaling and any(one.name == "scaling" for one in chosen):
        draw(scaling["result"], out.with_name("scaling.png"))
    click.echo(f"{len(chosen)} benchmarks in {(time.perf_counter() - started) / 60:.1f} minutes", err=True)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}; --only {','.join(failed)} runs them again")


if __name__ == "__main__":
    script.run(main)
