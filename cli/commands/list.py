"""`zoo list`."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from zoo import figures, models
from zoo.cli.output import count, json_option, print_json, print_table, shape, short_count
from zoo.specs import ModelSpec, Option


@click.command("list")
@click.option(
    "--all", "show_all", is_flag=True, help="Show all that is known, with a line for each variant with an accuracy."
)
@json_option
def list_models(show_all: bool, as_json: bool) -> None:
    """List the models of the zoo, a line for each architecture.

    The accuracies are published ImageNet top-1 figures in percent: from the least to the most accurate variant.
    """
    specs = [models.spec(name) for name in models.list_models()]
    if as_json:
        print_json([_facts(spec, with_variants=show_all) for spec in specs])
    elif show_all:
        _print_variants(specs)
    else:
        _print_families(specs)


def _print_families(specs: list[ModelSpec]) -> None:
    rows = [
        (
            spec.name,
            spec.task,
            short_count(spec.params),
            short_count(spec.macs),
            _range([top for row in figures.variants(spec) if (top := figures.top1(spec, row)) is not None]),
            ", ".join(weights.name for weights in spec.weights),
        )
        for spec in specs
    ]
    print_table(("model", "task", "params", "MACs", "top-1", "weights"), rows, left=("task", "weights"))


def _print_variants(specs: list[ModelSpec]) -> None:
    rows = []
    for spec in specs:
        for values in figures.variants(spec):
            is_default = values == spec.check({})
            rows.append(
                (
                    spec.instance_name(values),
                    spec.task,
                    spec.paper if is_default else "",
                    shape(_input(spec, values)),
                    *map(count, figures.sizes(spec, values)),
                    _percent(figures.top1(spec, values)),
                    _percent(figures.int8_top1(spec, values)),
                    " ".join(weights.name for weights in spec.weights if weights.file_for(values)),
                    " ".join(f"--{option.name.replace('_', '-')}" for option in spec.options) if is_default else "",
                )
            )
    columns = ("model", "task", "paper", "input", "params", "MACs", "top-1", "in int8", "weights", "options")
    print_table(columns, rows, left=("task", "paper", "weights", "options"))


def _input(spec: ModelSpec, values: dict[str, Any]) -> tuple[int, ...] | None:
    """Returns the shape of the input, if it is that of the default options but for its size."""
    size = values.get("input_size")
    if size is None or spec.input_shape is None:
        return spec.input_shape if values == spec.check({}) else None
    return (size, size, *spec.input_shape[2:])


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}%"


def _range(values: list[float]) -> str:
    """Returns the least and the greatest of some percentages, or the only one."""
    if not values:
        return ""
    least, most = min(values), max(values)
    return f"{most:.1f}%" if least == most else f"{least:.1f} to {most:.1f}%"


def _facts(spec: ModelSpec, *, with_variants: bool) -> dict[str, object]:
    """Returns what is known of a model as JSON values, without the single files of its weights."""
    weights = [
        {"name": one.name, "trained_on": one.trained_on, "source": one.source, "licence": one.licence}
        for one in spec.weights
    ]
    accuracies = spec.accuracies and {"source": spec.accuracies.source, "url": spec.accuracies.url}
    left = {"options": _options(spec.options), "weights": weights, "accuracies": accuracies}
    if with_variants:
        left["variants"] = [_variant(spec, values) for values in figures.variants(spec)]
    plain = dataclasses.replace(spec, options=(), weights=(), accuracies=None, backbone=None, originals=(), taps={})
    inner = {"backbone", "originals", "taps"}  # what the zoo itself needs
    return {name: value for name, value in dataclasses.asdict(plain).items() if name not in inner} | left


def _variant(spec: ModelSpec, values: dict[str, Any]) -> dict[str, object]:
    params, macs = figures.sizes(spec, values)
    return {
        "name": spec.instance_name(values),
        "options": values,
        "params": params,
        "macs": macs,
        "top1": figures.top1(spec, values),
        "int8_top1": figures.int8_top1(spec, values),
        "weights": [weights.name for weights in spec.weights if weights.file_for(values)],
    }


def _options(options: tuple[Option, ...]) -> list[dict[str, object]]:
    return [
        {"name": o.name, "default": o.default, "allowed": o.allowed, "help": o.help}
        | ({"defaults": {o.follows: dict(o.defaults)}} if o.follows else {})
        for o in options
    ]
