"""Lists and runs the cells of `make matrix`: each is a Python, a set of dependencies, and the tests for them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from releases import environments

BOARD = (
    *(f"tests/{name}" for name in ("files", "inputs", "machine", "runner", "benchmark")),
    *(f"tests/tflite/test_{name}.py" for name in ("card", "normalization")),
    *(f"tests/cli/commands/test_{name}.py" for name in ("benchmark", "demo", "doctor", "evaluate", "list", "run")),
    *(f"tests/cli/test_{name}.py" for name in ("main", "output", "run_many")),
    "tests/cli/options/test_runtime.py",
    *(f"tests/test_{name}.py" for name in ("assets", "import_hygiene", "specs", "zoo")),
)
"""The tests that must pass without TensorFlow."""

SERVE = tuple(f"tests/serve/test_{name}.py" for name in ("api", "metrics", "page", "security", "tokens", "workers"))
"""The tests of the server, without those with limits of a second, because cells share the cores."""

BUILT = (
    "tests/cli/commands/test_build.py::test_in_a_process",
    "tests/cli/commands/test_build.py::test_several_formats_and_json",
    "tests/export/tflite/test_exporter.py::test_parity_on_litert",
    "tests/training/test_run.py::test_it_learns",
)
"""Short tests of building, exporting, running and training; all tests would take minutes on every Python."""

LOWEST = (
    *BUILT,
    "tests/export/tflite/test_matrix.py::test_on_litert[mlp-none]",
    *(
        f"tests/export/tflite/test_matrix.py::test_on_litert[lenet-{m}]"
        for m in ("float16", "dynamic", "int8", "int16x8")
    ),
    "tests/export/test_formats.py",
    "tests/test_registry.py",
    "tests/test_import_hygiene.py",
)
"""Further tests with the oldest Keras and TensorFlow: every mode of export, and all that depends on Keras."""

SHOWN = ("numpy", "pillow", "ai-edge-litert", "tensorflow", "keras")
"""The packages whose versions the table shows."""


@dataclass(frozen=True)
class Cell:
    """One environment and its tests."""

    version: str
    bounds: str
    """The kind of versions: `newest` or `lowest`."""
    extras: tuple[str, ...] = ()
    tests: tuple[str, ...] = BOARD

    @property
    def name(self) -> str:
        """A name for the user and for folders."""
        return "-".join((self.version, self.bounds, *(self.extras or ("base",))))


@dataclass(frozen=True)
class Outcome:
    """How a cell ended."""

    cell: Cell
    passed: int
    problem: str
    """A description of the fault; empty if all tests passed."""
    seconds: float
    installed: Mapping[str, str] = field(default_factory=dict)
    log: str = ""


def plan(versions: Sequence[str]) -> list[Cell]:
    """Lists the cells for these Pythons: the newest dependencies on each, and the lowest on the oldest Python."""
    oldest = versions[0]
    return [
        # The longest cells come first.
        Cell(oldest, "lowest", ("tensorflow",), LOWEST),
        Cell(
            oldest,
            "lowest",
            ("camera", "onnx", "onnxruntime", "openvino", "serve", "view"),
            (*BOARD, *SERVE, "tests/summary/test_netron.py"),
        ),
        *(Cell(version, "newest", ("tensorflow",), BUILT) for version in versions),
        *(Cell(version, "newest") for version in versions),
    ]


def copy_tests(root: Path, target: Path) -> None:
    """Copies the tests and the files that they read, but not the packages, so that `import zoo` finds the wheel."""
    target.mkdir(parents=True)
    for name in ("tests", "benchmarks"):  # some tests use modules of the benchmarks
        shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "tools").mkdir()
    shutil.copy(root / "tools" / "system-packages", target / "tools")  # prints why a test is skipped
    for name in ("pyproject.toml", "README.md", "Dockerfile.jetson"):
        shutil.copy(root / name, target)


def run(cell: Cell, *, python: Path, wheel: Path, root: Path, cases: Callable[[], Path], folder: Path) -> Outcome:
    """Makes a cell's environment in a folder and runs its tests there.

    `cases` returns the folder of the tests' models, for cells that cannot make them.

    Raises:
        ReleaseError: the environment cannot be made.
    """
    began = time.monotonic()
    copy_tests(root, folder / "checkout")
    constraints = None
    if cell.bounds == "lowest":
        constraints = folder / "lowest.txt"
        environments.lowest(root / "pyproject.toml", cell.extras, cell.version, constraints)
    inside = environments.make(folder / "env", python, wheel, extras=cell.extras, constraints=constraints)
    variables = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTHONPATH"}}
    if "tensorflow" not in cell.extras:
        variables["EDGEZOO_CASES"] = str(cases())
    if not cell.extras:
        variables["EDGEZOO_BASE_PYTHON"] = str(inside)
    options = ["-q", "-p", "tests.installed", "-p", "no:cacheprovider", "--basetemp", str(folder / "tmp")]
    # What pictures take of memory is measured, which cells that share a machine disturb; `make test` does it.
    options += ["--ignore", "tests/inputs/pictures/test_picture_memory.py"]
    done = subprocess.run(
        [inside, "-m", "pytest", *options, *cell.tests],
        cwd=folder / "checkout",
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    installed = environments.versions(inside, SHOWN)
    passed, problem = judge(done.returncode, done.stdout)
    return Outcome(cell, passed, problem, time.monotonic() - began, installed, done.stdout)


def judge(code: int, printed: str) -> tuple[int, str]:
    """Returns how many tests passed, and in a few words what is wrong; no test at all is wrong, too."""
    last = next((line for line in reversed(printed.splitlines()) if re.search(r" in [\d.]+s", line)), "")
    counts = {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|errors?)", last)}
    passed = counts.pop("passed", 0)
    if code != 0:
        return passed, ", ".join(f"{number} {what}" for what, number in counts.items()) or f"pytest exited with {code}"
    return passed, "" if passed else "no test ran"
