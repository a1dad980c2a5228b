"""Makes the tables of `docs/reliability.md` from `docs/reliability.json`; cog puts them into the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tables import markdown_table

RESULTS = Path(__file__).resolve().parent.parent.parent / "docs" / "reliability.json"
Row = dict[str, Any]
Key = TypeVar("Key")


def results() -> Row:
    """Returns the results of all scripts."""
    found: Row = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Formats a table in Markdown."""

    def cell(value: object) -> str:
        return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")

    return markdown_table(columns, [list(map(cell, row)) for row in rows]) + "\n"


def chosen(columns: Mapping[str, str], rows: Iterable[Row]) -> str:
    """Formats some columns of rows, which are given with their titles."""
    return table(list(columns.values()), [[row[name] for name in columns] for row in rows])


def whole(*names: str) -> str:
    """Formats all columns of the rows of some measurements."""
    rows: list[Row] = [row for name in names for row in results()[name]["rows"]]
    return chosen({name: name for name in rows[0]}, rows)


def groups(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Returns the rows of each key, in the order of their first ones."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def models() -> str:
    """Returns the table of damaged .tflite and .onnx files."""
    return whole("models", "models_tflite_runtime")


def inputs() -> str:
    """Returns the table of damaged Keras models, checkpoints, recipes and measurements."""
    return whole("inputs")


def fuzz() -> str:
    """Returns the table of the fuzzed parsers."""
    names = ("parser", "engine", "seconds", "executions", "coverage", "read", "refused", "kinds")
    columns = {name: {"coverage": "edges covered", "kinds": "findings"}.get(name, name) for name in names}
    rows = results()["fuzz"]["rows"]
    return chosen(
        columns,
        [row | {"kinds": ", ".join(row["kinds"]) or 0, "coverage": row["coverage"] or ""} for row in rows],
    )


def pictures() -> str:
    """Returns the table of unusual pictures, with those of the same outcome in one row."""
    found = results()["pictures"]["rows"]
    columns = [name for name in found[0] if name not in {"kind", "on"}]
    kinds = groups(found, lambda row: tuple(row[name] for name in columns))
    lines = [["; ".join(row["kind"] for row in rows), *words] for words, rows in kinds.items()]
    return table(["kind", *columns], lines)


def damaged_pictures() -> str:
    """Returns the table of damaged pictures by format, and of all kinds in one folder for training and calibration."""
    found = results()["pictures"]
    columns = {"format": "format", "files": "files", "named": "named", "refused": "refused in one line", "bad": "else"}
    together = " and ".join(f"`zoo {name}` ({word})" for name, word in found["together"].items())
    text = chosen(columns, found["damaged"])
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
    lines = [
        [how, left, ", ".join(f"{n} {word}" for word, n in Counter(row["outcome"] for row in rows).items()),
         ", ".join(f"`{row['command']}`" for row in rows)]
        for (how, left), rows in groups(
            results()["disk"]["rows"], lambda row: (row["how"], row["left"] or "nothing")
        ).items()
    ]  # fmt: skip
    return table(["fault", "left", "outcome", "commands"], lines)


def stream() -> str:
    """Returns the table of memory over many pictures."""
    found = results()["stream"]
    first, last = (f"{found['memory_mb'][when]} MB" for when in ("after_a_fifth", "at_the_end"))
    return table(
        ["on", "pictures", "named", "errors", "memory after a fifth", "at the end", "slope"],
        [[*(found[name] for name in ("on", "pictures", "named", "errors")), first, last,
          f"{found['bytes_a_picture']} bytes a picture"]],
    )  # fmt: skip


def soak() -> str:
    """Returns the table of the page and the API under good and bad requests."""
    return _load(results()["soak"])


def collector() -> str:
    """Returns the table of the collector under good and bad requests, and what it has kept."""
    found = results()["collector"]
    return _load(found | {"counts": found["kept"] | found["counts"]})


def _load(found: Row) -> str:
    took, memory = found["milliseconds"], found["memory_mb"]
    said = [{"kind": kind, "said": f"{status or 'no answer'}: {n:,}"} for kind, status, n in found["statuses"]]
    kinds = groups(said, lambda row: str(row["kind"]))
    answers = [[kind, ", ".join(row["said"] for row in rows)] for kind, rows in kinds.items()]
    facts = {name: found[name] for name in ("on", "seconds", "requests")} | {
        "a good request": f"median {took['p50']} ms, p99 {took['p99']} ms",
        "memory": f"{memory['second_quarter']} MB in the second quarter, {memory['last_quarter']} MB in the last",
    }
    lines = [list(line) for line in (facts | found["counts"]).items()]
    return f"{table(['request', 'answers'], answers)}\n{table(['', ''], lines)}"
