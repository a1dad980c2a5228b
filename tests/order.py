"""Gives the longest files of tests to the processes first: a long one at the end would have all others wait."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LONGEST = (
    "training/distributed/test_multiworker.py",
    "docs/test_readme.py",
    "weights/test_transfer.py",
    "training/distributed/test_same_as_one.py",
    "docs/test_adding_a_model.py",
    "benchmarks/test_reliability.py",
    "docs/test_training.py",
    "docs/test_first_classifier.py",
    "docs/test_pages.py",
    "training/test_run.py",
    "training/test_resume.py",
    "export/tflite/test_exporter.py",
    "export/tflite/test_matrix.py",
    "export/onnx/test_parity.py",
    "benchmarks/test_suite.py",
    "weights/fetch/test_imagenet.py",
    "cli/test_hostile_text.py",
    "cli/commands/test_build.py",
    "docs/test_boards.py",
    "training/test_mnist.py",
    "export/tflite/test_int8.py",
    "weights/fetch/test_download.py",
)
"""Files of more than about twenty seconds of processor time, the longest first.

Only one page is among the first: the others would wait for the folder that it makes for all of them.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the files, those that are not listed last and as they were; a file's tests stay together."""
    place = {ROOT / "tests" / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
