"""Asks for known vulnerabilities of what edgezoo may be installed with: the lowest versions and the newest.

What is asked is a network service (the package index's own, or OSV). Where that has no answer the outcome is neither
good nor bad, and is said so: `Report.unasked`.
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
"""Extras that do not go together with all others: of another numpy, or not for users."""


@dataclass(frozen=True)
class Case:
    """A set of versions, as a list of requirements."""

    name: str
    write: Callable[[Path], object]
    """Writes the list."""


@dataclass(frozen=True)
class Exemption:
    """A vulnerability that is let pass for a while."""

    package: str
    id: str
    reason: str
    until: datetime.date


@dataclass
class Report:
    """What was found."""

    asked: int = 0
    """Packages that there was an answer about, over all cases."""
    unasked: dict[str, str] = field(default_factory=dict)
    """Package and case -> why there was none."""
    found: list[str] = field(default_factory=list)
    """A line a vulnerability."""
    let_pass: list[str] = field(default_factory=list)
    """A line a vulnerability that an exception lets pass."""


def cases(root: Path) -> list[Case]:
    """The lowest and the newest versions of base and extras, and what the Jetson image installs."""
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
    """The exceptions of a TOML file.

    Raises:
        ReleaseError: one lacks something, or its last day is over.
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
        root: of the checkout.
        service: `pypi` or `osv`, as pip-audit calls them.
        say: is told each case.

    Raises:
        ReleaseError: a set of versions cannot be found, or the file of exceptions is wrong.
    """
    text = (root / "tools" / "audit-exceptions.toml").read_text(encoding="utf-8")
    # In UTC, so that it is the same day on every machine.
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
    """What pip-audit says of each package of a list; or, in a line, why it says nothing."""
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
