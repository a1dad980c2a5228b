"""Causes failures on purpose and counts how they end.

`python -m benchmarks.reliability` runs all scripts, and `docs/reliability.md` shows the results.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # it has what all benchmarks share
