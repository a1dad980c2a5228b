"""The README of a run's folder: a model card in plain Markdown, made from the folder's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.files import atomic, base_name
from zoo.text import markdown
from zoo.training.recipe import read_toml

FILES = "files.json"
"""What was exported, with accuracy, size and latency; written by `zoo.export`."""


def write_card(folder: Path) -> None:
    """Writes `README.md` anew from `recipe.toml`, `metrics.json` and, where there is one, `files.json`."""
    run = read_toml(folder / "recipe.toml")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    exported = json.loads((folder / FILES).read_text(encoding="utf-8")) if (folder / FILES).exists() else []
    lines = [
        f"# {markdown(run['model']['name'])} on {markdown(base_name(run['data']['path']))}",
        "",
        f"An image classifier of {len(metrics['classes'])} classes, made with edgezoo {run['versions']['edgezoo']}."
        if run["data"]["pictures"]
        else f"A classifier of {len(metrics['classes'])} classes of sensor values, made with edgezoo "
        f"{run['versions']['edgezoo']}.",
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
            f"Accuracy: on the {exported[0]['count']} files of the {exported[0]['split']} split, read by what runs the "
            "file. Latency: this machine, one picture, in turn.",
            "",
        ]
    lines += ["## How it was made", *_facts(run, metrics), ""]
    with atomic(folder / "README.md") as scratch:
        scratch.write_text("\n".join(lines), encoding="utf-8")


def _facts(run: dict[str, Any], metrics: dict[str, Any]) -> list[str]:
    name = markdown(run["model"]["name"])
    options = markdown(", ".join(f"{key}={value}" for key, value in run["model"]["options"].items()))
    splits = ", ".join(f"{count} for {name}" for name, count in run["data"]["splits"].items())
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
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
