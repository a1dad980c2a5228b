"""The commands and programs of the pages that do not run here as they are written, why, and what is done instead.

All others are run. Of the rules at the end, the first whose pattern a command begins with counts. What is done instead
is done with the page's own words.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import pytest

import zoo
from tests import detectors, packages
from tests.docs.markdown import ROOT
from zoo.cli.main import zoo as group
from zoo.errors import MissingDependencyError

if TYPE_CHECKING:
    from tests.docs.runner import Runner
    from zoo.choose import Variant


Instead = Callable[[str, "Runner"], str]
"""Is given the command, or the program, and returns what it printed."""


class Rule(NamedTuple):
    """One kind of command or program."""

    pattern: str
    why: str
    instead: Instead | None
    """None: it can only be read."""


def other(pattern: str, words: str, *, in_shell: bool = True) -> Instead:
    """Runs the command, or else the program, with other words in the place of those that match."""

    def run(text: str, runner: Runner) -> str:
        changed = re.sub(pattern, words, text)
        assert changed != text
        return runner.shell(changed) if in_shell else runner.python(changed)

    return run


def with_options(options: str, *, but_whole: bool = False) -> Instead:
    """Runs the command with more options, or as it is in the page that runs whole."""
    return lambda command, runner: runner.shell(
        command if but_whole and runner.whole else f"{_bare(command)} {options}"
    )


as_video = other(r"^(\S+/)?(zoo .*)--camera (\d+|picamera2|'[^']+'|\"[^\"]+\")", r"\2--video street.mp4 --frames 3")
"""A video goes the same way behind the first frame. The board's environment here has no OpenCV."""
as_photo = other("^rpicam-jpeg [^|]+", "cat photo.jpg ")
one_file = other(r"(--alpha|--input-size) ([\d.]+),\S+", r"\1 \2")
of_mine = other("^zoo export run/", "cp mine.keras model.keras; zoo export ")
narrow = with_options("--alpha 0.35 --input-size 96")
shorter = with_options("--freeze all", but_whole=True)
shorter_program = other(r'(zoo\.train\("mobilenet_v2", )', r'\1freeze="all", data=', in_shell=False)


def takes_options(command: str, runner: Runner) -> str:
    """`zoo NAME ...`: the command takes the options, and what it trains on is there."""
    _, name, *words = shlex.split(re.sub(r"^\S+/", "", command), comments=True)
    found = group.get_command(click.Context(group), name)
    assert found is not None
    found.make_context(name, list(words))
    assert name != "train" or (runner.folder / words[1]).exists(), command
    return ""


def detector_trained(command: str, runner: Runner) -> str:
    """`zoo train ssdlite_mobilenet_v2 DATA ... --out RUN`: the run has a detector, under the file's name."""
    takes_options(command, runner)
    size, out = re.search(r"--input-size (\d+)", command), re.search(r"--out (\S+)", command)
    assert size, command
    assert out, command
    file = f"{zoo.spec('ssdlite_mobilenet_v2').instance_name({'input_size': int(size[1])})}_int8.tflite"
    (runner.folder / out[1]).mkdir()
    detectors.two_outputs(runner.folder / out[1] / file)
    return ""


def image_build(command: str, runner: Runner) -> str:
    """`docker buildx build ...`: the platform, the Dockerfile, its arguments and their files are there."""
    dockerfile = (ROOT / "Dockerfile.jetson").read_text(encoding="utf-8")
    assert "--platform linux/arm64 " in command
    assert "-f Dockerfile.jetson " in command
    for name, value in re.findall(r"--build-arg (\w+)=([\w.-]+)", command):
        assert re.search(rf"^ARG {name}=", dockerfile, re.MULTILINE), name
        assert (ROOT / "tools" / "jetson" / f"{value}.txt").exists(), value
    return ""


