"""Makes the table of all architectures from the results of `benchmarks/architectures.py`."""

from __future__ import annotations

from typing import Any

from bench.cells import number, table
from zoo import figures, models
from zoo.text import short_number
from zoo.tflite.edgetpu import CACHE_BYTES, MOST_CACHE_BYTES


def architectures(result: dict[str, Any]) -> str:
    """Shows all nets for ImageNet, a line each, with what is published of them."""
    columns = (
        "net", "parameters", "MACs", "size float", "int8", "top-1 float", "int8", "source", "LiteRT float", "int8",
        "tflite-runtime float", "int8", "Edge TPU",
    )  # fmt: skip
    rows, sources = [], {}
    for row in result["rows"]:
        spec = models.spec(row["model"])
        if spec.accuracies is not None:
            sources[spec.accuracies.url] = spec.accuracies.source
        place = f"[{list(sources).index(spec.accuracies.url) + 1}]({spec.accuracies.url})" if spec.accuracies else ""
        top1 = (figures.top1(spec, row["options"]), figures.int8_top1(spec, row["options"]))
        rows.append(
            (
                f"`{row['net']}`",
                short_number(row["params"]),
                short_number(row["macs"]),
                *(f"{row['bytes'][mode] / 1e6:.3g} MB" for mode in ("none", "int8")),
                *("" if one is None else f"{one:.1f}%" for one in top1),
                place if top1[0] is not None else "",
                *(
                    _beside_reference(row["times"].get(runtime, {}).get(mode))
                    for runtime in ("litert", "tflite-runtime")
                    for mode in ("none", "int8")
                ),
                _on_edge_tpu(row["edgetpu"]),
            )
        )
    named = "\n".join(f"{i}. [{source}]({url})" for i, (url, source) in enumerate(sources.items(), start=1))
    return f"{table(columns, rows)}\n\nSources of the accuracies:\n\n{named}"


def _beside_reference(found: dict[str, Any] | None) -> str:
    """Returns the ratio of CPU times to the reference's, and the time itself."""
    if found is None:
        return ""
    return f"{found['ratio']['median']:.2f}x, {number(found['cpu_ms']['median'])} ms"


def _on_edge_tpu(found: dict[str, Any]) -> str:
    """Returns the operations that the Edge TPU runs, and whether the weights fit on it."""
    size, mapped = found["weight_bytes"], f"{found['mapped']} of {found['operations']}"
    fits = "fits" if size <= CACHE_BYTES else "may fit" if size <= MOST_CACHE_BYTES else "does not fit"
    return f"{mapped}, {size / 2**20:.1f} MiB {fits}"
