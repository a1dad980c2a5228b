"""Invented measurements to choose from, and files that replace others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo.choose import Variant, measuring

if TYPE_CHECKING:
    from tests.conftest import Case
    from zoo.progress import Progress

# The fields of `zoo benchmark --json` that are read here, for each file: size, median.
TIMES: dict[str, tuple[int, float]] = {
    "mobilenet_v2_0.35_96.tflite": (6_700_000, 1.0),
    "mobilenet_v2_0.35_96_int8.tflite": (1_900_000, 0.5),
    "mobilenet_v2_0.5_160_int8.tflite": (2_200_000, 2.0),
    "mobilenet_v2_0.35_int8.tflite": (1_900_000, 2.5),
    "mobilenet_v2_96_int8.tflite": (3_900_000, 1.5),
    "mobilenet_v2_int8.tflite": (3_900_000, 6.0),
    "mobilenet_v2.tflite": (13_900_000, 12.0),
    "mobilenet_v2_1.4_int8.tflite": (6_700_000, 11.0),
    "mobilenet_v2_1.4_96_int8.tflite": (6_700_000, 2.2),  # its accuracy is not published
}


def _entry(file: str, size: int, median: float, **more: Any) -> dict[str, Any]:
    latency = {"runs": 100, "median_ms": median, "p90_ms": 1.1 * median}
    how = {"runtime": "litert", "threads": 4, "batch": 1, "outputs": [[1, 1000]]}
    return {"file": file, "size_bytes": size, **how, "latency": latency, **more}


@pytest.fixture
def entry() -> Callable[..., dict[str, Any]]:
    """Makes one measurement of a document from file, size, median and other fields."""
    return _entry


@pytest.fixture
def write_board(tmp_path: Path) -> Callable[..., Path]:
    """Writes a board's document with these entries or those of `TIMES`."""

    def write(entries: list[dict[str, Any]] | None = None) -> Path:
        if entries is None:
            entries = [_entry(f"/home/pi/{file}", *found) for file, found in TIMES.items()]
        path = tmp_path / "board.json"
        machine = {"board": "Raspberry Pi 4", "cpu": "Cortex-A72"}
        path.write_text(json.dumps({"machine": machine, "measurements": entries}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def stand_in(cases: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies an existing LeNet instead of building files."""

    def write(variants: Sequence[Variant], folder: Path, progress: Progress, failures: object) -> dict[Variant, Path]:
        progress.step("exporting", 0, len(variants))
        return {one: Path(shutil.copy(cases("lenet").file, folder / f"{one.stem}.tflite")) for one in variants}

    monkeypatch.setattr(measuring, "write_files", write)


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the measurements of this test are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "edgezoo" / "choose"
