"""The pages' commands and programs run as they are written; `substitutes.py` names those that cannot, and why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tests.docs.markdown import PAGES, ROOT, RUN, code_words, of_language, read, unfenced
from tests.docs.substitutes import COMMANDS, PROGRAMS, extras, options_parse, substitute_for
from zoo.cli.main import COMMANDS as ZOO
from zoo.cli.main import zoo as group

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage
    from tests.docs.runner import Runner

SHOWN = {"text", "json", "toml", "mermaid", "dockerfile"}
"""Languages of blocks that are to be read: output, files. So are directives such as `{toctree}`."""

OWN_TESTS = {
    "README.md": "test_readme.py",
    "docs/adding-a-model.md": "test_adding_a_model.py",
    "docs/boards.md": "test_boards.py",
    "docs/detection.md": "test_detection.py",
    "docs/detection-data.md": "test_detection_data.py",
    "docs/first-classifier.md": "test_first_classifier.py",
    "docs/jetson.md": "test_jetson.py",
    "docs/machines.md": "test_machines.py",
    "docs/training.md": "test_training.py",
    "docs/troubleshooting.md": "test_troubleshooting.py",
}
"""Pages that another file of tests runs, because it looks at what they print, or because they take long."""


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in OWN_TESTS])
def test_everything_runs(page: str, run_page: RunPage) -> None:
    run_page(page)


def test_a_page_with_a_test_of_its_own_is_run_by_it() -> None:
    for page, test in OWN_TESTS.items():
        assert page in PAGES
        source = (Path(__file__).with_name(test)).read_text(encoding="utf-8")
        assert f'PAGE = "{page}"' in source
        assert "run_page(PAGE" in source


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    """A block without a fence, or one in `bash` or `console`, would pass by the test above."""
    assert unfenced(PAGES[page].read_text(encoding="utf-8")) == [], f"{page}: give it a fence"
    for block in read(page):
        name = block.language
        assert name in RUN | SHOWN or name.startswith("{"), f"{page}:{block.line}: {name!r}"


def test_every_exception_is_needed() -> None:
    commands = [command for page in PAGES for command in (*of_language(page, "sh"), *code_words(page))]
    met = {substitute_for(command, "sh") for command in commands}
    met |= {substitute_for(program, "python") for page in PAGES for program in of_language(page, "python")}
    assert [rule.pattern for rule in COMMANDS + PROGRAMS if rule not in met] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_sentences_exist(page: str, bare: Runner) -> None:
    """`zoo COMMAND --option` within a sentence is no whole command, but what it names is there."""
    for words in code_words(page):
        where = f"{page}: {words}"
        if found := re.match(r"zoo ([a-z]+)(?: ([a-z]+))?", words):
            assert set(re.findall(r"(?<= )--[a-z][\w-]*", words)) <= _options(*found.groups()), where
        elif words.startswith("python benchmarks/"):
            options_parse(words, bare)
        elif "pip install" in words:
            extras(words, bare)
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


def test_what_a_page_holds() -> None:
    page = (
        "# A page\n```sh\nzoo run a \\\n  b  # c\n\n# d\nzoo run 'e\nf'\n```\n\n    zoo list\n\n```python\nx = 1\n```\n"
        "\n`a.py`:\n\n```python b.py\ny = 2\n```\n"
    )
    assert list(read("new.md", page)) == [
        (3, "sh", "", "zoo run a \\\n  b  # c"),
        (7, "sh", "", "zoo run 'e\nf'"),
        (14, "python", "", "x = 1\n"),
        (20, "python", "b.py", "y = 2\n"),
    ]
    assert unfenced(page) == ["zoo list\n"]


@pytest.mark.parametrize(
    ("page", "line", "shown"),
    [
        ("```sh\nzoo list\nzoo run none.tflite photo.jpg\n```", 3, "zoo run none.tflite.*cannot read none.tflite"),
        ("```sh\nzoo list | grep nothing | cat\n```", 2, "zoo list .*exit code 1"),
        ("Text\n\n```python\nprint(nothing)\n```", 4, r"print\(nothing\).*line 4, in <module>"),
        ("```sh\nmake nothing\n```", 2, "make nothing"),
        ("```sh\npip install 'edgezoo[nothing]'\n```", 2, "pip install .*nothing"),
        ("```sh\npython benchmarks/nothing.py\n```", 2, "python benchmarks.*No module named"),
        ("```sh\npython benchmarks/export_memory.py --nothing\n```", 2, "python benchmarks.*No such option"),
        ("```sh\ndocker run --rm edgezoo-jetson nothing\n```", 2, "docker run .*No such command"),
        ("```sh\nzoo serve mine.tflite --nothing\n```", 2, "zoo serve .*No such option"),
        ("```sh\nzoo train mobilenet_v2 pictures --nothing\n```", 2, "zoo train .*No such option"),
    ],
)
def test_what_does_not_run_fails(page: str, line: int, shown: str, bare: Runner) -> None:
    with pytest.raises(pytest.fail.Exception, match=rf"(?s)new.md:{line}: {shown}"):
        bare.run_page("new.md", page)


def test_a_program_goes_on_where_the_one_before_it_ended(bare: Runner) -> None:
    bare.run_page("new.md", "```python\nx = 1\n```\n\n```python\nprint(x + 1)\nopen('here', 'w').close()\n```")
    assert bare.printed["print(x + 1)\nopen('here', 'w').close()\n"] == "2\n"
    assert (bare.folder / "here").exists()


def test_a_file_is_there_for_the_commands_behind_it(bare: Runner) -> None:
    bare.run_page("new.md", "```python say.py\nprint(2)\n```\n\n```sh\npython say.py\n```")
    assert bare.printed == {"python say.py": "2\n"}
