"""Fixtures that many tests use: models, files, pictures, environments and the command line."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import zoo
import zoo.models
import zoo.registry
from tests import openimages, packages, spotting, surroundings, warming
from tests.branches import Aware, branches
from tests.browsing import browser, open_page
from tests.costs import pytest_runtest_call, pytest_runtest_setup
from tests.memory import _free_memory, _set_modules_aside, pytest_collection
from tests.narrow import narrow
from tests.order import pytest_collection_modifyitems, pytest_terminal_summary, pytest_xdist_make_scheduler
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport
from zoo.cli.main import main
from zoo.runner.loading.runtimes import RUNTIMES
from zoo.system import processes
from zoo.system.quiet import quiet_tensorflow
from zoo.tasks import TASKS

quiet_tensorflow()

# As hooks: the files' order and times, each test's processor time, a skip in CI, and what the garbage collector looks
# through. As fixtures: the memory of a process, and a browser, of which a process can have one only.
__all__ = [
    "_free_memory",
    "_set_modules_aside",
    "browser",
    "open_page",
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_make_collect_report",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_terminal_summary",
    "pytest_xdist_make_scheduler",
]

Array = npt.NDArray[Any]

ROOT = Path(__file__).resolve().parent.parent

# Options that test a model in a small form, in less time and memory. A model that is not listed is tested with its
# defaults.
SMALL: dict[str, dict[str, Any]] = {
    "alexnet": {"input_size": 63, "num_classes": 10},
    "vgg16": {"input_size": 32, "num_classes": 10},
    "resnet": {"input_size": 32, "num_classes": 10},
    "mobilenet_v1": {"alpha": 0.25, "input_size": 96, "num_classes": 10},
    "mobilenet_v3": {"variant": "small_minimalistic", "alpha": 0.5, "input_size": 64, "num_classes": 10},
    "mobilenet_v2": {"alpha": 0.35, "input_size": 96, "num_classes": 10},
    "efficientnet_lite": {"input_size": 64, "num_classes": 10},
    "mobilenet_v4": {"input_size": 64, "num_classes": 10},
}

GAINS = {"resnet": 1}
"""The gain of `fill` for models whose sums grow from block to block, so that the softmax names one class always."""

_COMMAND = processes.command

_own = tempfile.TemporaryDirectory(prefix="edgezoo-tests-")


def pytest_sessionstart() -> None:
    """Sets the surroundings of all tests, before any test is collected."""
    surroundings.settle(_own.name)
    quiet_tensorflow()


def fill(model: Any, gain: float = 2) -> Any:
    """Gives every weight, including biases and statistics, a random value that differs from that of a new build.

    A kernel's variance is `gain` divided by the number of values that one output value sums over.
    """
    rng = np.random.default_rng(0)
    values = []
    for weight in model.weights:
        kind, shape = weight.path.rsplit("/", 1)[-1], tuple(weight.shape)
        if kind in {"gamma", "moving_variance"}:
            value = rng.uniform(0.5, 1.5, shape)
        elif "kernel" in kind:
            # Both (height, width, channels, 1) and (height, width, in, out): what one output value sums over.
            seen = np.prod(shape[:2]) if "DepthwiseConv" in weight.path or shape[-1] == 1 else np.prod(shape[:-1])
            value = rng.standard_normal(shape) * np.sqrt(gain / seen)
        else:
            value = rng.standard_normal(shape) * 0.1
        values.append(value.astype(np.float32))
    model.set_weights(values)
    return model


def some_inputs(shape: tuple[int, ...], count: int = 6) -> Array:
    """Returns float32 inputs that a net can distinguish: noisy pictures of one colour each, or noise."""
    rng = np.random.default_rng(1)
    if len(shape) != 3:
        return rng.standard_normal((count, *shape)).astype(np.float32)
    colours = rng.integers(0, 256, (count, 1, 1, shape[-1]))
    return (colours + rng.integers(-60, 61, (count, *shape))).clip(0, 255).astype(np.float32)


CLASSIFIERS = [name for name in zoo.list_models() if zoo.spec(name).task == "classification"]


class Case:
    """A small classifier of the zoo with random weights, and files that are made from it when they are first needed.

    Those without a width option are narrow ones, see `tests.narrow`.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.options = SMALL.get(name, {})
        self.folder = folder

    @functools.cached_property
    def model(self) -> Any:
        with narrow():
            return fill(zoo.build(self.name, **self.options), GAINS.get(self.name, 2))

    @functools.cached_property
    def inputs(self) -> Array:
        return some_inputs(self.model.input_shape[1:])

    @functools.cached_property
    def scores(self) -> Array:
        """The scores of Keras for `inputs`."""
        return np.asarray(self.model(self.inputs, training=False))

    @functools.cached_property
    def report(self) -> Any:
        from zoo.export import to_tflite

        return to_tflite(self.model, self.folder / f"{self.name}.tflite")

    @property
    def file(self) -> Path:
        path: Path = self.report.path
        return path


