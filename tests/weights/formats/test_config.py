"""The names that a model from an untrusted source may contain; each refusal comes before Keras reads the file."""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

import zoo
from zoo.errors import UnsafeFileError, WeightsError
from zoo.weights import load_model
from zoo.weights.formats import config as configs
from zoo.weights.formats import known

Config = dict[str, Any]


@pytest.fixture(autouse=True)
def unseen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces Keras' loader and records its calls: a file that reaches it was not refused."""
    import keras

    seen: list[str] = []

    def load(path: Path, **_: Any) -> Any:
        seen.append(path.name)
        raise ValueError("Keras was given the file")

    monkeypatch.setattr(keras.models, "load_model", load)
    return seen


@pytest.fixture
def small() -> Any:
    return zoo.build("mlp", features=4, hidden=(16,), num_classes=4)


def dense(config: Config) -> Config:
    """The first dense layer of a model's configuration."""
    found: Config = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")
    return found


def a_class(name: str, module: str | None = "keras.layers", **more: Any) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        layer = dense(config)
        layer.update(class_name=name, **more)
        layer.pop("module", None)
        if module:
            layer["module"] = module

    return change


def within(key: str, value: Any) -> Callable[[Config], None]:
    return lambda config: dense(config)["config"].update({key: value})


def a_function(name: str, module: str | None, registered: str | None = None) -> Config:
    return {"class_name": "function", "config": name, "module": module, "registered_name": registered or name}


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wEAAAAA", None, None]}}
FAULTS: dict[str, Callable[[Config], None]] = {
    "Lambda": a_class("Lambda"),
    "TFSMLayer": a_class("TFSMLayer"),
    "TorchModuleWrapper": a_class("TorchModuleWrapper"),
    "JaxLayer": a_class("JaxLayer"),
    "vocabulary": a_class("StringLookup"),
    "text": a_class("TextVectorization"),
    "own class": a_class("Mine", "__main__", registered_name="Mine"),
    "class of the system": a_class("Popen", "subprocess"),
    "class of the system as a layer": a_class("os.system"),
    "Keras' inner module": a_class("Lambda", "keras.src.layers.core.lambda_layer"),
    "Keras' loader": a_class("load_model", "keras.models"),
    "Keras' downloader": a_class("get_file", "keras.utils"),
    "operation that calls": a_class("Map", "keras.src.ops.core"),
    "what an operation's module imports": a_class("backend", "keras.src.ops.numpy"),
    "another's operation": a_class("KerasTensor", "keras.src.ops.numpy"),
    "registered as another": a_class("Dense", registered_name="builtins>eval"),
    "no text as a name": a_class([["Lambda"]]),  # type: ignore[arg-type]
    "lambda as activation": within("activation", LAMBDA),
    "lambda in a list": within("units", [[{"deep": LAMBDA}]]),
    "typespec": within("activation", {"class_name": "__typespec__", "module": "os", "config": []}),
    "function of the system": within("activation", a_function("system", "os")),
    "function of Python": within("activation", a_function("eval", "builtins")),
    "function of Keras": within("activation", a_function("enable_unsafe_deserialization", "keras.config")),
    "loader among losses": within("activation", a_function("deserialize", "keras.losses")),
    "function under two names": within("activation", a_function("relu", "keras.activations", "deserialize")),
    "initializer": within("kernel_initializer", {"class_name": "Mine", "config": {}, "module": "mine"}),
    "path as initializer": within("kernel_initializer", "os.system"),
    "path as activation": within("activation", "os.system"),
    "path as regularizer": within("kernel_regularizer", "evil.module:function"),
    "constraint": within("kernel_constraint", {"class_name": "Lambda", "config": {}, "module": "keras.layers"}),
    "wrapped layer": within("layer", {"class_name": "Lambda", "config": {}, "module": "keras.layers"}),
    "policy": within("dtype", {"class_name": "Evil", "config": {}, "module": "keras"}),
}


