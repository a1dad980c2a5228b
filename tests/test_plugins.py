"""Users' own files of models in Python; `tests/cli/test_own_models.py` tests them on the command line."""

from __future__ import annotations

import importlib.util
import py_compile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import zoo
import zoo.plugins
from zoo.errors import InputError, UnsafeFileError

TINY = '''
import zoo

@zoo.register
def tiny(*, num_classes: int = 3, hidden: int = 4):
    """A tiny net."""
    import keras

    pixels = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(pixels)
    x = keras.layers.Dense(hidden)(x)
    return keras.Model(pixels, keras.layers.Dense(num_classes, activation="softmax")(x))
'''


@pytest.fixture(autouse=True)
def forgotten(own_registry: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Restores the registry after each test."""
    monkeypatch.setattr(zoo.plugins, "_loaded", {})
    return iter([])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(TINY)
    return path


def test_a_file_adds_its_models(file: Path) -> None:
    before = zoo.list_models()
    assert zoo.load_models(file) == ["tiny"]
    assert zoo.list_models() == [*before, "tiny"]
    model = zoo.build("tiny", num_classes=5, hidden=2)
    assert model.output_shape == (None, 5)
    assert zoo.spec("tiny").summary == "A tiny net."


def test_a_file_is_run_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.load_models(file)
    monkeypatch.chdir(file.parent)
    assert zoo.load_models("mine.py") == ["tiny"]
    assert zoo.list_models().count("tiny") == 1


def test_byte_code_beside_a_file_is_not_run(file: Path, tmp_path: Path) -> None:
    """An untrusted archive can contain a `__pycache__` that Python would run instead of the file."""
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'MARK')!r}, 'w')\n")
    cached = importlib.util.cache_from_source(str(file))
    py_compile.compile(str(evil), cached, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert zoo.load_models(file) == ["tiny"]
    assert not (tmp_path / "MARK").exists()


def test_files_of_the_same_name_are_two_files(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "mine.py"
    other.parent.mkdir()
    other.write_text(TINY.replace("def tiny", "def other"))
    assert [zoo.load_models(file), zoo.load_models(other)] == [["tiny"], ["other"]]


def test_a_file_may_use_dataclasses(file: Path) -> None:
    # These look up their own module by its name.
    head = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass C:\n    a: int = 1\n"
    )
    file.write_text(head + TINY)
    assert zoo.load_models(file) == ["tiny"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = 1\n",
            "{file} registers no model and defines no Keras layer: put @zoo.register before a function that builds a "
            "model",
        ),
        ("x = (\n", "{file}, line 1: this is not Python: '(' was never closed"),
        ("\nimport no_such_module\n", "{file}, line 2: ModuleNotFoundError: No module named 'no_such_module'"),
        (TINY + "\n1 / 0\n", "{file}, line 14: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(0)\n", "{file}, line 2: SystemExit: 0"),
        (
            TINY.replace("def tiny", "def lenet"),
            "{file}, line 4: a model named 'lenet' is registered already; choose another name",
        ),
        (
            TINY.replace("hidden: int = 4", "hidden: str = 'a'"),
            "{file}, line 4: tiny: cannot tell the type of hidden from its default; give an int, a float or a tuple of "
            "ints, or register with a ModelSpec",
        ),
    ],
)
def test_a_bad_file_is_one_line_and_leaves_nothing(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    before = zoo.list_models()
    with pytest.raises(InputError) as caught:
        zoo.load_models(file)
    assert str(caught.value) == message.format(file=file)
    assert zoo.list_models() == before
    file.write_text(TINY)
    assert zoo.load_models(file) == ["tiny"]


LAYERS = """
import keras
from keras import Layer

@keras.saving.register_keras_serializable(package="my")
class Registered(Layer):
    def call(self, x):
        return x / 255.0

class Plain(Layer):
    def call(self, x):
        return x * 2.0
"""


@pytest.fixture
def custom_objects() -> Iterator[dict[str, Any]]:
    """What Keras knows of users' code, as it was before at the end."""
    import keras

    known = keras.saving.get_custom_objects()
    before = dict(known)
    yield known
    known.clear()
    known.update(before)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_brings_the_layers_that_a_model_is_made_of(
    suffix: str, tmp_path: Path, custom_objects: dict[str, Any]
) -> None:
    import keras
    import numpy as np

    from zoo.weights import load_model

    namespace: dict[str, Any] = {"__name__": "mylayers"}
    exec(LAYERS, namespace)  # as the user's training program did
    model = keras.Sequential(
        [keras.Input((4,)), namespace["Registered"](), namespace["Plain"](), keras.layers.Dense(2)]
    )
    path = tmp_path / f"custom{suffix}"
    model.save(path)
    del custom_objects["my>Registered"]
    with pytest.raises(UnsafeFileError, match=r"the class '(my>)?(Registered|Plain)'.* zoo --models FILE\.py export"):
        load_model(path)
    (tmp_path / "mylayers.py").write_text(LAYERS)
    assert zoo.load_models(tmp_path / "mylayers.py") == []
    inputs = np.ones((3, 4), np.float32)
    np.testing.assert_allclose(load_model(path)(inputs), model(inputs))


def test_a_file_that_fails_leaves_no_layer(tmp_path: Path, custom_objects: dict[str, Any]) -> None:
    before = set(custom_objects)
    (tmp_path / "mylayers.py").write_text(LAYERS + "raise ValueError('no')")
    with pytest.raises(InputError, match=r"line 13: ValueError: no"):
        zoo.load_models(tmp_path / "mylayers.py")
    assert set(custom_objects) == before


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*none\.py; give a Python file that registers models"):
        zoo.load_models(tmp_path / "none.py")
    with pytest.raises(InputError, match="there is no file"):
        zoo.load_models(tmp_path)


def test_a_file_that_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"net\.keras is no Python file: its name has to end in \.py"):
        zoo.load_models(tmp_path / "net.keras")
    (tmp_path / "net.py").write_bytes(b"\x00\xff")
    with pytest.raises(InputError, match=r"net\.py"):
        zoo.load_models(tmp_path / "net.py")
