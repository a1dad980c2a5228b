"""Measures whether tests can fail: each core module gets small faults, and its own tests have to notice them.

    .venv/bin/python tools/mutants.py                    (`make mutants`) the sample, into docs/mutants.json
    .venv/bin/python tools/mutants.py --only zoo.text    one module's results there anew, after a change of its tests
    .venv/bin/python tools/mutants.py --show zoo.text    one module: prints its mutants that live, and writes nothing
    .venv/bin/python tools/mutants.py --fresh            others, which no test was written for: into the same file

Tests are written with the fixed sample's mutants in view, so that its figure is too good. The fresh sample shows what
these tests notice of other faults. It leaves out what was looked at, and neither prints nor keeps lines: whoever looks
at them adds the seed to `SEEN` and takes the next one.

The modules are listed in tools/mutants.toml, with those mutants that behave as the module does. A fault is made in the
memory of a fork only (tools/mutant_code.py), and no file of the checkout is touched.

No library does this plainly: mutmut chooses tests by a trace of the whole suite, which takes long here, cosmic-ray
starts Python anew for every mutant, and neither draws a sample of each module with a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import tomli

from mutant_code import Mutant, mutants
from mutant_runs import Trial, outcomes, prepare
from zoo.files.writing import atomic

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".toml")
RESULTS = ROOT / "docs" / "mutants.json"
SEED = 22
SEEN = (1, 4, 5, 6)
"""Further seeds whose mutants were looked at when tests were written."""
FRESH = 7
"""The seed whose mutants nobody has looked at."""
EACH = 6
"""Mutants of a module in the sample."""
WORKERS = 2


@dataclass(frozen=True)
class Core:
    """A core module, and what is known about it."""

    name: str
    same: dict[str, str]
    """Lines of mutants that behave as the module does, with the reason."""
    read: bool = False
    """Whether its tests were written with all of its mutants in view, so that none is fresh."""

    @property
    def path(self) -> Path:
        """The module's file."""
        return ROOT.joinpath(*self.name.split(".")).with_suffix(".py")

    @property
    def tests(self) -> Path:
        """The file of its own tests, which mirrors it."""
        _, *folders, last = self.name.split(".")
        return ROOT.joinpath("tests", *folders, f"test_{last}.py")

    def sample(self, seed: int, count: int, without: Sequence[int] = ()) -> tuple[list[Mutant], int]:
        """Draws mutants; returns them, in the order of lines, and the number of all that there are.

        A module's sample does not depend on the other modules, nor on its name. What the seeds `without` draw is left
        out.
        """
        every = mutants(self.path.read_text(encoding="utf-8"))
        seen = {mutant.source for other in without for mutant in _drawn(every, other, count)}
        drawn = _drawn([mutant for mutant in every if mutant.source not in seen], seed, count)
        return sorted(drawn, key=lambda mutant: mutant.line), len(every)


def _drawn(every: Sequence[Mutant], seed: int, count: int) -> list[Mutant]:
    return random.Random(seed).sample(every, min(count, len(every)))


def cores() -> list[Core]:
    """Returns the listed modules.

    Raises:
        SystemExit: a module or a file of tests is not there.
    """
    listed = tomli.loads(LIST.read_text(encoding="utf-8"))
    same: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in listed.get("same", []):
        same[entry["module"]].update(dict.fromkeys(entry["lines"], entry["reason"]))
    read = set(listed["read"])
    found = [Core(name, same.pop(name, {}), name in read) for name in listed["modules"]]
    missing = [str(path) for core in found for path in (core.path, core.tests) if not path.is_file()]
    unlisted = [*same, *sorted(read - set(listed["modules"]))]
    if missing or unlisted:
        sys.exit(f"{LIST.name} names what is not there or not listed: {', '.join([*missing, *unlisted])}")
    return found


def measure(core: Core, seed: int, count: int, workers: int = WORKERS, without: Sequence[int] = ()) -> dict[str, Any]:
    """Returns a module's row: how many of the drawn mutants its tests noticed, and the lines of the others.

    Raises:
        SystemExit: the tests fail on the module as it is.
    """

    def trial(source: str) -> Trial:
        return Trial(core.name, core.path, core.tests, source)

    ((_, plain),) = outcomes([trial(core.path.read_text(encoding="utf-8"))], {}, 600, 1)
    if not plain.passed:
        sys.exit(f"{plain.output}\nThe tests of {core.name} fail on the module as it is.")
    drawn, every = core.sample(seed, count, without)
    tried = [mutant for mutant in drawn if mutant.now not in core.same]
    row: dict[str, Any] = {"module": core.name, "mutants": every, "tried": len(tried), "same": len(drawn) - len(tried)}
    row |= {"failed": 0, "stopped": 0, "lived": []}
    # An endless loop ends, and a busy machine does not look like one.
    limit = 20 + 8 * plain.seconds
    for place, outcome in outcomes([trial(mutant.source) for mutant in tried], plain.durations, limit, workers):
        mutant = tried[place]
        if outcome.passed:
            row["lived"].append({"line": mutant.line, "was": mutant.was, "now": mutant.now})
        else:
            row["stopped" if outcome.stopped else "failed"] += 1
    row["lived"].sort(key=lambda one: one["line"])
    return row


