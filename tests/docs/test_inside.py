"""docs/inside.md: what it names exists, and the steps come in the order that it tells."""

from __future__ import annotations

import contextlib
import importlib
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli

import zoo
import zoo.runner.demo
from tests.docs.markdown import ROOT, of_language

PAGE = "docs/inside.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(zoo(?:\.\w+)+)`", TEXT)))


def find(name: str) -> Any:
    """What a dotted name means."""
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            found: Any = importlib.import_module(".".join(parts[:split]))
            for part in parts[split:]:
                found = getattr(found, part)
            return found
    raise AssertionError(name)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_exists(name: str) -> None:
    assert find(name) is not None


def test_the_picture_names_packages_that_exist() -> None:
    picture = (ROOT / "docs" / "inside.svg").read_text(encoding="utf-8")
    packages = set(re.findall(r">(zoo\.\w+)<", picture))
    assert {"zoo.data", "zoo.training", "zoo.export", "zoo.runner"} <= packages
    for package in packages:
        assert find(package)
    assert find("zoo.data.reading").load_image is find("zoo.inputs.pictures.images").load_image


def test_every_package_is_in_the_table() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages = set(re.findall(r'"(zoo\.\w+)"', project.partition("packages = [")[2].partition("]")[0]))
    first_cells = " ".join(re.findall(r"^\| ([^|]*) \|", TEXT, re.MULTILINE))
    assert packages - {"zoo.assets"} <= set(re.findall(r"zoo\.\w+", first_cells))


def test_the_layers_are_those_that_are_checked() -> None:
    contracts = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    shown = [text.splitlines() for text in of_language(PAGE, "text")]
    assert shown == layers


def steps(heading: str) -> list[str]:
    """The first function named in each numbered step below a heading."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [found[1] for found in re.finditer(r"^\d+\. (?:[^`\n]*)`(zoo[\w.]+)`", section, re.MULTILINE)]


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Writes down the calls of functions, under the name that the calling modules have for each."""
    calls: list[str] = []

    def watch(name: str, *callers: str) -> list[str]:
        function = find(name)
        short = name.rpartition(".")[2]
        homes = [home for home in map(find, callers) if getattr(home, short, None) is function]

        def traced(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return function(*args, **kwargs)

        for target in homes or [find(name.rpartition(".")[0])]:
            monkeypatch.setattr(target, short, traced)
        return calls

    return watch


def test_an_export_takes_these_steps(trace: Callable[..., list[str]], tmp_path: Path) -> None:
    told = steps("An export, step by step")
    assert len(told) == 10
    # The last one needs Coral's compiler; the rest are called by every export.
    for name in told[:-1]:
        calls = trace(name, "zoo.export.preparing", "zoo.export.tflite.exporter")
    from zoo.export.tflite.exporter import to_tflite

    to_tflite(zoo.build("lenet"), tmp_path / "lenet.tflite", quantize="int8")
    firsts = list(dict.fromkeys(calls))
    assert firsts == told[:-1]


def test_the_runner_takes_these_steps(trace: Callable[..., list[str]], tmp_path: Path) -> None:
    told = steps("How the runner loads one")
    assert len(told) == 5
    file = tmp_path / "digits.tflite"
    shutil.copy(zoo.runner.demo.folder() / "digits_int8.tflite", file)
    for name in told:
        calls = trace(name, "zoo.runner.loading.session")
    from zoo.errors import ZooError
    from zoo.runner import Classifier

    # A delegate that is none, to see when it is asked for; then the rest without.
    with pytest.raises(ZooError, match="no TFLite delegate"):
        Classifier(file, delegate=_some_library())
    # The card is read for its checksum, too.
    assert [name for name in dict.fromkeys(calls) if name != told[4]] == told[:4]
    calls.clear()
    Classifier(file)
    # The fourth step finds out whether there is one.
    assert [name for name in dict.fromkeys(calls) if name != told[4]] == told[:4]
    assert calls[-1] == told[4]


def _some_library() -> str:
    """A library that is no delegate."""
    import _ctypes

    return str(_ctypes.__file__)


def test_a_file_is_a_flatbuffer_with_an_archive_behind_it() -> None:
    from zoo.tflite.inspection import inspect_file

    path = zoo.runner.demo.folder() / "digits_int8.tflite"
    assert path.read_bytes()[4:8] == b"TFL3"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    parts = re.findall(r"^\| (\S+) \|", TEXT.partition("## What is in a file")[2].partition("\n## ")[0], re.MULTILINE)
    assert parts == ["part", "flatbuffer", *(f"`{name}`" for name in names)]
    found = inspect_file(path)
    assert "TFLITE_METADATA" in found.file.metadata
    (pixels,) = found.inputs
    assert pixels.scales[0] == pytest.approx(2 / 255, rel=1e-6)
    assert list(pixels.zero_points) == [127]
    assert {"bytes", "sha256", "crc32"} <= set(found.description.card["flatbuffer"])
