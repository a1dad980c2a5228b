"""Counts one answer and one time, and prints what Prometheus would be told."""

from __future__ import annotations

import sys

from zoo.serve.http.connections import Connections
from zoo.serve.http.limits import Gate
from zoo.serve.metrics import Metrics

counted = Metrics({"file": "m.tflite"}, Gate(3), Connections(8, 4))
counted.count("/", 200)
counted.time("wait", 0.1)
sys.stdout.write(counted.render().decode())
