"""Makes the tables of `docs/reliability.md` from `docs/reliability.json`; cog puts them into the page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent.parent / "docs" / "reliability.json"


def results() -> dict[str, Any]:
    """Returns the results of all scripts."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Formats a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def models() -> str:
    """Returns the table of damaged .tflite and .onnx files."""
    found = [results()[name] for name in ("models", "models_tflite_runtime")]
    return table(list(found[0]["rows"][0]), [list(row.values()) for one in found for row in one["rows"]])


def inputs() -> str:
    """Returns the table of damaged Keras models, checkpoints, recipes and measurements."""
    rows = results()["inputs"]["rows"]
    return table(list(rows[0]), [list(row.values()) for row in rows])


def fuzz() -> str:
    """Returns the table of the fuzzed parsers."""
    names = {
        "parser": "parser", "engine": "engine", "seconds": "seconds", "executions": "executions",
        "coverage": "edges covered", "read": "read", "refused": "refused", "kinds": "findings",
    }  # fmt: skip
    rows = [
        [("" if row[name] is None else ", ".join(row[name]) or 0 if name == "kinds" else row[name]) for name in names]
        for row in results()["fuzz"]["rows"]
    ]
    return table(list(names.values()), rows)


def pictures() -> str:
    """Returns the table of unusual pictures, with those of the same outcome in one row."""
    found = results()["pictures"]["rows"]
    columns = [name for name in found[0] if name not in {"kind", "on"}]
    kinds: dict[tuple[str, ...], list[str]] = {}
    for row in found:
        kinds.setdefault(tuple(row[name] for name in columns), []).append(row["kind"])
    return table(["kind", *columns], [["; ".join(names), *words] for words, names in kinds.items()])


def damaged_pictures() -> str:
    """Returns the table of damaged pictures by format, and of all kinds in one folder for training and calibration."""
    found = results()["pictures"]
    rows = found["damaged"]
    columns = {"format": "format", "files": "files", "named": "named", "refused": "refused in one line", "bad": "else"}
    together = " and ".join(f"`zoo {name}` ({word})" for name, word in found["together"].items())
    text = table(list(columns.values()), [[row[name] for name in columns] for row in rows])
    return f"{text}\nAll kinds of the table above in one folder, with sound pictures: {together}.\n"


def kills() -> str:
    """Returns the table of what is there after SIGKILL; counts of 0 are left out."""
    hidden = {"command", "tried", "killed", "on"}
    lines = [
        [f"`{row['command']}`", row["tried"], row["killed"],
         ", ".join(f"{name} {count:,}" for name, count in row.items() if name not in hidden and count), row["on"]]
        for row in results()["kills"]["rows"]
    ]  # fmt: skip
    return table(["command", "tried", "killed", "found after it", "on"], lines)


def disk() -> str:
    """Returns the table of commands that could not write."""
    rows = results()["disk"]["rows"]
    lines: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        counts = lines.setdefault((row["how"], row["left"] or "nothing"), {})
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
    grouped = [
        [how, left, ", ".join(f"{count} {outcome}" for outcome, count in counts.items()),
         ", ".join(f"`{row['command']}`" for row in rows if row["how"] == how and (row["left"] or "nothing") == left)]
        for (how, left), counts in lines.items()
    ]  # fmt: skip
    return table(["fault", "left", "outcome", "commands"], grouped)


def stream() -> str:
    """Returns the table of memory over many pictures."""
    found = results()["stream"]
    memory = found["memory_mb"]
    return table(
        ["on", "pictures", "named", "errors", "memory after a fifth", "at the end", "slope"],
        [[found["on"], found["pictures"], found["named"], found["errors"], f"{memory['after_a_fifth']} MB",
          f"{memory['at_the_end']} MB", f"{found['bytes_a_picture']} bytes a picture"]],
    )  # fmt: skip


def soak() -> str:
    """Returns the table of the page and the API under good and bad requests."""
    return _load(results()["soak"])


def collector() -> str:
    """Returns the table of the collector under good and bad requests, and what it has kept."""
    found = results()["collector"]
    return _load(found | {"counts": found["kept"] | found["counts"]})


def _load(found: dict[str, Any]) -> str:
    took, memory = found["milliseconds"], found["memory_mb"]
    kinds: dict[str, list[str]] = {}
    for kind, status, number in found["statuses"]:
        kinds.setdefault(kind, []).append(f"{status or 'no answer'}: {number:,}")
    answers = table(["request", "answers"], [[kind, ", ".join(words)] for kind, words in kinds.items()])
    facts = [
        ["on", found["on"]],
        ["seconds", found["seconds"]],
        ["requests", found["requests"]],
        ["a good request", f"median {took['p50']} ms, p99 {took['p99']} ms"],
        ["memory", f"{memory['second_quarter']} MB in the second quarter, {memory['last_quarter']} MB in the last"],
        *map(list, found["counts"].items()),
    ]
    return f"{answers}\n{table(['', ''], facts)}"
