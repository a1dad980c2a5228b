"""Waits for TensorFlow to connect it with a worker that never comes: `left_alone.py ADDRESS ADDRESS INDEX`."""

from __future__ import annotations

import functools
import sys
from unittest.mock import patch

from zoo.training.distributed import connect

note = functools.partial(print, flush=True)  # the process ends without a chance to write what is left

# As if the other worker had been at the meeting, and was lost just then.
with (
    patch.object(connect, "meet"),
    patch.object(connect, "CONNECT", 2.0),
    connect.connect("multiworker", sys.argv[1:3], int(sys.argv[3]), facts={}, note=note),
):
    pass
