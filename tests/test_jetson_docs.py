"""docs/jetson.md: every command in it that can run here does; of the others, what they name exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoo.runner.demo

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "jetson.md").read_text(encoding="utf-8")
IN_IMAGE = re.compile(r"^docker run .* ?edgezoo-(?:jetson|camera) (.+)$")

# First words of lines that need a board, a Docker engine or another machine.
ELSEWHERE = ("docker buildx build", "docker save", "sudo ")


def lines() -> list[str]:
    """Every line of every block that is marked as shell commands."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def in_image() -> list[str]:
    """What stands behind the image's name, in each `docker run` that needs no camera."""
    found = [match[1] for line in lines() if (match := IN_IMAGE.match(line))]
    return [words for words in found if "--camera" not in words]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the container would see as /data."""
    folder, home = tmp_path_factory.mktemp("data"), zoo.runner.demo.folder()
    shutil.copy(home / "digits_int8.tflite", folder / "model.tflite")
    shutil.copy(home / "pictures" / "three" / "000.png", folder / "photo.jpg")
    shutil.copytree(home / "pictures", folder / "pictures")
    return folder


def run(words: str, data: Path) -> str:
    """Runs a `zoo` command in a process of its own; `< FILE` gives it standard input."""
    command, _, source = words.partition(" < ")
    arguments = shlex.split(command.replace("/data/", f"{data}/"))
    program = [sys.executable, "-c", "from zoo.cli.main import main; main()", *arguments]
    stdin = (data / source).read_bytes() if source else b""
    done = subprocess.run(program, input=stdin, capture_output=True, check=False, cwd=data)
    assert done.returncode == 0, f"{words}: {done.stderr.decode()}"
    return done.stdout.decode()


def test_every_line_is_known() -> None:
    pip_route = ("python3 -m venv ", "edgezoo/bin/")
    for line in lines():
        assert IN_IMAGE.match(line) or line.startswith((*ELSEWHERE, *pip_route)), line
    assert len(in_image()) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("words", dict.fromkeys(in_image()))
def test_what_the_image_is_told(words: str, data: Path) -> None:
    printed = run(words, data)
    if words.startswith("run "):
        assert "three" in printed.splitlines()[1]
    elif words.startswith("evaluate "):
        assert "top-1 100.0%" in printed
    elif words == "demo":
        assert "10 of 10 right" in printed
    else:
        assert "litert" in printed


def test_the_pip_route_is_what_the_board_environment_was_made_by(base_python: Path) -> None:
    """`make test` makes it by these lines: a virtual environment, the checkout by pip, no extra."""
    assert [line for line in lines() if line.startswith(("python3 -m venv", "edgezoo/bin/"))] == [
        "python3 -m venv edgezoo",
        "edgezoo/bin/pip install .",
        "edgezoo/bin/zoo demo",
    ]
    done = subprocess.run([base_python.parent / "zoo", "demo"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 of 10 right" in done.stdout


def test_the_builds_name_what_is_there() -> None:
    dockerfile = (ROOT / "Dockerfile.jetson").read_text(encoding="utf-8")
    for line in lines():
        if line.startswith("docker buildx build"):
            assert "--platform linux/arm64 " in line
            assert "-f Dockerfile.jetson " in line
    given = re.findall(r"--build-arg (\w+)=([\w.-]+)", PAGE)
    assert {name for name, _ in given} == {"RUNTIME", "WITH", "BASE_IMAGE"}
    for name, value in given:
        assert re.search(rf"^ARG {name}=", dockerfile, re.MULTILINE)
        assert value == "..." or (ROOT / "tools" / "jetson" / f"{value}.txt").exists()


def test_the_readme_says_the_same() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    build = "docker buildx build --platform linux/arm64 -f Dockerfile.jetson -t edgezoo-jetson"
    assert f"\n{build} .\n" in readme
    assert f"\n{build} --load .\n" in PAGE
    assert "docs/jetson.md" in readme
