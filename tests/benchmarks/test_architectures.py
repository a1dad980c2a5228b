"""The comparison of all architectures: its nets, what is kept of an interrupted run, how files are timed, the table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import architectures
import pytest
from click.testing import CliRunner

import zoo
from zoo.accuracies import Accuracies
from zoo.specs import NUM_CLASSES, ModelSpec, Option

if TYPE_CHECKING:
    from tests.conftest import Case

FIGURES = ((1.0, 70.9, 89.9, 69.7), (0.5, 63.3, 84.9, None))


@pytest.fixture
def registered(own_registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nets of ImageNet's classes beside the reference; an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    known = Accuracies("a table", "https://example.org/table", ("alpha", "top1", "top5", "int8_top1"), FIGURES)
    alpha = Option("alpha", "", kind=float, above=0, in_name="{:g}")

    @zoo.register(ModelSpec("rated", "", options=(NUM_CLASSES, alpha), accuracies=known))
    def rated(*, num_classes: int = 1000, alpha: float = 1.0) -> Any:
        """Is never called, because the model is not built."""

    @zoo.register(ModelSpec("unrated", "", options=(NUM_CLASSES,)))
    def unrated(*, num_classes: int = 1000) -> Any:
        """Is never called, because the model is not built."""


def spread(median: float) -> dict[str, float]:
    return {"median": median, "p10": median, "p90": median}


def row(net: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    time = {"cpu_ms": spread(4.31), "wall_ms": spread(5), "ratio": spread(1.265), "rounds": 15}
    return {
        "model": net[0], "net": zoo.spec(net[0]).instance_name(net[1]), "options": net[1], "params": 4_253_864,
        "macs": 568_740_352, "bytes": {"none": 16_900_000, "int8": 4_510_000},
        "edgetpu": {"operations": 32, "mapped": 31, "weight_bytes": 15 * 2**19}, "times": {"litert": {"int8": time}},
    }  # fmt: skip


def test_the_nets_are_the_published_variants_of_all_models_for_imagenet(registered: None) -> None:
    names = architectures.imagenet_models()
    assert {"mobilenet_v2", "alexnet", "rated", "unrated"} <= set(names)
    assert not {"lenet", "ssdlite_mobilenet_v2"} & set(names)
    found = architectures.nets(("rated", "unrated"))
    assert [zoo.spec(model).instance_name(options) for model, options in found] == ["rated", "rated_0.5", "unrated"]
    assert [options["alpha"] for _, options in architectures.nets(("rated",), default_only=True)] == [1.0]


@pytest.fixture
def measured(registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the nets that were exported, by stand-ins that export, describe and time nothing."""
    made: list[str] = []

    def written(net: tuple[str, dict[str, Any]], folder: Path) -> dict[str, Path]:
        name = zoo.spec(net[0]).instance_name(net[1])
        made.append(name)
        paths = {mode: folder / f"{name}_{mode}.tflite" for mode in architectures.MODES}
        for path in paths.values():
            path.touch()
        return paths

    monkeypatch.setattr(architectures, "written", written)
    monkeypatch.setattr(architectures, "described", lambda net, files: row(net))
    monkeypatch.setattr(architectures, "timed", lambda *_: row(("rated", {}))["times"])
    return made


def run(*words: str) -> Any:
    done = CliRunner().invoke(architectures.main, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["rows"]


def test_a_run_goes_on_where_it_was_and_adds_to_what_is_kept(measured: list[str]) -> None:
    assert [found["net"] for found in run("--models", "rated", "--default-only")] == ["rated"]
    assert [found["net"] for found in run("--models", "unrated,rated")] == ["rated", "rated_0.5", "unrated"]
    assert measured == ["mobilenet_v2", "rated", "mobilenet_v2", "unrated", "rated_0.5"]
    assert len(run("--models", "rated")) == 3
    assert len(measured) == 5
    run("--models", "unrated", "--again")
    assert measured[5:] == ["mobilenet_v2", "unrated"]
    # Another number of rounds gives other figures.
    assert [found["net"] for found in run("--models", "unrated", "--rounds", "6")] == ["unrated"]


def test_an_unknown_model_is_one_line(measured: list[str]) -> None:
    done = CliRunner().invoke(architectures.main, ["--models", "rated,lenet"])
    assert done.exit_code == 2
    assert "'lenet' is not one of mobilenet_v2" in done.output
    assert measured == []


def test_a_damaged_file_is_measured_again(measured: list[str], tmp_path: Path) -> None:
    run("--models", "unrated")
    (kept,) = tmp_path.rglob("unrated.json")
    kept.write_text("{")
    run("--models", "unrated")
    assert measured.count("unrated") == 2


def test_files_are_timed_in_turn_by_cpu_time_and_wall_time(cases: Callable[[str], Case]) -> None:
    both = {"int8": cases("lenet").file}
    found = architectures.timed(both, both, {"litert": Path(sys.executable)}, 7, 60)["litert"]["int8"]
    assert found["rounds"] == 7
    assert found["ratio"] == spread(1)
    assert found["cpu_ms"]["median"] > 0
    assert found["wall_ms"]["median"] > 0


def test_the_table_has_a_line_for_each_net_with_its_accuracies_and_their_source(registered: None) -> None:
    nets = architectures.nets(("rated", "unrated"))
    text = architectures.table({"reference": "mobilenet_v2", "rows": [row(net) for net in nets]})
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    whole, half, unrated = lines
    assert whole == [
        "`rated`", "4.25 M", "569 M", "16.9 MB", "4.51 MB", "70.9%", "69.7%", "[1](https://example.org/table)", "",
        "1.26x, 4.31 ms", "", "", "31 of 32, 7.5 MiB may fit",
    ]  # fmt: skip
    assert half[5:7] == ["63.3%", ""]
    assert unrated[5:8] == ["", "", ""]
    assert "1. [a table](https://example.org/table)" in text
