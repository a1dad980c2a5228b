"""The `zoo` command: loads a command's module when it is called, and turns errors into one line."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from zoo import __version__
from zoo.cli.groups import Group
from zoo.cli.output import echo, print_error
from zoo.cli.types import PATH
from zoo.errors import ZooError
from zoo.system.signals import watch_children
from zoo.system.surroundings import forget_current_folder

if TYPE_CHECKING:
    from types import TracebackType

COMMANDS = {
    # name: (module, attribute, short help), so that `zoo --help` imports none of them.
    "demo": (
        "zoo.cli.commands.demo",
        "demo",
        "Classify and find handwritten digits, with models that are part of the package.",
    ),
    "list": ("zoo.cli.commands.list", "list_models", "List the models of the zoo."),
    "info": ("zoo.cli.commands.info", "info", "Show a model layer by layer."),
    "view": ("zoo.cli.commands.view", "view", "Show a model's graph in the browser, with Netron."),
    "train": ("zoo.cli.commands.train", "train", "Train a model on your own pictures."),
    "prune": ("zoo.cli.commands.prune", "prune", "Remove the channels of a model that matter least."),
    "build": ("zoo.cli.commands.build", "build", "Build a model and export it."),
    "export": ("zoo.cli.commands.export", "export", "Export a Keras model to .tflite, .onnx or TensorFlow.js."),
    "diagnose": (
        "zoo.cli.commands.diagnose",
        "diagnose",
        "Show which layers lose most in int8, and what to do about it.",
    ),
    "inspect": ("zoo.cli.commands.inspect", "inspect", "Show what is in a .tflite or .onnx file, and what loads it."),
    "data": ("zoo.cli.commands.data", "data", "Check data before you train on them."),
    "run": ("zoo.cli.commands.run", "run", "Run a .tflite or .onnx file on pictures."),
    "serve": (
        "zoo.cli.commands.serve",
        "serve",
        "Serve a .tflite or .onnx file: a web page with webcam, and an HTTP API; or collect pictures.",
    ),
    "web": ("zoo.cli.commands.web", "web", "Write a page that runs a .tflite file in the browser, without a server."),
    "evaluate": ("zoo.cli.commands.evaluate", "evaluate", "Measure a file's accuracy on labelled pictures."),
    "benchmark": ("zoo.cli.commands.benchmark", "benchmark", "Measure how fast .tflite and .onnx files run."),
    "choose": (
        "zoo.cli.commands.choose",
        "choose",
        "Choose an architecture, its options and a quantization for a machine.",
    ),
    "doctor": ("zoo.cli.commands.doctor", "doctor", "Show which runtimes and hardware this machine has."),
}


EPILOG = "Something goes wrong: docs/troubleshooting.md begins with what you see."
"""Where help stands, as the last line of `zoo --help` has it."""


class LazyGroup(Group):
    """A group that imports a command when it is looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Lists the commands in the order in which a user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns one command; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  # a slip in the table above
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands with the help texts of the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


def _load_models(ctx: click.Context, param: click.Parameter, paths: tuple[Path, ...]) -> None:
    """Runs users' files before a command is looked up, because its options are made from the registry."""
    if paths:
        from zoo.plugins import load_models

        for path in paths:
            load_models(path)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)
@click.version_option(__version__, prog_name="zoo")
@click.option(
    "--models",
    type=PATH,
    multiple=True,
    metavar="FILE.py",
    envvar="EDGEZOO_MODELS",
    expose_value=False,
    callback=_load_models,
    help="Python file that adds models of your own with @zoo.register, or defines the Keras layers that a file is made "
    "of; can be given several times.  "
    "[default: the variable EDGEZOO_MODELS, with : between several files]",
)
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    help="Print the traceback of an error as well; it may also stand behind the command.  "
    "[default: the variable EDGEZOO_DEBUG]",
)
@click.pass_context
def zoo(ctx: click.Context) -> None:
    """Classifiers and detectors for edge devices: train, export one checked file, run it.

    \b
    zoo build mobilenet_v2 --export tflite
    zoo run mobilenet_v2.tflite photo.jpg
    """
    if ctx.invoked_subcommand is None:
        echo(*ctx.get_help().splitlines())


def main(args: list[str] | None = None) -> None:
    """Runs a command; errors become one line on stderr and an exit code.

    An error that was not foreseen is one line, too, which names a file with the whole report; with `--debug` its
    traceback is printed.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 an export that disagrees with its model, 70 an error that was not
    foreseen, 130 interrupted.
    """
    watch_children()
    if args is None:  # the process is the command's own
        forget_current_folder()
    _prepare_output()
    sys.excepthook = _show_bug
    words = list(sys.argv[1:] if args is None else args)
    # It may stand anywhere, because whoever needs it has just typed a command without it.
    debug = "--debug" in words or os.environ.get("EDGEZOO_DEBUG", "") not in {"", "0"}
    try:
        words = [word for word in words if word != "--debug"]
        status = zoo.main(args=list(words), prog_name="zoo", standalone_mode=False, obj=words)
        sys.stdout.flush()
    except click.exceptions.Abort:
        _fail("interrupted", 130)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "zoo"
        _fail(f"{error.format_message().rstrip('.')} (see {command} --help)", error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except ZooError as error:
        if debug:
            _show_bug(type(error), error, error.__traceback__)
        _fail(str(error), error.exit_code)
    except MemoryError:
        _fail("the memory ran out", 1)
    except BrokenPipeError:
        # The reader is gone (`zoo list | head`).
        _drop_output()
        sys.exit(1)
    except OSError as error:
        # No command had a better message: for example a folder without read permission, or a full disk behind `> file`.
        if error.filename is not None:
            _fail(f"{error.filename}: {error.strerror}", 1)
        if error.errno not in _OUTPUT_ERRORS:
            _fail_unforeseen(error, words, debug=debug)
        _drop_output()
        _fail(f"cannot write to standard output: {error.strerror}", 1)
    except Exception as error:  # noqa: BLE001  # whatever a fault of this package raises
        _fail_unforeseen(error, words, debug=debug)
    sys.exit(status if isinstance(status, int) else 0)


_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def _prepare_output() -> None:
    """Makes the standard streams safe to print to: for file names of any bytes, and where a stream is closed.

    Pillow's warnings about pictures are switched off, because each command reports bad pictures itself.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # zoo list >&-
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # to the end
    # Bytes that are not UTF-8 are escaped as in JSON (\udcff), so that programs can restore the name with
    # `os.fsencode`. Python does the same on stderr.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints the traceback of what no command could catch."""
    from zoo.cli.bugs import print_traceback

    print_traceback(error)


def _drop_output() -> None:
    """Discards output that could not be written, so that Python does not try it again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail_unforeseen(error: Exception, words: list[str], *, debug: bool) -> NoReturn:
    from zoo.cli import bugs  # a fault may cost some milliseconds

    if debug:
        bugs.print_traceback(error)
    else:
        bugs.report(error, words)
    sys.exit(bugs.EXIT_CODE)


def _fail(message: str, code: int) -> NoReturn:
    print_error(message)
    sys.exit(code)
