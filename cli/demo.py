"""`zoo demo`."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from zoo.cli.output import echo, json_option, print_json, print_table
from zoo.cli.runtime_options import runtime_option
from zoo.quiet import quiet


@click.command()
@runtime_option
@json_option
def demo(runtime: Any, as_json: bool) -> int:
    """Classify ten handwritten digits with a model that is part of the package.

    You need no files of your own: the demo shows that the package and the runtime work on this machine. The digits are
    real and were held out from training. The exit code is 1 if an answer is wrong.
    """
    from zoo.runner.demo import demo as run_demo
    from zoo.runner.demo import folder

    with quiet():
        trials = run_demo(runtime=runtime)
    wrong = sum(not trial.right for trial in trials)
    if as_json:
        found = [dataclasses.asdict(trial) | {"right": trial.right} for trial in trials]
        print_json({"folder": str(folder()), "right": len(trials) - wrong, "trials": found})
    else:
        rows = [[t.picture, t.truth, t.answer, f"{t.score:.1%}", "right" if t.right else "WRONG"] for t in trials]
        print_table(["picture", "truth", "answer", "score", ""], rows, left=["truth", "answer", ""])
        echo(f"{len(trials) - wrong} of {len(trials)} right; model and pictures are in {folder()}")
    return 1 if wrong or not trials else 0