def in_image(command: str, runner: Runner) -> str:
    """`docker run ... edgezoo-NAME WORDS`: the image's entry point is `zoo`, and /data is the folder one is in."""
    found = re.fullmatch(r"docker run .*? edgezoo-\w+ (.+)", command)
    assert found, command
    return on_a_board("zoo " + found[1].replace("/data/", f"{runner.folder}/"), runner)


def on_a_board(command: str, runner: Runner) -> str:
    """`zoo ...`: in the environment of a board, which has no TensorFlow; where `make test` made none, in this one."""
    try:
        return runner.shell(f"{runner.interpreter('base_python').parent}/{command}")
    except pytest.skip.Exception:
        return runner.shell(command)


def make(command: str, runner: Runner) -> str:
    """`make TARGET`: make knows the target and all that it depends on."""
    # A line that calls make again is run by `make -n`, too.
    assert "$(MAKE)" not in (ROOT / "Makefile").read_text(encoding="utf-8")
    return subprocess.run(
        ["make", "-C", ROOT, "-n", *shlex.split(command, comments=True)[1:]], check=True, capture_output=True
    ).stdout.decode()


def extras(command: str, runner: Runner) -> str:
    """`pip install '.[EXTRA]'`: the extras are those of pyproject.toml."""
    import tomli

    known = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for names in re.findall(r"(?:\.|edgezoo)\[([\w,-]+)\]", command):
        assert set(names.split(",")) <= set(known), names
    return ""


def board_environment(command: str, runner: Runner) -> str:
    """`python3 -m venv DIR` and pip in it: `make test` makes .venv-base by the same two commands."""
    place = runner.folder / command.rsplit(maxsplit=1)[-1]
    place.unlink(missing_ok=True)
    place.symlink_to(runner.interpreter("base_python").parents[1])
    return ""


def options_parse(command: str, runner: Runner) -> str:
    """`python benchmarks/NAME.py ...`, or `-m benchmarks.NAME ...`: the script is there and takes the options."""
    _, *words = shlex.split(command.split(" > ", maxsplit=1)[0], comments=True)
    script, *arguments = words[words[0] == "-m" :]
    module = importlib.import_module(script.removeprefix("benchmarks/").removesuffix(".py"))
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{script}.__main__")
    assert isinstance(module.main, click.Command)
    module.main.make_context(script, arguments)
    return ""


def on_the_older_runtime(command: str, runner: Runner) -> str:
    """`zoo ... --runtime tflite-runtime`: in the environment that has it."""
    return runner.shell(f"{runner.interpreter('tflite_runtime_python').parent}/{command}")


def workers(command: str, runner: Runner) -> str:
    """`zoo train --workers ...`: on ports of this machine; all but the last begin and are waited for with it."""
    found = re.search(r"--workers (\S+) --index (\d+)", command)
    assert found, command
    count = found[1].count(",") + 1
    own = command.replace(found[1], ",".join(f"localhost:{port}" for port in runner.ports(count)))
    runner.begun.append(runner.start(own))
    if int(found[2]) < count - 1:
        return ""
    said = [process.communicate(timeout=600)[0] for process in runner.begun]
    assert not any(process.returncode for process in runner.begun), said
    runner.begun.clear()
    return "".join(reversed(said))


def unpacked(command: str, runner: Runner) -> str:
    """`unzip -p FILE NAME > NAME`: of the file that was to be compiled; the compiler keeps the archive behind it."""
    _, _, file, name, *_ = command.split()
    with zipfile.ZipFile(runner.folder / file.replace("_edgetpu", "")) as archive:
        return archive.read(name).decode()


