"""Code that the benchmarks share: rounds, processes, pictures, and the results as JSON and tables."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))  # it has the tables' form, and the boxes of `make demo`
