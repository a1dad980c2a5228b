from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.full import files_in, full_disk
from tests.told import Told
from zoo.accuracies import Accuracies
from zoo.choose import Limits, Variant, choose, grid, measuring
from zoo.choose.benchmark_report import read_board
from zoo.choose.cache import Cache
from zoo.choose.front import Measured
from zoo.choose.plotting import draw_choice, plot_choice
from zoo.errors import ExportError, InputError, OutputError
from zoo.export.options import MODES
from zoo.machine.cores import usable_cores
from zoo.machine.info import read_machine
from zoo.runner.loading import runtimes
from zoo.specs import NUM_CLASSES, Caution, ModelSpec, Option

SMALL = grid("mobilenet_v2", alpha=[0.35], input_size=[96, 128], quantize=["none", "int8"])


OWN = """
import zoo
from zoo.accuracies import Accuracies
from zoo.specs import NUM_CLASSES, ModelSpec

KNOWN = Accuracies("a paper", "https://example.org", ("top1", "top5"), ((60.0, 80.0),))

@zoo.register(ModelSpec("own", "", options=(NUM_CLASSES,), accuracies=KNOWN))
def own(*, num_classes=1000):
    ...
"""


def never(*_: Any, **__: Any) -> Any:
    raise AssertionError("this was to be in the cache")


@pytest.mark.slow
def test_measuring(cache_folder: Path) -> None:
    variants = grid("mobilenet_v2", alpha=[0.35], input_size=[32], quantize=["none", "int8"], num_classes=3)
    choice = choose("mobilenet_v2", variants=variants, threads=1, runs=2)
    assert {candidate.variant for candidate in choice.candidates} == set(variants)
    assert (choice.runtime, choice.threads) == ("litert", 1)
    sizes = {candidate.variant.quantize: candidate.measured.size_bytes for candidate in choice.candidates}
    assert sizes["int8"] < 0.5 * sizes["none"]
    for candidate in choice.candidates:
        assert 0 < candidate.measured.median_ms <= candidate.measured.p90_ms
        assert candidate.measured.runs == 2
    # No accuracy is published for 32x32.
    assert choice.front == ()
    assert any("2 combinations have no published accuracy" in note for note in choice.notes)
    assert any("1000 classes" in note for note in choice.notes)
    assert len(list(cache_folder.rglob("mobilenet_v2_*.json"))) == 2


