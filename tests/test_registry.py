from __future__ import annotations

import builtins
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from zoo.errors import MissingDependencyError, OptionError, UnknownModelError
from zoo.specs import ModelSpec, Option

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Case

ROOT = Path(zoo.__file__).parent
MODELS = zoo.list_models()


def test_every_file_of_an_architecture_is_registered_in_the_order_of_the_list() -> None:
    lines = re.findall(r"^from (zoo\.models\S*) import (\w+)$", (ROOT / "models/__init__.py").read_text(), re.MULTILINE)
    imported = [".".join(line) for line in lines]
    registering = {
        ".".join(("zoo", *path.relative_to(ROOT).with_suffix("").parts))
        for path in (ROOT / "models").rglob("*.py")
        if "register(" in path.read_text()
    }
    assert registering <= set(imported)
    builders = [inspect.unwrap(builder).__module__ for _, builder in zoo.registry._MODELS.values()]
    assert list(dict.fromkeys(builders)) == [name for name in imported if name in registering]
    assert {"mobilenet_v2", "mobilenet_v4", "efficientnet_lite", "resnet", "vgg16"} <= set(MODELS)


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_model_is_described(name: str) -> None:
    spec = zoo.spec(name)
    assert spec.name == name
    assert spec.summary
    assert spec.url.startswith("http")
    assert spec.paper[-4:].isdigit()
    wanted = {"num_classes", "dropout"} if spec.task == "classification" else {"num_classes"}
    assert wanted <= {option.name for option in spec.options}
    assert all(option.help for option in spec.options)


