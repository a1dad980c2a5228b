"""Escapes untrusted text for terminals, logs, drawings, CSV, Markdown and JSON.

Labels, cards, names of files and messages of libraries may hold anything: control sequences of a terminal, characters
that reverse or hide the text beside them, formulas that a spreadsheet runs. All code that prints or writes such text
uses the functions of this module.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from zoo.errors import InputError

LIMIT = 5000
"""Most characters of one line that are shown; the longest path of a file has 4096."""

_JOINERS = "\u200c\u200d"
_VARIANTS = "\ufe0e\ufe0f"
_KEYCAP = "\u20e3"
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Number signs of Arabic, Syriac and Kaithi, which are visible although their category is Cf."""
_BLANK = (
    # Invisible characters outside the category Cf: Unicode's Default_Ignorable_Code_Point, and blank Braille.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
_EUROPEAN = "[\0-\u058f\u1e00-\u1fff]"
"""Latin, Greek and Cyrillic, and more of Latin and Greek."""
_FORMULA = "'*[=+\\-@\uff1d\uff0b\uff0d\uff20]"
"""The beginning of a cell that a spreadsheet takes for a formula, after any apostrophes, so that `uncell` is exact."""
_MARKUP = r"(?i)[\\`*\[\]<>&|~$@]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\."
"""The characters that are markup inside a line of Markdown, including those of addresses that GitHub makes links."""


def shown(text: object, *, limit: int | None = LIMIT) -> str:
    r"""Returns text as it can be shown on a terminal, in a log or in a drawing, in one line.

    Characters that cannot be seen are escaped as in Python: `\x1b`, `\n`, `\u202e`, `\udcff`. These are control
    characters (C0, DEL, C1), line and paragraph separators, lone surrogates, and characters that are invisible or
    change the direction of the text. A zero-width joiner (U+200C, U+200D) stays between two characters of a script or
    an emoji that needs it, but not beside Latin, Greek or Cyrillic letters, where it would only make two names differ
    that look the same. A variation selector (U+FE0E, U+FE0F) stays behind a symbol.

    Args:
        text: anything that `str` takes.
        limit: the most characters; longer text is cut, and the result says so. None cuts nothing.
    """
    text = str(text)
    if limit is not None and len(text) > limit:
        return f"{shown(text[:limit], limit=None)}... ({len(text):,} characters)"
    if _is_plain(text):
        return text
    return "".join(
        char.encode("unicode_escape").decode() if _is_hidden(text, i) else char for i, char in enumerate(text)
    )


def first_hidden(text: str) -> str | None:
    """Returns the first character of a text that `shown` would escape, as `U+202E`; None if there is none."""
    return next((f"U+{ord(c):04X}" for i, c in enumerate(text) if _is_hidden(text, i)), None)


def _is_plain(text: str) -> bool:
    """Whether every character of a text can be seen, whatever stands beside it."""
    return text.isprintable() and not re.search(_BLANK, text)


def _is_hidden(text: str, index: int) -> bool:
    char = text[index]
    if _is_plain(char):
        return False
    import unicodedata  # imported here, because plain text does not need it

    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if char in _JOINERS:
        return not (_is_joined(before) and _is_joined(after))
    if char in _VARIANTS:
        return after != _KEYCAP and (before.isascii() or unicodedata.category(before) not in {"So", "Sm", "Po", "Pd"})
    if char in _VISIBLE_FORMAT:
        return False
    return bool(re.match(_BLANK, char)) or unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _is_joined(char: str) -> bool:
    """Whether a character may be beside a joiner: one of a script from Hebrew onwards, or of an emoji."""
    import unicodedata

    if not char or re.match(_EUROPEAN, char):
        return False
    return char in _VARIANTS or unicodedata.category(char) in {"Lo", "Lm", "Mn", "Mc", "So", "Sk"}


def cell(text: object) -> str:
    """Returns text as a cell of a CSV file: as `shown` does, with an apostrophe before a possible formula.

    Formulas begin with `=`, `+`, `-` or `@`, or a full-width form of these; tabs and line ends before them are escaped.
    Numbers that this package computes are not text and need no apostrophe.
    """
    plain = shown(text, limit=None)
    return f"'{plain}" if re.match(_FORMULA, plain) else plain


def uncell(text: str) -> str:
    """Returns a cell without the apostrophe that `cell` put before it."""
    return text[1:] if text.startswith("'") and re.match(_FORMULA, text) else text


def markdown(text: object) -> str:
    """Returns text for Markdown that is shown as it is, without markup, links, pictures, HTML or formulas."""
    return re.sub(_MARKUP, lambda found: f"\\{found[0]}", shown(text).replace("://", "\0")).replace("\0", "\\://")


def name_list(text: str) -> list[str]:
    """Returns the names of a list as options have it: separated by commas, in double quotes where a name has a comma.

    It is a line of CSV: a quote within quotes is doubled, and blanks around a name do not count.

    Raises:
        InputError: a quote has no end, or something follows it.
    """
    import csv  # imported here, because the runner needs it for such an option only

    try:
        row = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise InputError(
            f"{shown(text, limit=80)} is no list of names ({error}); separate them by commas, and put a name "
            'that has a comma or begins with a quote into double quotes: cat,"salt, pepper"'
        ) from error
    return [name.strip() for name in row or [""]]


def finite(value: Any) -> Any:
    """Returns a value for JSON, in which numbers that are not finite become None at any depth, as JSON has none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


def to_json(value: Any, *, indent: int | None = None, ascii_only: bool = False, sort_keys: bool = False) -> str:
    r"""Returns a JSON document that every parser can read and that is safe to show on a terminal.

    Numbers that are not finite become null. Characters that `shown` escapes, lone surrogates among them, are escaped as
    JSON does it (`\u202e`), so that the document is valid UTF-8 and programs still get the text as it was.

    Args:
        value: a value that `json.dumps` takes.
        indent: the number of spaces; by default the document is one line.
        ascii_only: whether all characters other than ASCII are escaped.
        sort_keys: as in `json.dumps`.
    """
    text = json.dumps(finite(value), indent=indent, ensure_ascii=ascii_only, allow_nan=False, sort_keys=sort_keys)
    # Line ends of the document itself are the only ones in it.
    return "\n".join(_json_line(line) for line in text.split("\n"))


def _json_line(text: str) -> str:
    if _is_plain(text):
        return text
    return "".join(json.dumps(c)[1:-1] if _is_hidden(text, i) else c for i, c in enumerate(text))


def plural(number: float, one: str, many: str = "") -> str:
    """Returns a word or phrase for a number of things: `one` for 1, else `many`, by default the usual plural."""
    return one if number == 1 else many or f"{one}{'es' if one.endswith(('s', 'x', 'sh', 'tch')) else 's'}"


def count_of(number: int, one: str, many: str = "") -> str:
    """Returns a number with the word for what is counted: `1 picture`, `2 pictures`, `1 group has`; see `plural`."""
    return f"{number} {plural(number, one, many)}"


def short_number(value: int) -> str:
    """Returns a number with three significant digits and a unit: `992`, `10.8 M`, `1.39 G`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * limit:
            number = value / limit
            digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
            return f"{number:.{digits}f} {unit}"
    return str(value)
