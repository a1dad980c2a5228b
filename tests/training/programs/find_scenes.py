"""Trains the tests' own detector, also on several devices of one processor: `find_scenes.py DATA OUT DEVICES OPTIONS`.

The options of `zoo.train` are JSON; so is what is printed: the history, and whether this process wrote the folder.
"""

from __future__ import annotations

import json
import sys

import tensorflow as tf

import zoo
from tests.training.own_detector import register_detector

data, out, devices, text = sys.argv[1:]
options = json.loads(text)
if int(devices) > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(devices))
    whole = tf.distribute.MirroredStrategy
    tf.distribute.MirroredStrategy = lambda: whole([f"CPU:{i}" for i in range(int(devices))])
    options["strategy"] = "mirrored"
register_detector()
result = zoo.train("spotter", data, out=out, **options)
sys.stdout.write(json.dumps({"history": result.history, "score": result.score, "chief": result.chief}) + "\n")
