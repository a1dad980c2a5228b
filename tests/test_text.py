"""Untrusted text as it is shown, and as programs and spreadsheets get it."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import InputError
from zoo.text import (
    LIMIT,
    cell,
    count_of,
    finite,
    first_hidden,
    markdown,
    name_list,
    plural,
    short_number,
    shown,
    to_json,
    uncell,
)

ANY = st.text(
    st.characters(categories=None) | st.sampled_from("\x1b\x9b\x7f\u202e\u2066\u200d\u200b\ufe0f\udcff=+-@'\n")
)
"""Any text, including lone surrogates, which stand for bytes of file names that are not UTF-8."""
UNSEEN = {"Cc", "Cs", "Zl", "Zp"}


@given(ANY)
def test_nothing_shown_is_obeyed_turns_or_ends_the_line(text: str) -> None:
    for char in shown(text):
        assert unicodedata.category(char) not in UNSEEN
        assert not "\u202a" <= char <= "\u202e"
        assert not "\u2066" <= char <= "\u2069"
        assert char not in "\u200b\u200e\u200f\u061c\ufeff\u00ad\u2060"
    shown(text).encode("utf-8")


@given(ANY)
def test_shown_text_has_no_hidden_characters_and_is_not_escaped_twice(text: str) -> None:
    once = shown(text, limit=None)
    assert shown(once, limit=None) == once
    assert first_hidden(once) is None
    assert (first_hidden(text) is None) == (once == text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("two\nlines\tand\rmore", r"two\nlines\tand\rmore"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("r\udcff.jpg", r"r\udcff.jpg"),
        ("a\u2028b", r"a\u2028b"),
        ("\U000e0041", r"\U000e0041"),
        ("ad\u200dmin", r"ad\u200dmin"),
        ("\u0430\u200c\u0431", "\u0430\\u200c\u0431"),
        ("cat\ufe0f", r"cat\ufe0f"),
        ("!\ufe0f", r"!\ufe0f"),
        ("\u00e9\ufe0f", "\u00e9\\ufe0f"),
        ("\ufe0f", r"\ufe0f"),
        ("\u0301\u200d\u0301", "\u0301\\u200d\u0301"),
        ("\u1fbd\u200d\u1fbd", "\u1fbd\\u200d\u1fbd"),
        ("\u200d\u0915", "\\u200d\u0915"),
        ("\u3164", r"\u3164"),
    ],
)
def test_invisible_characters_are_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "digit 3",
        "naïve café",
        "日本語",
        "\u0645\u06cc\u200c\u0634\u0648\u062f",  # Persian, which uses zero-width non-joiners inside words
        "\u0915\u094d\u200d\u0937",  # Devanagari
        "👩\u200d🔬",
        "❤\ufe0f\u200d🔥",
        "3\ufe0f\u20e3",
        "3\ufe0f\u20e3 and more",
        "non\u00a0breaking",
        "[red]",
        "C:\\x",
        "\u0600\u0661",
    ],
)
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert shown(text) == text
    assert first_hidden(text) is None
    assert cell(text) == text


def test_long_text_is_cut_and_says_so() -> None:
    assert shown("x" * LIMIT) == "x" * LIMIT
    assert shown("x" * 5001) == "x" * 5000 + "... (5,001 characters)"
    assert shown("x" * 20_000, limit=10) == "xxxxxxxxxx... (20,000 characters)"


@given(ANY)
def test_no_cell_begins_a_formula_and_reading_it_back_gives_the_text(text: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow([cell(text), "1"])
    (row,) = csv.reader(io.StringIO(stream.getvalue()))
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
    assert uncell(row[0]) == shown(text, limit=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class_0", "class_0"),
        ("a|b", r"a\|b"),
        ("![x](http://e)", r"!\[x\](http\://e)"),
        ("<img src=//e>", r"\<img src=//e\>"),
        ("`x` *y* _z_ $q$", r"\`x\` \*y\* \_z\_ \$q\$"),
        ("www.e.com me@e.com", r"www\.e.com me\@e.com"),
        ("a\nb", r"a\\nb"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, expected: str) -> None:
    assert markdown(text) == expected


# Every reader of JSON takes the two halves of a surrogate pair for one character.
IN_JSON = ANY.filter(lambda text: not re.search("[\ud800-\udbff][\udc00-\udfff]", text))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | IN_JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(IN_JSON, inner, max_size=3),
    max_leaves=8,
)


def _no_constant(name: str) -> Any:
    raise AssertionError(name)


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_json_is_valid_whatever_it_holds(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = to_json(value, indent=indent, ascii_only=ascii_only)
    text.encode("ascii" if ascii_only else "utf-8")
    assert json.loads(text, parse_constant=_no_constant) == finite(value)
    assert all(first_hidden(line) is None for line in text.split("\n"))


def test_numbers_that_are_not_finite_are_null() -> None:
    assert to_json({"a": [float("nan"), (float("inf"), 1.5)]}) == '{"a": [null, [null, 1.5]]}'


def test_plain_text_needs_no_table_of_characters() -> None:
    """The device side imports `unicodedata` only if there is something to escape."""
    code = "import sys; from zoo.text import shown; shown('digit 3'); sys.exit('unicodedata' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat", ["cat"]),
        (" cat , dog ", ["cat", "dog"]),
        ('cat,"salt, pepper"', ["cat", "salt, pepper"]),
        ('"5"" pipe"', ['5" pipe']),
        ('5" pipe', ['5" pipe']),
        ("", [""]),
        (",", ["", ""]),
    ],
)
def test_a_list_of_names_is_a_line_of_csv(text: str, names: list[str]) -> None:
    assert name_list(text) == names


@pytest.mark.parametrize("text", ['"salt, pepper', '"salt" pepper', "salt\npepper"])
def test_a_list_of_names_that_has_no_end_says_how_to_quote(text: str) -> None:
    with pytest.raises(InputError, match="is no list of names .* double quotes") as error:
        name_list(text)
    assert "\n" not in str(error.value)


def test_one_is_told_in_the_singular() -> None:
    assert [count_of(n, "picture") for n in (0, 1, 2)] == ["0 pictures", "1 picture", "2 pictures"]
    assert [plural(2, word) for word in ("class", "box", "batch", "epoch")] == ["classes", "boxes", "batches", "epochs"]
    assert [count_of(n, "group has", "groups have") for n in (1, 3)] == ["1 group has", "3 groups have"]


def test_a_number_that_rounds_up_to_the_next_unit_has_it() -> None:
    assert [short_number(n) for n in (999, 1000, 999_499, 999_500)] == ["999", "1.00 k", "999 k", "1.00 M"]
    assert [short_number(n) for n in (999_499_999, 999_500_000)] == ["999 M", "1.00 G"]
    # And with the digits of what it is rounded to.
    assert [short_number(n) for n in (9_994, 9_995, 99_949, 99_950)] == ["9.99 k", "10.0 k", "99.9 k", "100 k"]


def test_a_joiner_stays_between_characters_of_scripts_that_need_it_only() -> None:
    for joined in ("\u0915\u094d\u200d\u0937", "\u0645\u06cc\u200c\u062e", "\u2764\ufe0f\u200d\U0001f525"):
        assert shown(joined) == joined
    for beside in ("a\u200db", "\u0915\u200db", "a\u200d\u0915", "\u0915\u200d", "1\u200d2", "\u0660\u200d\u0661"):
        assert "\\u200d" in shown(beside)


def test_only_the_apostrophe_of_a_formula_is_taken_off() -> None:
    for text in ("=1", "'tis", "'", "", "1"):
        assert uncell(text) == text
    assert [uncell(text) for text in ("'=1", "''=1", "'-")] == ["=1", "'=1", "-"]


def test_a_long_list_that_is_none_is_cut_at_eighty_characters() -> None:
    with pytest.raises(InputError, match=f'^"{"x" * 79}\\.\\.\\. \\(101 characters\\) is no list of names'):
        name_list('"' + "x" * 100)
