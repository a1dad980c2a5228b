"""The reason in the messages of other libraries, on messages that they gave: `tests/messages/messages.json`.

Of each the whole text stands there, with the places on one machine made general.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo.errors import first_line
from zoo.system.reasons import MOST, reason

MESSAGES: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "messages" / "messages.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_line_with_the_reason_is_found(name: str) -> None:
    found = reason(MESSAGES[name]["message"])
    assert found.startswith(MESSAGES[name]["reason"])
    assert "\n" not in found
    assert "\x1b" not in found
    assert len(found) <= MOST


def test_messages_of_every_library_are_there() -> None:
    libraries = {name.split()[0] for name in MESSAGES}
    assert libraries >= {"tensorflow", "tflite", "keras", "pillow", "opencv", "pip", "numpy", "h5py"}


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_error_without_a_message_is_called_by_its_name(text: str) -> None:
    assert first_line(ValueError(text)) == "ValueError"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one line", "one line"),
        ("\n  first\nsecond", "first"),
        ("these are missing:\n a\n b", "these are missing: a"),
        ("ends with a colon:", "ends with a colon:"),
        ("WARNING: only this", "WARNING: only this"),
        ("word " * 200, "word"),
    ],
)
def test_plain_messages_give_their_first_line(text: str, expected: str) -> None:
    found = first_line(RuntimeError(text))
    assert found.startswith(expected)
    assert len(found) <= MOST


def test_a_reason_of_three_hundred_characters_is_whole() -> None:
    for length, cut in ((MOST, False), (MOST + 1, True)):
        text = ("word " * 100)[: length - 1] + "x"
        assert (len(reason(text)) == len(text), reason(text).endswith("[...]")) == (not cut, cut)
    assert MOST == 300


def test_a_message_of_one_long_word_is_shortened_and_never_empty() -> None:
    assert reason("Caused by: \nthis") == "this"
    assert reason("x" * 1000) == "[...]"


def test_the_reason_stands_behind_the_last_mark_or_in_the_line_after_it() -> None:
    assert reason("Original error was: one\nmore\nCaused by: two\nend") == "two"
    assert reason("begin\nCaused by:\nthe next line\nanother") == "the next line"
    assert reason("begin\nOriginal error was: one\nmore\nCaused by:") == "one"


def test_a_message_of_what_stands_around_a_reason_alone_is_given_as_it_is() -> None:
    assert reason("{{function_node __wrapped}}\nanother line") == "{{function_node __wrapped}}"


def test_a_traceback_without_an_error_in_its_last_lines_gives_the_last() -> None:
    begin = "Traceback (most recent call last):\n  somewhere\n"
    assert reason(f"{begin}killed by the user\nno more") == "no more"
    assert reason(f"{begin}ValueError: the reason\nno more") == "ValueError: the reason"


def test_a_mark_may_stand_in_any_line() -> None:
    for before in range(3):
        for behind in range(3):
            assert reason("\n".join(["begin"] * before + ["Caused by: the reason"] + ["end"] * behind)) == "the reason"
    assert reason("Original error was: one Caused by: two") == "two"


def test_a_line_that_leads_to_the_next_is_left_out_where_both_are_too_long() -> None:
    rest = ("word " * 100)[:289] + "x"
    assert reason(f"it says::\n{rest}") == f"it says:: {rest}"
    assert reason(f"it says:::\n{rest}") == rest
