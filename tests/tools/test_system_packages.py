"""`tools/system-packages` on invented machines, with other programs and users."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import packages
from tests.skips import ALLOWED, excused

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("awk", "cat", "echo", "env", "grep", "mktemp", "rm", "sh")

Run = Callable[..., subprocess.CompletedProcess[str]]


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Run]:
    """A folder of the only available programs, and a function that runs the script."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name) or "/missing")
    (programs / "python3").symlink_to(sys.executable)

    def run(*words: str, uid: int = 1000, **variables: str) -> subprocess.CompletedProcess[str]:
        script(programs / "id", f"echo {uid}")
        return subprocess.run(
            ["/bin/sh", ROOT / "tools" / "system-packages", *words],
            env={"PATH": str(programs), "LOG": str(tmp_path / "log"), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return programs, run


def lines(text: str) -> list[str]:
    return text.splitlines()


@pytest.mark.slow
def test_a_user_is_told_in_one_line(machine: tuple[Path, Run]) -> None:
    programs, run = machine
    script(programs / "apt-get", "echo called >> $LOG")
    done = run("install", "tests")
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = lines(done.stderr)
    assert line.startswith("system-packages: the tests that need ")
    assert "cc (gcc libc6-dev)" in line
    assert "curl (curl)" in line
    assert re.search(r"are skipped: as root, apt-get install .*\bgcc libc6-dev\b", line)
    assert not (programs.parent / "log").exists()


@pytest.mark.slow
def test_root_gets_what_is_missing_and_no_more(machine: tuple[Path, Run]) -> None:
    programs, run = machine
    installs = f'echo "$@" >> $LOG; for p; do case $p in openssl|curl|git) ln -sf /bin/true {programs}/$p ;; esac; done'
    script(programs / "apt-get", installs.replace("ln ", f"{shutil.which('ln')} "))
    (programs / "curl").symlink_to("/bin/true")
    done = run("install", "tests", uid=0, EDGEZOO_CHROMIUM="/opt/chromium")
    assert done.returncode == 0
    update, install = lines((programs.parent / "log").read_text())
    assert update.startswith("update")
    packages = install.split()
    assert {"gcc", "libc6-dev", "openssl", "git", "--no-install-recommends"} <= set(packages)
    assert not {"curl", "chromium"} & set(packages)
    # It names the packages that it could not install, but not the others.
    assert "cc (gcc libc6-dev)" in lines(done.stderr)[-1]
    assert "openssl" not in lines(done.stderr)[-1]


@pytest.mark.slow
def test_a_package_manager_that_fails_is_heard(machine: tuple[Path, Run]) -> None:
    programs, run = machine
    script(programs / "apt-get", "echo E: no network; exit 100")
    done = run("install", "tests", uid=0)
    assert done.returncode == 0
    assert "E: no network" in done.stderr
    assert "are skipped" in lines(done.stderr)[-1]


@pytest.mark.parametrize("uid", [0, 1000])
def test_without_a_python_nothing_goes_on(machine: tuple[Path, Run], uid: int) -> None:
    programs, run = machine
    (programs / "make").symlink_to("/bin/true")
    if uid == 0:
        script(programs / "apt-get", "exit 0")
    done = run("install", "make", uid=uid, PYTHON="python9")
    assert done.returncode == 1
    assert lines(done.stderr)[-1] == (
        "system-packages: error: PYTHON=python9 lacks python3 (python3), venv (python3-venv): "
        "as root, apt-get install python3 python3-venv, or give another PYTHON"
    )


def test_nothing_is_done_or_said_where_nothing_is_missing(machine: tuple[Path, Run]) -> None:
    programs, run = machine
    (programs / "make").symlink_to("/bin/true")
    script(programs / "apt-get", "echo called >> $LOG")
    done = run("install", "make", uid=0)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (programs.parent / "log").exists()


def test_what_is_missing_is_one_line(machine: tuple[Path, Run]) -> None:
    programs, run = machine
    assert run("missing", "openssl").stdout == (
        "there is no openssl here: apt-get install openssl (for the tests of https, for a certificate)\n"
    )
    (programs / "openssl").symlink_to("/bin/true")
    assert run("missing", "openssl").stdout == ""
    # A compiler without the headers of C is useless.
    script(programs / "cc", "exit 1")
    assert "apt-get install gcc libc6-dev" in run("missing", "cc").stdout


@pytest.mark.parametrize("words", [(), ("frob",), ("install",), ("install", "frob"), ("missing", "frob")])
def test_wrong_use_is_one_line(machine: tuple[Path, Run], words: tuple[str, ...]) -> None:
    done = machine[1](*words)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = lines(done.stderr)
    assert line.startswith("system-packages: error: ")


def test_every_need_that_a_test_names_is_in_the_table() -> None:
    listed = {line.split(" | ")[0] for line in lines(machine_table())}
    asked = set()
    for path in (ROOT / "tests").rglob("*.py"):
        asked |= set(re.findall(r'packages\.require\("(\w+)"\)', path.read_text(encoding="utf-8")))
    assert asked <= listed
    assert {"libusb", "libgl", "cc", "openssl", "curl", "git"} <= asked


def machine_table() -> str:
    return subprocess.run(["sh", packages.TOOL, "list"], capture_output=True, text=True, check=True).stdout


SKIPS = """
import pytest
def test_a(): pytest.skip("there is no openssl here: apt-get install openssl")
def test_b(): pytest.skip("set EDGEZOO_SCREENSHOTS to a folder to take them")
@pytest.mark.skipif(True, reason="by mark")
def test_c(): pass
@pytest.mark.xfail(reason="known")
def test_d(): assert False
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ci", "expected"), [("true", "1 failed, 1 skipped, 1 xfailed, 1 error"), ("", "3 skipped, 1 xfailed")]
)
def test_a_skip_that_is_not_excused_fails_in_ci(tmp_path: Path, ci: str, expected: str) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.skips",
        str(tmp_path / "test_skips.py"),
    ]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"CI": ci}, capture_output=True, text=True, check=False)
    assert expected in lines(done.stdout)[-1], done.stdout
    assert done.returncode == (1 if ci else 0)
    if ci:
        assert "skipped although CI is set" in done.stdout
        assert "apt-get install openssl" in done.stdout


@pytest.mark.slow
def test_tests_that_need_the_same_are_one_line(tmp_path: Path) -> None:
    reason = "there is no openssl here: apt-get install openssl"
    skips = "".join(f"def test_{i}():\n    pytest.skip({reason!r})\n" for i in range(3))
    fixture = f"@pytest.fixture\ndef need(): pytest.skip({reason!r})\ndef test_fixture(need): pass\n"
    (tmp_path / "test_many.py").write_text(f"import pytest\n{skips}{fixture}")
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-p", "tests.skips", str(tmp_path)]
    known = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, check=True)
    said = [line for line in lines(done.stdout) if line.startswith("SKIPPED")]
    assert said == [f"SKIPPED [4] tools/system-packages: {reason}"]


@pytest.mark.slow
def test_a_file_that_is_skipped_whole_fails_in_ci(tmp_path: Path) -> None:
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.skips",
        str(tmp_path / "test_whole.py"),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"CI": "true"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "1 error" in lines(done.stdout)[-1]


def test_every_allowed_reason_of_a_skip_is_used_by_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    said = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py") if path.name != "skips.py"
    )
    for reason in ALLOWED:
        assert re.search(reason, said)
        assert excused(reason)
    assert not excused("there is no cc here")
