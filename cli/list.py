"""`zoo list`."""

from __future__ import annotations

import dataclasses

import click

from zoo import models
from zoo.cli.output import count, json_option, print_json, print_table, shape
from zoo.specs import ModelSpec, Option


@click.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models of the zoo."""
    specs = [models.spec(name) for name in models.list_models()]
    if as_json:
        print_json([_facts(spec) for spec in specs])
        return
    rows = [
        (
            spec.name,
            spec.task,
            spec.paper,
            shape(spec.input_shape),
            count(spec.params),
            count(spec.macs),
            " ".join(weights.name for weights in spec.weights),
            " ".join(f"--{option.name.replace('_', '-')}" for option in spec.options),
        )
        for spec in specs
    ]
    print_table(
        ("model", "task", "paper", "input", "params", "MACs", "weights", "options"),
        rows,
        left=("task", "paper", "weights", "options"),
    )


def _facts(spec: ModelSpec) -> dict[str, object]:
    """Returns what is known of a model as JSON values, without the single files of its weights and accuracies."""
    weights = [
        {"name": one.name, "trained_on": one.trained_on, "source": one.source, "licence": one.licence}
        for one in spec.weights
    ]
    accuracies = spec.accuracies and {"source": spec.accuracies.source, "url": spec.accuracies.url}
    left = {"options": _options(spec.options), "weights": weights, "accuracies": accuracies}
    plain = dataclasses.replace(spec, options=(), weights=(), accuracies=None, backbone=None, originals=(), taps={})
    inner = {"backbone", "originals", "taps"}  # what the zoo itself needs
    return {name: value for name, value in dataclasses.asdict(plain).items() if name not in inner} | left


def _options(options: tuple[Option, ...]) -> list[dict[str, object]]:
    return [
        {"name": o.name, "default": o.default, "allowed": o.allowed, "help": o.help}
        | ({"defaults": {o.follows: dict(o.defaults)}} if o.follows else {})
        for o in options
    ]
