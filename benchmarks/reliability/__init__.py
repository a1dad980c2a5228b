"""Causes failures on purpose and counts how they end.

`python -m benchmarks.reliability` runs all scripts, and `docs/reliability.md` shows the results.
"""
