"""The command-line options of the models, made from the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from zoo.cli.output import import_tensorflow, status
from zoo.cli.types import int_list
from zoo.models import list_models, models_by_weights, spec
from zoo.specs import AUTO, ModelSpec, Option

Command = TypeVar("Command", bound=Callable[..., Any])


TYPES: dict[type, Any] = {int: click.INT, float: click.FLOAT, str: click.STRING, bool: click.BOOL, tuple: int_list}
METAVARS: dict[type, str] = {tuple: "N,N,..."}


def model_options(command: Command) -> Command:
    """Adds the options of all models to a command; `given` returns those that the user gave.

    The registry checks later whether the chosen model has the option and allows the value. Two models may give one name
    to options of different types: such a value stays text until `given` knows the model.
    """
    options: dict[str, Option] = {}
    kinds: dict[str, set[type]] = {}
    takers: dict[str, dict[str, list[str]]] = {}
    for model in list_models():
        for option in spec(model).options:
            options.setdefault(option.name, option)
            kinds.setdefault(option.name, set()).add(option.kind)
            takers.setdefault(option.name, {}).setdefault(option.help, []).append(model)
    for name, option in reversed(options.items()):
        flag: dict[str, Any] = {"is_flag": True, "default": None} if kinds[name] == {bool} else {}
        decorate = click.option(
            "--" + name.replace("_", "-"),
            name,
            **flag,
            type=TYPES[option.kind] if len(kinds[name]) == 1 else click.STRING,
            metavar=METAVARS.get(option.kind) if len(kinds[name]) == 1 else "VALUE",
            help=_sentence("; ".join(_help(text, models) for text, models in takers[name].items())),
            expose_value=False,
            callback=_collect,
        )
        command = decorate(command)
    return command


def weights_option(command: Command) -> Command:
    """Adds `--weights`, with the names that weights are published under."""
    published = "; ".join(f"{name} for {', '.join(having)}" for name, having in models_by_weights().items())
    return click.option(
        "--weights",
        default=AUTO,
        show_default=True,
        metavar="|".join([AUTO, "none", *models_by_weights(), "FILE"]),
        help="Initial weights: auto for published ones where there are any and they can be had at once, else random "
        f"ones; none for random ones; the name of published ones ({published}); or a .keras, .h5 or .weights.h5 file, "
        "timm's .safetensors, or a TensorFlow 1 checkpoint in a .tar.gz.",
    )(command)


def spec_of(model: str) -> ModelSpec:
    """Returns what is known of a model; what Keras itself has is asked of Keras, which is loaded then.

    Raises:
        UnknownModelError: no model has this name.
        MissingDependencyError: Keras has to be asked, and TensorFlow is not installed.
    """
    if ":" not in model:
        return spec(model)
    import_tensorflow()
    with status(f"looking up {model}"):
        return spec(model)


def given(ctx: click.Context, model: str | None) -> dict[str, Any]:
    """Returns the model options that the user gave on the command line, as names and values.

    Args:
        ctx: of the command.
        model: the name of the model, whose options say of what type the values are; None leaves them as they are.

    Raises:
        click.BadParameter: a value is not of that type.
        UnknownModelError: no model has this name.
    """
    kinds = {option.name: option.kind for option in spec(model).options} if model is not None else {}
    params = {param.name: param for param in ctx.command.params}
    values: dict[str, Any] = ctx.meta.get(__name__, {})
    return {
        name: _typed(kinds[name], value, params.get(name), ctx) if name in kinds else value
        for name, value in values.items()
    }


def _typed(kind: type, value: Any, param: click.Parameter | None, ctx: click.Context) -> Any:
    """Returns a value that was left as text in the type of the model's option."""
    return click.types.convert_type(TYPES[kind])(value, param, ctx) if isinstance(value, str) else value


def _help(text: str, models: list[str]) -> str:
    """Returns what an option does, with the models that take it in parentheses unless all of them do."""
    return text if len(models) == len(list_models()) else f"{text} ({', '.join(models)})"


def _sentence(text: str) -> str:
    """Returns a text with a capital letter at its beginning and a period at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _collect(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and param.name:
        ctx.meta.setdefault(__name__, {})[param.name] = value