@pytest.mark.usefixtures("stand_in")
def test_a_run_that_is_interrupted_goes_on(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "GROUP", 2)
    real = measuring.__dict__["time_runs"]

    def interrupted(*args: Any) -> None:
        if list(cache_folder.rglob("*.json")):
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(measuring, "time_runs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        choose("mobilenet_v2", variants=SMALL, threads=1, runs=2)
    # The first group is in the cache, but nothing of the second.
    kept = sorted(path.name for path in cache_folder.rglob("*") if path.is_file())
    stem = "mobilenet_v2_alpha-0.35_input_size-96_num_classes-1000"
    assert kept == ["machine.json", f"{stem}_int8.json", f"{stem}_none.json"]

    told = Told()
    monkeypatch.setattr(measuring, "time_runs", real)
    choice = choose("mobilenet_v2", variants=SMALL, threads=1, runs=2, progress=told)
    assert told.steps[0][0] == "2 of 4 measured; exporting"
    assert told.steps[-1][0] == "2 of 4 measured; runs"
    assert {candidate.variant for candidate in choice.candidates} == set(SMALL)
    (group,) = {path.parent for path in cache_folder.rglob("*") if path.is_file()}
    assert f"2 of 4 were measured before: {group.name} in the cache" in choice.notes
    assert str(cache_folder) not in json.dumps(choice.as_dict())


@pytest.mark.usefixtures("stand_in")
def test_when_kept_measurements_are_used(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = choose("mobilenet_v2", variants=SMALL, threads=1, runs=2)
    monkeypatch.setattr(measuring, "write_files", never)
    assert choose("mobilenet_v2", variants=SMALL, threads=1, runs=1).candidates == first.candidates
    with pytest.raises(AssertionError, match="this was to be in the cache"):
        choose("mobilenet_v2", variants=SMALL, threads=1, runs=1, again=True)
    # Measurements are repeated for more runs, other threads, another runtime, or a damaged file.
    for threads, runs in ((1, 3), (2, 2)):
        with pytest.raises(AssertionError, match="this was to be in the cache"):
            choose("mobilenet_v2", variants=SMALL, threads=threads, runs=runs)
    with monkeypatch.context() as other:
        other.setattr(runtimes, "version", lambda name: "9.9")
        with pytest.raises(AssertionError, match="this was to be in the cache"):
            choose("mobilenet_v2", variants=SMALL, threads=1, runs=2)
    next(cache_folder.rglob("*_none.json")).write_text("{", encoding="utf-8")
    with pytest.raises(AssertionError, match="this was to be in the cache"):
        choose("mobilenet_v2", variants=SMALL, threads=1, runs=2)


@pytest.mark.usefixtures("stand_in", "cache_folder", "own_registry")
def test_a_users_model_is_measured_again_when_its_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    zoo.load_models(file)
    assert [one.top1 for one in choose("own", threads=1, runs=1).candidates] == [60.0, 60.0]
    monkeypatch.setattr(measuring, "write_files", never)
    assert choose("own", threads=1, runs=1).models == ("own",)
    file.write_text(OWN + "# another net\n")
    with pytest.raises(AssertionError, match="this was to be in the cache"):
        choose("own", threads=1, runs=1)


@pytest.mark.usefixtures("stand_in")
def test_what_cannot_be_exported_or_is_hopeless_is_said(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = measuring.__dict__["write_files"]

    def refuse(variants: Any, folder: Path, progress: Any, failures: dict[Variant, ExportError]) -> dict[Variant, Path]:
        bad = [variant for variant in variants if variant.quantize == "int16x8"]
        failures |= {variant: ExportError("no such operation") for variant in bad}
        found: dict[Variant, Path] = real([v for v in variants if v not in bad], folder, progress, failures)
        return found

    monkeypatch.setattr(measuring, "write_files", refuse)
    variants = grid("mobilenet_v2", alpha=[0.35], input_size=[96], quantize=["int8", "int16x8"])
    choice = choose(variants=variants, threads=1, runs=1)
    assert [candidate.variant.quantize for candidate in choice.candidates] == ["int8"]
    assert "1 combination cannot be exported, e.g. mobilenet_v2_0.35_96_int16x8: no such operation" in choice.notes
    with pytest.raises(ExportError, match="no such operation"):
        choose(variants=variants[1:], threads=1, runs=1)


@pytest.mark.slow
@pytest.mark.usefixtures("stand_in", "cache_folder")
def test_architectures_are_measured_from_the_cheapest_on_until_one_is_far_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring, "GROUP", 1)
    variants = grid(["mobilenet_v2", "mobilenet_v1"], alpha=[0.5], input_size=[128, 160, 192], quantize=["int8"])
    choice = choose(limits=Limits(max_ms=1e-6), variants=variants, threads=1, runs=1)
    assert [one.variant.values["input_size"] for one in choice.candidates] == [128, 128]
    assert set(choice.models) == {"mobilenet_v1", "mobilenet_v2"}
    assert "4 combinations are not measured: smaller ones of their kind were too slow already" in choice.notes
    assert choice.pick is None


@pytest.mark.usefixtures("stand_in")
def test_the_cache_says_whose_it_is(cache_folder: Path) -> None:
    choose("mobilenet_v2", variants=SMALL[:1], threads=1, runs=1)
    (folder,) = cache_folder.iterdir()
    assert folder.name.startswith(f"litert-{runtimes.version('litert')}-1-threads-")
    facts = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    assert (facts["runtime"], facts["threads"]) == ("litert", 1)
    assert facts["machine"]["usable_cores"] == usable_cores()
    assert facts["made_with"]["edgezoo"] == zoo.__version__


def test_a_full_disk_leaves_no_file_in_the_cache(cache_folder: Path) -> None:
    cache = Cache(read_machine(), "litert", 1, {})
    with pytest.raises(OutputError, match=r"cannot write .*machine\.json: File too large"), full_disk():
        cache.put(SMALL[0], Measured(1, 1.0, 1.0, 1))
    assert files_in(cache_folder.parent) == []


def test_a_relative_cache_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.files.places import cache_home

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert cache_home() == tmp_path / ".cache" / "edgezoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_home() == tmp_path / ".cache" / "edgezoo"


def board_choice(board: Path, limits: Limits | None = None) -> Any:
    return choose("mobilenet_v2", limits, variants=grid("mobilenet_v2", quantize=MODES, whole=True), board=board)


def test_a_board(write_board: Callable[..., Path]) -> None:
    choice = board_choice(write_board(), Limits(max_ms=20, max_mb=4))
    assert len(choice.candidates) == 9
    # 1.4 is too large; 0.35/224 is as accurate as 1.0/96 but slower; 0.35/96 and 1.0/224 are slower in float.
    assert [candidate.variant.stem for candidate in choice.front] == [
        "mobilenet_v2_0.35_96_int8",
        "mobilenet_v2_96_int8",
        "mobilenet_v2_0.5_160_int8",
        "mobilenet_v2_int8",
    ]
    assert [one.variant.stem for one in board_choice(write_board()).front][-1] == "mobilenet_v2_1.4_int8"
    assert choice.pick.variant.command == "zoo build mobilenet_v2 --quantize int8"
    assert (choice.machine, choice.runtime, choice.threads) == ("Raspberry Pi 4, Cortex-A72", "litert", 4)
    assert "1 combination has no published accuracy and is not on the front, e.g. mobilenet_v2_1.4_96_int8" in (
        choice.notes
    )
    document = json.loads(json.dumps(choice.as_dict()))
    assert document["pick"]["command"] == choice.pick.variant.command
    assert document["pick"]["top1"] == 71.8
    assert [one["file"] for one in document["front"]] == [f"{one.variant.stem}.tflite" for one in choice.front]
    assert document["models"] == ["mobilenet_v2"]
    assert document["top1"]["mobilenet_v2"]["url"].endswith("mobilenet/README.md")


def test_what_is_to_be_known_of_files_in_a_mode_is_said(
    write_board: Callable[..., Path], entry: Callable[..., Any], own_registry: None
) -> None:
    known = Accuracies("a paper", "https://example.org", ("variant", "top1", "top5"), (("a", 60, 80), ("b", 61, 81)))
    variant = Option("variant", "", kind=str, choices=("a", "b"), in_name="{}")
    caution = Caution("in int8 it is slow", ("int8",), {"variant": ("b",)})

    @zoo.register(ModelSpec("own", "", options=(NUM_CLASSES, variant), accuracies=known, cautions=(caution,)))
    def own(*, num_classes: int = 1000, variant: str = "a") -> Any:
        """Is never called, because the model is not built."""

    def notes(*stems: str) -> list[str]:
        board = write_board([entry(f"{stem}.tflite", 1, 1.0) for stem in stems])
        return [one for one in choose("own", board=board).notes if "slow" in one]

    assert notes("own_int8", "own_b") == []
    assert notes("own_int8", "own_b_int8") == ["own_b_int8: in int8 it is slow"]


@pytest.mark.slow
def test_a_board_that_measured_several_architectures(
    write_board: Callable[..., Path], entry: Callable[..., Any], tmp_path: Path
) -> None:
    files = {"mobilenet_v2_int8": 6.0, "mobilenet_v1_int8": 7.0, "mobilenet_v1_0.5_int8": 2.0, "vgg16": 900.0}
    board = write_board([entry(f"{name}.tflite", 4_000_000, ms) for name, ms in files.items()])
    variants = grid(quantize=MODES, whole=True)
    choice = choose(limits=Limits(max_ms=10), variants=variants, board=board)
    assert choice.models == ("mobilenet_v1", "mobilenet_v2", "vgg16")
    # In int8 MobileNetV1 has an accuracy of its own, MobileNetV2 that of the float weights.
    assert [(one.variant.net, one.top1, one.top1_of) for one in choice.front] == [
        ("mobilenet_v1_0.5", 62.2, "int8"),
        ("mobilenet_v2", 71.8, "float"),
    ]
    assert choice.pick is not None
    assert choice.pick.variant.command == "zoo build mobilenet_v2 --quantize int8"
    (note,) = [note for note in choice.notes if "float weights" in note]
    assert note.startswith("the accuracies of quantized files of mobilenet_v2 are those of the float weights")
    assert any(note.startswith("mobilenet_v1: the published 8-bit files") for note in choice.notes)
    plot_choice(choice, tmp_path / "front.svg")
    drawn = (tmp_path / "front.svg").read_text(encoding="utf-8")
    for text in ("mobilenet_v1", "vgg16", "0.5/224", "1/224", "10 ms", "filled: on the front", "3 architectures on"):
        assert text in drawn


def test_paths_of_any_system_are_recognized(write_board: Callable[..., Path], entry: Callable[..., Any]) -> None:
    files = [r"C:\files\mobilenet_v2.tflite", "tpu/mobilenet_v2_96_int8_edgetpu.tflite", "other.tflite", "batch.tflite"]
    entries = [entry(file, 1_000_000, 1.0) for file in files]
    board = read_board(write_board(entries), grid("mobilenet_v2"))
    assert sorted(variant.stem for variant in board.measured) == ["mobilenet_v2", "mobilenet_v2_96_int8"]
    assert board.unknown == ("other.tflite", "batch.tflite")
    # A batch of two pictures is not used.
    entries = [entry("mobilenet_v2.tflite", 1, 1.0), entry("mobilenet_v2_96.tflite", 1, 1.0, batch=2)]
    assert read_board(write_board(entries), grid("mobilenet_v2")).unknown == ("mobilenet_v2_96.tflite",)


def test_a_board_whose_files_have_other_classes_is_refused(
    write_board: Callable[..., Path], entry: Callable[..., Any]
) -> None:
    board = write_board([entry("mobilenet_v2.tflite", 1, 9.0, outputs=[[1, 7]])])
    assert len(choose(variants=grid("mobilenet_v2", num_classes=7), board=board).candidates) == 1
    with pytest.raises(InputError, match=r"has 7 classes, and 1000 are asked for.*give --num-classes 7, or measure"):
        choose("mobilenet_v2", board=board)
    board = write_board([entry("mobilenet_v2.tflite", 1, 9.0)])
    with pytest.raises(InputError, match="has 1000 classes, and 7 are asked for"):
        choose(variants=grid("mobilenet_v2", num_classes=7), board=board)


def test_a_board_of_an_older_version_is_said_not_to_tell_its_classes(
    write_board: Callable[..., Path], entry: Callable[..., Any]
) -> None:
    old = entry("mobilenet_v2.tflite", 1, 9.0)
    del old["outputs"]
    notes = choose(variants=grid("mobilenet_v2", num_classes=7), board=write_board([old])).notes
    assert any("does not say how many classes" in note and "if they have 7." in note for note in notes)
    notes = choose("mobilenet_v2", board=write_board([entry("mobilenet_v2.tflite", 1, 9.0)])).notes
    assert not any("does not say how many classes" in note for note in notes)


def test_a_board_with_several_setups(write_board: Callable[..., Path], entry: Callable[..., Any]) -> None:
    file = "mobilenet_v2.tflite"
    path = write_board([entry(file, 1, 9.0, threads=1), entry(file, 1, 4.0), entry(file, 1, 8.0, runtime="openvino")])
    variants = grid("mobilenet_v2")
    with pytest.raises(InputError, match="litert with 1 thread and litert with 4 threads; say which .* --threads"):
        read_board(path, variants)
    board = read_board(path, variants, runtime="litert", threads=4)
    assert [(m.median_ms, board.threads) for m in board.measured.values()] == [(4.0, 4)]
    with pytest.raises(InputError, match="more than once"):
        read_board(write_board([entry(file, 1, 9.0), entry(file, 1, 4.0)]), variants)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not what zoo benchmark --json prints"),
        ("[]", "is not what zoo benchmark --json prints"),
        ('{"measurements": [{"file": 3}], "machine": {}}', "is not what zoo benchmark --json prints"),
        (
            '{"measurements": [{"file": "a", "runtime": "litert", "size_bytes": 1, "threads": 1, "batch": 1, '
            '"outputs": [["a"]], "latency": {"median_ms": 1, "p90_ms": 1, "runs": 1}}], "machine": {}}',
            "is not what zoo benchmark --json prints",
        ),
        (
            '{"measurements": [], "machine": {}}',
            "has no file of these combinations; their names are as zoo build gives them, e.g. mobilenet_v2_0.35_96.tfl",
        ),
    ],
)
def test_other_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "board.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_board(tmp_path / "board.json", grid("mobilenet_v2"))
    with pytest.raises(InputError, match="cannot read benchmark"):
        read_board(tmp_path / "gone.json", grid("mobilenet_v2"))


