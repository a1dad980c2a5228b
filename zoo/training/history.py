"""The history of a run: one row for each epoch, written during the training."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

from zoo.files import atomic
from zoo.text import cell
from zoo.training.events import Events
from zoo.training.state import Place


class History:
    """`history.csv` and TensorBoard events in a run's folder, as they grow."""

    def __init__(self, folder: Path, place: Place) -> None:
        """Begins both anew, with the epochs done before: what was written after the last saved state is dropped."""
        events = folder / "events"
        if events.is_symlink():  # in another's run it can lead anywhere
            events.unlink()
        shutil.rmtree(events, ignore_errors=True)
        self._folder, self._place = folder, place
        self._writers = {prefix: Events(events / part) for part, prefix in (("train", ""), ("validation", "val_"))}
        for row in place.history:
            self._write_events(row)

    def follow(self, place: Place) -> None:
        """Uses the rows of another progress object from now on."""
        self._place = place

    def add(self, row: dict[str, Any]) -> None:
        """Writes an epoch that `place.history` holds already."""
        rows = self._place.history
        with atomic(self._folder / "history.csv") as scratch, scratch.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
            # The stage is text, and a state that is gone on with may be another's.
            writer.writerows({key: cell(v) if isinstance(v, str) else v for key, v in r.items()} for r in rows)
        self._write_events(row)

    def _write_events(self, row: dict[str, Any]) -> None:
        for prefix, writer in self._writers.items():
            for name in ("loss", "accuracy"):
                writer.scalar(f"epoch_{name}", row[prefix + name], row["epoch"])
            if not prefix:
                writer.scalar("epoch_learning_rate", row["learning_rate"], row["epoch"])
            writer.flush()
