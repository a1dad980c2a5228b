"""Gives files of tests to processes: the longest first, as one at the end would have all others wait.

Files that make the same models are given to the same process.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests import costs

ROOT = Path(__file__).resolve().parent.parent

LONGEST = (
    "training/distributed/test_multiworker.py",
    "docs/test_readme.py",
    "training/test_detection.py",
    "weights/test_transfer.py",
    "training/test_run.py",
    "docs/test_adding_a_model.py",
    "export/tflite/test_matrix.py",
    "docs/test_detection.py",
    "benchmarks/test_reliability.py",
    "docs/test_pages.py",
    "export/onnx/test_parity.py",
    "docs/test_training.py",
    "training/distributed/test_same_as_one.py",
    "docs/test_first_classifier.py",
    "docs/test_machines.py",
    "training/distillation/test_teacher.py",
    "export/tflite/test_exporter.py",
    "web/test_page.py",
    "serve/test_hostile.py",
    "models/detectors/test_ssdlite.py",
    "weights/fetch/test_imagenet.py",
    "export/tflite/test_learnt.py",
    "training/test_resume.py",
    "weights/test_auto.py",
    "weights/test_detectors.py",
    "weights/test_openimages.py",
    "cli/commands/test_build.py",
    "export/tflite/test_converter.py",
    "training/test_quantized.py",
    "benchmarks/test_suite.py",
    "training/test_mnist.py",
    "export/tfjs/test_parity.py",
    "training/test_from.py",
    "tflite/writing/test_metadata.py",
    "system/test_processes.py",
    "runner/loading/test_openvino.py",
    "cli/test_hostile_text.py",
    "cli/commands/test_train.py",
    "compress/prune/test_pruning.py",
    "docs/test_site.py",
    "docs/test_jetson.py",
    "docs/test_troubleshooting.py",
    "system/test_surroundings.py",
    "models/test_mobilenet_v3.py",
    "tools/test_demo.py",
    "docs/test_boards.py",
    "export/tflite/test_int8.py",
)
"""Files of more than about twenty seconds of processor time, the longest first.

Only one page is among the first: the others would wait for the folder that it makes for all of them. A run with
`--durations`, such as that of `make test`, ends with the files that took longest, and says which are not listed here.
"""

TOGETHER = (
    # They export what `tests.export.conftest.Matrix` builds.
    ("export/tflite/test_matrix.py", "export/onnx/test_parity.py", "export/tfjs/test_parity.py"),
    # They take every `tests.conftest.Case`.
    (
        "export/tflite/test_exporter.py",
        "runner/loading/test_openvino.py",
        "test_registry.py",
        "models/test_parameters.py",
        "weights/test_originals.py",
        "compress/test_folding.py",
        "compress/prune/test_pruning.py",
        "tflite/writing/test_metadata.py",
    ),
)
"""Files whose tests stay in one process, which builds once what they share; the first is among the longest."""
_FIRST = {name: names[0] for names in TOGETHER for name in names}

SHOWN = 15
"""How many of the longest files a run shows."""
LONG = 20
"""The seconds from which on a file belongs into the list."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the files, those that are not listed last and as they were; a file's tests stay together."""
    place = {ROOT / "tests" / name: i for i, name in enumerate(LONGEST)}
    place |= {ROOT / "tests" / name: place[ROOT / "tests" / first] for name, first in _FIRST.items()}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def scope(nodeid: str) -> str:
    """Returns the first file of those that a test's file stays with; the file itself if it stands alone."""
    name = nodeid.partition("::")[0].removeprefix("tests/")
    return _FIRST.get(name, name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Returns what gives each process files as a whole, and those of `TOGETHER` as if they were one.

    Not every environment has pytest-xdist.
    """
    from xdist.scheduler import LoadFileScheduling

    scheduling = LoadFileScheduling(config, log)
    scheduling._split_scope = scope
    return scheduling


def seconds_by_file(reports: Iterable[pytest.TestReport]) -> dict[str, float]:
    """Returns the seconds of each file's tests with their fixtures, the longest first, by its path below `tests/`."""
    seconds: dict[str, float] = {}
    for report in reports:
        name = report.nodeid.partition("::")[0].removeprefix("tests/")
        seconds[name] = seconds.get(name, 0) + report.duration
    return dict(sorted(seconds.items(), key=lambda one: -one[1]))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Shows the longest files after a run with `--durations`, and what a quick run took of the processor."""
    costs.show(terminalreporter, config.option.markexpr)
    if config.option.durations is None:
        return
    reports = itertools.chain.from_iterable(terminalreporter.stats.values())
    seconds = seconds_by_file(one for one in reports if isinstance(one, pytest.TestReport))
    terminalreporter.section("longest files")
    for name, taken in itertools.islice(seconds.items(), SHOWN):
        lacking = taken > LONG and name not in LONGEST
        terminalreporter.write_line(f"{taken:7.1f} s  {name}{'  (not in tests/order.py)' if lacking else ''}")
