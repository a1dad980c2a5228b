"""What is in the wheel and the sdist, and that the checkout agrees with pyproject.toml."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import zoo

ROOT = Path(__file__).resolve().parent.parent
# Folder in the checkout -> package.
HOMES = {"zoo": "zoo", "export": "zoo/export", "cli": "zoo/cli"}


def checkout_files() -> list[Path]:
    """The files that a clone would have, and new ones that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    files = [Path(line) for line in listed.stdout.splitlines()]
    return [file for file in files if (ROOT / file).is_symlink() or (ROOT / file).exists()]


def pyproject() -> Any:
    # Python 3.10 has it under its old name, as pytest needs it there.
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that is built from it, in environments of their own."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for file in checkout_files():
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, source / file, follow_symlinks=False)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(source)],
        # Elsewhere, because a folder `build` in the current one would hide the module.
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def expected_in_wheel() -> set[str]:
    """Every module and data file of the packages, under its import name."""
    found = set()
    for file in checkout_files():
        home = HOMES.get(file.parts[0])
        # The links zoo/export and zoo/cli stand for what comes from export/ and cli/.
        if home and not (ROOT / file).is_symlink():
            found.add(str(PurePosixPath(home, *file.parts[1:])))
    return found


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"edgezoo-{zoo.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(f"edgezoo-{zoo.__version__}.dist-info/METADATA").decode()
        scripts = archive.read(f"edgezoo-{zoo.__version__}.dist-info/entry_points.txt").decode()
    info = f"edgezoo-{zoo.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == expected_in_wheel()
    assert {name.removeprefix(info) for name in names if name.startswith(info)} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "top_level.txt",
    }
    # By name, should the rule above ever be wrong: what others must find, and what must not get in their way.
    assert {"zoo/py.typed", "zoo/assets/imagenet_classes.tsv", "zoo/export/tflite.py", "zoo/cli/main.py"} <= names
    assert {name.partition("/")[0] for name in names} == {"zoo", info.rstrip("/")}
    assert scripts.split("\n")[:2] == ["[console_scripts]", "zoo = zoo.cli.main:main"]
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not [line for line in base if "tensorflow" in line or "keras" in line]


@pytest.mark.slow
def test_the_sdist_builds_and_is_no_larger_than_it_has_to_be(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    prefix = f"edgezoo-{zoo.__version__}/"
    with tarfile.open(sdist) as archive:
        members = {member.name.removeprefix(prefix) for member in archive.getmembers() if not member.isdir()}
        assert all(member.name.startswith(prefix) or member.isdir() for member in archive.getmembers())
        assert not [member.name for member in archive.getmembers() if member.issym() or member.islnk()]
    sources = {str(file) for file in checkout_files() if file.parts[0] in HOMES and not (ROOT / file).is_symlink()}
    assert sources <= members
    assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= members
    rest = members - sources - {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", "setup.cfg"}
    assert {PurePosixPath(name).parts[0] for name in rest} <= {"edgezoo.egg-info", "tests"}


def test_pyproject_lists_every_package() -> None:
    folders = {str(PurePosixPath(path).parent) for path in expected_in_wheel() if path.endswith("/__init__.py")}
    assert sorted(pyproject()["tool"]["setuptools"]["packages"]) == sorted(f.replace("/", ".") for f in folders)
    # A module in a folder without `__init__.py` would be left out.
    assert {str(PurePosixPath(path).parent) for path in expected_in_wheel() if path.endswith(".py")} == folders


def test_the_links_serve_static_tools() -> None:
    for name in ("export", "cli"):
        link = ROOT / "zoo" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


def test_the_version_stands_in_two_places_alike() -> None:
    assert pyproject()["project"]["version"] == zoo.__version__


def test_the_schema_of_the_device_side_is_a_base_dependency() -> None:
    base = {requirement.partition(">")[0] for requirement in pyproject()["project"]["dependencies"]}
    assert base == {"numpy", "pillow", "click", "rich", "tflite", "ai-edge-litert"}
