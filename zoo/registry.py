"""The registry of models: it maps names to builders.

This module needs only the standard library. A builder imports Keras inside itself, so that listing models is fast.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from zoo.errors import MissingDependencyError, OptionError, UnknownModelError, closest
from zoo.specs import ModelSpec, Option
from zoo.system.surroundings import import_elsewhere

if TYPE_CHECKING:
    import keras

Builder = TypeVar("Builder", bound=Callable[..., "keras.Model"])

BACKEND = "tensorflow"
"""The backend that Keras has to run on."""

_MODELS: dict[str, tuple[ModelSpec, Callable[..., keras.Model]]] = {}
_SOURCES: dict[str, Callable[[str], tuple[ModelSpec, Callable[..., keras.Model]]]] = {}
"""Where models come from that are not listed, by the word before the colon of their names."""


@overload
def register(target: Builder) -> Builder: ...
@overload
def register(target: ModelSpec) -> Callable[[Builder], Builder]: ...
def register(target: Builder | ModelSpec) -> Builder | Callable[[Builder], Builder]:
    """Adds a builder to the zoo: `@register`, or `@register(ModelSpec(...))` to say more about it.

    The builder takes keyword-only arguments with defaults and returns a `keras.Model`. Without a spec, the model
    has the name of the function, its description is the first line of the function's docstring, and its options are
    those of the signature, limited only by their types (`int`, `float`, `tuple[int, ...]`). In both cases the
    arguments are checked before the builder gets them.

    Raises:
        OptionError: the name is taken, the signature and the spec disagree, or the spec states a fact about an option
            or a value that the model does not have.
    """
    if isinstance(target, ModelSpec):
        spec = target
        return lambda builder: _register(builder, spec)
    return _register(target, _infer_spec(target))


def add_source(prefix: str, lookup: Callable[[str], tuple[ModelSpec, Callable[..., keras.Model]]]) -> None:
    """Adds models that are not listed, under names `prefix:NAME`.

    Args:
        prefix: the word before the colon.
        lookup: returns the spec and the builder of the model of a name behind the colon, or raises `UnknownModelError`.
    """
    _SOURCES[prefix] = lookup


def _register(builder: Builder, spec: ModelSpec) -> Builder:
    defaults = {p.name: p.default for p in inspect.signature(builder).parameters.values()}
    if set(defaults) != {option.name for option in spec.options}:
        raise OptionError(
            f"{spec.name}: the builder takes {sorted(defaults)}, its spec lists "
            f"{sorted(option.name for option in spec.options)}"
        )
    if inspect.Parameter.empty in defaults.values():
        raise OptionError(f"{spec.name}: every argument of a builder needs a default")
    if spec.name in _MODELS:
        raise OptionError(f"a model named {spec.name!r} is registered already; choose another name")
    full = spec.with_defaults(defaults)
    full.check({})
    full.check_facts()
    if full.weights:
        full = full.starting_at(Path(inspect.getfile(builder)).resolve().parent)

    @functools.wraps(builder)
    def checked(**options: Any) -> keras.Model:
        values = full.check(options)
        model = builder(**values)
        model.name = full.instance_name(values)
        return model

    _MODELS[full.name] = (full, checked)
    return typing.cast("Builder", checked)


def _infer_spec(builder: Callable[..., Any]) -> ModelSpec:
    options = []
    for parameter in inspect.signature(builder).parameters.values():
        kind = type(parameter.default)
        if kind not in {int, float, tuple}:
            raise OptionError(
                f"{builder.__name__}: cannot tell the type of {parameter.name} from its default; "
                "give an int, a float or a tuple of ints, or register with a ModelSpec"
            )
        options.append(Option(parameter.name, parameter.name.replace("_", " "), kind=kind))
    summary = (inspect.getdoc(builder) or "").split("\n", 1)[0]
    return ModelSpec(name=builder.__name__, summary=summary, options=tuple(options))


def list_models() -> list[str]:
    """Returns the names of all registered models, in the order of their registration."""
    return list(_MODELS)


def snapshot() -> dict[str, tuple[ModelSpec, Callable[..., keras.Model]]]:
    """Returns the models that are registered now, for `restore`."""
    return dict(_MODELS)


def restore(models: dict[str, tuple[ModelSpec, Callable[..., keras.Model]]]) -> None:
    """Forgets all models that were registered after `snapshot`."""
    _MODELS.clear()
    _MODELS.update(models)


def spec(name: str) -> ModelSpec:
    """Returns what is known about a model without building it.

    Raises:
        UnknownModelError: no model has this name; the message lists the names.
    """
    return _lookup(name)[0]


def source_of(name: str) -> Path | None:
    """Returns the file that registers a model; None if it is not in a file.

    Raises:
        UnknownModelError: no model has this name.
    """
    try:
        return Path(inspect.getfile(inspect.unwrap(_lookup(name)[1]))).resolve()
    except (OSError, TypeError):
        return None


def models_by_weights(task: str | None = None) -> dict[str, list[str]]:
    """Returns the names of all published weights, each with the models that have them, or those of one task."""
    found: dict[str, list[str]] = {}
    for model, (known, _) in _MODELS.items():
        for weights in known.weights if task in {None, known.task} else ():
            found.setdefault(weights.name, []).append(model)
    return found


def rated_models() -> tuple[str, ...]:
    """Returns the names of the models that accuracies are published for."""
    return tuple(name for name, (known, _) in _MODELS.items() if known.accuracies is not None)


def rated_options() -> dict[str, tuple[Option, ...]]:
    """Returns the options that published accuracies depend on by name, each as the models have it."""
    found: dict[str, tuple[Option, ...]] = {}
    for known, _ in _MODELS.values():
        for option in known.options:
            if known.accuracies is not None and option.name in known.accuracies.options:
                found[option.name] = (*found.get(option.name, ()), option)
    return found


def build(name: str, **options: Any) -> keras.Model:
    """Builds a model with random weights; `zoo.build` does the same and can load other weights, too.

    Raises:
        UnknownModelError: no model has this name.
        OptionError: the model does not have an option or does not allow its value, or does not fit into memory.
        MissingDependencyError: TensorFlow is not installed.
    """
    _, builder = _lookup(name)
    with needs_tensorflow():
        try:
            return builder(**options)
        except Exception as error:
            # TensorFlow's own error type cannot be named without importing TensorFlow.
            if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
                asked = ", ".join(f"{key}={value}" for key, value in options.items())
                raise OptionError(f"{name} with {asked} does not fit into memory; choose smaller values") from error
            raise


@contextlib.contextmanager
def needs_tensorflow() -> Iterator[None]:
    """Lets Keras, if it is imported in the block, run on TensorFlow, whatever `KERAS_BACKEND` or its settings say.

    Raises:
        MissingDependencyError: Keras or TensorFlow is not installed; the message says what to type.
        OptionError: the program has imported Keras with another backend.
    """
    keras = sys.modules.get("keras")
    if keras is None:
        os.environ["KERAS_BACKEND"] = BACKEND
        import_elsewhere()
    elif (backend := keras.backend.backend()) != BACKEND:
        raise OptionError(
            f"Keras runs on {backend} in this program, and models of the zoo on TensorFlow: set "
            f"KERAS_BACKEND={BACKEND} before Keras is imported"
        )
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in {"keras", "tensorflow"}:
            raise
        raise MissingDependencyError(
            "this needs TensorFlow, which is not installed: pip install 'edgezoo[tensorflow]'"
        ) from error


def is_name(text: str) -> bool:
    """Whether a text is the name of a model, listed or from elsewhere (`keras:NAME`), which need not be there."""
    prefix, colon, _ = text.partition(":")
    return text in _MODELS or (bool(colon) and prefix in _SOURCES)


def _lookup(name: str) -> tuple[ModelSpec, Callable[..., keras.Model]]:
    prefix, colon, own = name.partition(":")
    if colon and prefix in _SOURCES:
        return _SOURCES[prefix](own)
    try:
        return _MODELS[name]
    except KeyError:
        if Path(name).suffix in {".keras", ".h5"}:
            raise UnknownModelError(
                f"{name!r} is the name of a file, not of a model: zoo export {name} exports it as it is; --weights "
                f"{name} takes its weights into a model of the zoo"
            ) from None
        raise UnknownModelError(
            f"unknown model {name!r}; {closest(name, _MODELS)}the zoo has {', '.join(_MODELS)}"
        ) from None
