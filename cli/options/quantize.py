"""The options of `zoo train` for a training for int8 (quantization-aware training)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def quantize_aware_options(command: Command) -> Command:
    """Adds --quantize-aware, --weight-bits and --per-tensor."""
    options = (
        click.option(
            "--quantize-aware",
            is_flag=True,
            help="Train the model of --from for its int8 file: weights and activations are rounded as in the file, and "
            "the answers of the model itself are learned, or those of --teacher.",
        ),
        click.option(
            "--weight-bits",
            type=click.Choice(["8", "4"]),
            help="Bits of the weights, for --quantize-aware. With 4 the weights of a channel have 15 values, in an "
            "int8 file as large as with 8; the first and the last layer and depthwise ones keep 8.  [default: 8]",
        ),
        click.option(
            "--per-tensor",
            is_flag=True,
            help="Give each kernel one scale instead of one for each channel, for --quantize-aware.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def quantization(
    *,
    begin_from: Path | None,
    strategy: str | None,
    workers: str | None,
    quantize_aware: bool,
    weight_bits: str | None,
    per_tensor: bool,
) -> dict[str, Any] | None:
    """Returns the options of `zoo.training.train_quantized`; None for another training.

    Raises:
        click.UsageError: options are given without --quantize-aware, or this without a run or for several devices.
    """
    asked = [name for name, value in (("--weight-bits", weight_bits), ("--per-tensor", per_tensor)) if value]
    if not quantize_aware:
        if asked:
            raise click.UsageError(f"{asked[0]} is for a training for int8; give --quantize-aware, too")
        return None
    if begin_from is None:
        raise click.UsageError("--quantize-aware trains the model of a run that is there: give --from RUN_DIR")
    if workers or strategy not in {None, "one"}:
        raise click.UsageError("--quantize-aware trains on one device; leave --strategy and --workers out")
    return {"weight_bits": int(weight_bits or 8), "per_tensor": per_tensor}
