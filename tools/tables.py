"""Makes the Markdown tables of README.md and docs/models.md, which cog writes and `make check` compares."""

from __future__ import annotations

from collections.abc import Sequence

from zoo import models
from zoo.cli.main import COMMANDS
from zoo.cli.output import count, shape, short_count
from zoo.specs import ModelSpec


def model_table() -> str:
    """Returns a table with one row for each registered model."""
    return _models([models.spec(name) for name in models.list_models()])


def short_model_table() -> str:
    """Returns a table of the classifiers with published weights, and one line that names all other models."""
    specs = [models.spec(name) for name in models.list_models()]
    detectors = [spec for spec in specs if spec.task == "detection"]
    rated = [spec for spec in specs if spec.weights and spec not in detectors]
    others = [spec for spec in specs if spec not in rated and spec not in detectors]
    line = f"Without published weights: {_names(others)}. Detectors: {_names(detectors)}."
    return f"{_models(rated)}\n\n{line}"


def _models(specs: Sequence[ModelSpec]) -> str:
    rows = [
        (
            f"`{s.name}`",
            s.summary,
            shape(s.input_shape),
            count(s.params),
            short_count(s.macs),
            _weights(s),
            _options(s),
        )
        for s in specs
    ]
    return markdown_table(("model", "", "input", "parameters", "MACs", "`--weights`", "options"), rows)


def _names(specs: Sequence[ModelSpec]) -> str:
    return ", ".join(f"`{spec.name}`" for spec in specs)


def command_table() -> str:
    """Returns a table with one row for each command, as `zoo --help` lists them."""
    return markdown_table(
        ("command", "what it does"), [(f"`zoo {name}`", text) for name, (_, _, text) in COMMANDS.items()]
    )


def _weights(spec: ModelSpec) -> str:
    return ", ".join(f"`{weights.name}`" for weights in spec.weights)


def _options(spec: ModelSpec) -> str:
    """Lists a model's own options; all models take `num_classes` and `dropout`, too."""
    return ", ".join(f"`{option.name}`" for option in spec.options if option.name not in {"num_classes", "dropout"})


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
