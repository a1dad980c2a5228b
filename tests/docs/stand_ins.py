"""What the tests do in place of commands that cannot run here, each with the page's own words."""

from __future__ import annotations

import contextlib
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tests import system
from tests.docs.reading import ROOT

if TYPE_CHECKING:
    from tests.docs.desk import Desk


def image_build(command: str, desk: Desk) -> str:
    """`docker buildx build ...`: the platform, the Dockerfile, its arguments and their files are there."""
    dockerfile = (ROOT / "Dockerfile.jetson").read_text(encoding="utf-8")
    assert "--platform linux/arm64 " in command
    assert "-f Dockerfile.jetson " in command
    for name, value in re.findall(r"--build-arg (\w+)=([\w.-]+)", command):
        assert re.search(rf"^ARG {name}=", dockerfile, re.MULTILINE), name
        assert (ROOT / "tools" / "jetson" / f"{value}.txt").exists(), value
    return ""


def in_image(command: str, desk: Desk) -> str:
    """`docker run ... edgezoo-NAME WORDS`: the image's entry point is `zoo`, and /data is the folder one is in."""
    found = re.fullmatch(r"docker run .*? edgezoo-\w+ (.+)", command)
    assert found, command
    return desk.shell("zoo " + found[1].replace("/data/", f"{desk.folder}/"))


def make(command: str, desk: Desk) -> str:
    """`make TARGET`: make knows the target and all that it depends on."""
    # A line that calls make again is run by `make -n`, too.
    assert "$(MAKE)" not in (ROOT / "Makefile").read_text(encoding="utf-8")
    return subprocess.run(
        ["make", "-C", ROOT, "-n", *shlex.split(command, comments=True)[1:]], check=True, capture_output=True
    ).stdout.decode()


def extras(command: str, desk: Desk) -> str:
    """`pip install '.[EXTRA]'`: the extras are those of pyproject.toml."""
    import tomli

    known = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for names in re.findall(r"(?:\.|edgezoo)\[([\w,-]+)\]", command):
        assert set(names.split(",")) <= set(known), names
    return ""


def board_environment(command: str, desk: Desk) -> str:
    """`python3 -m venv DIR` and pip in it: `make test` makes .venv-base by the same two commands."""
    place = desk.folder / command.rsplit(maxsplit=1)[-1]
    place.unlink(missing_ok=True)
    place.symlink_to(desk.other("base_python").parents[1])
    return ""


def options_parse(command: str, desk: Desk) -> str:
    """`python benchmarks/NAME.py ...`, or `-m benchmarks.NAME ...`: the script is there and takes the options."""
    _, *words = shlex.split(command.split(" > ", maxsplit=1)[0], comments=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        if words[0] == "-m":
            _, script, *arguments = words
            names = runpy.run_module(script, run_name="a_page")
        else:
            script, *arguments = words
            patch.syspath_prepend((ROOT / script).parent)
            names = runpy.run_path(str(ROOT / script), run_name="a_page")
    main = names["main"]
    assert isinstance(main, click.Command)
    main.make_context(script, arguments)
    return ""


def on_the_older_runtime(command: str, desk: Desk) -> str:
    """`zoo ... --runtime tflite-runtime`: in the environment that has it."""
    return desk.shell(f"{desk.other('tflite_runtime_python').parent}/{command}")


def as_video(command: str, desk: Desk) -> str:
    """`zoo run --camera N`: a video instead, which goes the same way behind the first frame."""
    changed = re.sub(r"--camera (\d+|'[^']+'|\"[^\"]+\")", "--video street.mp4 --frames 3", command)
    assert changed != command
    return desk.shell(changed)


def workers(command: str, desk: Desk) -> str:
    """`zoo train --workers ...`: on ports of this machine; all but the last begin and are waited for with it."""
    found = re.search(r"--workers (\S+) --index (\d+)", command)
    assert found, command
    count = found[1].count(",") + 1
    own = command.replace(found[1], ",".join(f"localhost:{port}" for port in desk.ports(count)))
    if int(found[2]) < count - 1:
        desk.begin(own)
        return ""
    return desk.shell(own) + desk.finish()


def small_choice(command: str, desk: Desk) -> str:
    """`zoo choose`: one small file stands for each of the 44 that would be built and timed."""
    from zoo.choose import measuring
    from zoo.cli.main import main

    def write(cells: object, folder: Path, progress: object) -> list[Path]:
        return [Path(shutil.copy(desk.folder / "mine_int8.tflite", folder / f"{cell.stem}.tflite")) for cell in cells]  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch, desk.here() as printed:
        patch.setattr(measuring, "write_files", write)
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command, comments=True)[1:])
    assert ended.value.code == 0, printed.getvalue()
    return printed.getvalue()


def one_picture(command: str, desk: Desk) -> str:
    """`zoo serve`: on a free port, until it has named a picture."""
    with served(f"{_bare(command)} --port 0", desk) as url:
        token = re.search(r"--token (\S+)", command)
        headers = {"Authorization": f"Bearer {token[1]}"} if token else {}
        return ask(f"{url}v1/classify", desk.folder / "photo.jpg", **headers)


def asked(command: str, desk: Desk) -> str:
    """`curl ... http://HOST:8000/`: the same of a server on a free port."""
    system.require("curl")
    token = re.search(r"Bearer ([\w-]+)", command)
    with served("zoo serve mine.tflite --port 0" + (f" --token {token[1]}" if token else ""), desk) as url:
        return desk.shell(re.sub(r"http://[\w.]+:8000/", url, command).replace("curl ", "curl -sS --fail ", 1))


def program_that_serves(program: str, desk: Desk) -> str:
    """A Python block that ends in `serve(...)`: on a free port, until it has named a picture."""
    (desk.folder / "serving.py").write_text(re.sub(r"\bport=\d+", "port=0", program), encoding="utf-8")
    with served("python -u serving.py", desk, stopped="") as url:
        return ask(f"{url}v1/classify", desk.folder / "photo.jpg")


def shown(command: str, desk: Desk) -> str:
    """`zoo view`: without a browser, until it has given its page."""
    with served(f"{_bare(command)} --no-browser", desk, stopped="\n") as url:
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
def served(command: str, desk: Desk, stopped: str = "stopped\n") -> Iterator[str]:
    """Runs a server as long as the block does; gives its address. Ctrl-C has to end it well."""
    process = desk.start(command)
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
        assert (process.returncode, rest) == (0, stopped)
    finally:
        process.kill()
        process.communicate()
