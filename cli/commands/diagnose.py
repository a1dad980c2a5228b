"""`zoo diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.output import echo, import_tensorflow, json_option, print_json, print_table, status
from zoo.cli.types import PATH, RESIZE_HELP, SEED
from zoo.errors import OptionError
from zoo.export.options import CALIBRATION_SAMPLES, METHODS, ExportOptions, Method
from zoo.files.writing import require_writable
from zoo.inputs.preprocessing import RESIZES, Preprocessing, Resize, is_picture

if TYPE_CHECKING:
    from zoo.compress.diagnosis.findings import Diagnosis, Loss

ROWS = 20
"""Number of layers that are shown unless all are asked for."""

WHOLE = {
    "int8": "int8", "per_tensor": "weights per tensor", "four_bits": "weights of 4 bits",
    "equalized": "int8, equalized", "per_tensor_equalized": "weights per tensor, equalized",
}  # fmt: skip
"""What the losses of the whole model are called in the table."""


@click.command()
@click.argument("model", type=PATH)
@click.argument("pictures", type=PATH)
@click.option(
    "--calibration-method",
    type=click.Choice(METHODS),
    default="minmax",
    show_default=True,
    help="How the range of each activation is chosen: the whole of it, without its outermost 0.01% at each end, or "
    "with the least squared error.",
)
@click.option(
    "--calibration-samples",
    type=click.IntRange(min=1),
    default=CALIBRATION_SAMPLES,
    show_default=True,
    help="Largest number of pictures to read; ranges are measured on up to 100 of them.",
)
@click.option(
    "--compare",
    "count",
    type=click.IntRange(min=1),
    help="Number of pictures on which answers are compared.  [default: 8 to 64, by the model's size]",
)
@click.option("--resize", type=click.Choice(RESIZES), help=f"{RESIZE_HELP}  [default: crop; stretch for detectors]")
@click.option(
    "--pixels",
    metavar="WORDS",
    help="Preparation of pixels that the model expects, if it does not do it itself; as for zoo export.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed for the choice of pictures.")
@click.option(
    "--plot",
    type=PATH,
    metavar="FILE",
    help="Draw losses and ranges into this .png or .svg file.",
)
@click.option("--all", "show_all", is_flag=True, help=f"Show all layers, not only the {ROWS} that lose most.")
@json_option
def diagnose(
    model: Path,
    pictures: Path,
    calibration_method: Method,
    calibration_samples: int,
    count: int | None,
    resize: Resize | None,
    pixels: str | None,
    seed: int,
    plot: Path | None,
    show_all: bool,
    as_json: bool,
) -> None:
    """Show which layers of MODEL lose most in int8, and what to do about it.

    MODEL is a .keras or .h5 file, PICTURES a folder as zoo export --calibration takes it. One layer at a time is
    rounded, its weights or its results, and the answers are compared with those of the float model: nothing is
    converted. The loss is the divergence of the answers (Kullback-Leibler, in nats, on average over the pictures) and
    the share of them that changes: named classes, or objects.

    \b
    zoo diagnose run/model.keras pictures --plot layers.png
    zoo export run/model.keras --quantize int8 --calibration pictures --keep-float Conv1
    """
    options = ExportOptions(
        "int8",
        calibration_method=calibration_method,
        calibration_samples=calibration_samples,
        preprocessing=Preprocessing(resize) if resize else None,
        pixels=pixels,
        seed=seed,
    )
    if plot is not None:
        from zoo.plots import require

        require(plot)
        require_writable(plot.parent)
    import_tensorflow(to_load=model)
    from zoo.export.checking.diagnosis import diagnose_model
    from zoo.weights import load_model

    with status(f"loading {model.name}"):
        network = load_model(model)
    shape = network.input_shape
    if resize is not None and isinstance(shape, tuple) and None not in shape[1:] and not is_picture(shape[1:]):
        raise OptionError(f"{model} does not take pictures, so that none is resized; leave --resize out")
    with status("diagnosing") as progress:
        found, notes = diagnose_model(network, pictures, options, count=count, progress=progress)
    if plot is not None:
        from zoo.compress.diagnosis.drawing import draw_diagnosis

        draw_diagnosis(found, plot)
    if as_json:
        print_json({**found.as_dict(), "notes": notes})
        return
    _print(found, show_all=show_all)
    for note in notes:
        echo(f"note: {note}")
    if plot is not None:
        echo(f"drawn: {plot}")


def _print(found: Diagnosis, *, show_all: bool) -> None:
    shown = found.rows if show_all else found.rows[:ROWS]
    rows = []
    for row in shown:
        weights, result = row.weights, row.activation
        rows.append(
            (
                row.layer,
                row.kind,
                _nats(weights.int8 if weights else None),
                _nats(weights.per_tensor if weights else None),
                _nats(weights.four_bits if weights else None),
                f"{weights.spread:.0f}x" if weights else "",
                _nats(result.loss if result else None),
                f"{result.seen.low:.3g}..{result.seen.high:.3g}" if result else "",
                f"{result.outliers:.1f}x" if result else "",
                f"{max(weights.int8.changed if weights else 0.0, result.loss.changed if result else 0.0):.0%}",
            )
        )
    columns = ("layer", "kind", "weights", "per tensor", "4 bits", "spread", "results", "range", "outliers", "changed")
    print_table(columns, rows, left=("kind", "range"))
    if len(found.rows) > len(shown):
        echo(f"... and {len(found.rows) - len(shown)} layers that lose less (--all)")
    echo("")
    whole = [(WHOLE[name], _nats(loss), f"{loss.changed:.0%}") for name, loss in found.whole.items()]
    print_table(("all layers together", "divergence", "changed"), whole)
    echo(
        "",
        f"Answers to {found.inputs} pictures for each layer and to {found.together} for all together, against the "
        f"float model's; ranges of {found.calibrated_on} pictures ({found.method}).",
    )
    for advice in found.advice:
        echo(f"{'ok' if advice.what == 'nothing' else 'advice'}: {advice.text}")


def _nats(loss: Loss | None) -> str:
    return "" if loss is None else f"{loss.divergence:.2g}"
