"""The history of a run: one row for each epoch, written during the training."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

from zoo.files.writing import atomic
from zoo.text import cell
from zoo.training.records.checkpoint import TrainState
from zoo.training.records.events import Events
from zoo.training.tasks import TrainingTask, columns


def told(row: dict[str, Any], *, held_out: bool) -> dict[str, Any]:
    """Returns a row of a state's history as people get it.

    A state has validation figures always, because the best epoch is chosen by them. Where no files are held out for
    validation they are of the training files, and lose the `val_` of their names.
    """
    return row if held_out else {name.removeprefix("val_"): value for name, value in row.items()}


class History:
    """`history.csv` and TensorBoard events in a run's folder, as they grow."""

    def __init__(self, folder: Path, state: TrainState, task: TrainingTask, *, held_out: bool = True) -> None:
        """Begins both anew, with the epochs that are done: what was written after the last checkpoint is dropped.

        Args:
            folder: the run's folder.
            state: the progress of the training, whose `history` grows.
            task: the task, which says which metrics the rows have.
            held_out: whether files are held out for validation.
        """
        events = folder / "events"
        if events.is_symlink():  # in a stranger's run it may lead anywhere
            events.unlink()
        shutil.rmtree(events, ignore_errors=True)
        self._folder, self._state, self._held_out = folder, state, held_out
        self._columns = list(told(dict.fromkeys(columns(task)), held_out=held_out))
        self._writers = {prefix: Events(events / part) for part, prefix in (("train", ""), ("validation", "val_"))}
        for row in state.history:
            self._write_events(row)

    def add(self, row: dict[str, Any]) -> None:
        """Writes an epoch that the state's history holds already.

        Raises:
            OutputError: the disk is full or cannot be written.
        """
        rows = [told(one, held_out=self._held_out) for one in self._state.history]
        # The checkpoint has the history as well, and an epoch may be shorter than a wait for the disk.
        with atomic(self._folder / "history.csv", durable=False) as scratch, scratch.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
            writer.writeheader()
            # The stage is text, and may come from the checkpoint of a stranger.
            writer.writerows({key: cell(v) if isinstance(v, str) else v for key, v in r.items()} for r in rows)
        self._write_events(row)

    def _write_events(self, row: dict[str, Any]) -> None:
        row = told(row, held_out=self._held_out)
        for name in self._columns:
            validation = name.startswith("val_")
            writer = self._writers["val_" if validation else ""]
            writer.scalar(f"epoch_{name.removeprefix('val_')}", row[name], row["epoch"])
        self._writers[""].scalar("epoch_learning_rate", row["learning_rate"], row["epoch"])
        for writer in self._writers.values():
            writer.flush()