def save(model: Any, path: Path, change: Callable[[Config], None]) -> Path:
    model.save(path)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        config = json.loads(parts["config.json"])
        change(config)
        with zipfile.ZipFile(path, "w") as new:
            for name, content in parts.items():
                new.writestr(name, json.dumps(config) if name == "config.json" else content)
    else:
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_refused(fault: str, suffix: str, small: Any, unseen: list[str], tmp_path: Path) -> None:
    path = save(small, tmp_path / f"evil{suffix}", FAULTS[fault])
    for load in (load_model, lambda path: zoo.build("mlp", weights=path, features=4, hidden=(16,))):
        with pytest.raises(UnsafeFileError, match="is refused: its configuration has ") as caught:
            load(path)
        assert "\n" not in str(caught.value)
    assert unseen == []


def test_a_nested_model_is_checked_too(small: Any, unseen: list[str], tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((4,))
    outer = keras.Model(inputs, small(inputs))

    def change(config: Config) -> None:
        (nested,) = (layer for layer in config["config"]["layers"] if layer["class_name"] == "Functional")
        FAULTS["Lambda"](nested)

    with pytest.raises(UnsafeFileError, match="the class 'Lambda' of 'keras.layers'"):
        load_model(save(outer, tmp_path / "evil.keras", change))
    assert unseen == []


def test_the_compile_configuration_is_checked_only_in_nested_models(
    small: Any, unseen: list[str], tmp_path: Path
) -> None:
    own = {"optimizer": "adam", "loss": a_function("my_loss", "__main__")}
    with pytest.raises(WeightsError, match="Keras was given the file"):
        load_model(save(small, tmp_path / "m.keras", lambda config: config.update(compile_config=own)))
    assert unseen == ["m.keras"]
    with pytest.raises(UnsafeFileError, match="the function 'my_loss' of '__main__'"):
        load_model(save(small, tmp_path / "n.keras", lambda config: dense(config).update(compile_config=own)))


def test_control_characters_do_not_reach_the_terminal(small: Any, tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError) as caught:
        load_model(save(small, tmp_path / "evil.keras", a_class("\x1b]0;title\x07" + "x" * 5000)))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_model_larger_than_its_file(small: Any, unseen: list[str], tmp_path: Path) -> None:
    for suffix in (".keras", ".h5"):
        path = save(small, tmp_path / f"evil{suffix}", within("units", 10**12))
        with pytest.raises(UnsafeFileError, match=r"needs \d{13,} values, and it holds 148$"):
            load_model(path)
    assert unseen == []


def test_a_configuration_that_is_too_deep_or_too_long(small: Any, unseen: list[str], tmp_path: Path) -> None:
    small.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old:
        weights = old.read("model.weights.h5")
    for text, message in (
        ("[" * 200_000, "nested too deeply"),
        ('{"class_name": "' + "x" * configs.MAX_BYTES + '"}', "at most 16777216 are read"),
        ('{"n": ' + "9" * 10_000 + "}", "Exceeds the limit"),
        ("[]", "its configuration is no model's"),
    ):
        with zipfile.ZipFile(tmp_path / "evil.keras", "w") as new:
            new.writestr("config.json", text)
            new.writestr("model.weights.h5", weights)
        with pytest.raises(WeightsError, match=message) as caught:
            load_model(tmp_path / "evil.keras")
        assert "\n" not in str(caught.value)
    assert unseen == []


def test_layers_of_the_user_are_loaded_when_registered(small: Any, unseen: list[str], tmp_path: Path) -> None:
    import keras

    @keras.saving.register_keras_serializable("tests_of_config")
    class Doubling(keras.layers.Layer):  # type: ignore[misc]
        pass

    try:
        mine = a_class("Doubling", "__main__", registered_name="tests_of_config>Doubling")
        with pytest.raises(WeightsError, match="Keras was given the file"):
            load_model(save(small, tmp_path / "m.keras", mine))
    finally:
        del keras.saving.get_custom_objects()["tests_of_config>Doubling"]
    with pytest.raises(UnsafeFileError, match="if it is your own, give the Python file that defines it: zoo --models"):
        load_model(tmp_path / "m.keras")


def test_every_layer_of_keras_is_either_known_or_one_that_runs_code_or_reads_files() -> None:
    import keras

    found = {
        name
        for name, layer in vars(keras.layers).items()
        if inspect.isclass(layer) and issubclass(layer, keras.layers.Layer) and name not in {"Layer", "Wrapper"}
    }
    assert found - known.LAYERS == {
        "FlaxLayer", "IntegerLookup", "JaxLayer", "Lambda", "StringLookup", "TFSMLayer", "TextVectorization",
        "TorchModuleWrapper",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["initializers", "regularizers", "constraints", "activations"])
def test_every_initializer_regularizer_constraint_and_activation_of_keras_is_known(kind: str) -> None:
    import keras

    bases = {"Initializer", "Regularizer", "Constraint", "get", "serialize", "deserialize"}
    found = {name for name, item in vars(getattr(keras, kind)).items() if callable(item) and not name.startswith("_")}
    assert found - bases <= getattr(known, kind.upper())


def test_a_function_is_one_of_keras_or_one_that_was_registered_under_both_of_its_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known, "is_registered", lambda name: name == "own")
    assert configs._is_harmless_function("relu", None, None)
    assert configs._is_harmless_function("relu", "builtins", "relu")
    assert not configs._is_harmless_function("relu", "os", None)
    assert not configs._is_harmless_function("system", None, None)
    assert not configs._is_harmless_function("relu", "builtins", "system")
    assert not configs._is_harmless_function(["relu"], None, None)
    assert configs._is_harmless_function("own", None, "own")
    assert not configs._is_harmless_function("own", None, "other")


