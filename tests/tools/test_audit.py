"""Known vulnerabilities: how pip-audit's answers are judged, without asking the network service."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from releases import audit, locks
from releases.errors import ReleaseError
from tests.test_packaging import pyproject

ROOT = Path(__file__).resolve().parent.parent.parent
HOLE = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.1"], "description": "bad"}
TODAY = datetime.date(2026, 11, 26)
ENTRY = '[[exception]]\npackage = "gast"\nid = "CVE-1"\nreason = "Never called."\nuntil = {until}\n'


def package(name: str, *holes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(holes)} | more


def judged(answer: list[dict[str, Any]], allowed: list[audit.Exemption]) -> audit.Report:
    report = audit.Report()
    audit.judge(answer, "lowest", allowed, report)
    return report


def test_a_vulnerability_is_found_and_what_has_none_is_counted() -> None:
    report = judged([package("gast", HOLE), package("click")], [])
    assert report.found == ["gast 1.0 (lowest): CVE-1, PYSEC-1; mended in 1.1"]
    assert (report.asked, report.unasked) == (2, {})


def test_an_exception_is_for_one_package_by_any_name_of_the_vulnerability() -> None:
    (allowed,) = audit.exemptions(ENTRY.format(until="2026-12-31"), TODAY)
    report = judged([package("gast", HOLE), package("click", HOLE)], [allowed])
    assert [line.split()[0] for line in report.found] == ["click"]
    (line,) = report.let_pass
    assert line.endswith("let pass until 2026-12-31: Never called.")


def test_a_package_without_an_answer_is_not_counted_as_good() -> None:
    report = judged([{"name": "gast", "skip_reason": "not found"}, package("click")], [])
    assert report.unasked == {"gast (lowest)": "not found"}
    assert report.asked == 1
    assert judged([], []).unasked


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ENTRY.format(until="2026-11-25"), "ended on 2026-11-25; look at it again"),
        (ENTRY.format(until='"soon"'), "needs a reason and a day"),
        (ENTRY.format(until="2026-12-31").replace("Never called.", " "), "needs a reason and a day"),
        ('[[exception]]\npackage = "gast"\n', "has package, id, reason and until"),
    ],
)
def test_an_exception_needs_a_reason_and_ends(text: str, problem: str) -> None:
    with pytest.raises(ReleaseError, match=problem):
        audit.exemptions(text, TODAY)


def test_the_exceptions_of_the_project_are_sound() -> None:
    audit.exemptions((ROOT / "tools" / "audit-exceptions.toml").read_text(encoding="utf-8"), datetime.date(2000, 1, 1))


def test_everything_that_users_may_install_is_asked_about_lowest_and_newest() -> None:
    names = [case.name for case in audit.cases(ROOT)]
    for bounds in ("lowest", "newest"):
        covered = {extra for name in names if name.startswith(bounds) for extra in name.split(", ")[-1].split("+")}
        assert covered >= set(pyproject()["project"]["optional-dependencies"]) - {"docs", "dev"}
    assert sum(name.startswith("the image's ") for name in names) == len(locks.LISTS)
    assert "lowest, to build with" in names


def test_the_image_is_asked_about_as_it_is_locked(tmp_path: Path) -> None:
    case = next(case for case in audit.cases(ROOT) if case.name == "the image's litert")
    case.write(tmp_path / "list")
    assert (tmp_path / "list").read_bytes() == (ROOT / "tools" / "jetson" / "litert.lock").read_bytes()


FAKE = """
import json, os, sys
print(os.environ["ANSWER"])
print("no such service", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"dependencies": []}', []),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', [package("a", version="1")]),
        ("", "no such service"),
        ("{}", "no such service"),
    ],
)
def test_the_answers_of_pip_audit(answer: str, expected: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!{sys.executable}\n{FAKE}")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("ANSWER", answer)
    assert audit.ask(tmp_path / "list", "pypi") == expected


COMMAND = """
import runpy, sys
sys.path.insert(0, "tools")
from releases import audit
from releases.audit import Report
audit.audit = lambda root, service, say: {report}
sys.argv = ["release", "audit"]
runpy.run_path("tools/release", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("report", "code", "line"),
    [
        ("Report(asked=3)", 0, "audit: asked of 3 packages, 0 known vulnerabilities"),
        ("Report(asked=3, found=['gast: bad'])", 1, "audit: VULNERABLE: gast: bad"),
        ("Report(asked=3, found=['gast: bad'], unasked={'b': 'no'})", 1, "not audited: b: no"),
        ("Report(asked=3, unasked={'b (lowest)': 'no', 'c': 'no'})", 77, "not audited: b (lowest), and 1 more: no"),
        ("Report()", 77, "audit: asked of 0 packages, 0 known vulnerabilities"),
    ],
)
def test_how_the_command_ends(report: str, code: int, line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(report=report)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert line in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("package", "vulnerable"),
    [
        ("click", "8.3.2"),
        ("starlette", "1.3.0"),
        ("opencv-python-headless", "4.8.0.76"),
        ("opencv-python-headless", "4.11.0.86"),
        ("tensorflow", "2.17.1"),
        ("setuptools", "82.0.1"),
    ],
)
def test_versions_with_known_holes_are_not_allowed(package: str, vulnerable: str) -> None:
    project = pyproject()
    lines = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(line for extra in project["project"]["optional-dependencies"].values() for line in extra),
    ]
    found = [requirement for line in lines if (requirement := Requirement(line)).name == package]
    assert found
    assert not any(requirement.specifier.contains(vulnerable) for requirement in found)