def small_choice(command: str, runner: Runner) -> str:
    """`zoo choose`: one small file stands for each of those that would be built and timed.

    Without a name it compares all architectures: each file runs once, and one net's weights are counted for all.
    """
    from zoo.choose import measuring, pruning
    from zoo.cli.main import main
    from zoo.summary.table import outline

    def write(cells: Sequence[Variant], folder: Path, progress: object, failures: object) -> dict[Variant, Path]:
        mine = runner.folder / "mine_int8.tflite"
        return {cell: Path(shutil.copy(mine, folder / f"{cell.stem}.tflite")) for cell in cells}

    words = shlex.split(command, comments=True)[1:]
    with pytest.MonkeyPatch.context() as patch, runner.here() as printed:
        patch.setattr(measuring, "write_files", write)
        if words[1].startswith("-"):
            small = outline("lenet")
            patch.setattr(pruning, "outline", lambda name, **options: small)
            words += ["--runs", "1"]
        with pytest.raises(SystemExit) as ended:
            main(words)
    assert ended.value.code == 0, printed.getvalue()
    return printed.getvalue()


def one_picture(command: str, runner: Runner) -> str:
    """`zoo serve`: on a free port, until it has named a picture."""
    with served(f"{_bare(command)} --port 0", runner) as url:
        token = re.search(r"--token (\S+)", command)
        headers = {"Authorization": f"Bearer {token[1]}"} if token else {}
        endpoint = json.loads(ask(f"{url}v1/model", None, **headers))["endpoint"]
        return ask(url + endpoint.lstrip("/"), runner.folder / "photo.jpg", **headers)


def collected(command: str, runner: Runner) -> str:
    """`zoo serve --collect FOLDER`: on a free port, until it has three bursts of each colour."""
    with served(f"{_bare(command)} --port 0", runner, stopped=None) as url:
        for folder in sorted((runner.folder / "pictures").iterdir()):
            urllib.request.urlopen(urllib.request.Request(f"{url}v1/classes?name={folder.name}", b""), timeout=60)
            for index, picture in enumerate(sorted(folder.glob("*.jpg"))):
                ask(f"{url}v1/pictures?class={folder.name}&burst={folder.name}{index % 3}", picture)
        return ask(f"{url}v1/classes")


def asked(command: str, runner: Runner) -> str:
    """`curl ... http://HOST:8000/`: the same of a server on a free port."""
    packages.require("curl")
    token = re.search(r"Bearer ([\w-]+)", command)
    file = "objects.tflite" if "/v1/detect" in command else "mine.tflite"
    with served(f"zoo serve {file} --port 0" + (f" --token {token[1]}" if token else ""), runner) as url:
        return runner.shell(re.sub(r"http://[\w.]+:8000/", url, command).replace("curl ", "curl -sS --fail ", 1))


def program_that_serves(program: str, runner: Runner) -> str:
    """A Python block that ends in `serve(...)`: on a free port, until it has named a picture."""
    (runner.folder / "serving.py").write_text(re.sub(r"\bport=\d+", "port=0", program), encoding="utf-8")
    with served("python -u serving.py", runner, stopped="") as url:
        return ask(f"{url}v1/classify", runner.folder / "photo.jpg")


def with_runtime(text: str, runner: Runner) -> str:
    """`zoo web ...` or `write(...)`: as it is, where the runtime can be had; elsewhere the options are looked at."""
    from zoo.web import runtime

    there = False
    with runner.here(), contextlib.suppress(MissingDependencyError):
        there = bool(runtime.find())
    if text.startswith("zoo "):
        return runner.shell(text) if there else takes_options(text, runner)
    return runner.python(text) if there else ""


def shown(command: str, runner: Runner) -> str:
    """`zoo view`: without a browser, until it has given its page."""
    with served(f"{_bare(command)} --no-browser", runner, stopped="\n") as url:
        return ask(url)


def ask(url: str, picture: Path | None = None, **headers: str) -> str:
    """What a server answers, to a picture where one is given."""
    body = None if picture is None else picture.read_bytes()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as reply:
        text: str = reply.read().decode()
        return text


def _bare(command: str) -> str:
    """Without its comment."""
    return shlex.join(shlex.split(command, comments=True))


