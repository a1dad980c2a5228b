"""Runs files with tflite-runtime and saves their scores: `save_scores.py FOLDER < JOBS`.

The jobs are a JSON list of a file's path, its model's name and the mode of quantization. The folder holds `NAME.npy`,
the inputs of a model, and gets `NAME-MODE.npy`, the scores of a file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from zoo.export.checking.verify import run_all
from zoo.runner import load

folder = Path(sys.argv[1])
for path, name, mode in json.load(sys.stdin):
    session = load(path, runtime="tflite-runtime")
    assert session.runtime == "tflite-runtime"
    (scores,) = run_all(session, np.load(folder / f"{name}.npy"), pixels=name != "conv1d")
    np.save(folder / f"{name}-{mode}.npy", scores)
