"""`zoo demo`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.runtime import runtime_option
from zoo.cli.output import echo, json_option, print_json, print_table
from zoo.system.quiet import quiet

if TYPE_CHECKING:
    from zoo.runner.demo import Sighting


@click.command()
@runtime_option
@json_option
def demo(runtime: Any, as_json: bool) -> int:
    """Classify handwritten digits and find some on photos, with models that are part of the package.

    You need no files of your own: the demo shows that the package and the runtime work on this machine. The digits are
    real and were held out from training. The exit code is 1 if an answer is wrong.
    """
    from zoo.runner.demo import demo as run_demo
    from zoo.runner.demo import find, folder

    with quiet():
        trials, sightings = run_demo(runtime=runtime), find(runtime=runtime)
    right, found = sum(trial.right for trial in trials), sum(one.right for one in sightings)
    if as_json:
        named = [dataclasses.asdict(trial) | {"right": trial.right} for trial in trials]
        seen = [dataclasses.asdict(one) | {"right": one.right} for one in sightings]
        print_json({"folder": str(folder()), "right": right, "trials": named, "found": found, "sightings": seen})
    else:
        rows = [[t.picture, t.truth, t.answer, f"{t.score:.1%}", _verdict(t.right)] for t in trials]
        print_table(["picture", "truth", "answer", "score", ""], rows, left=["truth", "answer", ""])
        echo(f"{right} of {len(trials)} right")
        echo()
        rows = [
            [s.photo, s.truth or "(nothing)", s.answer or "(nothing)", f"{s.score:.1%}", _corners(s), _verdict(s.right)]
            for s in sightings
        ]
        print_table(["photo", "truth", "found", "score", "box", ""], rows, left=["truth", "found", "box", ""])
        echo(f"{found} of {len(sightings)} found; models and pictures are in {folder()}")
    return 0 if trials and sightings and right == len(trials) and found == len(sightings) else 1


def _verdict(right: bool) -> str:
    return "right" if right else "WRONG"


def _corners(sighting: Sighting) -> str:
    left, top, right, bottom = sighting.box
    return f"{left:.0f},{top:.0f}-{right:.0f},{bottom:.0f}"