class StoredCase(Case):
    """A case from the files of `store_cases`, for environments without TensorFlow."""

    @functools.cached_property
    def model(self) -> Any:
        pytest.skip("needs TensorFlow")

    @functools.cached_property
    def inputs(self) -> Array:
        return np.asarray(np.load(self.folder / f"{self.name}.npz")["inputs"])

    @functools.cached_property
    def scores(self) -> Array:
        return np.asarray(np.load(self.folder / f"{self.name}.npz")["scores"])

    @functools.cached_property
    def report(self) -> Any:
        pytest.skip("needs TensorFlow")

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.tflite"


def store_cases(folder: Path) -> None:
    """Writes every classifier's case to a folder, for `EDGEZOO_CASES` in another environment."""
    for name in CLASSIFIERS:
        case = Case(name, folder)
        assert case.file.exists()
        np.savez(folder / f"{name}.npz", inputs=case.inputs, scores=case.scores)


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """A function that returns the `Case` of a model by its name."""
    if stored := os.environ.get("EDGEZOO_CASES"):
        return functools.cache(lambda name: StoredCase(name, Path(stored)))
    folder = tmp_path_factory.mktemp("cases")
    return functools.cache(lambda name: Case(name, folder))


@pytest.fixture(scope="session", params=CLASSIFIERS)
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    """Every classifier of the zoo in turn."""
    return cases(request.param)


@pytest.fixture(scope="session")
def lenet(cases: Callable[[str], Case]) -> Case:
    """The smallest model that takes pictures."""
    return cases("lenet")


@pytest.fixture(scope="session")
def lenet_file(lenet: Case) -> Path:
    """The float file of the smallest model that takes pictures."""
    return lenet.file


@pytest.fixture(scope="session")
def aware_lenet(lenet: Case) -> Aware:
    """The smallest model that takes pictures, and what computes as its int8 file does."""
    return Aware.of(lenet.model, lenet.inputs)


@pytest.fixture(scope="session")
def aware_branches() -> Aware:
    """A net with every kind of layer, and what computes as its int8 file does."""
    return Aware.of(fill(branches()), some_inputs((16, 16, 3), 24))


@pytest.fixture(scope="session")
def conv1d_file(cases: Callable[[str], Case]) -> Path:
    """The float file of a model that takes no pictures."""
    return cases("conv1d").file


@pytest.fixture(scope="session")
def spotter_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float file of a model for a task that is none of the zoo's, which its card names; see `tests.spotting`."""
    from zoo.export import to_tflite

    path = tmp_path_factory.mktemp("spotter") / "spotter.tflite"
    to_tflite(spotting.spotter(), path, task=spotting.SPOTTING, labels=spotting.LABELS)
    return path


@pytest.fixture
def spotting_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds the task of `spotter_file` to those that the zoo knows."""
    monkeypatch.setitem(TASKS, spotting.SPOTTING.name, spotting.SPOTTING)


@pytest.fixture(scope="session")
def randomize() -> Callable[..., Any]:
    """The function `fill`."""
    return fill


@pytest.fixture(scope="session")
def inputs_for() -> Callable[..., Array]:
    """The function `some_inputs`."""
    return some_inputs


@pytest.fixture(scope="session")
def make_machine() -> Callable[..., Path]:
    """A function that makes a copy of `/` with a process's control groups, their limits, and its memory in pages."""

    def make(root: Path, cgroup: str, limits: dict[str, str | int], statm: str = "1000 300 100 1 0 1 0") -> Path:
        for name, text in {"proc/self/cgroup": cgroup, "proc/self/statm": statm}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + "\n")
        for name, value in limits.items():
            (root / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "sys/fs/cgroup" / name).write_text(f"{value}\n")
        return root

    return make


@pytest.fixture
def quick_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks of few pictures and one cold start each."""
    monkeypatch.setattr("zoo.benchmark.interleave.RATE_SECONDS", 0.0)
    monkeypatch.setattr("zoo.benchmark.interleave.RATE_ROUNDS", 2)
    monkeypatch.setattr("zoo.benchmark.benchmark.COLD_STARTS", 1)


@pytest.fixture
def uninstall(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes runtimes count as not installed during a test."""

    def hide(*names: str) -> None:
        for name in names:
            monkeypatch.setitem(RUNTIMES, name, RUNTIMES[name]._replace(packages=("no-such-package",)))

    return hide


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the models that a test registers when it ends."""
    monkeypatch.setattr(zoo.registry, "_MODELS", dict(zoo.registry._MODELS))


@pytest.fixture(scope="session")
def photos() -> tuple[Path, Path]:
    """Two real photos, 640x427 JPEG files: a Chinese temple and a flower."""
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "images"
    return folder / "china.jpg", folder / "flower.jpg"


@pytest.fixture(scope="session")
def digits() -> tuple[Array, Array]:
    """The 1,797 digits of scikit-learn as 28x28 pictures 0..255, and their labels."""
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    pictures = [
        np.asarray(Image.fromarray((image * 255 / 16).astype(np.uint8).reshape(8, 8)).resize((28, 28)))
        for image in small
    ]
    return np.stack(pictures)[..., np.newaxis].astype(np.float32), labels.astype(np.int64)


@pytest.fixture(scope="session")
def trained_lenet(digits: tuple[Array, Array]) -> Any:
    """A LeNet that is trained on the digits."""
    import keras

    keras.utils.set_random_seed(0)
    pictures, labels = digits
    model = zoo.build("lenet")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pictures[:1500], labels[:1500], epochs=6, batch_size=32, verbose=0)
    assert model.evaluate(pictures[1500:], labels[1500:], verbose=0)[1] > 0.85
    return model


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory, digits: tuple[Array, Array]) -> Path:
    """The class folders `0` to `9` with twelve PNG files each."""
    folder = tmp_path_factory.mktemp("digits")
    pictures, labels = digits
    for digit in range(10):
        (folder / str(digit)).mkdir()
        for i, picture in enumerate(pictures[labels == digit][:12]):
            Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(digit) / f"{i}.png")
    return folder


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on stderr, without `zoo: error: `; the test fails if stderr has anything else."""
        assert self.err.startswith("zoo: error: "), self.err
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        return self.err.removeprefix("zoo: error: ").rstrip("\n")


