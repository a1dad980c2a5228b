"""What the README's commands print, its tables, and what it refers to."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import tables
import zoo
from tests.docs.markdown import MARKDOWN, PAGES, ROOT
from zoo.cli.main import COMMANDS

if TYPE_CHECKING:
    from tests.docs.conftest import RunPage

PAGE = "README.md"
README = PAGES[PAGE].read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_its_commands_print(run_page: RunPage) -> None:
    of = run_page(PAGE, whole=True).said
    assert "mobilenet_v2_int8.tflite" in of("zoo build")
    assert of("zoo run mobilenet_v2_int8").startswith("photo.jpg\n")
    assert "red" in of("zoo data check")
    assert "mobilenet_v2_0.35_96_int8.tflite" in of("zoo train")
    assert "The same name for" in of("zoo evaluate")
    assert "time / first" in of("zoo benchmark")
    assert "runs it" in of("zoo doctor")
    assert re.match(r"photo.jpg\n +[\d.]+%  red\n", of("zoo run run/"))
    assert '"label":"red"' in of("zoo serve").replace('": ', '":')
    assert "mine_dynamic.tflite" in of("zoo export")
    assert "tflite-runtime 2.14: loads" in of("zoo inspect")
    listed = of("zoo run mine_int8").splitlines()
    assert {line.split(",")[2] for line in listed[1:]} <= {"red", "green", "blue"}
    assert len(listed) == 1 + 36
    assert "10 of 10 right" in of("docker run --rm edgezoo-jetson demo")
    lines = of("import zoo").splitlines()
    [accuracy] = [float(line) for line in lines if re.fullmatch(r"[01]\.\d+", line)]
    assert accuracy > 0.9
    assert "Prediction(label='red'" in lines[-1]


def test_tables_are_those_of_the_registry_and_the_command_line() -> None:
    """The one list of commands is what `zoo --help` prints, too: tests/cli/test_main.py."""
    command = [sys.executable, "-m", "cogapp", "--check", "-I", "tools", *PAGES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `make tables`\n{done.stdout}{done.stderr}"
    models = PAGES["docs/models.md"].read_text(encoding="utf-8")
    for page, table, names in (
        (models, tables.model_table(), zoo.list_models()),
        (README, tables.command_table(), COMMANDS),
    ):
        assert table in page
        assert re.findall(r"^\| `(?:zoo )?(\w+)` ", table, re.MULTILINE) == list(names)
    short = tables.short_model_table()
    assert short in README
    shown = re.findall(r"^\| `(\w+)` ", short, re.MULTILINE)
    assert {"mobilenet_v2", "vgg16"} <= set(shown)
    # Each model stands there once: in a row, or in the line below.
    assert sorted([*shown, *re.findall(r"`(\w+)`", short.splitlines()[-1])]) == sorted(zoo.list_models())


def test_a_table_that_is_out_of_date_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    page = tmp_path_factory.mktemp("page") / "README.md"
    page.write_text(README.replace("| `zoo demo` | Classify", "| `zoo demo` | Title"), encoding="utf-8")
    command = [sys.executable, "-m", "cogapp", "--check", "-I", "tools", str(page)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 5


def test_figures_in_the_table_of_models() -> None:
    rows = {cells[1].strip(" `"): cells for cells in (row.split("|") for row in tables.model_table().splitlines()[2:])}
    assert [rows[name][5].strip() for name in ("mobilenet_v2", "vgg16", "lenet")] == ["301 M", "15.5 G", "417 k"]
    assert rows["alexnet"][4].strip() == "60,965,224"
    assert rows["mlp"][7].strip() == "`hidden`, `input_size`, `channels`, `features`"


def test_each_promise_is_held_by_tests_that_are_there() -> None:
    section = README.split("## What it promises")[1].split("\n## ")[0]
    rows = [row for row in section.splitlines() if row.startswith("| **")]
    assert len(rows) >= 10
    for row in rows:
        held_by = re.findall(r"`((?:tests|tools)/[^`]+)`", row.split("|")[2])
        assert held_by, row
        for path in held_by:
            assert (ROOT / path).is_file(), path


def test_every_page_is_linked() -> None:
    for page in PAGES:
        assert page == "README.md" or f"]({page})" in README, page


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.splitlines()) <= 200
    assert max(token.content.count("\n") for token in MARKDOWN.parse(README) if token.type == "fence") <= 25
