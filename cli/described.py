"""Prints the labels and the card of a file, for `zoo inspect`."""

from __future__ import annotations

from typing import Any

from zoo.cli.output import echo
from zoo.text import count_of, to_json

SHOWN = 4000
"""The most characters of a label, or of a line of the card, that are printed."""
_CHECKSUMS = {
    "right": "model, labels and card are as they were written together; it does not say by whom",
    "wrong": "model, labels or card were changed since they were written together",
    "none": "the card holds none over model, labels and card",
}


def print_description(found: Any) -> None:
    """Prints the labels and the card of a file that was inspected."""
    labels = found.description.labels
    if labels:
        more = ", ..." if len(labels) > 5 else ""
        echo(f"{count_of(len(labels), 'label')}: {', '.join(label[:SHOWN] for label in labels[:5])}{more}")
    else:
        echo("no labels")
    if found.file.metadata:
        echo(f"metadata: {', '.join(found.file.metadata)}")
    card = {key: value for key, value in found.description.card.items() if key not in {"calibration", "checksum"}}
    calibration = found.description.card.get("calibration")
    if isinstance(calibration, dict):
        card["calibration"] = {key: value for key, value in calibration.items() if key != "files"}
    if not card:
        echo("no card")
        return
    echo("card:")
    for key, value in card.items():
        text = value if isinstance(value, str) else to_json(value)
        echo(f"  {key[:SHOWN]}: {text if len(text) <= SHOWN else text[:SHOWN] + ' ... (whole with --json)'}")
    echo(f"checksum: {found.checksum}, {_CHECKSUMS[found.checksum]}")