class Cli(Protocol):
    """Runs a `zoo` command."""

    def __call__(self, *args: str | Path) -> Result: ...


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command in this process."""

    def run(*args: str | Path) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert isinstance(exited.value.code, int)
        return Result(exited.value.code, out, err)

    return run


def _processes(first: list[str], folder: Path) -> Cli:
    """Runs commands in processes of their own, in a folder; the words stand before those of the command."""

    def run(*args: str | Path) -> Result:
        done = subprocess.run([*first, *map(str, args)], capture_output=True, text=True, cwd=folder, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def cli_process(tmp_path: Path) -> Cli:
    """Runs a command as users start it, by the installed `zoo`, in an empty folder."""
    return _processes([str(Path(sys.executable).with_name("zoo"))], tmp_path)


@pytest.fixture
def cli_fork(tmp_path: Path, warm: list[str]) -> Cli:
    """Runs a command in a process of its own that need not import TensorFlow, see `warm`, in an empty folder."""
    return _processes([*warm, "zoo"], tmp_path)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The beginning of a command whose process need not import TensorFlow: it is a fork of one that has.

    `zoo` with its options follows, or a program's file with its own.
    """
    base, own = tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("warm")
    with warming.begun(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base, own) as words:
        yield words


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Begins every test with the same seed, from which Keras takes those of random weights."""
    random.seed(0)


@pytest.fixture(autouse=True)
def warm_converter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the process of TensorFlow's converter a fork of a warm one, see `warm`.

    A test about that process asks for `cold_converter`, or its file has a fixture of its own under this name. A test
    that gives Python's place to another program gets that program.
    """
    start, python = _COMMAND, sys.executable

    def command(module: str, **options: Any) -> list[str]:
        words = start(module, **options)
        if module != "zoo.export.tflite.converter" or sys.executable != python:
            return words
        return [*request.getfixturevalue("warm"), str(ROOT / "tests" / "programs" / "begin_child.py"), words[-1]]

    monkeypatch.setattr(processes, "command", command)


@pytest.fixture
def cold_converter(warm_converter: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the converter's process as it is for users."""
    monkeypatch.setattr(processes, "command", _COMMAND)


def _environment(folder: str, variable: str) -> Path:
    python = Path(os.environ.get(variable) or ROOT / folder / "bin" / "python")
    if python.exists():
        return python
    pytest.skip(f"there is no {python}: `make test` makes it, or set {variable}")


@pytest.fixture(scope="session")
def base_python() -> Path:
    """The Python of an environment with the installed package and its base dependencies only, as on a board."""
    return _environment(".venv-base", "EDGEZOO_BASE_PYTHON")


@pytest.fixture(scope="session")
def tflite_runtime_python() -> Path:
    """The Python of an environment with the installed package, tflite-runtime and numpy 1."""
    return _environment(".venv-tflite-runtime", "EDGEZOO_TFLITE_RUNTIME_PYTHON")


@pytest.fixture(scope="session")
def mediapipe_python() -> Path:
    """The Python of an environment with MediaPipe, and without this package, if the libraries it loads are there."""
    packages.require("libgl")
    return _environment(".venv-mediapipe", "EDGEZOO_MEDIAPIPE_PYTHON")


@pytest.fixture(scope="session")
def tflite_support_python(tflite_runtime_python: Path) -> Path:
    """The same Python, if the libraries that tflite-support needs are installed, too."""
    packages.require("libusb")
    return tflite_runtime_python


class Elsewhere(Protocol):
    """Runs Python code in another environment."""

    def __call__(self, python: Path, code: str, *args: str | Path) -> str: ...


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """Runs code with only the packages of that environment; returns its output."""
    folder = tmp_path_factory.mktemp("elsewhere")

    def run(python: Path, code: str, *args: str | Path) -> str:
        # With -I neither PYTHONPATH nor the current folder makes our checkout importable.
        done = subprocess.run(
            [python, "-I", "-c", code, *map(str, args)], capture_output=True, text=True, cwd=folder, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def openimages_asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of MediaPipe's npm package that holds the detector of Open Images, behind its label map."""
    return openimages.fetch(tmp_path_factory.mktemp("objectron"))
