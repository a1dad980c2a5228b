"""The parts of `tools/matrix` and `tools/release` that install nothing; the whole is `make matrix` and a release."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from releases import cells, pythons, tagging
from releases.errors import ReleaseError
from tests import installed
from tests.test_packaging import pyproject
from zoo.errors import MissingDependencyError

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_pythons_are_those_of_the_classifiers() -> None:
    found = pythons.declared(pyproject()["project"])
    assert found[0] == pyproject()["project"]["requires-python"].removeprefix(">=")
    assert [int(version.removeprefix("3.")) for version in found] == list(range(10, 10 + len(found)))


def test_a_python_is_found_that_works_and_one_that_does_not_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = "{}.{}".format(*sys.version_info[:2])
    switched_off = tmp_path / "bin" / f"python{version}"
    pyenvs = tmp_path / "versions" / f"{version}.99" / "bin" / "python"
    for path, text in ((switched_off, "#!/bin/sh\nexit 127\n"), (pyenvs, f'#!/bin/sh\nexec {sys.executable} "$@"\n')):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{switched_off.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    pythons.find.cache_clear()
    assert pythons.find(version) == pyenvs
    pythons.find.cache_clear()
    assert pythons.find("3.99") is None


def test_every_python_gets_both_sides_and_the_oldest_the_lowest() -> None:
    planned = cells.plan(["3.10", "3.13"])
    assert len({cell.name for cell in planned}) == len(planned)
    newest = {(cell.version, cell.extras) for cell in planned if cell.bounds == "newest"}
    assert newest == {(version, extras) for version in ("3.10", "3.13") for extras in ((), ("tensorflow",))}
    lowest = [cell for cell in planned if cell.bounds == "lowest"]
    assert {cell.version for cell in lowest} == {"3.10"}
    extras = set(pyproject()["project"]["optional-dependencies"]) - {"dev", "docs", "tflite-runtime"}
    assert {extra for cell in lowest for extra in cell.extras} == extras


def test_the_tests_of_the_cells_exist() -> None:
    for cell in cells.plan(["3.10"]):
        for name in cell.tests:
            path, _, function = name.partition("::")
            assert (ROOT / path).exists(), path
            assert f"def {function.partition('[')[0]}" in (ROOT / path).read_text() if function else True, name


def test_the_tests_stand_where_the_packages_do_not(tmp_path: Path) -> None:
    cells.copy_tests(ROOT, tmp_path / "copy")
    assert (tmp_path / "copy" / "tests" / "conftest.py").exists()
    assert not [name for name in ("zoo", "export", "cli") if (tmp_path / "copy" / name).exists()]
    assert [path.name for path in (tmp_path / "copy" / "tools").iterdir()] == ["system-packages"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.installed", "--collect-only", "-q", "tests/test_zoo.py"],
        cwd=tmp_path / "copy",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "is not of the environment" in done.stderr


@pytest.mark.parametrize(
    ("code", "last", "expected"),
    [
        (0, "12 passed, 3 skipped in 4.56s", (12, "")),
        (1, "2 failed, 12 passed, 1 error in 78.26s (0:01:18)", (12, "2 failed, 1 error")),
        (0, "5 skipped in 0.10s", (0, "no test ran")),
        (4, "ERROR: file or directory not found: tests/none", (0, "pytest exited with 4")),
    ],
)
def test_how_a_run_is_judged(code: int, last: str, expected: tuple[int, str]) -> None:
    assert cells.judge(code, f"....\n{last}\n") == expected


def test_only_what_is_not_installed_excuses_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    told = MissingDependencyError("this needs Netron: pip install 'edgezoo[view]'")
    gone = ModuleNotFoundError("No module named 'netron.x'", name="netron.x")
    assert installed.absent(told) is installed.absent(gone) is None  # the package is here, so an error is a failure
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "netron" else object())
    assert installed.absent(told) == installed.absent(gone) == "netron"
    assert installed.absent(ModuleNotFoundError("No module named 'numpy'", name="numpy")) is None
    assert installed.absent(MissingDependencyError("the package tflite is not installed")) is None
    assert installed.absent(AssertionError("edgezoo[view]")) is None


CHANGELOG = "# Changelog\n\n## 1.1.0 (unreleased)\n- New.\n\n## 1.0.0 (2026-01-31)\n- First.\n- More.\n"


def test_a_section_of_the_changelog() -> None:
    assert tagging.section(CHANGELOG, "1.1.0") == tagging.section(CHANGELOG, "1.1.0.dev3") == ("unreleased", "- New.")
    assert tagging.section(CHANGELOG, "1.0.0") == ("2026-01-31", "- First.\n- More.")
    with pytest.raises(ReleaseError, match=r"no heading `## 1\.2\.0 \(date\)`"):
        tagging.section(CHANGELOG, "1.2.0")


@pytest.mark.parametrize(
    ("version", "tag", "problem"),
    [
        ("1.0.0", "v1.0.0", None),
        ("1.0.0", "1.0.0", "the tag 1.0.0 is not v1.0.0"),
        ("1.0.0", "v1.1.0", "the tag v1.1.0 is not v1.0.0"),
        ("1.1.0", "v1.1.0", "put the day of the release there"),
        ("1.2.0", "v1.2.0", "no heading"),
    ],
)
def test_what_a_tag_agrees_with(tmp_path: Path, version: str, tag: str, problem: str | None) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text(f'"""A package."""\n\n__version__ = "{version}"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    if problem is None:
        tagging.require_tag(tmp_path, tag)
        return
    with pytest.raises(ReleaseError, match=problem):
        tagging.require_tag(tmp_path, tag)


def test_links_for_pypi() -> None:
    text = "![a](docs/a.png) [b](docs/b.md#c) [d](https://x.org/d) [e](#e)"
    expected = "![a](https://h/raw/v1/docs/a.png) [b](https://h/raw/v1/docs/b.md#c) [d](https://x.org/d) [e](#e)"
    assert tagging.absolute_links(text, "https://h/raw/v1/") == expected
    readme = tagging.absolute_links((ROOT / "README.md").read_text(encoding="utf-8"), "https://h")
    assert "](docs/" not in readme
    assert "](https://h/docs/" in readme


def test_the_commands_say_it_in_one_line() -> None:
    for program, *words in (
        ("release", "check-tag", "v99"),
        ("matrix", "--wheel", "none.whl"),
        ("matrix", "--python", "2.7"),
    ):
        command = [sys.executable, str(ROOT / "tools" / program), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{program}: error: ")
        assert done.stderr.count("\n") == 1
    assert (
        zoo.__version__
        in subprocess.run(
            [sys.executable, ROOT / "tools" / "release", "check-tag", "v99"],
            capture_output=True,
            text=True,
            check=False,
        ).stderr
    )
