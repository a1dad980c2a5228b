"""Holds the lock of a path until it is ended."""

import sys
import time
from pathlib import Path

from zoo.system.locks import exclusive

with exclusive(Path(sys.argv[1])):
    sys.stdout.write("held\n")
    sys.stdout.flush()
    time.sleep(600)
