"""Where CI is set, what CI is there to run may not be skipped: a skip fails, unless its reason is listed here."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import Any

import pytest

ALLOWED = {
    r"set EDGEZOO_SCREENSHOTS to a folder to take them": "pictures for the docs are taken by hand",
    r"the proxy (nginx|caddy) is not installed": "its package starts a web server, which a test should not",
    r"the npm package @mediapipe/objectron cannot be had": "it is a stranger's file that only a registry has",
    r"libedgetpu is installed here": "what is said without it cannot be seen with it",
}
"""The reason of a skip -> why that is right in CI, too."""


REMEDY = ": apt-get install "
"""What `tools/system-packages` says of all that is missing."""


def excused(reason: str) -> bool:
    """Whether a skip for this reason is none that CI has to mind."""
    return not os.environ.get("CI") or any(re.search(pattern, reason) for pattern in ALLOWED)


def _judge(report: Any) -> None:
    """Turns a skip into a failure where it is not excused."""
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if REMEDY in reason:
        # One line for all tests that need the same, wherever they stand.
        report.longrepr = ("tools/system-packages", None, reason)
    if not excused(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped although CI is set, and tests/skips.py does not list why: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Judges tests."""
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Judges files that are skipped whole."""
    report = yield
    _judge(report)
    return report
