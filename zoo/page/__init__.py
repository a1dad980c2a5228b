"""The page of a model: its files, and what it shows of the model. `zoo serve` and `zoo web` give it different engines.

`static/page.js` is the view; it says what an engine has to be.
"""

from __future__ import annotations

from importlib import resources

HTML, STYLE, ICON = "index.html", "page.css", "icon.svg"
MODULES = ("text.js", "boxes.js", "card.js", "page.js")
"""The view's modules; each one imports from those before it only."""


def read(name: str) -> str:
    """Returns one of the files as text."""
    return (resources.files("zoo.page") / "static" / name).read_text(encoding="utf-8")
