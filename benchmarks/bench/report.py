"""Makes the tables of the docs from docs/benchmarks.json; cog puts the results of these functions into the pages."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import results
from bench.architectures_table import architectures
from bench.cells import between, multiple, sides, table
from bench.compression_table import compression
from bench.results import Entry, Machine
from bench.turns import ratio_text, versus
from zoo.errors import InputError

_QUICK = "too few rounds to mean much: a quick run"


def section(name: str, path: Path = results.FILE) -> str:
    """Returns a benchmark's table, and below it how, when and with which versions it was measured.

    Args:
        name: a name in `bench.suite.SUITE`.
        path: the path of the results.

    Raises:
        InputError: the file has no result of this benchmark.
    """
    found = results.read(path)["benchmarks"].get(name)
    if found is None:
        raise InputError(f"{path} holds nothing of {name!r}; python benchmarks/all.py --only {name} measures it")
    return f"{TABLES[name](found['result'])}\n\n{footer(found)}"


def footer(entry: Entry) -> str:
    """Says how a table was measured."""
    text = f"`{entry['command']}`, {entry['date']}, {_duration(entry['seconds'])}"
    if entry["load"] is not None:
        text += f", load {entry['load']:g} before"
    if entry["quick"]:
        text += f" ({_QUICK})"
    return text + "".join(f"; {problem}" for problem in entry["problems"]) + "."


def machines(path: Path = results.FILE) -> str:
    """Describes the machine of the benchmarks, in one line if it was the same for all."""
    found = results.read(path)["benchmarks"]
    lines: dict[str, list[str]] = {}
    for name, entry in found.items():
        lines.setdefault(f"{_machine(entry['machine'])}; {_versions(entry['versions'])}", []).append(name)
    if len(lines) == 1:
        return f"All on one machine: {next(iter(lines))}."
    return "\n".join(f"- {', '.join(names)}: {line}." for line, names in lines.items())


def _machine(machine: Machine) -> str:
    memory = "" if machine["memory_gb"] is None else f", {machine['memory_gb']:g} GB"
    return (
        f"{machine['cpu'] or 'unknown processor'}, {machine['cores']} cores{memory}, {machine['system'] or 'Linux'}, "
        f"kernel {machine['kernel']}, Python {machine['python']}"
    )


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def export_latency(result: dict[str, Any]) -> str:
    """Compares our files with a user's own conversion."""
    columns = (
        "model", "mode", "runtime", "beside", "pixels to scores: it", "ours", "it / ours", "invoke alone: it", "ours",
        "it / ours", "its size", "our size",
    )  # fmt: skip
    rows = [
        (
            *(row[key] for key in ("model", "mode", "runtime", "beside")),
            *sides(row["pixels"]),
            *sides(row["invoke"]),
            f"{row['plain_bytes'] / 1e6:.2f} MB",
            f"{row['bytes'] / 1e6:.2f} MB",
        )
        for row in result["rows"]
    ]
    return table(columns, rows)


def runner_speed(result: dict[str, Any]) -> str:
    """Compares the runner with a bare script and MediaPipe."""
    version = result["mediapipe_version"]
    rows = []
    for row in result["rows"]:
        peer = f"MediaPipe {version}" if row["peer"] == "MediaPipe" else row["peer"]
        text = ratio_text(row) + (f", {row['more_ms']:+.2f} ms" if "more_ms" in row else "")
        same = f"{row['same_top1']} of {row['of']}" if "same_top1" in row else ""
        rows.append((row["what"], peer, *sides(row)[:2], text, same))
    text = table(("", "beside", "it", "ours", "it / ours", "same top-1"), rows)
    missing = result["mediapipe_missing"]
    return text if missing is None else f"{text}\n\nWithout MediaPipe: {missing}."


def modes(result: dict[str, Any]) -> str:
    """Shows what each mode changes in a file."""
    columns = ("model", "mode", "size", "of float", "accuracy", "same class as float", "one run", "time / float")
    rows = [
        (
            row["model"],
            f"`{row['mode']}`",
            f"{row['bytes'] / 1e6:.2f} MB",
            f"{row['bytes'] / row['float_bytes']:.2f}",
            f"{row['accuracy']:.1%} of {row['count']}",
            f"{row['agreement']:.1%}",
            f"{row['ms']['median']:.3g} ms",
            "1" if row["mode"] == "none" else multiple(row["time"]),
        )
        for row in result["rows"]
    ]
    return table(columns, rows)


