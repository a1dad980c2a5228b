"""The documentation site: `make site` builds it. Any warning is an error there."""

from __future__ import annotations

import importlib
import re
from typing import Any

from docutils import nodes
from sphinx.domains.python import PyXRefRole
from sphinx.ext.napoleon import Config, GoogleDocstring

import zoo
from zoo.system.quiet import quiet

project = "edgezoo"
copyright = "the edgezoo authors"  # noqa: A001  # Sphinx' own name
version = release = zoo.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 3

# Docstrings are written as Markdown: `name` is code, and a link where it is one of ours.
default_role = "code-or-link"
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "edgezoo"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"light_css_variables": {"font-stack--monospace": "ui-monospace, 'DejaVu Sans Mono', monospace"}}


def setup(app: Any) -> None:
    """Sphinx calls this first."""
    app.add_role("code-or-link", _code_or_link)
    app.connect("autodoc-process-docstring", _to_rst)
    app.connect("missing-reference", _not_ours)


def _code_or_link(_name: str, rawtext: str, text: str, lineno: int, inliner: Any, *_: Any) -> Any:
    """A name may be a link; `.keras` or `(batch, classes)` are code."""
    if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", text):
        return PyXRefRole()("py:obj", rawtext, text, lineno, inliner)
    return [nodes.literal(rawtext, text)], []


_OF_TUPLES = "Create new instance of "
"""The beginning of the docstring that Python gives the constructor of a named tuple."""


def _to_rst(_app: Any, what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Turns the Markdown of docstrings, which is tables and indented code, and their sections into reStructuredText."""
    lines[:] = _code(_tables([line for line in lines if not line.startswith(_OF_TUPLES)]))
    # Not as an extension: that takes what stands before a colon in an attribute's docstring for its type.
    if what not in {"attribute", "property", "data"}:
        lines[:] = GoogleDocstring(lines, Config(), what=what).lines()


def _tables(lines: list[str]) -> list[str]:
    out: list[str] = []
    for line in lines:
        if not line.startswith("|"):
            out.append(line)
        elif not set(line) <= set("|- :"):
            if not (out and out[-1].startswith("   ")):
                out += [".. list-table::", "   :header-rows: 1", ""]
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            out += [f"   {'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(cells)]
    return out


def _code(lines: list[str]) -> list[str]:
    """An indented paragraph behind a plain one is code; behind `Args:` and the like there is no empty line."""
    out: list[str] = []
    above = ""
    for i, line in enumerate(lines):
        if re.match(r" {4}\S", line) and i and not lines[i - 1] and re.match(r"\w", above):
            out += [".. code-block:: python", ""]
        out.append(line)
        above = line or above
    return out


def _not_ours(_app: Any, _env: object, node: Any, contnode: Any) -> Any:
    """Other packages' names are not linked; a name of ours that is not on a page has to be in the code at least."""
    if node.get("refdomain") != "py":
        return None
    target = str(node["reftarget"])
    return None if target.startswith("zoo.") and not _exists(target) else contnode


def _exists(target: str) -> bool:
    names = target.split(".")
    for split in range(len(names), 0, -1):
        try:
            with quiet():  # some modules import TensorFlow
                found: Any = importlib.import_module(".".join(names[:split]))
            for name in names[split:]:
                found = getattr(found, name)
        except (ImportError, AttributeError):
            continue
        return True
    return False
