"""Writes TensorBoard events that do not name the machine; TensorFlow's own writer puts the host into the file name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

NAME = "events.out.tfevents.0.edgezoo"
"""Name of the file. TensorBoard looks for `tfevents`; the time and the host, which TensorFlow adds, are left out."""


class Events:
    """A file of TensorBoard events to which values are added."""

    def __init__(self, folder: Path) -> None:
        """Creates the file, and its folder if there is none."""
        import tensorflow as tf

        folder.mkdir(parents=True, exist_ok=True)
        self._messages = tf.compat.v1
        self._tensor = tf.make_tensor_proto
        self._writer = tf.io.TFRecordWriter(str(folder / NAME))
        self._write(file_version="brain.Event:2")

    def scalar(self, name: str, value: float, step: int) -> None:
        """Adds a value, as `tf.summary.scalar` does."""
        kinds = self._messages
        about = kinds.SummaryMetadata(plugin_data=kinds.SummaryMetadata.PluginData(plugin_name="scalars"))
        about.data_class = 1  # DATA_CLASS_SCALAR
        found = kinds.Summary.Value(tag=name, metadata=about, tensor=self._tensor(value, dtype="float32"))
        self._write(step=step, summary=kinds.Summary(value=[found]))

    def flush(self) -> None:
        """Writes the added values to disk, so that a running TensorBoard shows them."""
        self._writer.flush()

    def _write(self, **fields: Any) -> None:
        self._writer.write(self._messages.Event(wall_time=time.time(), **fields).SerializeToString())
