"""Turns skips into failures if CI is set, except for the reasons that are listed here."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import Any

import pytest

ALLOWED = {
    r"set EDGEZOO_SCREENSHOTS to a folder to take them": "pictures for the docs are taken by hand",
    r"a proxy server is not installed here": "its package starts a web server, which a test should not",
    r"the npm package \S+ cannot be had": "it is a stranger's file that only a registry has",
    r"there is no firefox here": "a second browser is large, and Chromium shows the same",
    r"pillow \S+ cannot be had": "old versions have no wheel for new Pythons",
    r"\.venv-mediapipe": "MediaPipe has no wheel for some Pythons and processors",
    r"atheris is not installed": "it has no wheel for some Pythons and processors",
    r"libedgetpu is installed here": "what is said without it cannot be seen with it",
}
"""The reasons of skips that are right in CI, too, each with an explanation."""


REMEDY = ": apt-get install "
"""Returns the lines of `tools/system-packages` about missing packages."""


def excused(reason: str) -> bool:
    """Whether a skip for this reason is allowed in CI."""
    return not os.environ.get("CI") or any(re.search(pattern, reason) for pattern in ALLOWED)


def _judge(report: Any) -> None:
    """Turns a skip into a failure if it is not allowed."""
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if REMEDY in reason:
        # All tests that need the same package have the same line.
        report.longrepr = ("tools/system-packages", None, reason)
    if not excused(reason):
        report.outcome = "failed"
        report.longrepr = f"skipped although CI is set, and tests/skips.py does not list why: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Judges the skips of tests."""
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Judges the skips of whole files."""
    report = yield
    _judge(report)
    return report