def show(row: dict[str, Any]) -> None:
    """Prints a module's row."""
    print(f"{row['module']}: {noticed(row)} of {row['tried']}")
    for mutant in row["lived"]:
        print(f"  {mutant['line']}: {mutant['was']}\n      lives as: {mutant['now']}", flush=True)


def noticed(row: dict[str, Any]) -> int:
    """Returns the number of mutants that a module's tests noticed: they failed, or had to be stopped."""
    return int(row["failed"]) + int(row["stopped"])


def results() -> dict[str, Any]:
    """Returns what was found last: the `rows` of the fixed sample, and those of the `fresh` one, of counts only."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def table() -> str:
    """Returns the table of docs/reliability.md."""
    rows = results()["rows"]
    lines = ["| module | mutants | tried | noticed |", "| --- | --- | --- | --- |"]
    for row in rows:
        lines.append(f"| `{row['module']}` | {row['mutants']:,} | {row['tried']} | {noticed(row)} |")
    every, tried, seen = (sum(map(of, rows)) for of in (itemgetter("mutants"), itemgetter("tried"), noticed))
    lines.append(f"| all {len(rows)} | {every:,} | {tried:,} | {seen:,} |")
    return "\n".join(lines) + "\n"


def figures() -> str:
    """Returns the line above that table: both samples, each with the command that prints its figure."""
    found = results()
    rows, fresh = found["rows"], found["fresh"]["rows"]
    tried, seen = sum(row["tried"] for row in rows), sum(map(noticed, rows))
    left, also = sum(row["tried"] for row in fresh), sum(row["noticed"] for row in fresh)
    # Rounded down: nearly all are not 100%.
    return (
        f"Of the fixed sample {seen:,} of {tried:,} were noticed, {100 * seen // tried}% (`python tools/mutants.py`); "
        f"of the fresh one, from {len(fresh)} modules, {also:,} of {left:,}, {100 * also // left}% "
        "(`python tools/mutants.py --fresh`).\n"
    )


def main() -> None:
    """Runs the sample of all modules, or of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--only", nargs="+", metavar="MODULE", help="Writes the results of these modules anew.")
    some.add_argument("--show", nargs="+", metavar="MODULE", help="Prints those of these modules, and writes nothing.")
    some.add_argument("--fresh", nargs="*", metavar="MODULE", help="Takes mutants that nobody looked at; all modules.")
    parser.add_argument("--seed", type=int, default=SEED, help=f"Draws another sample ({SEED}).")
    parser.add_argument("--each", type=int, default=EACH, help=f"Mutants of a module ({EACH}).")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"Mutants that are run at once ({WORKERS}).")
    args = parser.parse_args()
    is_fresh = args.fresh is not None
    listed = {core.name: core for core in cores() if not (is_fresh and core.read)}
    wanted = args.show or args.only or args.fresh or list(listed)
    if unknown := sorted(set(wanted) - set(listed)):
        parser.error(f"{', '.join(unknown)}: not among the modules of {LIST}")
    before = results() if RESULTS.exists() and not args.show else {}
    fresh = before.get("fresh", {})
    if is_fresh:
        # Rows of another seed are of another sample, and of tests that were written since.
        kept = fresh["rows"] if (fresh.get("seed"), fresh.get("without")) == (FRESH, [SEED, *SEEN]) else []
    else:
        kept = before.get("rows", [])
    rows = {row["module"]: row for row in kept if row["module"] in listed}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        prepare(Path(folder))
        for name in wanted:
            if is_fresh:
                found = measure(listed[name], FRESH, args.each, args.workers, (SEED, *SEEN))
                rows[name] = {"module": name, "tried": found["tried"], "noticed": noticed(found)}
                print(f"{name}: {rows[name]['noticed']} of {found['tried']}", flush=True)
            else:
                rows[name] = measure(listed[name], args.seed, args.each, args.workers)
                show(rows[name])
            in_order = [rows[name] for name in listed if name in rows]
            if is_fresh:
                _keep(fresh={"seed": FRESH, "without": [SEED, *SEEN], "rows": in_order})
            elif not args.show:
                _keep(rows=in_order)
    seen = sum(row["noticed"] if is_fresh else noticed(row) for row in in_order)
    print(f"{seen} of {sum(row['tried'] for row in in_order)} mutants were noticed")


def _keep(**found: Any) -> None:
    """Writes results over the old ones of the same name."""
    kept = (results() if RESULTS.exists() else {}) | found
    with atomic(RESULTS) as scratch:
        scratch.write_text(f"{json.dumps(kept, indent=1, ensure_ascii=False)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