def scaling(result: dict[str, Any]) -> str:
    """Shows how cost grows, in three tables."""
    latency = table(
        ("alpha", "input", "MACs", "float32", "int8"),
        [
            (f"{a:g}", str(size), f"{rows[0]['macs'] / 1e6:.0f} M", *(between(row["ms"], "ms") for row in rows))
            for (a, size), rows in _by_cell(result["latency"]).items()
        ],
    )
    powers = [
        f"{name} as MACs to the power of {result['exponents'][mode]:.2f}"
        for mode, name in (("none", "float32"), ("int8", "int8"))
        if result["exponents"][mode] is not None
    ]
    threads = table(
        ("threads", "pictures a second"),
        [(str(row["threads"]), between(row["per_second"])) for row in result["threads"]],
    )
    folders = table(
        ("pictures in the folder", "pictures a second", "peak memory of `zoo run`"),
        [
            (f"{rate['count']:,}", between(rate["per_second"]), f"{memory['peak_mb']:.1f} MB")
            for rate, memory in zip(result["pictures"], result["memory"], strict=True)
        ],
    )
    grows = f"Time grows: {', '.join(powers)}.\n\n" if powers else ""
    return f"{latency}\n\n{grows}`{result['file']}`, JPEG files of 640x480:\n\n{threads}\n\n{folders}"


def _by_cell(rows: Sequence[dict[str, Any]]) -> dict[tuple[float, int], list[dict[str, Any]]]:
    """Pairs the float and int8 rows of each width and size, ordered by MACs."""
    found: dict[tuple[float, int], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["macs"], row["mode"] != "none")):
        found.setdefault((row["alpha"], row["input_size"]), []).append(row)
    return found


def train_throughput(result: dict[str, Any]) -> str:
    """Compares training with plain Keras."""
    rows = []
    for name, row in result.items():
        cells = sides({"unit": "s", "plain": row["keras"], **row})
        rows.append((name, *cells, f"{row['cpu_ratio']:.2f}x" if "cpu_ratio" in row else ""))
    return table(("", "plain Keras", "ours", "Keras / ours", "processor time"), rows)


def train_input(result: dict[str, Any]) -> str:
    """Compares the input pipeline with that of Keras, by the median epoch of each round."""
    rows = []
    for name, epochs in (("first epoch", slice(0, 1)), ("later epochs", slice(1, None))):
        cells: list[str] = []
        for kind in ("wall", "cpu"):
            both = {
                who: [statistics.median(one[who][kind][epochs]) / result["pictures"] for one in result["rounds"]]
                for who in ("keras", "ours")
            }
            cells += sides({**versus(both["keras"], both["ours"], "ms", 1e3)})
        rows.append((name, *cells))
    columns = ("a picture", "Keras", "ours", "Keras / ours", "processor time: Keras", "ours", "Keras / ours")
    size = f"{result['pictures']} photos of {result['bytes_each'] / 1e6:.1f} MB to {result['size']}x{result['size']}:"
    return f"{size}\n\n{table(columns, rows)}"


def serve_load(result: dict[str, Any]) -> str:
    """Shows `zoo serve` under load."""
    took, memory = result["milliseconds"], result["memory_mb"]
    answers = ", ".join(f"{count:,} of {status}" for status, count in result["answers"].items())
    processor = []
    if cost := result.get("processor"):  # older figures lack it
        said = f"{cost['ours']:.2f} ms, and {cost['clients']:.2f} of the clients; `classify_many` {cost['plain']:.2f}"
        processor = [("processor time of a picture", said), ("beside it", ratio_text(cost))]
    rows = [
        ("answers", answers),
        ("pictures a second", f"{result['rate']:.1f}; `classify_many` {result['classify_many']:.1f}"),
        ("beside it", ratio_text(result)),
        *processor,
        ("a request", f"median {took['p50']:.0f} ms, p99 {took['p99']:.0f} ms"),
        (
            "memory",
            f"{memory['first_quarter']:.0f} MB in the first quarter, {memory['last_quarter']:.0f} MB in the last, "
            f"peak {memory['peak']:.0f}",
        ),
    ]
    return table((f"{result['clients']} clients", f"{result['seconds']:g} s"), rows)