@pytest.mark.parametrize("name", zoo.list_models())
def test_builders_are_keyword_only_and_their_defaults_are_allowed(name: str) -> None:
    builder = zoo.registry._MODELS[name][1]
    kinds = {parameter.kind for parameter in inspect.signature(builder).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert zoo.spec(name).check({}) == {option.name: option.default for option in zoo.spec(name).options}


@pytest.mark.slow
def test_a_model_is_plain_keras(case: Case) -> None:
    import keras

    assert type(case.model) is keras.Model or type(case.model).__name__ == "Functional"
    layers = case.model.layers
    assert all(type(layer).__module__.startswith("keras.") for layer in layers)
    assert "Lambda" not in {type(layer).__name__ for layer in layers}


@pytest.mark.slow
def test_a_model_gives_probabilities(case: Case) -> None:
    classes = case.options.get("num_classes") or case.model.output_shape[-1]
    assert case.model.output_shape == (None, classes)
    assert case.scores.shape == (len(case.inputs), classes)
    np.testing.assert_allclose(case.scores.sum(axis=1), 1, atol=1e-5)
    assert case.scores.min() >= 0
    # With the filled weights the scores depend on the input, so that comparisons with Keras mean something.
    assert np.ptp(case.scores, axis=0).max() > 0.01


def test_pixels_are_scaled_by_the_first_layer(case: Case) -> None:
    first = case.model.layers[1]
    if case.name == "conv1d":
        assert first.name == "conv1"
        return
    assert first.name == "rescale"
    # EfficientNet-Lite's publisher divides by 128.
    near = 1 / 128 if case.name == "efficientnet_lite" else 1e-6
    np.testing.assert_allclose(np.asarray(first(np.array([0.0, 127.5, 255.0]))), [-1, 0, 1], atol=near)


@pytest.mark.slow
def test_a_saved_model_loads_without_custom_objects(case: Case, tmp_path: Path) -> None:
    import keras

    path = tmp_path / "model.keras"
    case.model.save(path)
    loaded = keras.models.load_model(path, custom_objects={}, safe_mode=True)
    assert loaded.name == case.model.name
    np.testing.assert_array_equal(np.asarray(loaded(case.inputs, training=False)), case.scores)


def test_a_model_is_named_after_its_options() -> None:
    assert zoo.build("lenet").name == "lenet"
    assert zoo.build("lenet", input_size=32, channels=3, num_classes=4).name == "lenet_32_c3"


def test_dropout_acts_in_training_only() -> None:
    model = zoo.build("mlp", dropout=0.9)
    picture = np.full((1, 28, 28, 1), 200, np.float32)
    still, again = (np.asarray(model(picture, training=False)) for _ in range(2))
    np.testing.assert_array_equal(still, again)
    assert any(np.abs(np.asarray(model(picture, training=True)) - still).max() > 1e-6 for _ in range(5))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mobilenet", "did you mean 'mobilenet_v2'? "),
        ("MobileNet-V2", "did you mean 'mobilenet_v2'? "),
        ("vgg", "did you mean 'vgg16'? "),
        ("transformer", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("function", [zoo.build, zoo.spec])
def test_an_unknown_model_lists_what_there_is(function: Any, name: str, hint: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        function(name)
    assert str(caught.value) == f"unknown model {name!r}; {hint}the zoo has {', '.join(MODELS)}"


@pytest.mark.usefixtures("own_registry")
class TestRegister:
    def test_bare(self) -> None:
        @zoo.register
        def tiny(*, num_classes: int = 3, hidden: tuple[int, ...] = (4,), rate: float = 0.5) -> Any:
            """A tiny net.

            And more of it.
            """
            import keras

            inputs = x = keras.Input((5,))
            for units in hidden:
                x = keras.layers.Dense(units)(x)
            x = keras.layers.Dropout(rate)(x)
            return keras.Model(inputs, keras.layers.Dense(num_classes)(x))

        assert zoo.list_models() == [*MODELS, "tiny"]
        spec = zoo.spec("tiny")
        assert spec.summary == "A tiny net."
        assert [(option.name, option.kind, option.default) for option in spec.options] == [
            ("num_classes", int, 3),
            ("hidden", tuple, (4,)),
            ("rate", float, 0.5),
        ]
        model = zoo.build("tiny", num_classes=7, hidden=[8, 9])
        assert model.name == "tiny"
        assert model.output_shape == (None, 7)
        assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [8, 9, 7]
        with pytest.raises(OptionError, match=r"tiny: num_classes=2\.5 is not allowed; give an integer"):
            zoo.build("tiny", num_classes=2.5)
        # The decorated function checks its options, too.
        with pytest.raises(OptionError, match="tiny has no option 'depth'"):
            tiny(depth=2)  # type: ignore[call-arg]

    def test_with_a_spec(self) -> None:
        option = Option("size", "how large", minimum=4, in_name="s{}")

        @zoo.register(ModelSpec(name="mine", summary="my net", options=(option,)))
        def builder(*, size: int = 8) -> Any:
            import keras

            inputs = keras.Input((size,))
            return keras.Model(inputs, keras.layers.Dense(2)(inputs))

        assert zoo.spec("mine").options[0].default == 8
        assert zoo.build("mine", size=16).name == "mine_s16"
        with pytest.raises(OptionError, match="mine: size=3 is not allowed; give an integer, at least 4"):
            zoo.build("mine", size=3)

    def test_a_taken_name(self) -> None:
        with pytest.raises(OptionError, match="a model named 'lenet' is registered already; choose another name"):

            @zoo.register
            def lenet(*, num_classes: int = 2) -> Any:
                """Not reached."""

        assert zoo.spec("lenet").params == 61_706

    def test_an_argument_without_a_default(self) -> None:
        with pytest.raises(OptionError, match="net: cannot tell the type of size from its default"):

            @zoo.register
            def net(*, size: int) -> Any:
                """Not reached."""

        with pytest.raises(OptionError, match="net: every argument of a builder needs a default"):

            @zoo.register(ModelSpec(name="net", summary="", options=(Option("size", ""),)))
            def other(*, size: int) -> Any:
                """Not reached."""

        assert "net" not in zoo.list_models()

    def test_a_default_of_no_known_type(self) -> None:
        with pytest.raises(OptionError, match="net: cannot tell the type of activation from its default"):

            @zoo.register
            def net(*, activation: str = "relu") -> Any:
                """Not reached."""

    def test_a_spec_that_is_not_the_signature(self) -> None:
        with pytest.raises(OptionError, match=r"net: the builder takes \['size'\], its spec lists \['width'\]"):

            @zoo.register(ModelSpec(name="net", summary="", options=(Option("width", ""),)))
            def net(*, size: int = 8) -> Any:
                """Not reached."""

    def test_a_default_that_is_not_allowed(self) -> None:
        with pytest.raises(OptionError, match="net: size=8 is not allowed; give an integer, at least 16"):

            @zoo.register(ModelSpec(name="net", summary="", options=(Option("size", "", minimum=16),)))
            def net(*, size: int = 8) -> Any:
                """Not reached."""

        assert "net" not in zoo.list_models()


def test_without_tensorflow_the_line_to_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_keras(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] in {"keras", "tensorflow"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_keras)
    with pytest.raises(MissingDependencyError, match=r"needs TensorFlow.*: pip install 'edgezoo\[tensorflow\]'$"):
        zoo.build("lenet")


def test_a_builders_own_missing_import_is_not_hidden(own_registry: None) -> None:
    @zoo.register
    def net(*, size: int = 8) -> Any:
        """Imports a module that does not exist."""
        importlib.import_module("there_is_no_such_module")

    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        zoo.build("net")


@pytest.mark.slow
def test_a_model_too_large_for_memory_is_an_option_error() -> None:
    with pytest.raises(OptionError, match=r"mlp with hidden=\(1000000000000,\) does not fit into memory"):
        zoo.build("mlp", hidden=(10**12,))  # 3 PB in one array, which is refused before any memory is used


def test_keras_on_something_else_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(OptionError, match="Keras runs on jax in this program, .* set KERAS_BACKEND=tensorflow before"):
        zoo.build("lenet")


@pytest.mark.slow
def test_the_users_choice_for_keras_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text('{"backend": "torch", "floatx": "float32", "epsilon": 1e-7}')
    variables = {"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path)}
    # What the variable says in the block that Keras is imported in; and what Keras does where the file alone speaks.
    code = (
        "import os, sys, zoo.registry\n"
        "with zoo.registry.needs_tensorflow():\n"
        "    print(os.environ.pop('KERAS_BACKEND'), 'keras' in sys.modules)\n"
        "zoo.build('mlp')\n"
        "import keras\n"
        "print(keras.backend.backend())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.stdout == "tensorflow False\ntensorflow\n", done.stderr
