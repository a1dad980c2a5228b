"""The README of a run's folder: a model card in plain Markdown, made from the other files of the folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from zoo.errors import InputError
from zoo.files.places import base_name
from zoo.files.reading import read_text
from zoo.files.writing import atomic
from zoo.text import count_of, markdown
from zoo.training.recipe import read_toml
from zoo.training.tasks import TASKS, TrainingTask, sureness, task_of

FILES = "files.json"
"""Name of the list of exported files with accuracy, size and latency, which `zoo.export` writes."""
_CLASSES = 50
"""The most rows of the table of classes in the card."""
_LARGEST = 2**63
"""A limit that all numbers of a list of files stay below."""


def read_files(folder: Path) -> list[dict[str, Any]]:
    """Reads the list of a run's exported files, which may be a stranger's; it is empty if there is none.

    Raises:
        InputError: the list cannot be read, or is no such list.
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
    """Returns whether a row holds what the card shows of a file, with numbers that can be printed."""
    scores = [row[name] for name in (task.monitor for task in TASKS.values()) if name in row]
    numbers = [row.get("bytes"), row.get("count"), *(scores or [None])]
    numbers += [row.get(key) or 0 for key in ("latency_ms", "agreement")]
    return all(isinstance(row.get(key), str) for key in ("file", "split", "runtime")) and all(
        isinstance(number, int | float) and abs(number) < _LARGEST for number in numbers
    )


def write_card(folder: Path) -> None:
    """Writes `README.md` anew from `recipe.toml`, `metrics.json` and, if there is one, `files.json`.

    Raises:
        InputError: one of them is damaged.
        OptionError: the run is of a task that this version does not know.
    """
    run = read_toml(folder / "recipe.toml")
    task = task_of(run["model"])
    pictures = run["data"]["pictures"]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    section, exported = task.section(metrics), read_files(folder)
    version = markdown(run["versions"]["edgezoo"])
    lines = [
        f"# {markdown(run['model']['name'])} on {markdown(base_name(run['data']['path']))}",
        "",
        f"{task.describe(metrics, pictures=pictures)}, made with edgezoo {version}.",
        "",
        "Licence: **to be filled in**, with where the training files come from.",
        "",
        "## What it is worth",
        f"On {count_of(metrics['count'], 'file')} of the {metrics['split']} split: {task.figures(metrics)}.",
        "",
        *_table(section.columns, section.rows),
        "",
        *(line for text in sureness(task, metrics) for line in (markdown(text), "")),
        "![curves](curves.png)",
        *(f"![{title}]({file})" for title, file in task.plots(pictures=pictures)),
        "",
    ]
    if exported:
        columns = ("file", "size", task.score_name, "as Keras", "latency, median", "runtime")
        rows = [
            (f["file"], _size(f["bytes"]), _score(f, task), _agreement(f), _time(f), f["runtime"]) for f in exported
        ]
        lines += ["## Files", *_table(columns, rows), ""]
        lines += [
            f"{_capital(task.score_name)}: on the {count_of(exported[0]['count'], 'file')} of the "
            f"{markdown(exported[0]['split'])} split, read by what runs the file. As Keras: share of Keras' answers to "
            "calibration files that the file gives. Latency: this machine, one picture, in turn.",
            "",
        ]
    lines += [*_data(run["data"])]
    lines += ["## How it was made", *_facts(run, metrics), ""]
    with atomic(folder / "README.md") as scratch:
        scratch.write_text("\n".join(lines), encoding="utf-8")


def _data(data: dict[str, Any]) -> list[str]:
    """Returns the section on the data, from the facts in a run's recipe file; older runs have none."""
    counts, report = data.get("counts"), data.get("report")
    if not _is_rows(counts) or not _is_texts(report):
        return []
    (first, *rows), told = counts, report
    shown = rows if len(rows) <= _CLASSES else [*rows[: _CLASSES - 1], rows[-1]]
    hidden = [f"Of the classes {len(rows) - len(shown)} more are left out here.", ""] if len(shown) < len(rows) else []
    return [
        "## The data",
        *_table(tuple(first), [tuple(row) for row in shown]),
        "",
        *hidden,
        *(f"- {markdown(line)}" for line in told),
        "",
    ]


