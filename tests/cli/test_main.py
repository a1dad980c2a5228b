from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import pytest

import zoo
from zoo.cli.bugs import without_secrets
from zoo.cli.main import COMMANDS
from zoo.cli.main import zoo as group
from zoo.cli.types import PathType
from zoo.data.augment import AUGMENTS
from zoo.errors import ExportError, VerificationError, ZooError
from zoo.inputs.preprocessing import RESIZES
from zoo.training.recipe import Anchors, OptimizerName, Schedule, field_types

if TYPE_CHECKING:
    from tests.conftest import Cli


def test_help_names_every_command(cli: Cli) -> None:
    result = cli("--help")
    assert result.code == 0
    assert result.err == ""
    for name, (_, _, text) in COMMANDS.items():
        assert f"  {name} " in result.out
        assert " ".join(text.split()) in " ".join(result.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_has_help(cli: Cli, name: str) -> None:
    for words, command in commands(name):
        result = cli(*words, "--help")
        assert result.code == 0
        assert result.out.startswith(f"Usage: zoo {' '.join(words)} ")
        assert command.help
        for option in options(command):
            assert option.help, option.name
            assert option.opts[0] in result.out


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_every_help_text_is_a_sentence_or_a_phrase_that_ends(name: str | None) -> None:
    for words, command in commands(name):
        assert re.match(r"[A-Z][^.]*\.", command.help or ""), words
        for option in options(command):
            text = option.help or ""
            assert re.fullmatch(r"[A-Z].*\.(  \[default: [^]]+\])?", text), (*words, option.name, text)
            assert not re.match(r"(Of|As|In|At|The) ", text), (*words, option.name, text)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_shows_the_python_name_of_a_parser(name: str) -> None:
    for words, command in commands(name):
        for option in options(command):
            # Without a metavar click shows the name of a function: PARSE, INT_LIST.
            assert option.metavar or not isinstance(option.type, click.types.FuncParamType), (*words, option.name)


def test_every_option_of_train_shows_its_default() -> None:
    ((_, command),) = commands("train")
    fields = {option.name: option.help or "" for option in options(command)}
    for name in field_types():
        assert fields[name].endswith("  [default: by the recipe]"), name


def test_options_of_a_recipe_list_the_words_they_take() -> None:
    ((_, command),) = commands("train")
    metavars = {option.name: option.metavar for option in options(command)}
    assert metavars["optimizer"] == "|".join(get_args(OptimizerName))
    assert metavars["schedule"] == "|".join(get_args(Schedule))
    assert metavars["augment"] == "|".join(AUGMENTS)
    assert metavars["resize"] == "|".join(RESIZES)
    assert metavars["anchors"] == "|".join(get_args(Anchors))


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_no_command_takes_an_empty_path(name: str | None) -> None:
    """An empty path, such as that of a variable which is not set, would be the current folder."""
    for _, command in commands(name):
        for param in command.params:
            assert not isinstance(param.type, click.Path) or isinstance(param.type, PathType), param.name


@pytest.mark.parametrize("words", [("serve", "--collect", ""), ("train", "lenet", ""), ("run", "m.tflite", "")])
def test_an_empty_path_is_refused(words: tuple[str, ...], cli: Cli) -> None:
    refused = cli(*words)
    assert refused.code == 2
    assert "the path is empty; . is the current folder" in refused.err


def commands(name: str | None) -> list[tuple[list[str], click.Command]]:
    """Yields a command and its subcommands, each with the words that call it; None stands for `zoo` itself."""
    if name is None:
        return [([], group)]
    command = group.get_command(click.Context(group), name)
    assert command is not None
    below = command.commands if isinstance(command, click.Group) else {}
    return [([name], command), *(([name, word], each) for word, each in below.items())]


def options(command: click.Command) -> list[click.Option]:
    """Returns the options of a command, without `--help`, which click adds."""
    return [each for each in command.params if isinstance(each, click.Option)]


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"zoo, version {zoo.__version__}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("frobnicate",), "No such command 'frobnicate' (see zoo --help)"),
        (("trian",), "No such command 'trian'; did you mean 'train'? (see zoo --help)"),
        (("data", "chek"), "No such command 'chek'; did you mean 'check'? (see zoo data --help)"),
        (("predict",), "No such command 'predict' (see zoo --help)"),
        (("inspect", "m.tflite", "--tensrs"), "Did you mean --tensors? (see zoo inspect --help)"),
        (("list", "--frob"), " (see zoo list --help)"),
        (("list", "extra"), "Got unexpected extra argument (extra) (see zoo list --help)"),
        (("info",), "Missing argument 'MODEL' (see zoo info --help)"),
        (("build",), "Missing argument 'MODEL' (see zoo build --help)"),
        (
            ("run", "my model.tflite"),
            "nothing is given to run my model.tflite on, as in: zoo run 'my model.tflite' PHOTO.jpg; give PHOTOS, or "
            "--camera, or --video (see zoo run --help)",
        ),
        (
            ("run", "photo.JPG"),
            "photo.JPG is a picture, and the model stands before the pictures: zoo run MODEL.tflite photo.JPG (see zoo "
            "run --help)",
        ),
        (("run", "a.png", "b.png", "m.onnx"), ": zoo run m.onnx a.png b.png (see zoo run --help)"),
        (("run", "m.tflite", "a.png", "--camera", "0"), "give PHOTOS, or --camera, or --video (see zoo run --help)"),
        (
            ("build", "lenet", "--export", "coreml"),
            "'coreml' is not one of tflite, onnx, keras, savedmodel, tfjs (see zoo build --help)",
        ),
        (("build", "lenet", "--alpha", "wide"), "'wide' is not a valid float (see zoo build --help)"),
        (
            ("build", "mlp", "--hidden", "128;64"),
            "'128;64' is not a list of integers such as 128,64 (see zoo build --help)",
        ),
        (("run", "m.tflite", "p.jpg", "--top-k", "0"), "0 is not in the range x>=1 (see zoo run --help)"),
    ],
)
def test_wrong_usage(cli: Cli, args: tuple[str, ...], message: str) -> None:
    result = cli(*args)
    assert result.code == 2
    # Older versions of click name an option without quotes.
    assert result.error.replace("'--tensors'", "--tensors").endswith(message)
    assert result.out == ""


