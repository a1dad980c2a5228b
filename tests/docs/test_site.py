"""The documentation's site: it builds without a warning, and a link or a name that leads nowhere is one."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT

pytestmark = pytest.mark.slow

DOCS = ROOT / "docs"
API = ("zoo", "zoo.data", "zoo.training", "zoo.weights", "zoo.export", "zoo.runner", "zoo.serve", "zoo.choose")


def build(docs: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Builds as `make site` does, into another folder."""
    recipe = re.search(r"\$\(BIN\)/sphinx-build (.*) docs docs/_build/html", (ROOT / "Makefile").read_text())
    assert recipe
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *recipe[1].split(), "-d", out.with_name("doctrees"), docs, out],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "html"
    done = build(DOCS, out)
    assert (done.returncode, done.stderr) == (0, "")
    return out


def test_every_page_is_reached_from_the_first(site: Path) -> None:
    front = _Links.of(site / "index.html")
    for page in sorted(DOCS.glob("*.md")):
        assert page.name == "index.md" or f"{page.stem}.html" in front.pages, page.name


@pytest.mark.parametrize("module", API)
def test_every_public_name_is_described(site: Path, module: str) -> None:
    described = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    for name in importlib.import_module(module).__all__:
        home = getattr(importlib.import_module(module), name)
        if getattr(home, "__doc__", None):
            assert re.search(rf'id="zoo(\.\w+)*\.{name}"', described), f"{module}.{name}"


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(API)
    for page in pages:
        for address in _Links.of(page).loaded:
            assert not re.match(r"\w+:|//", address) or address.startswith("data:"), f"{page.name}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_pages_show_their_pictures(site: Path) -> None:
    for page in site.glob("*.html"):
        for address in _Links.of(page).pictures:
            assert (page.parent / address).is_file(), f"{page.name}: {address}"


def test_a_link_and_a_name_that_lead_nowhere_fail(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    links = ["[gone](no-such-page.md)", "[gone](index.md#no-such-heading)", "![gone](no-such-picture.png)"]
    (docs / "index.md").write_text(
        "# A site\n\n```{toctree}\nspoilt\n```\n\n[here](index.md#a-site)\n" + "\n".join(links)
    )
    (docs / "spoilt.rst").write_text("Spoilt\n======\n\n.. automodule:: spoilt\n   :members:\n")
    (tmp_path / "spoilt.py").write_text(
        "def function() -> None:\n"
        '    """See `zoo.no_such_thing`, and not `zoo.build`.\n\n'
        "    Raises:\n        zoo.errors.NoSuchError: never.\n"
        '    """\n'
    )
    done = build(docs, tmp_path / "html", PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    names = re.findall(r"py:\w+ reference target not found: (\S+)", done.stderr)
    assert names == ["zoo.no_such_thing", "zoo.errors.NoSuchError"]
    assert len(re.findall("WARNING", done.stderr)) == len(links) + len(names)
    for name in ("no-such-page.md", "no-such-heading", "no-such-picture.png"):
        assert name in done.stderr


class _Links(HTMLParser):
    """What a page points to and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: set[str] = set()
        self.loaded: set[str] = set()
        self.pictures: set[str] = set()

    @classmethod
    def of(cls, page: Path) -> _Links:
        links = cls()
        links.feed(page.read_text(encoding="utf-8"))
        return links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.pages.add(values.get("href", ""))
        elif tag == "img":
            self.pictures.add(values["src"])
        if tag in {"img", "script", "iframe", "source", "object"} and ("src" in values or "data" in values):
            self.loaded.add(values.get("src") or values.get("data", ""))
        elif tag == "link" and values.get("rel") not in {"index", "search", "next", "prev", "canonical"}:
            self.loaded.add(values.get("href", ""))
