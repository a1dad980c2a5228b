"""The suite gives the same results in any environment, and commands work if a script starts them in an unusual way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo.runner.demo
from tests import packages, surroundings
from zoo.runner.loading import known

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
DEMO = zoo.runner.demo.folder()
PICTURE = DEMO / "pictures" / "three" / "000.png"

PROBE = Path(__file__).parents[1] / "programs" / "what_tests_see.py"

ODD = {
    "COLUMNS": "20",
    "CUDA_VISIBLE_DEVICES": "0",
    "EDGEZOO_TOKEN": "secret",
    "EDGEZOO_WEIGHTS_URL": "http://127.0.0.1:1/",
    "FORCE_COLOR": "1",
    "GIT_DIR": "/nowhere",
    "HOME": "/nowhere",
    "KERAS_BACKEND": "torch",
    "LANGUAGE": "tr",
    "LC_ALL": "C",
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "error",
    "TERM": "dumb",
    "TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}',
    "http_proxy": "http://127.0.0.1:1",
    "no_proxy": "example.org",
}
NEVER = {"COLUMNS", "EDGEZOO_TOKEN", "FORCE_COLOR", "GIT_DIR", "KERAS_BACKEND", "LANGUAGE"}


def badly_started() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o77)


def test_tests_see_the_same_however_they_are_started(tmp_path: Path) -> None:
    packages.require("git")
    shutil.copy(PROBE, tmp_path / "probe.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir", "/"]
    done = subprocess.run(
        [*command, "-p", "tests.conftest", tmp_path / "probe.py"],
        cwd=ROOT,
        env=os.environ | ODD,
        preexec_fn=badly_started,  # it calls nothing but the system
        capture_output=True,
        text=True,
        check=False,
    )
    seen = json.loads((tmp_path / "seen.json").read_text()) if (tmp_path / "seen.json").exists() else None
    assert seen, done.stdout + done.stderr
    variables = seen["variables"]
    assert not NEVER & set(variables)
    assert variables["LC_ALL"] == "C.UTF-8"
    assert variables["TERM"] == "xterm"
    assert variables["EDGEZOO_WEIGHTS_URL"] == surroundings.FIXED["EDGEZOO_WEIGHTS_URL"]
    assert variables["CUDA_VISIBLE_DEVICES"] == "-1"
    assert variables["no_proxy"] == "example.org,localhost,127.0.0.1,::1"
    assert not {"PYTHONUNBUFFERED", "PYTHONWARNINGS", "TF_CONFIG"} & set(variables)
    assert variables["HOME"] != "/nowhere"
    assert (seen["umask"], seen["core"], seen["failed"]) == (0o22, 0, 3)
    interrupt, terminate, child = seen["child"]
    assert "default_int_handler" in interrupt
    assert terminate == child == str(signal.SIG_DFL)
    assert seen["git"] == str(ROOT)


def test_variables_for_the_tests_are_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    given = {"EDGEZOO_CHROMIUM": "/opt/chromium", "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/bin"}
    assert given.items() <= surroundings.environment(given, str(tmp_path)).items()


@pytest.mark.parametrize("named", [False, True], ids=["in the home", "in XDG_CACHE_HOME"])
def test_the_users_list_of_known_files_is_not_written(named: bool, tmp_path: Path) -> None:
    home = tmp_path / "home"
    cache = tmp_path / "named" if named else home / ".cache"
    (cache / "fonts").mkdir(parents=True)
    (cache / "edgezoo").mkdir()
    (cache / "edgezoo" / known.LIST).write_text("the user's")
    home.mkdir(exist_ok=True)
    (tmp_path / "probe.py").write_text(
        "from pathlib import Path\n"
        "from zoo.files.places import cache_home\n"
        "from zoo.runner.loading import known\n"
        "def test_it():\n"
        "    known.remember_made(Path(__file__))\n"
        "    assert known.holds(Path(__file__), 'litert')\n"
        "    assert (cache_home().parent / 'fonts').is_dir()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir", "/"]
    done = subprocess.run(
        [*command, "-p", "tests.conftest", tmp_path / "probe.py"],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home), "XDG_CACHE_HOME": str(cache) if named else ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in (cache / "edgezoo").iterdir()] == [known.LIST]
    assert (cache / "edgezoo" / known.LIST).read_text() == "the user's"


def test_a_locale_that_is_not_utf_8_is_refused() -> None:
    variables = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "POSIX"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_zoo.py"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    said = [line for line in done.stderr.splitlines() if line]
    assert said == ["ERROR: the locale's encoding is ANSI_X3.4-1968, the tests' files are UTF-8: LC_ALL=C.UTF-8"]


def test_make_hands_no_locale_and_no_options_of_python_down() -> None:
    packages.require("make")
    done = subprocess.run(
        ["make", "-f", ROOT / "Makefile", "--eval", "shown:; @env", "shown"],
        cwd=ROOT,
        env=os.environ | {"LC_ALL": "tr_TR", "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTHONPATH": "/x"},
        capture_output=True,
        text=True,
        check=True,
    )
    shown = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert shown["LC_ALL"] == "C.UTF-8"
    assert not {"PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONPATH"} & set(shown)


CONDITIONS: dict[str, tuple[dict[str, str | None], Callable[[], None]]] = {
    "signals ignored, as in the background of a script": ({}, badly_started),
    "a closed standard input": ({}, lambda: os.close(0)),
    "a locale of ASCII": ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, lambda: None),
    "a Turkish user": ({"LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr"}, lambda: None),
    "a terminal that can nothing": ({"TERM": "dumb", "COLUMNS": "1", "LINES": "1"}, lambda: None),
    "no terminal known": ({"TERM": None, "COLUMNS": "many"}, lambda: None),
    "colours asked for": ({"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, lambda: None),
    "no home": ({"HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere"}, lambda: None),
    "no HOME": ({"HOME": None}, lambda: None),
    "no folder for temporary files": ({"TMPDIR": "/nowhere"}, lambda: None),
    "a proxy that is not there": (
        {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"},
        lambda: None,
    ),
    "Python's own options": ({"PYTHONOPTIMIZE": "2", "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "7"}, lambda: None),
    "other settings of Keras": ({"KERAS_BACKEND": "torch", "KERAS_HOME": "/nowhere", "TF_CONFIG": "{"}, lambda: None),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_command_says_the_same_in_any_surroundings(condition: str, tmp_path: Path) -> None:
    """A picture is classified, a table is printed, and a wrong file is an error of one line."""
    variables, prepare = CONDITIONS[condition]

    def run(*args: str | Path, odd: bool) -> tuple[int, str, str]:
        known = {
            name: value for name, value in {**os.environ, **(variables if odd else {})}.items() if value is not None
        }
        done = subprocess.run(
            [sys.executable, "-c", "from zoo.cli.main import main; main()", *map(str, args)],
            cwd=tmp_path,
            env=known,
            preexec_fn=prepare if odd else None,  # it calls nothing but the system
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    for words in (
        ("run", DEMO / "digits_int8.tflite", PICTURE, "--top-k", "1"),
        ("list", "--json"),
        ("run", tmp_path / "none.tflite", PICTURE),
    ):
        assert run(*words, odd=True) == run(*words, odd=False)
    assert list(tmp_path.iterdir()) == []
