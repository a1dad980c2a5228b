"""Checks that tag, version and changelog of a release agree, and prepares its texts."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.version import Version

from releases.errors import ReleaseError


def version(root: Path) -> str:
    """Returns `zoo.__version__`, without importing the package."""
    text = (root / "zoo" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise ReleaseError("zoo/__init__.py has no __version__")
    return found[1]


def section(changelog: str, wanted: str) -> tuple[str, str]:
    """Returns the text in brackets behind a version in the changelog, and the text of its section.

    Raises:
        ReleaseError: the version has no heading.
    """
    # A development version uses the section of the release that it leads to.
    name = re.escape(Version(wanted).base_version)
    found = re.search(rf"^## {name} \(([^)\n]+)\)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ReleaseError(f"CHANGELOG.md has no heading `## {Version(wanted).base_version} (date)`")
    return found[1], found[2].strip()


def require_tag(root: Path, tag: str) -> None:
    """Checks that the tag, the version and a dated section of the changelog agree.

    Raises:
        ReleaseError: they do not agree.
    """
    current = version(root)
    if tag != f"v{current}":
        raise ReleaseError(f"the tag {tag} is not v{current}, as zoo/__init__.py says")
    date, text = section((root / "CHANGELOG.md").read_text(encoding="utf-8"), current)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise ReleaseError(f"CHANGELOG.md has {current} ({date}): put the day of the release there, as 2026-01-31")
    if not text:
        raise ReleaseError(f"CHANGELOG.md says nothing about {current}")


def absolute_links(text: str, site: str) -> str:
    """Returns the README with full addresses of links and pictures, which PyPI needs.

    `site` is the address of one commit or tag of the repository, such as `https://github.com/OWNER/NAME/raw/v1.0`.
    """
    pattern = r"(?<=\]\()(?!https?:|#|mailto:)([^)\s]+)(?=\))"
    return re.sub(pattern, lambda found: f"{site.rstrip('/')}/{found[1]}", text)
