"""Asks for known vulnerabilities of edgezoo's dependencies, in their lowest and newest versions.

A network service is asked (that of the package index, or OSV). Packages for which it gives no answer are neither good
nor bad; `Report.unasked` lists them.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli

from releases import environments, locks, pythons
from releases.errors import ReleaseError

APART = ("tflite-runtime", "docs", "dev")
"""Extras that are not audited together with the others: they need another numpy, or are not for users."""


@dataclass(frozen=True)
class Case:
    """A set of versions, as a list of requirements."""

    name: str
    write: Callable[[Path], object]
    """Writes the list."""


@dataclass(frozen=True)
class Exemption:
    """A known vulnerability that is accepted until a certain day."""

    package: str
    id: str
    reason: str
    until: datetime.date


@dataclass
class Report:
    """The result of an audit."""

    asked: int = 0
    """Packages of all cases for which there was an answer."""
    unasked: dict[str, str] = field(default_factory=dict)
    """For each package and case without an answer, the reason."""
    found: list[str] = field(default_factory=list)
    """One line for each vulnerability."""
    let_pass: list[str] = field(default_factory=list)
    """One line for each vulnerability that an exception accepts."""


def cases(root: Path) -> list[Case]:
    """Lists the cases: the lowest and the newest versions of base and extras, and the packages of the Jetson image."""
    project = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, *_, newest = pythons.declared(project)
    together = tuple(extra for extra in project["optional-dependencies"] if extra not in APART)
    older = ("tflite-runtime",)
    planned = [
        ("lowest", oldest, together),
        ("lowest", oldest, older),
        ("newest", newest, together),
        ("newest", oldest, older),
    ]

    def resolve(bounds: str, version: str, extras: tuple[str, ...]) -> Callable[[Path], object]:
        compile_ = environments.lowest if bounds == "lowest" else environments.newest
        return lambda out: compile_(root / "pyproject.toml", extras, version, out)

    found = [
        Case(f"{bounds}, Python {version}, {'+'.join(extras)}", resolve(bounds, version, extras))
        for bounds, version, extras in planned
    ]

    def building(out: Path) -> None:
        system = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
        out.write_text("".join(f"{line}\n" for line in system), encoding="utf-8")
        environments.lowest(out, (), oldest, out)

    found.append(Case("lowest, to build with", building))
    for name in locks.LISTS:
        text = (root / "tools" / "jetson" / f"{name}.lock").read_text(encoding="utf-8")
        found.append(Case(f"the image's {name}", lambda out, text=text: out.write_text(text, encoding="utf-8")))  # type: ignore[misc]
    return found


def exemptions(text: str, today: datetime.date) -> list[Exemption]:
    """Reads the exceptions from a TOML file.

    Raises:
        ReleaseError: an exception lacks a field, or its last day is over.
    """
    found = []
    for entry in tomli.loads(text).get("exception", []):
        try:
            one = Exemption(**entry)
        except TypeError as error:
            raise ReleaseError(f"an exception has package, id, reason and until, not {sorted(entry)}") from error
        if not isinstance(one.until, datetime.date) or not one.reason.strip():
            raise ReleaseError(
                f"the exception for {one.id} of {one.package} needs a reason and a day, such as 2027-01-31"
            )
        if one.until < today:
            raise ReleaseError(f"the exception for {one.id} of {one.package} ended on {one.until}; look at it again")
        found.append(one)
    return found


def audit(root: Path, service: str, say: Callable[[str], None]) -> Report:
    """Asks about all cases.

    Args:
        root: the folder of the checkout.
        service: `pypi` or `osv`, as pip-audit calls them.
        say: a function that is called with the name of each case.

    Raises:
        ReleaseError: a set of versions cannot be found, or the file of exceptions is wrong.
    """
    text = (root / "tools" / "audit-exceptions.toml").read_text(encoding="utf-8")
    # The day is taken in UTC, so that it is the same on every machine.
    allowed = exemptions(text, datetime.datetime.now(tz=datetime.timezone.utc).date())
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(root):
            path = Path(folder) / "requirements.txt"
            case.write(path)
            say(case.name)
            answer = ask(path, service)
            if isinstance(answer, str):
                report.unasked[f"all packages ({case.name})"] = answer
            else:
                judge(answer, case.name, allowed, report)
    return report


def ask(path: Path, service: str) -> list[dict[str, Any]] | str:
    """Returns pip-audit's answer for each package of a list, or one line with the reason why there is none."""
    program = Path(sys.executable).with_name("pip-audit")
    options: Sequence[str] = ("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
    command: list[str | Path] = [program, *options, "--vulnerability-service", service, "--requirement", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
        return answer["dependencies"]
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or [f"pip-audit ended with exit code {done.returncode}"]
        return lines[-1][:300]


def judge(answer: list[dict[str, Any]], case: str, allowed: Sequence[Exemption], report: Report) -> None:
    """Adds pip-audit's answer about a case to a report."""
    if not answer:
        report.unasked[f"all packages ({case})"] = "pip-audit found no package in the list"
    for package in answer:
        name = package["name"]
        if "skip_reason" in package:
            report.unasked[f"{name} ({case})"] = package["skip_reason"]
            continue
        report.asked += 1
        for hole in package["vulns"]:
            names = {hole["id"], *hole.get("aliases", [])}
            fixed = ", ".join(hole.get("fix_versions", [])) or "no version yet"
            line = f"{name} {package['version']} ({case}): {', '.join(sorted(names))}; mended in {fixed}"
            known = next((one for one in allowed if one.package == name and one.id in names), None)
            if known:
                report.let_pass.append(f"{line}; let pass until {known.until}: {known.reason}")
            else:
                report.found.append(line)
