"""The README of a run's folder: a model card in plain Markdown, made from the folder's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.errors import InputError
from zoo.files import atomic, base_name, read_text
from zoo.text import markdown
from zoo.training.recipe import read_toml

FILES = "files.json"
"""What was exported, with accuracy, size and latency; written by `zoo.export`."""
_LARGEST = 2**63
"""No number of a list of files is as large."""


def read_files(folder: Path) -> list[dict[str, Any]]:
    """What `files.json` says of a run's exported files, which another may have written; empty where there is none.

    Raises:
        InputError: it cannot be read, or says something else.
    """
    path = folder / FILES
    if not path.exists():
        return []
    try:
        rows = json.loads(read_text(path, "the list of exported files"))
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and _is_file(row) for row in rows):
        raise InputError(f"{path} is no list of exported files; remove it, and export again")
    return rows


def _is_file(row: dict[str, Any]) -> bool:
    """Whether a row says of a file what the card shows; numbers are no larger than can be printed."""
    numbers = [row.get("bytes"), row.get("count"), row.get("accuracy"), row.get("latency_ms") or 0]
    return all(isinstance(row.get(key), str) for key in ("file", "split", "runtime")) and all(
        isinstance(number, int | float) and abs(number) < _LARGEST for number in numbers
    )


def write_card(folder: Path) -> None:
    """Writes `README.md` anew from `recipe.toml`, `metrics.json` and, where there is one, `files.json`.

    Raises:
        InputError: one of them is damaged.
    """
    run = read_toml(folder / "recipe.toml")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    exported = read_files(folder)
    version = markdown(run["versions"]["edgezoo"])
    lines = [
        f"# {markdown(run['model']['name'])} on {markdown(base_name(run['data']['path']))}",
        "",
        f"An image classifier of {len(metrics['classes'])} classes, made with edgezoo {version}."
        if run["data"]["pictures"]
        else f"A classifier of {len(metrics['classes'])} classes of sensor values, made with edgezoo {version}.",
        "",
        "Licence: **to be filled in**, with where the training files come from.",
        "",
        "## What it is worth",
        f"On {metrics['count']} files of the {metrics['split']} split: accuracy {metrics['accuracy']:.1%}, mean over "
        f"classes {metrics['balanced_accuracy']:.1%}.",
        "",
        *_table(
            ("class", "files", "precision", "recall"),
            [(c["label"], c["count"], _share(c["precision"]), _share(c["recall"])) for c in metrics["classes"]],
        ),
        "",
        "![curves](curves.png)",
        "![confusion](confusion.png)",
        *(["![the worst misses](mistakes.png)"] if run["data"]["pictures"] else []),
        "",
    ]
    if exported:
        columns = ("file", "size", "accuracy", "latency, median", "runtime")
        rows = [(f["file"], _size(f["bytes"]), f"{f['accuracy']:.1%}", _time(f), f["runtime"]) for f in exported]
        lines += ["## Files", *_table(columns, rows), ""]
        lines += [
            f"Accuracy: on the {exported[0]['count']} files of the {markdown(exported[0]['split'])} split, read by "
            "what runs the file. Latency: this machine, one picture, in turn.",
            "",
        ]
    lines += ["## How it was made", *_facts(run, metrics), ""]
    with atomic(folder / "README.md") as scratch:
        scratch.write_text("\n".join(lines), encoding="utf-8")


def _facts(run: dict[str, Any], metrics: dict[str, Any]) -> list[str]:
    name = markdown(run["model"]["name"])
    options = markdown(", ".join(f"{key}={value}" for key, value in run["model"]["options"].items()))
    splits = markdown(", ".join(f"{count} for {name}" for name, count in run["data"]["splits"].items()))
    versions = markdown(", ".join(f"{name} {version}" for name, version in run["versions"].items()))
    return [
        f"- model: {name} ({options})" if options else f"- model: {name}",
        f"- weights it began with: {markdown(base_name(run['model']['weights']))}",
        f"- data: {markdown(base_name(run['data']['path']))}: {splits}",
        f"- {metrics['epochs']} epochs in {metrics['seconds']:.0f} s, the best was number {metrics['best_epoch']}",
        "- recipe: all of it stands in `recipe.toml`",
        f"- versions: {versions}",
    ]


def _table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    cells = [columns, ("---",) * len(columns), *rows]
    return ["| " + " | ".join(cell if cell == "---" else markdown(cell) for cell in row) + " |" for row in cells]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _size(value: int) -> str:
    return f"{value / 1e6:.2f} MB"


def _time(row: dict[str, Any]) -> str:
    return "" if row.get("latency_ms") is None else f"{row['latency_ms']:.2f} ms"
