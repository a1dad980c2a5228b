from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import InputError
from zoo.inputs.annotations.settings import MOST_BYTES, read_settings

NAMES = st.lists(
    st.text(
        st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_categories=("Cc", "Cf")), min_size=1, max_size=12
    )
    .map(str.strip)
    .filter(bool),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "data.yaml"


@settings(deadline=None, max_examples=50)
@given(
    names=NAMES,
    numbered=st.booleans(),
    in_line=st.sampled_from([False, None]),
    quotes=st.sampled_from([None, '"', "'"]),
)
def test_names_are_read_as_a_library_reads_them(
    place: Path, names: list[str], numbered: bool, in_line: bool | None, quotes: str | None
) -> None:
    shown = {"train": "train/images", "names": dict(enumerate(names)) if numbered and not quotes else names, "nc": 3}
    yaml = pytest.importorskip("yaml")  # the development environment has it
    text = yaml.safe_dump(
        shown, default_flow_style=in_line, default_style=quotes, allow_unicode=True, width=1000, sort_keys=False
    )
    place.write_text(text, encoding="utf-8")
    found = read_settings(place)
    assert list(found.names.values()) == names
    assert found.splits == {"train": ("train/images",)}


@pytest.mark.parametrize(
    ("text", "names", "splits"),
    [
        ("names: [a, b b, 'c''s', \"d\\u00e9\"]  # four\n", ["a", "b b", "c's", "d\u00e9"], {}),
        ("names:\n- a\n- b # two\n- 'c # d'\n", ["a", "b", "c # d"], {}),
        ("names:\n  - a\n\n  - b\nval: [x, y]\n", ["a", "b"], {"validation": ("x", "y")}),
        ("---\nnames: {0: a, 1: 'b: c'}\ntrain: t\n", ["a", "b: c"], {"train": ("t",)}),
        ("names:\n  1: b\n  0: a\n", ["a", "b"], {}),
        ("names: [a,\n  b,  # the second\n  c]\nnc: 3\n", ["a", "b", "c"], {}),
        ("names: [driver's, x#y, a:b]\n", ["driver's", "x#y", "a:b"], {}),
        ("\ufeffnames: ['a']\r\ntest:\r\n  - p\r\n", ["a"], {"test": ("p",)}),
        ("other:\n  deep:\n    names: [no]\n  more: {a: {b: &c [1]}}\nnames: [yes]\n", ["yes"], {}),
        ("val: # not yet\nnames: []\n", [], {}),
        ("path: x\n", [], {}),
    ],
)
def test_what_people_and_tools_write(
    place: Path, text: str, names: list[str], splits: dict[str, tuple[str, ...]]
) -> None:
    place.write_bytes(text.encode())
    found = read_settings(place)
    assert (list(found.names.values()), found.splits) == (names, splits)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [1, 1]\nnames: *a\n", "is more than text"),
        ("names: !!python/object/apply:os.system ['id']\n", "is more than text"),
        ("names: [[a, b], c]\n", "is no list or map of names"),
        ("names: [a, b\n", "that ends with ]"),
        ("names:\n  - - a\n", "is more than text"),
        ("names:\n  - a: b\n", "is more than text"),
        ("names: car\n", "and no list"),
        ("names: {a: b}\n", "is no number of a class"),
        ("names:\n  0:\n    a: b\n", "is no 'key: value'"),
        ("names: |\n  a\n", "is more than text"),
        ("names: ['a' b]\n", "is no list|goes on"),
        ('names: ["\\x41"]\n', "escape that is not read here"),
    ],
)
def test_what_is_not_read_is_told_in_one_line(place: Path, text: str, words: str) -> None:
    place.write_text(text)
    with pytest.raises(InputError, match=words) as raised:
        read_settings(place)
    assert "\n" not in str(raised.value)


def test_the_size_is_bounded(place: Path) -> None:
    place.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(InputError, match="has more than 4 MB"):
        read_settings(place)
