"""Trains the tests' own detector on several devices of one processor: `find_scenes.py DATA OUT DEVICES OPTIONS`.

The options of `zoo.train` are JSON; so is the history that is printed.
"""

from __future__ import annotations

import json
import sys

import tensorflow as tf

import zoo
from tests.training.own_detector import register_detector

data, out, devices, options = sys.argv[1:]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(devices))
whole = tf.distribute.MirroredStrategy
tf.distribute.MirroredStrategy = lambda: whole([f"CPU:{i}" for i in range(int(devices))])
register_detector()
result = zoo.train("spotter", data, out=out, strategy="mirrored", **json.loads(options))
sys.stdout.write(json.dumps(result.history) + "\n")