@contextlib.contextmanager
def served(command: str, runner: Runner, stopped: str | None = "stopped\n") -> Iterator[str]:
    """Runs a server as long as the block does; gives its address. Ctrl-C has to end it well, with these words."""
    process = runner.start(command)
    try:
        assert process.stdout is not None
        lines: list[str] = []
        # A runtime may have said something before.
        while not (found := re.search(r"http://\S+:(\d+)", lines[-1] if lines else "")):
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        yield f"http://127.0.0.1:{found[1]}/"
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert stopped is None or rest == stopped
    finally:
        process.kill()
        process.communicate()


COMMANDS = (
    Rule(r"(sudo|ssh|scp|docker save|mdt) ", "belongs to another machine or its settings", None),
    Rule(r"docker buildx build ", "needs a Docker engine; `make jetson` builds the image", image_build),
    Rule(r"docker run .* --camera ", "needs a Docker engine and a camera", None),
    Rule(r"docker run .* serve ", "needs a Docker engine; `make jetson` runs the server in the image", None),
    Rule(r"docker run ", "needs a Docker engine; `make jetson` runs the image", in_image),
    Rule(r"make ", "takes minutes; CI runs it", make),
    Rule(r"pip-audit|git |uv ", "needs a network or a release", None),
    Rule(r"(\S+/)?pip install ", "takes minutes; `make` does it", extras),
    Rule(r"python3 -m venv ", "what comes next would fill it for minutes", board_environment),
    Rule(r"(\S+/)?python (-m )?benchmarks[/.]", "takes minutes", options_parse),
    Rule(r"(\S+/)?zoo \w+ .*--delegate edgetpu", "needs an Edge TPU", takes_options),
    Rule(r"zoo \w+ .*--runtime \S*tflite-runtime", "needs numpy 1", on_the_older_runtime),
    Rule(r"(\S+/)?zoo run .*--camera ", "needs a camera", as_video),
    Rule(r"rpicam-jpeg ", "needs a Raspberry Pi's camera module", as_photo),
    Rule(r"zoo train .*--workers ", "needs several machines", workers),
    Rule(
        r"zoo train ssdlite_mobilenet_v2 .*--weights openimages",
        "takes minutes, and needs a network; docs/detection.md trains a small one",
        detector_trained,
    ),
    Rule(r"zoo train mobilenet_v2 ", "takes a minute; README's runs whole", shorter),
    Rule(r"zoo choose (?!.*(--alpha|--from) )", "builds many files, for minutes", small_choice),
    Rule(r"zoo build mobilenet_v2 --quantize ", "takes half a minute; README's is of full width", narrow),
    Rule(r"zoo choose .*--files ", "exports four files and says nothing of each", one_file),
    Rule(r"zoo export run/model.keras .*--target edgetpu", "trains first, as README does", of_mine),
    Rule(r"unzip -p model_int8_edgetpu.tflite ", "Coral's compiler makes the file", unpacked),
    Rule(r"zoo doctor ", "tries each installed runtime; a board has one of them", on_a_board),
    Rule(r"zoo serve --collect ", "ends with Ctrl-C; a person holds things before the camera", collected),
    Rule(r"zoo serve ", "ends with Ctrl-C; the port may be taken", one_picture),
    Rule(r"zoo web ", "needs a network for the runtime", with_runtime),
    Rule(r"zoo view ", "ends with Ctrl-C; opens a browser", shown),
    Rule(r"curl .*http://(127\.0\.0\.1|board):8000", "asks a server that is not there", asked),
)
"""The rules for commands."""

PROGRAMS = (
    Rule(r".*\nfrom zoo.web import write", "needs a network for the runtime", with_runtime),
    Rule(r".*\nserve\(", "ends with Ctrl-C; the port may be taken", program_that_serves),
    Rule(r'.*zoo\.train\("mobilenet_v2", ', "takes a minute; README's command runs whole", shorter_program),
)
"""The rules for Python blocks."""


def substitute_for(text: str, language: str) -> Rule | None:
    """The rule that a command, or a program in Python, falls under."""
    rules = PROGRAMS if language == "python" else COMMANDS
    return next((rule for rule in rules if re.match(rule.pattern, text, re.DOTALL)), None)