class TwoLinesError(ZooError):
    pass


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ZooError("it failed"), 1, "it failed"),
        (TwoLinesError("it\n  failed"), 1, "it failed"),
        (ExportError("no"), 1, "no"),
        (VerificationError("they disagree"), 3, "they disagree"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_exit_codes(cli: Cli, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("zoo.models.list_models", fail)
    result = cli("list")
    assert result.code == code
    # After ^C click ends the line on which the terminal shows it.
    assert result.err.lstrip("\n") == f"zoo: error: {line}\n"


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A `zoo list` that fails as nobody foresaw; returns where its report belongs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("zoo.models.list_models", lambda: dict[str, int]()["\x1b[31m"])
    return tmp_path / "edgezoo" / "last-error.log"


def test_an_error_that_was_not_foreseen_is_one_line_that_names_the_report(cli: Cli, bug: Path) -> None:
    result = cli("list")
    assert result.code == 70
    assert result.error.startswith("this is a fault of edgezoo, not of yours (KeyError: ")
    assert result.error.endswith(f"the whole report is in {bug}")
    text = bug.read_text()
    assert text.startswith("command: zoo list\nedgezoo: ")
    assert "Traceback (most recent call last):" in text
    assert "\nKeyError: " in text
    assert "\x1b" not in text
    assert bug.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("words", [("--debug", "list"), ("list", "--debug")])
def test_debug_prints_the_traceback_wherever_it_stands(cli: Cli, bug: Path, words: tuple[str, ...]) -> None:
    result = cli(*words)
    assert result.code == 70
    assert result.err.startswith("Traceback (most recent call last):")
    assert "KeyError" in result.err
    assert not bug.exists()


def test_debug_shows_where_an_error_of_one_line_comes_from(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    result = cli("--debug", "info", "mobilnet")
    assert result.code == 1
    assert "Traceback" in result.err
    assert result.err.splitlines()[-1].startswith("zoo: error: unknown model 'mobilnet'")
    monkeypatch.setenv("EDGEZOO_DEBUG", "1")
    assert "Traceback" in cli("info", "mobilnet").err


def test_a_report_that_cannot_be_written_is_no_second_error(cli: Cli, bug: Path) -> None:
    bug.parent.write_text("a file where a folder should be")
    result = cli("list")
    assert result.code == 70
    assert result.error.endswith("the same command with --debug shows where")


def test_a_report_holds_no_secret() -> None:
    words = ["serve", "m.tflite", "--token", "abcdefgh", "--port", "1", "--token=abcdefgh"]
    assert without_secrets(words) == ["serve", "m.tflite", "--token", "...", "--port", "1", "--token=..."]


@pytest.mark.parametrize("args", [("list",), ("list", "--json"), ("--help",)], ids=" ".join)
def test_a_reader_that_goes_away(args: tuple[str, ...]) -> None:
    script = "from zoo.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


def test_in_a_process(cli_process: Cli, tmp_path: Path) -> None:
    result = cli_process("list")
    assert result.code == 0
    assert result.err == ""
    assert result.out.splitlines()[0].split() == ["model", "task", "params", "MACs", "top-1", "weights"]
    result = cli_process("build", "mobilnet", "--export", "tflite")
    assert result.code == 1
    assert result.error.startswith("unknown model 'mobilnet'; did you mean 'mobilenet_v2'? the zoo has ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("args", [("list",), ("list", "--json"), ("--help",)], ids=" ".join)
def test_standard_output_on_a_full_disk(args: tuple[str, ...]) -> None:
    script = "from zoo.cli.main import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "zoo: error: cannot write to standard output: No space left on device\n"


def test_what_the_system_refuses_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "/data/closed")

    monkeypatch.setattr("zoo.models.list_models", fail)
    result = cli("list")
    assert (result.code, result.error) == (1, "/data/closed: Permission denied")


def test_an_error_of_the_system_without_a_place_is_a_bug(cli: Cli, bug: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("zoo.models.list_models", fail)
    result = cli("list")
    assert (result.code, bug.exists()) == (70, True)
    assert "OSError: [Errno 9] Bad file descriptor" in result.error


def test_closed_standard_output() -> None:
    command = f"{sys.executable} -c 'from zoo.cli.main import main; main()' list >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