def test_a_class_counts_as_the_users_own_by_the_name_that_keras_looks_it_up_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras 2 writes the name alone; Keras 3 writes a module, and the name of the registration beside it."""
    monkeypatch.setattr(known, "is_registered", lambda name: name == "own")

    def fault(name: str, module: str | None, registered: str | None) -> str:
        return configs._fault({"class_name": name, "module": module, "registered_name": registered})

    assert fault("own", None, None) == fault("Mine", "mine", "own") == fault("Mine", None, "own") == ""
    assert fault("own", "mine", None) == "the class 'own' of 'mine'"
    assert fault("own", None, "other") == "the class 'own'"
    assert fault("Dense", "keras.layers", None) == fault("Dense", "keras.layers", "Dense") == ""
    assert fault("Dense", "keras.layers", "other") == "a 'Dense' that is registered as 'other'"


@pytest.mark.parametrize(
    ("named", "remedy"),
    [
        ({"class_name": "Lambda", "module": "keras.layers"}, "save the model with keras.layers.Rescaling or functions"),
        ({"class_name": "function", "config": "eval", "module": "builtins"}, "save the model with keras.layers.Resc"),
        ({"class_name": "__lambda__"}, "save the model with keras.layers.Rescaling or functions of keras.ops"),
        ({"class_name": "StringLookup", "module": "keras.layers"}, r"save the model without it\."),
        ({"class_name": "StringLookup", "module": "mine"}, "if it is your own, give the Python file"),
        ({"class_name": "Mine", "module": "mine"}, "if it is your own, give the Python file that defines it"),
    ],
)
def test_a_refusal_says_what_the_maker_can_do(named: Config, remedy: str) -> None:
    with pytest.raises(UnsafeFileError, match=f"could run code or read files; {remedy}"):
        configs.require_harmless({"layer": named}, Path("m.keras"))


def test_a_model_may_have_65536_values_more_than_its_file() -> None:
    import keras

    def build(values: int) -> Callable[[], Any]:
        return lambda: keras.layers.Dense(values, use_bias=False).build((None, 1))

    configs.require_room(build(65_536 + 5), 5, Path("m.keras"))
    with pytest.raises(UnsafeFileError, match="its configuration needs 65542 values, and it holds 5$"):
        configs.require_room(build(65_536 + 6), 5, Path("m.keras"))


def test_a_configuration_of_exactly_the_most_bytes_is_read() -> None:
    text = "{}".ljust(16 << 20)
    assert configs.parse(text, Path("m.keras")) == {}
    with pytest.raises(UnsafeFileError, match="its configuration has 16777217 bytes; at most 16777216 are read"):
        configs.parse(text + " ", Path("m.keras"))


def test_a_name_in_a_refusal_is_cut_to_eighty_characters() -> None:
    with pytest.raises(UnsafeFileError, match=f"has the class '{'x' * 79}, which could"):
        configs.require_harmless({"class_name": "x" * 200}, Path("m.keras"))
