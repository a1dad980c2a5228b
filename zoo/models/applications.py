"""Builds the classifiers of keras.applications as they are, under the names `keras:NAME`, with raw pixels in.

Nothing is known of them here: Keras' own functions are asked. A model's preparation of pixels is found out by showing
`preprocess_input` some, and put in front of it; the address of its weights by letting its function ask for them.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from zoo.errors import OptionError, UnknownModelError, closest, first_line
from zoo.graph import prepared, unallocated
from zoo.published import RAW, TOLERANCE, Preparation, PublishedWeights, WeightsFile
from zoo.registry import needs_tensorflow
from zoo.specs import NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    import keras

PREFIX = "keras"
CLASSES = 1000
"""The number of classes of ImageNet, which the published weights have."""
_USUAL_SIZE = 224
"""Width and height for functions that leave the size of their input open."""
_SHA256_DIGITS = 64

Function = Callable[..., Any]


@dataclass(frozen=True)
class _KerasWeights(PublishedWeights):
    """The weights that a function of keras.applications would load itself."""

    find: Callable[[Mapping[str, Any]], WeightsFile | None] = field(default=lambda _: None, compare=False)

    def file_for(self, options: Mapping[str, Any]) -> WeightsFile | None:
        """Returns the file for a model with these options; None if there is none."""
        return self.find(options)

    def sizes(self, options: Mapping[str, Any]) -> tuple[int, ...]:
        """Returns the input size of the file for a model with these options; empty if there is none."""
        file = self.find(options)
        return () if file is None or file.input_size is None else (file.input_size,)

    def values(self, option: str) -> tuple[Any, ...]:
        """Returns nothing: which values there are weights for, only Keras knows."""
        del option
        return ()


@functools.cache
def lookup(name: str) -> tuple[ModelSpec, Callable[..., keras.Model]]:
    """Returns the description and the builder of a classifier of keras.applications.

    Raises:
        UnknownModelError: there is no such classifier; the message lists those that there are.
        OptionError: its preparation of pixels is none that can be put in front of a model.
        MissingDependencyError: TensorFlow is not installed.
    """
    functions = _functions()
    if name not in functions:
        raise UnknownModelError(
            f"keras.applications has no classifier {name!r}; {closest(name, functions)}it has {', '.join(functions)}"
        )
    function = functions[name]
    preparation = _preparation_of(function)
    takes_alpha = "alpha" in inspect.signature(function).parameters
    _, default, _ = _asked(function, None, None)
    alpha = Option("alpha", "width multiplier of all layers", kind=float, above=0, in_name="{:g}")
    options = (
        NUM_CLASSES,
        *((alpha,) if takes_alpha else ()),
        Option("input_size", "width and height of the pictures", minimum=1, in_name="{}"),
    )
    spec = ModelSpec(
        name=f"{PREFIX}:{name}",
        summary=f"{name} as Keras builds it",
        paper=f"{name} of keras.applications",
        url="https://keras.io/api/applications/",
        input_shape=(default, default, 3),
        options=options,
    ).with_defaults({"num_classes": CLASSES, "alpha": 1.0, "input_size": default})
    find = functools.partial(_file, function, default)
    file = find({"alpha": 1.0} if takes_alpha else {})
    if file is not None:
        pixels = None if preparation == RAW else preparation
        weights = _KerasWeights(
            "imagenet", "ImageNet", CLASSES, (file,), pixels, source="Keras Applications", find=find
        )
        spec = replace(spec, weights=(weights,))

    def build(**given: Any) -> keras.Model:
        values = spec.check(given)
        model = _built(function, preparation, values)
        model.name = spec.instance_name(values)
        return model

    return spec, build


def _functions() -> dict[str, Function]:
    """Returns the functions that build classifiers, by name."""
    with needs_tensorflow():
        import keras
    return {
        name: function
        for name, function in vars(keras.applications).items()
        if inspect.isfunction(function)
        and {"classes", "weights", "input_tensor"} <= {*inspect.signature(function).parameters}
    }


def _preparation_of(function: Function) -> Preparation:
    """Finds out how pixels are prepared for a function's models, by showing some to its `preprocess_input`.

    Raises:
        OptionError: it does more than to scale each channel and to turn their order.
    """
    import numpy as np

    preprocess = vars(sys.modules[function.__module__])["preprocess_input"]
    colours = np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)]).reshape(4, 1, 1, 3)
    black, *lit = np.asarray(preprocess(colours.copy(), data_format="channels_last"))[:, 0, 0]
    gains = (np.array(lit) - black) / 255  # of each colour in each channel
    order, scale = gains.argmax(axis=0), gains.max(axis=0)
    found = Preparation(tuple(map(float, scale)), tuple(map(float, black)), tuple(map(int, order)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.float32)
    expected = np.asarray(preprocess(pixels.copy(), data_format="channels_last"))
    if not np.allclose(np.asarray(prepared(pixels, found)), expected, atol=255 * TOLERANCE * float(scale.max())):
        raise OptionError(
            f"{function.__name__} of keras.applications prepares its pixels by more than scales and order"
        )
    return found


def _built(function: Function, preparation: Preparation, values: Mapping[str, Any]) -> keras.Model:
    """Builds a model with the graph of the published weights, whatever its number of classes.

    EfficientNetB scales its pixels once more in that graph than in the one for random weights.
    """
    import keras

    size, classes, alpha = values["input_size"], values["num_classes"], values.get("alpha")
    if classes == CLASSES:
        model, _, _ = _asked(function, size, alpha, preparation)
        return _plain(model)
    with unallocated():
        model, _, _ = _asked(function, size, alpha, preparation)
    head = [layer for layer in model.layers if layer.weights][-1]

    def again(layer: Any) -> Any:
        config = layer.get_config()
        if layer is head:
            config["units" if "units" in config else "filters"] = classes
        elif tuple(config.get("target_shape", ())) == (CLASSES,):
            config["target_shape"] = (classes,)
        return type(layer).from_config(config)

    return _plain(keras.models.clone_model(model, clone_function=again))


def _plain(model: keras.Model) -> keras.Model:
    """Returns the same model with an input that is no list, as all models of the zoo have it."""
    import keras

    return keras.Model(model.inputs[0], model.outputs[0])


def _asked(
    function: Function, size: int | None, alpha: float | None, preparation: Preparation | None = None
) -> tuple[keras.Model, int, tuple[str, str] | None]:
    """Has a function build a model of 1000 classes.

    Args:
        function: one of keras.applications.
        size: width and height; None for the function's own, for which the model has no weights allocated.
        alpha: the width multiplier, for functions that take it.
        preparation: what to put in front of it.

    Returns:
        The model, its size, and the address and the hash of the weights that the function asked for, if there are any.

    Raises:
        OptionError: Keras refuses the size, or the width.
    """
    import keras

    options: dict[str, Any] = {} if alpha is None else {"alpha": alpha}
    if size is None:
        with unallocated(), _loading_nothing() as asked:
            model = function(weights="imagenet")
        return model, model.input_shape[1] or _USUAL_SIZE, asked[-1] if asked else None
    pixels = keras.Input((size, size, 3), name="pixels")
    options["input_tensor"] = pixels if preparation is None else prepared(pixels, preparation)
    try:
        with _loading_nothing() as asked:
            model = _first_built(
                lambda: function(weights="imagenet", input_shape=(size, size, 3), **options),
                lambda: function(weights="imagenet", **options),  # none for this size; those of another one are taken
                lambda: function(weights=None, **options),  # none for this width either; then the graph is the same
            )
    except Exception as error:  # Keras raises what its layers raise
        what = ", ".join([f"input_size={size}", *([] if alpha is None else [f"alpha={alpha:g}"])])
        raise OptionError(f"Keras cannot build {function.__name__} with {what}: {first_line(error)}") from error
    return model, size, asked[-1] if asked else None


def _first_built(*ways: Callable[[], keras.Model]) -> keras.Model:
    """Returns the model of the first way that Keras does not refuse."""
    *others, last = ways
    for way in others:
        with contextlib.suppress(ValueError):
            return way()
    return last()


@contextlib.contextmanager
def _loading_nothing() -> Iterator[list[tuple[str, str]]]:
    """Lets functions of keras.applications build the graph of their published weights without fetching these.

    Yields:
        The addresses and hashes of the files that they ask for.
    """
    import keras
    from keras.src.utils import file_utils

    asked: list[tuple[str, str]] = []

    def get_file(fname: str = "", origin: str = "", **options: Any) -> str:
        asked.append((origin, options.get("file_hash") or ""))
        return fname

    fetch, load = file_utils.get_file, keras.Model.load_weights
    file_utils.get_file, keras.Model.load_weights = get_file, lambda *_, **__: None
    try:
        with warnings.catch_warnings():
            # Keras warns of a size that no weights are published for; the note about the weights says it, too.
            warnings.simplefilter("ignore")
            yield asked
    finally:
        file_utils.get_file, keras.Model.load_weights = fetch, load


def _file(function: Function, default: int, options: Mapping[str, Any]) -> WeightsFile | None:
    """Returns the file of the weights that a function loads for options; None if there is none."""
    size, alpha = options.get("input_size", default), options.get("alpha")
    found = _address(function, size, alpha)
    if found is None:
        return None
    address, digest = found
    # A function with one file for all sizes was trained at its own.
    trained_at = default if size == default or found == _address(function, default, alpha) else size
    sha256, md5 = (digest, "") if len(digest) == _SHA256_DIGITS else ("", digest)
    return WeightsFile(address, {} if alpha is None else {"alpha": alpha}, trained_at, sha256, md5)


@functools.cache
def _address(function: Function, size: int, alpha: float | None) -> tuple[str, str] | None:
    with unallocated():
        return _asked(function, size, alpha)[2]