def test_the_picture(write_board: Callable[..., Path], tmp_path: Path) -> None:
    choice = board_choice(write_board(), Limits(max_ms=20, min_top1=60))
    plot_choice(choice, tmp_path / "front.svg")
    drawn = (tmp_path / "front.svg").read_text(encoding="utf-8")
    for text in ("<!-- 0.35/96 -->", "<!-- 1.4/224 -->", "<!-- 20 ms -->", "<!-- 60% -->", "<!-- pick, 6.7 MB -->"):
        assert text in drawn
    # This one is not on the front.
    assert "<!-- 0.35/224 -->" not in drawn
    assert "Raspberry Pi 4" in drawn


def test_names_in_the_picture_stand_apart(write_board: Callable[..., Path], entry: Callable[..., Any]) -> None:
    """Two points of the front are so near to each other that one of the names has to go elsewhere."""
    files = {"mobilenet_v1_0.25_128": 0.15, "mobilenet_v2_0.5_192": 0.67, "mobilenet_v1_128": 0.7, "mobilenet_v4": 0.8}
    board = write_board([entry(f"{name}_int8.tflite", 1, ms) for name, ms in files.items()])
    drawing = draw_choice(choose(variants=grid(quantize=MODES, whole=True), board=board))
    drawing.draw_without_rendering()
    names = drawing.axes[0].texts
    assert sorted(text.get_text() for text in names) == ["0.25/128", "0.5/192", "1/128", "conv_small/224"]
    boxes = [text.get_window_extent() for text in names]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