def _is_texts(found: Any) -> TypeGuard[list[str]]:
    return isinstance(found, list) and all(isinstance(text, str) for text in found)


def _is_rows(found: Any) -> TypeGuard[list[list[str]]]:
    return (
        isinstance(found, list)
        and len(found) > 1
        and all(_is_texts(row) and len(row) == len(found[0]) > 0 for row in found)
    )


def _facts(run: dict[str, Any], metrics: dict[str, Any]) -> list[str]:
    name = markdown(run["model"]["name"])
    options = markdown(", ".join(f"{key}={value}" for key, value in run["model"]["options"].items()))
    splits = markdown(", ".join(f"{count} for {name}" for name, count in run["data"]["splits"].items()))
    versions = markdown(", ".join(f"{name} {version}" for name, version in run["versions"].items()))
    return [
        f"- model: {name} ({options})" if options else f"- model: {name}",
        f"- weights it began with: {markdown(base_name(run['model']['weights']))}{_about_weights(run['model'])}",
        f"- data: {markdown(base_name(run['data']['path']))}: {splits}",
        *([f"- {markdown(pruning)}"] if isinstance(pruning := run["model"].get("about_pruning"), str) else []),
        *_quantized(run["model"]),
        f"- {count_of(metrics['epochs'], 'epoch')} in {metrics['seconds']:.0f} s, the best was number "
        f"{metrics['best_epoch']} (by {task_of(run['model']).score_name} on the "
        f"{'validation' if run['data']['splits'].get('validation') else 'training'} files)"
        if metrics["epochs"]
        else "- not trained in this run",
        *_teacher(run),
        "- recipe: all of it stands in `recipe.toml`",
        f"- versions: {versions}",
    ]


def _teacher(run: dict[str, Any]) -> list[str]:
    """Returns the line on a run's teacher; none for a run without one."""
    about = run.get("teacher")
    if not isinstance(about, dict):
        return []
    name, digest = (str(about.get(key)) for key in ("path", "sha256"))
    recipe = run["recipe"]
    return [
        f"- teacher: {markdown(base_name(name))} (SHA-256 {markdown(digest[:12])}...), weight "
        f"{markdown(str(recipe.get('teacher_weight')))}, temperature {markdown(str(recipe.get('temperature')))}"
    ]


def _quantized(model: dict[str, Any]) -> list[str]:
    """Returns what a model was trained for in int8, from the table `model` of a run, which may be a stranger's."""
    found = model.get("quantization_aware")
    if not isinstance(found, dict) or not isinstance(found.get("weight_bits"), int):
        return []
    scales = "one scale a kernel" if found.get("per_tensor") is True else "one scale a channel"
    return [
        f"- trained for int8 (quantization-aware): weights of {found['weight_bits']} bits, {scales}; the figures are "
        "those of the model that computes as its int8 file does"
    ]


def _about_weights(model: dict[str, Any]) -> str:
    found = model.get("about_weights")
    return f": {markdown(found)}" if isinstance(found, str) else ""


def _table(columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> list[str]:
    cells = [columns, ("---",) * len(columns), *rows]
    return ["| " + " | ".join(cell if cell == "---" else markdown(cell) for cell in row) + " |" for row in cells]


def _score(row: dict[str, Any], task: TrainingTask) -> str:
    return f"{row[task.monitor]:.1%}" if task.monitor in row else ""


def _capital(name: str) -> str:
    return name[0].upper() + name[1:] if name.islower() else name


def _size(value: int) -> str:
    return f"{value / 1e6:.2f} MB"


def _time(row: dict[str, Any]) -> str:
    return "" if row.get("latency_ms") is None else f"{row['latency_ms']:.2f} ms"


def _agreement(row: dict[str, Any]) -> str:
    return "" if row.get("agreement") is None else f"{row['agreement']:.0%}"
