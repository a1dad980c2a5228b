"""The contents of the wheel and the sdist, and the agreement of the checkout with pyproject.toml."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import zoo
from releases import environments, sbom, tagging
from tests import packages

ROOT = Path(__file__).resolve().parent.parent
# The package of each folder in the checkout.
HOMES = {"zoo": "zoo", "export": "zoo/export", "cli": "zoo/cli"}


def checkout_files() -> list[Path]:
    """Lists the files that a clone would have, and new files that are not committed yet."""
    packages.require("git")
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
    # Python 3.10 needs the older package, which pytest installs.
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies the files that a clone would have, so that nothing is built in the checkout."""
    folder = tmp_path_factory.mktemp("source")
    for file in checkout_files():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, folder / file, follow_symlinks=False)
    return folder


def build(source: Path, out: Path, *options: str) -> Path:
    """Builds in isolated environments, by default an sdist and the wheel from it."""
    done = subprocess.run(
        [sys.executable, "-m", "build", *options, "--outdir", str(out), str(source)],
        # It runs in another folder, because a folder `build` in the current one would hide the module.
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def dist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist and the wheel that is built from it: `EDGEZOO_DIST`, or a folder made for the tests."""
    if made := os.environ.get("EDGEZOO_DIST"):
        return ROOT / made
    return build(source, tmp_path_factory.mktemp("dist"))


def expected_in_wheel() -> set[str]:
    """Lists every module and data file of the packages, by import name."""
    found = set()
    for file in checkout_files():
        home = HOMES.get(file.parts[0])
        # The links zoo/export and zoo/cli point to export/ and cli/, from which the files come.
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
    # These are listed by name, in case the rule above is wrong: files that must be there, and files that must not.
    assert {
        "zoo/py.typed",
        "zoo/assets/imagenet_classes.tsv",
        "zoo/export/tflite/exporter.py",
        "zoo/cli/main.py",
    } <= names
    assert {name.partition("/")[0] for name in names} == {"zoo", info.rstrip("/")}
    assert scripts.split("\n")[:2] == ["[console_scripts]", "zoo = zoo.__main__:main"]
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not [line for line in base if "tensorflow" in line or "keras" in line]


@pytest.mark.slow
def test_the_sdist_holds_what_builds_the_wheel_and_no_more(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    prefix = f"edgezoo-{zoo.__version__}/"
    with tarfile.open(sdist) as archive:
        members = {member.name.removeprefix(prefix) for member in archive.getmembers() if not member.isdir()}
        assert all(member.name.startswith(prefix) or member.isdir() for member in archive.getmembers())
        assert not [member.name for member in archive.getmembers() if member.issym() or member.islnk()]
    sources = {str(file) for file in checkout_files() if file.parts[0] in HOMES and not (ROOT / file).is_symlink()}
    info = {name for name in members if name.startswith("edgezoo.egg-info/")}
    written = {"PKG-INFO", "setup.cfg"}
    texts = {"pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE"}
    assert members - info == sources | written | texts


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.slow
def test_the_wheel_from_the_sdist_is_the_wheel_from_the_checkout(dist: Path, source: Path, tmp_path: Path) -> None:
    (ours,) = dist.glob("*.whl")
    (direct,) = build(source, tmp_path, "--wheel").glob("*.whl")
    assert direct.name == ours.name
    assert contents(direct) == contents(ours)


@pytest.mark.slow
def test_pypi_can_show_the_readme(dist: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", params=["*.whl", "*.tar.gz"])
def stranger(dist: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the `zoo` command of an environment with only the wheel, or the sdist, and its dependencies."""
    (package,) = dist.glob(request.param)
    folder = tmp_path_factory.mktemp("stranger")
    return environments.make(folder / "env", Path(sys.executable), package, testing=False).with_name("zoo")


@pytest.mark.slow
def test_the_first_commands_of_a_new_user(stranger: Path, tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([stranger, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert run("--version") == (0, f"zoo, version {zoo.__version__}\n", "")
    for words, shown in (
        ("--help", "Commands:"),
        ("list", "mobilenet_v2"),
        ("demo", "10 of 10 right"),
        ("doctor", "litert"),
    ):
        code, out, err = run(words)
        assert (code, err) == (0, "")
        assert shown in out
    model = stranger.parent.parent.glob("lib/python3*/site-packages/zoo/assets/demo/digits_int8.tflite")
    file = str(next(model))
    for command, extra in (
        (("build", "lenet"), "tensorflow"),
        (("train", "lenet", "."), "tensorflow"),
        (("serve", file), "serve"),
        (("view", file), "view"),
        (("run", file, "--camera", "0"), "camera"),
        (("run", file, file, "--runtime", "openvino"), "openvino"),
        (("run", "mine.onnx", file), "onnxruntime"),
        (("run", file, file, "--runtime", "tflite-runtime"), "tflite-runtime"),
    ):
        code, out, err = run(*command)
        assert (code, out) == (1, ""), command
        assert err.startswith("zoo: error: ")
        assert err.count("\n") == 1
        assert f"pip install 'edgezoo[{extra}]'" in err


@pytest.mark.slow
def test_the_list_of_what_is_installed(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    sbom.write(wheel, ROOT, tmp_path / "sbom.json")
    document = json.loads((tmp_path / "sbom.json").read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "edgezoo"
    assert document["metadata"]["component"]["version"] == zoo.__version__
    found = {canonicalize_name(part["name"]): part for part in document["components"]}
    for line in pyproject()["project"]["dependencies"]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            part = found[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(part["version"])
            assert part["licenses"], requirement.name
            assert part["purl"] == f"pkg:pypi/{canonicalize_name(requirement.name)}@{part['version']}"
    # None of our tools is among them.
    assert not found.keys() & {"pip", "uv", "pytest", "cyclonedx-bom", "setuptools", "tensorflow"}


def test_pyproject_lists_every_package() -> None:
    folders = {str(PurePosixPath(path).parent) for path in expected_in_wheel() if path.endswith("/__init__.py")}
    assert sorted(pyproject()["tool"]["setuptools"]["packages"]) == sorted(f.replace("/", ".") for f in folders)
    # A module in a folder without `__init__.py` would be missing in the wheel.
    assert {str(PurePosixPath(path).parent) for path in expected_in_wheel() if path.endswith(".py")} == folders


def test_the_links_serve_static_tools() -> None:
    for name in ("export", "cli"):
        link = ROOT / "zoo" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


def test_the_version_stands_in_one_place() -> None:
    project = pyproject()
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "zoo.__version__"}
    assert tagging.version(ROOT) == zoo.__version__


def test_the_changelog_has_this_version() -> None:
    about, text = tagging.section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), zoo.__version__)
    assert about == "unreleased" or date.fromisoformat(about)
    assert text.startswith(("- ", "### "))


def test_the_schema_of_the_device_side_is_a_base_dependency() -> None:
    base = {requirement.partition(">")[0] for requirement in pyproject()["project"]["dependencies"]}
    assert base == {"numpy", "pillow", "click", "rich", "tflite", "ai-edge-litert"}
