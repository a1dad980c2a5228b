"""Prints the peak memory, in kB, of an attempt to read a file: `read_peak.py FILE`."""

from __future__ import annotations

import contextlib
import resource
import sys

from zoo.errors import ModelFileError
from zoo.tflite import modelfile

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with contextlib.suppress(ModelFileError):
    modelfile.read(sys.argv[1])
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