def export_memory(result: dict[str, Any]) -> str:
    """Shows peak memory and time of exports."""
    by_mode: dict[str, dict[str, dict[str, Any]]] = {}
    for row in result["rows"]:
        by_mode.setdefault(row["mode"], {})[row["way"]] = row
    ways = list(dict.fromkeys(row["way"] for row in result["rows"]))
    named = {"plain": "plain converter"}
    columns = (result["model"], *(f"{named.get(w, w)}: {what}" for w in ways for what in ("peak memory", "time")))
    rows = [
        (
            f"`{mode}`",
            *(text for way in ways for text in (f"{of[way]['peak_gb']:.1f} GB", f"{of[way]['seconds']:.0f} s")),
        )
        for mode, of in by_mode.items()
    ]
    return table(columns, rows)


def decoding(result: dict[str, Any]) -> str:
    """Compares the decoding of a detector's outputs with a plain loop."""
    rows = [(f"{row['anchors']} x {row['classes']}", row["case"], *sides(row)) for row in result["rows"]]
    return table(("anchors x classes", "case", "a plain loop", "ours", "it / ours"), rows)


def onnx_runtimes(result: dict[str, Any]) -> str:
    """Compares the runtimes of `.tflite` and `.onnx` files on the same model."""
    names = {"litert": "LiteRT, `.tflite`", "onnxruntime": "ONNX Runtime, `.onnx`", "openvino": "OpenVINO, `.tflite`"}
    rows = [
        (
            f"{row['alpha']:g}/{row['size']}",
            "float32" if row["mode"] == "none" else row["mode"],
            names[row["runtime"]],
            f"{row['bytes'] / 1e6:.2f} MB",
            between(row["ms"], "ms"),
            "" if row["runtime"] == "litert" else ratio_text(row),
        )
        for row in result["rows"]
    ]
    return table(("alpha/size", "mode", "runtime", "file", "a run", "LiteRT / it"), rows)


def browser(result: dict[str, Any]) -> str:
    """Compares a page of `zoo web` with the runner."""
    rows = [
        (
            f"{row['alpha']:g}/{row['size']}",
            "float32" if row["mode"] == "none" else row["mode"],
            f"{row['bytes'] / 1e6:.1f} MB",
            between(row["open"]["browser"], "s"),
            ratio_text(row["open"]),
            between(row["run"]["browser"], "ms"),
            ratio_text(row["run"]),
        )
        for row in result["rows"]
    ]
    columns = ("alpha/size", "mode", "page", "opened", "opened / zoo run", "a run", "browser / LiteRT")
    return table(columns, rows)


def detection(result: dict[str, Any]) -> str:
    """Shows how good, large and fast detectors are by input size and mode, and how fast beside MediaPipe."""
    version = result["mediapipe_version"]
    peer = f"MediaPipe {version}" if version else "MediaPipe"
    columns = ("input", "mode", "size", "mAP", "AP50", "model", "decoding", peer, "ours", "it / ours", "same boxes")
    rows = [
        (
            f"{row['size']}x{row['size']}",
            f"`{row['mode']}`",
            f"{row['bytes'] / 1e6:.2f} MB",
            *(f"{row[key]:.1%}" for key in ("map", "ap50")),
            *(between(row[key], "ms") for key in ("model_ms", "decoding_ms")),
            *(sides(row["mediapipe"]) if "mediapipe" in row else ("", "", "")),
            f"{row['same']:.1%} of {row['of']}" if "same" in row else "",
        )
        for row in result["rows"]
    ]
    text, missing = table(columns, rows), result["mediapipe_missing"]
    return text if missing is None else f"{text}\n\nWithout MediaPipe: {missing}."


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "architectures": architectures,
    "compression": compression,
    "decoding": decoding,
    "detection": detection,
    "export_latency": export_latency,
    "export_memory": export_memory,
    "modes": modes,
    "browser": browser,
    "onnx_runtimes": onnx_runtimes,
    "runner_speed": runner_speed,
    "scaling": scaling,
    "serve_load": serve_load,
    "train_input": train_input,
    "train_throughput": train_throughput,
}
