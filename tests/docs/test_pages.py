"""The pages' commands and programs run as they are written; `rules.py` names those that cannot, and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tests.docs.reading import INDENTED, PAGES, ROOT, Block, blocks, code_words
from tests.docs.rules import COMMANDS, OWN_TESTS, PROGRAMS, rule_for
from tests.docs.stand_ins import options_parse
from zoo.cli.main import COMMANDS as ZOO
from zoo.cli.main import zoo as group

if TYPE_CHECKING:
    from tests.docs.desk import Desk

RUN = {"sh", "python"}
SHOWN = {"text", "json", "toml", "mermaid", "dockerfile"}
"""Languages of blocks that are to be read: output, files. So are directives such as `{toctree}`."""


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in OWN_TESTS])
def test_everything_runs(page: str, printed: Callable[[str], dict[str, str]]) -> None:
    printed(page)


def test_a_page_with_a_test_of_its_own_has_it() -> None:
    for page, test in OWN_TESTS.items():
        assert page in PAGES
        assert page.removeprefix("docs/") in (ROOT / test.split(":")[0]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    """A block without a fence, or one in `bash` or `console`, would pass by the test above."""
    for block in blocks(page):
        assert block.language != INDENTED, f"{block.place}: give it a fence: {block.text!r}"
        assert block.language in RUN | SHOWN or block.language.startswith("{"), f"{block.place}: {block.language!r}"


def test_every_exception_is_needed() -> None:
    found = [block for page in PAGES for block in blocks(page)]
    commands = [command for block in found if block.language == "sh" for command in block.commands]
    commands += [words for page in PAGES for words in code_words(page)]
    met = {rule_for(command, COMMANDS) for command in commands}
    met |= {rule_for(block.text, PROGRAMS) for block in found if block.language == "python"}
    assert [rule.pattern for rule in COMMANDS + PROGRAMS if rule not in met] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_sentences_exist(page: str, bare_desk: Desk) -> None:
    """`zoo COMMAND --option` within a sentence is no whole command, but what it names is there."""
    for words in code_words(page):
        where = f"{page}: {words}"
        if found := re.match(r"zoo ([a-z]+)(?: ([a-z]+))?", words):
            assert set(re.findall(r"(?<= )--[a-z][\w-]*", words)) <= _options(*found.groups()), where
        elif words.startswith("python benchmarks/"):
            options_parse(words, bare_desk)
        elif found := re.fullmatch(r"make ([a-z-]+)", words):
            assert re.search(rf"^{found[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), where


def _options(name: str, sub: str | None) -> set[str]:
    assert name in ZOO, name
    context = click.Context(group)
    command = group.get_command(context, name)
    if isinstance(command, click.Group) and sub:
        command = command.get_command(context, sub)
    assert command is not None, (name, sub)
    return {each for option in command.params for each in (*option.opts, *option.secondary_opts)} | {"--help"}


def test_links_lead_somewhere() -> None:
    for path in PAGES.values():
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def _page(text: str) -> list[Block]:
    return blocks("new.md", text)


def test_a_block_that_is_a_file_says_so_behind_its_language() -> None:
    first, second = _page("`a.py`:\n\n```python\nx = 1\n```\n\n```python b.py\ny = 2\n```\n")
    assert (first.language, first.file) == ("python", None)
    assert (second.language, second.file, second.text) == ("python", "b.py", "y = 2\n")


def test_what_a_page_holds() -> None:
    page = (
        "# A page\n```sh\nzoo run a \\\n  b  # c\n\n# d\nzoo run 'e\nf'\n```\n\n    zoo list\n\n```python\nx = 1\n```\n"
    )
    first, second, third = _page(page)
    assert (first.place, first.commands) == ("new.md:3", ["zoo run a \\\n  b  # c", "zoo run 'e\nf'"])
    assert (second.place, second.language) == ("new.md:11", INDENTED)
    assert (third.place, third.language, third.text) == ("new.md:14", "python", "x = 1\n")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("```sh\nzoo list\nzoo run none.tflite photo.jpg\n```", "new.md:2: zoo run none.tflite"),
        ("```sh\nzoo list | grep nothing | cat\n```", "new.md:2: zoo list"),
        ("Text\n\n```python\nprint(nothing)\n```", "new.md:4: print(nothing)"),
        ("```sh\nmake nothing\n```", "new.md:2: make nothing"),
        ("```sh\npip install 'edgezoo[nothing]'\n```", "new.md:2: pip install"),
        ("```sh\npython benchmarks/nothing.py\n```", "new.md:2: python benchmarks"),
        ("```sh\npython benchmarks/export_memory.py --nothing\n```", "new.md:2: python benchmarks"),
        ("```sh\ndocker run --rm edgezoo-jetson nothing\n```", "new.md:2: docker run"),
        ("```sh\nzoo serve mine.tflite --nothing\n```", "new.md:2: zoo serve"),
    ],
)
def test_what_does_not_run_fails(page: str, message: str, bare_desk: Desk) -> None:
    [block] = _page(page)
    with pytest.raises(AssertionError, match=re.escape(message)):
        bare_desk.do(block)


def test_a_program_goes_on_where_the_one_before_it_ended(bare_desk: Desk, tmp_path: Path) -> None:
    first, second = _page("```python\nx = 1\n```\n\n```python\nprint(x + 1)\nopen('here', 'w').close()\n```")
    bare_desk.do(first)
    assert list(bare_desk.do(second).values()) == ["2\n"]
    assert (tmp_path / "here").exists()
