"""Joins the page's modules into one script, because browsers load no modules from a file that was opened from disk."""

from __future__ import annotations

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import (\{[^}]*\}) from ("[^"]+");$', re.MULTILINE)
_LAZY = re.compile(r'await import\(("[^"]+")\)')
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) ([\w$]+)", re.MULTILINE)
_EXPORTS = re.compile(r"^export \{([^}]*)\};$", re.MULTILINE)
_REST = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


def joined(modules: Mapping[str, str]) -> str:
    """Returns a script that runs modules one after the other, each in a function of its own.

    Of the forms of `import` and `export`, only those are known that the page's modules and LiteRT.js have.

    Args:
        modules: the modules' texts by the names under which others import them; each one stands behind those that it
            imports.

    Raises:
        ValueError: a module imports one that does not stand before it, or has another form of `import` or `export`.
    """
    parts = ['"use strict";', "(() => {", "const modules = {};"]
    known: set[str] = set()
    for name, text in modules.items():
        body, names = _as_function_body(name, text, known)
        parts += [f'modules["{name}"] = (() => {{', body.strip("\n"), f"return {{ {', '.join(names)} }};", "})();"]
        known.add(name)
    return "\n".join([*parts, "})();", ""])


def _as_function_body(name: str, text: str, known: set[str]) -> tuple[str, list[str]]:
    """Returns a module's text without `import` and `export`, and the names that it exports."""
    for found in (*_IMPORT.finditer(text), *_LAZY.finditer(text)):
        wanted = found.group(found.lastindex or 0).strip('"')
        if wanted not in known:
            raise ValueError(f"{name} imports {wanted}, which does not stand before it")
    names = [found.group(2) for found in _EXPORT.finditer(text)]
    for found in _EXPORTS.finditer(text):
        names += [one.strip() for one in found.group(1).split(",") if one.strip()]
    text = _MAP.sub("", _EXPORTS.sub("", _EXPORT.sub(r"\1 \2", text)))
    text = _IMPORT.sub(lambda found: f"const {found.group(1).replace(' as ', ': ')} = modules[{found.group(2)}];", text)
    text = _LAZY.sub(r"modules[\1]", text)
    if rest := _REST.search(text):
        raise ValueError(f"{name} has a line that cannot be joined: {rest.group()}")
    return text, names
