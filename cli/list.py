"""`zoo list`."""

from __future__ import annotations

import dataclasses

import click

from zoo import models
from zoo.cli.output import count, json_option, print_json, print_table, shape
from zoo.specs import Option


@click.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List the models of the zoo."""
    specs = [models.spec(name) for name in models.list_models()]
    if as_json:
        print_json([dataclasses.asdict(spec) | {"options": _options(spec.options)} for spec in specs])
        return
    rows = [
        (
            spec.name,
            spec.paper,
            shape(spec.input_shape),
            count(spec.params),
            count(spec.macs),
            " ".join(f"--{option.name.replace('_', '-')}" for option in spec.options),
        )
        for spec in specs
    ]
    print_table(("model", "paper", "input", "params", "MACs", "options"), rows, left=("paper", "options"))


def _options(options: tuple[Option, ...]) -> list[dict[str, object]]:
    return [{"name": o.name, "default": o.default, "allowed": o.allowed, "help": o.help} for o in options]
