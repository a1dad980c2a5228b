"""The modules that each import loads. Each check runs in a separate process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zoo
from zoo.cli.main import COMMANDS

if TYPE_CHECKING:
    from tests.conftest import Case

HEAVY = {"tensorflow", "keras", "matplotlib", "sklearn", "jax", "torch"}

REPORT = """
import sys
def report():
    print("\\nmodules:", *sorted({*sys.modules, *(name.partition(".")[0] for name in sys.modules)}))
"""


def modules_after(code: str, *args: str | Path) -> set[str]:
    """Returns the names in `sys.modules` after running code, and the top-level ones of them."""
    done = subprocess.run(
        [sys.executable, "-c", REPORT + code, *map(str, args)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("modules:")[2].split())


COMMAND = """
from zoo.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as exited:
    assert not exited.code, exited.code
report()
"""


@pytest.mark.parametrize(
    "module",
    [
        "zoo",
        "zoo.runner",
        "zoo.models",
        "zoo.specs",
        "zoo.summary.table",
        "zoo.weights",
        "zoo.export",
        "zoo.cli.main",
        "zoo.summary.blocks",
        "zoo.summary.drawing",
        "zoo.summary.netron",
        "zoo.choose",
        "zoo.serve",
        "zoo.web",
        "zoo.web.assemble",
    ],
)
def test_importing(module: str) -> None:
    assert not modules_after(f"import {module}; report()") & HEAVY


def test_importing_zoo_imports_next_to_nothing() -> None:
    assert not modules_after("import zoo; report()") & (HEAVY | {"numpy", "PIL", "click", "rich"})
    # Looking up a model does not import it either.
    assert not modules_after("import zoo; zoo.spec('vgg16'); zoo.list_models(); report()") & (HEAVY | {"numpy"})


@pytest.mark.parametrize("name", zoo.__all__)
def test_looking_up_a_public_name(name: str) -> None:
    assert not modules_after(f"import zoo; zoo.{name}; report()") & HEAVY


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("--version",),
        ("list",),
        ("list", "--json"),
        *((command, "--help") for command in COMMANDS),
    ],
    ids=" ".join,
)
def test_commands_that_start_fast(args: tuple[str, ...]) -> None:
    found = modules_after(COMMAND, *args)
    assert "click" in found
    assert not found & (HEAVY | {"numpy", "PIL"})


def test_run(cases: Callable[[str], Case], photos: tuple[Path, Path]) -> None:
    found = modules_after(COMMAND, "run", cases("lenet").file, *photos)
    assert {"numpy", "PIL"} <= found
    # rich is for tables; the schema and the registry are for the laptop.
    assert not found & (HEAVY | {"rich", "tflite"})


NOT_FOR_PICTURES = {
    "zoo.specs", "zoo.published", "zoo.accuracies",  # what is known of architectures
    "zoo.tasks.evaluation", "zoo.inputs.npy", "zoo.inputs.table", "csv",
    "zoo.tasks.detection", "zoo.tasks.agreement", "zoo.tasks.objects.answer", "zoo.tflite.writing.tags",
    "zoo.system.processes", "resource", "glob", "shlex", "numpy.typing",
    "zoo.onnx.reading.outline", "hashlib", "tempfile", "random", "concurrent.futures",
}  # fmt: skip
"""Modules that a known file and a picture need none of: each one takes part of a millisecond of every cold start."""


DEMO = Path(zoo.__file__).parent / "assets/demo"  # files of the package are known everywhere


@pytest.mark.slow
def test_run_imports_only_what_it_needs() -> None:
    picture = next((DEMO / "pictures").glob("*/*.png"))
    found = modules_after(COMMAND, "run", DEMO / "digits_int8.tflite", picture)
    assert "zoo.runner.predictor" in found
    # Old versions of numpy and of interpreters import some of them by themselves.
    theirs = modules_after("import PIL.Image; from zoo.runner.loading import runtimes; runtimes.find(); report()")
    assert not {name for name in found & NOT_FOR_PICTURES if name.startswith("zoo.") or name not in theirs}


COLLECTIONS = """
import gc
begun = []
gc.callbacks.append(lambda phase, _: begun.append(phase) if phase == "start" else None)
from zoo.__main__ import main
try:
    main()
except SystemExit as exited:
    assert not exited.code, exited.code
print(len(begun))
"""


def test_the_garbage_collector_does_not_look_through_imports_again_and_again() -> None:
    picture = next((DEMO / "pictures").glob("*/*.png"))
    words = [sys.executable, "-c", COLLECTIONS, "run", str(DEMO / "digits_int8.tflite"), str(picture)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 5  # Python's own settings give dozens


def test_a_wrong_model_name_is_found_before_tensorflow_loads() -> None:
    code = COMMAND.replace("assert not exited.code, exited.code", "assert exited.code == 1")
    assert not modules_after(code, "build", "mobilenet_v9") & HEAVY
    assert not modules_after(code, "build", "mobilenet_v2", "--alpha", "0") & HEAVY
    assert not modules_after(code, "info", "alexnet", "--groups", "3") & HEAVY


@pytest.mark.slow
def test_the_layer_table_knows_the_models_on_its_own() -> None:
    pytest.importorskip("tensorflow")
    code = "from zoo.summary.table import outline; assert outline('lenet').params == 61_706; report()"
    assert "keras" in modules_after(code)
