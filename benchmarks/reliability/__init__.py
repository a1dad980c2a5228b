"""Failures on purpose, counted. `python -m benchmarks.reliability` runs all, `docs/reliability.md` shows the result."""
