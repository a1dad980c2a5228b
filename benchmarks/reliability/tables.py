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
    """Returns the table of damaged .tflite files."""
    found = results()
    rows = []
    for name in ("models_litert", "models_tflite_runtime"):
        one = found[name]
        rows += [[one["runtime"], *row.values()] for row in one["rows"]]
    columns = ["runtime", *found["models_litert"]["rows"][0]]
    tried = {found[name]["runtime"]: found[name]["commands"] for name in ("models_litert", "models_tflite_runtime")}
    more = ", ".join(f"{sum(counts.values())} on {runtime} ({_counts(counts)})" for runtime, counts in tried.items())
    return f"{table(columns, rows)}\nGiven to the command itself besides: {more}.\n"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


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
    columns = [name for name in found[0] if name != "kind"]
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
    """Returns the table of files after SIGKILL."""
    rows = results()["kills"]["rows"]
    lines = []
    for row in rows:
        rest = ", ".join(f"{name} {count}" for name, count in row.items() if name not in {"command", "killed"})
        lines.append([row["command"], row["killed"], rest])
    return table(["command", "killed", "found after it"], lines)


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
        ["pictures", "named", "errors", "memory after a fifth", "at the end", "slope"],
        [[found["pictures"], found["named"], found["errors"], f"{memory['after_a_fifth']} MB",
          f"{memory['at_the_end']} MB", f"{found['bytes_a_picture']} bytes a picture"]],
    )  # fmt: skip


def soak() -> str:
    """Returns the table of the server under good and bad requests."""
    found = results()["soak"]
    took, memory = found["milliseconds"], found["memory_mb"]
    facts = [
        ["seconds", f"{found['seconds']:g}"],
        ["requests", found["requests"]],
        *[
            [f"sent: {name.rpartition(' ')[0]}; answer: {_status(name)}", count]
            for name, count in found["statuses"].items()
        ],
        ["answers 500", found["errors_500"]],
        ["requests without an answer", found["unanswered"]],
        ["tracebacks in its log", found["tracebacks"]],
        ["a good request", f"median {took['p50']} ms, p99 {took['p99']} ms"],
        ["memory", f"{memory['second_quarter']} MB in the second quarter, {memory['last_quarter']} MB in the last"],
        ["exit code on SIGTERM", found["exit_code"]],
    ]
    return table(["", ""], facts)


def _status(name: str) -> str:
    status = name.rpartition(" ")[2]
    return "not waited for" if status == "0" else status
