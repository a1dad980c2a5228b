"""Trains LeNet, says so after each batch, and then waits a little: `slow_training.py DATA OUT SECONDS OPTIONS`.

The options of `zoo.train` are JSON.
"""

from __future__ import annotations

import json
import sys
import time

import zoo
from zoo.training.stages import Stage
from zoo.training.watch import NullWatch


class Slow(NullWatch):
    """Leaves time to send a signal between two batches."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def batch(self, stage: Stage, epoch: int, batch: int, batches: int, loss: float) -> None:
        """Prints which one it is."""
        sys.stdout.write(f"batch {epoch} {batch}\n")
        sys.stdout.flush()
        time.sleep(self.seconds)


data, out, pause, options = sys.argv[1:]
zoo.train("lenet", data, out=out, watch=Slow(float(pause)), **json.loads(options))
