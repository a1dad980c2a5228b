"""Messages say options as they are typed, and leave what a file holds as it is."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tests.conftest import Cli
from zoo.cli.wording import in_shell


@click.command()
@click.option("--min-score", "-s", type=float)
@click.option("--classes", "names")
@click.option("--score", default="l1")
@click.option("--sizes")
@click.option("--fast", is_flag=True)
@click.argument("model")
def command(**choices: object) -> None:
    """A command with options of all kinds."""


@pytest.mark.parametrize(
    ("message", "words", "said"),
    [
        ("min_score=2.0 is too high", ["--min-score", "2"], "--min-score 2.0 is too high"),
        ("min_score=2.0 is too high", ["--min-score=2"], "--min-score 2.0 is too high"),
        ("min_score=nan, or so", ["-s", "nan"], "--min-score nan, or so"),
        ("names='a b': none", ["--classes", "a b"], "--classes 'a b': none"),
        ("sizes=(1, 2) is not allowed", ["--sizes", "1,2"], "--sizes 1,2 is not allowed"),
        ("it needs floats; give min_score=0.5", [], "it needs floats; give --min-score 0.5"),
        ("score='l1' is not for it", [], "--score l1 is not for it"),
        ("lenet: score='l1' is not for it", [], "lenet: --score l1 is not for it"),
        # What stands in a file, or in a program.
        ("run/recipe.toml: min_score=2.0 is too high", ["train"], "run/recipe.toml: min_score=2.0 is too high"),
        ("the recipe of mine: score='x' is unknown", ["--fast"], "the recipe of mine: score='x' is unknown"),
        ("run/recipe.toml: score='x' is unknown", ["--score", "x"], "run/recipe.toml: --score x is unknown"),
        # What has no word in the shell, or is no option.
        ("min_score=None is missing", ["--min-score", "1"], "min_score=None is missing"),
        ("fast=True is not for it", ["--fast"], "fast=True is not for it"),
        ("model='x' is unknown", ["--model", "x"], "model='x' is unknown"),
        ("see http://x/?a=1&sizes=2", ["--sizes", "2"], "see http://x/?a=1&sizes=2"),
        ("unmin_score=2 and x.min_score=2", ["--min-score", "2"], "unmin_score=2 and x.min_score=2"),
    ],
)
def test_options_are_said_as_they_are_typed(message: str, words: list[str], said: str) -> None:
    assert in_shell(message, command, words) == said


def test_a_command_and_one_of_a_group_say_options_as_they_are_typed(cli: Cli, digits_folder: Path) -> None:
    assert cli("info", "alexnet", "--groups", "3").error == "alexnet: --groups 3 is not allowed; give one of 1, 2"
    assert cli("data", "check", digits_folder, "--group-by", "[").error.startswith(
        "--group-by '[' is no regular expression"
    )
