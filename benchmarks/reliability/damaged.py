"""Damages a file in many ways and counts how the command that reads it ends."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import BAD, Ended


@dataclass(frozen=True)
class Case:
    """A row of a table: a sound file, what damages it, and what reads it."""

    row: dict[str, str]
    """The first columns, which tell the row from others."""
    source: Path
    damage: Callable[[bytes, random.Random], bytes]
    ask: Callable[[Path], Ended]
    """Gives a file to the command."""
    seeds: Iterable[int]
    """One for each damaged copy."""
    judge: Callable[[Ended], str] = lambda ended: ended.outcome
    """Returns the column in which an end is counted."""

    def count(self, columns: Sequence[str], folder: Path, keep: Path | None) -> dict[str, Any]:
        """Tries all copies and returns the row.

        Args:
            columns: all columns of outcomes.
            folder: a folder for the copies.
            keep: a folder for copies that cause faults.
        """
        data, path, found = self.source.read_bytes(), folder / f"damaged{self.source.suffix}", Counter[str]()
        for seed in self.seeds:
            path.write_bytes(self.damage(data, random.Random(seed)))
            ended = self.ask(path)
            outcome = self.judge(ended)
            found[outcome] += 1
            if keep and outcome in BAD:
                kept = keep / f"{re.sub(r'[^a-z0-9]+', '_', ' '.join(self.row.values()).lower())}_{seed}{path.suffix}"
                shutil.copy(path, kept)
                kept.with_name(f"{kept.name}.txt").write_text(f"{ended.code}\n{ended.err}")
        return {**self.row, **{name: found[name] for name in columns}}


def faults_in(rows: Iterable[dict[str, Any]]) -> int:
    """Returns the number of outcomes in some rows that are faults."""
    return sum(row[name] for row in rows for name in BAD)
