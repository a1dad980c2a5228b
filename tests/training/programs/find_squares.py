"""Trains the tests' own task on several devices of one processor: `find_squares.py DATA OUT DEVICES OPTIONS`.

The options of `zoo.train` are JSON; so is the history that is printed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tensorflow as tf

import zoo

sys.path.append(str(Path(__file__).parents[3]))

from tests.training.own_task import PositionTraining, register_model
from zoo.training.tasks import TASKS

data, out, devices, options = sys.argv[1:]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(devices))
whole = tf.distribute.MirroredStrategy
tf.distribute.MirroredStrategy = lambda: whole([f"CPU:{i}" for i in range(int(devices))])
TASKS["position"] = PositionTraining()
register_model()
result = zoo.train("finder", data, out=out, strategy="mirrored", **json.loads(options))
sys.stdout.write(json.dumps(result.history) + "\n")
