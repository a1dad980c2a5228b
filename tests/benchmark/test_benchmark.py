from __future__ import annotations

import dataclasses
import json
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo.benchmark.benchmark
import zoo.benchmark.interleave
from tests.told import Told
from zoo.benchmark import coldstart
from zoo.benchmark.benchmark import Benchmark, benchmark
from zoo.benchmark.coldstart import cold_start
from zoo.benchmark.combinations import combinations, left_out
from zoo.benchmark.interleave import Candidate, time_pictures, time_runs
from zoo.benchmark.profile import OpTime
from zoo.benchmark.workload import PHOTO_QUALITY, PHOTO_SIZE, save_photo, some_input
from zoo.errors import InputError, MissingDependencyError, ModelFileError
from zoo.machine.cores import usable_cores
from zoo.runner import Predictor, TensorInfo
from zoo.runner.loading import runtimes

if TYPE_CHECKING:
    pass


pytestmark = pytest.mark.usefixtures("quick_benchmark")


def unused(*_: Any) -> Any:
    raise AssertionError("nothing was to be measured")


@pytest.mark.slow
def test_two_files_with_one_and_two_threads(lenet_file: Path, conv1d_file: Path) -> None:
    found = benchmark([lenet_file, conv1d_file], runs=7, warmup=0, threads=[1, 2])
    assert (found.runs, found.warmup, found.photo) == (7, 0, "synthetic, 1920x1080")
    names = [(m.file, m.runtime, m.threads) for m in found.measurements]
    assert names == [(str(f), "litert", n) for f in (lenet_file, conv1d_file) for n in (1, 2)]
    # Each is compared with the first file with as many threads.
    assert [m.ratio and m.ratio.to for m in found.measurements] == [None, None, 0, 1]
    for measured in found.measurements:
        times = measured.latency
        assert times.runs == 7
        assert 0 < times.min_ms <= times.median_ms <= times.p90_ms <= times.p99_ms
        assert measured.per_second == pytest.approx(1e3 / times.mean_ms)
        assert measured.size_bytes == Path(measured.file).stat().st_size
        assert measured.runtime_version
        assert measured.ops is None
        start = measured.cold_start
        assert 0 < start.check_ms + start.load_ms + start.first_run_ms < start.total_ms
        assert start.before_bytes is not None
        assert start.peak_bytes is not None
        assert 0 < start.before_bytes < start.peak_bytes
    for measured in found.measurements[:2]:
        assert measured.from_jpeg is not None
        rate = measured.from_jpeg.per_second
        assert 0 < rate.p10 <= rate.median <= rate.p90
        assert measured.no_jpeg is None
    for measured in found.measurements[2:]:
        assert (measured.from_jpeg, measured.no_jpeg) == (None, f"{conv1d_file} does not take pictures")


@pytest.mark.slow
def test_results_can_be_written_as_json(lenet_file: Path) -> None:
    found = benchmark([lenet_file], runs=1)
    document = json.loads(json.dumps(found.as_dict()))
    (measured,) = document["measurements"]
    assert measured["latency"]["median_ms"] == found.measurements[0].latency.median_ms
    assert measured["ratio"] is None
    assert document["machine"]["usable_cores"] == usable_cores()
    assert measured["threads"] == runtimes.default_threads()
    assert set(document["before"]) == set(document["after"])
    assert document["notes"] == found.notes


@pytest.mark.slow
def test_one_file_is_compared_with_its_first_candidate(lenet_file: Path) -> None:
    one = benchmark([lenet_file], runs=2, threads=[1, 2])
    assert [m.ratio and m.ratio.to for m in one.measurements] == [None, 0]
    # The same file twice shows random differences.
    twice = benchmark([lenet_file, lenet_file], runs=2, threads=[1])
    assert [m.ratio and m.ratio.to for m in twice.measurements] == [None, 0]


class Stub:
    """Replaces a candidate, and records the calls."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log
        self.record = SimpleNamespace(seconds=[], rates=[], pictures=0)
        self.predictor = True

    def run(self) -> float:
        self.log.append(self.name)
        return float(len(self.log))

    def predict(self, photo: Path, count: int) -> float:
        self.log.append(f"{self.name}{count}")
        return 0.01 * count


def test_rounds_are_interleaved() -> None:
    log: list[str] = []
    a, b = Stub("a", log), Stub("b", log)
    stubs: Any = [a, b]
    time_runs(stubs, 3, 2)
    assert "".join(log) == "aabb" + "bbaa" + "aabb" + "bbaa"
    # The second run of each pair counts.
    assert (a.record.seconds, b.record.seconds) == ([8.0, 10.0, 16.0], [6.0, 12.0, 14.0])


def test_one_candidate_needs_no_untimed_runs() -> None:
    log: list[str] = []
    stubs: Any = [Stub("a", log)]
    time_runs(stubs, 3, 0)
    assert "".join(log) == "aaa"


def test_the_number_of_pictures_follows_their_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.benchmark.interleave, "RATE_SECONDS", 0.5)
    log: list[str] = []
    stub, other = Stub("a", log), Stub("b", log)
    other.predictor = False
    stubs: Any = [stub, other]
    time_pictures(stubs, Path("photo.jpg"))
    assert log == ["a1", "a1", "a1", "a50", "a1", "a50"]
    assert stub.record.rates == pytest.approx([100, 100])


@pytest.mark.slow
def test_progress_tells_every_step(lenet_file: Path) -> None:
    told = Told()
    benchmark([lenet_file], runs=2, progress=told)
    assert told.steps == [
        ("loading", 0, 1),
        ("runs", 0, 2),
        ("runs", 1, 2),
        ("pictures", 0, 2),
        ("pictures", 1, 2),
        ("cold starts", 0, 1),
    ]


@pytest.mark.slow
def test_all_files_are_loaded_before_the_first_is_measured(
    lenet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo.benchmark.benchmark, "time_runs", unused)
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(lenet_file.read_bytes()[:5000])
    for path in (cut, tmp_path / "none.tflite", tmp_path):
        with pytest.raises(ModelFileError, match=str(path)):
            benchmark([lenet_file, path])
    with pytest.raises(MissingDependencyError, match="tflite-runtime is not installed"):
        benchmark([lenet_file], runtimes=["litert", "tflite-runtime"])
    (tmp_path / "photo.jpg").write_text("not a picture")
    with pytest.raises(InputError, match=r"photo\.jpg is not a picture that Pillow can open"):
        benchmark([lenet_file], photo=tmp_path / "photo.jpg")


@pytest.mark.slow
def test_a_file_is_tried_once_for_each_runtime(lenet_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr("zoo.runner.loading.session.require_sound", lambda _, runtime, *__: tried.append(runtime))
    benchmark([lenet_file], runs=1, threads=[1, 2], runtimes=["litert", "openvino"])
    assert tried == ["litert", "openvino"]


@pytest.mark.slow
def test_a_delegate_goes_to_every_candidate(lenet_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no delegate 'nothing': give edgetpu"):
        benchmark([lenet_file], delegate="nothing")
    (tmp_path / "lib.so").write_text("no library")
    with pytest.raises(InputError, match=r"cannot load the delegate .*lib\.so"):
        benchmark([lenet_file], delegate=str(tmp_path / "lib.so"))
    with pytest.raises(ModelFileError, match="fails in a fresh process on litert: no delegate 'nothing'"):
        cold_start(lenet_file, runtime="litert", threads=1, delegate="nothing")


def test_wrong_numbers(lenet_file: Path) -> None:
    with pytest.raises(InputError, match="there is no file to measure; give at least one"):
        benchmark([])
    with pytest.raises(InputError, match="runs=0 is not allowed; give 1 or more"):
        benchmark([lenet_file], runs=0)
    with pytest.raises(InputError, match="warmup=-1 is not allowed; give 0 or more"):
        benchmark([lenet_file], warmup=-1)
    for number in (0, 100_000):
        with pytest.raises(InputError, match=f"threads={number} is not allowed; give 1 to 256"):
            benchmark([lenet_file], threads=[1, number])


def test_a_photo_that_is_not_there_is_refused_before_anything_is_loaded(
    lenet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo.benchmark.benchmark, "Candidate", unused)
    with pytest.raises(InputError, match=r"cannot read photo .*none\.jpg: No such file or directory"):
        benchmark([lenet_file], photo=tmp_path / "none.jpg")


def test_a_photo_for_files_that_take_none_is_refused(
    conv1d_file: Path, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo.benchmark.benchmark, "time_runs", unused)
    with pytest.raises(InputError, match=r"no photo is needed: .* does not take pictures; leave --photo out"):
        benchmark([conv1d_file], photo=photos[0])


def test_each_runtime_and_number_counts_once_and_a_runtime_of_other_files_is_named() -> None:
    files = [Path("a.tflite"), Path("b.onnx"), Path("a.tflite")]
    # A file may be given twice, to see random differences.
    assert combinations(files, ["litert", "onnxruntime", "litert"], [1, 1, 2]) == [
        *((files[0], "litert", threads) for threads in (1, 2)),
        *((files[1], "onnxruntime", threads) for threads in (1, 2)),
        *((files[0], "litert", threads) for threads in (1, 2)),
    ]
    assert left_out(files, ["litert", "onnxruntime"]) == (
        "a.tflite is not run by onnxruntime, which cannot run .tflite files",
        "b.onnx is not run by litert, which cannot run .onnx files",
    )
    assert left_out(files, []) == ()


@pytest.mark.slow
def test_the_json_names_no_folder_and_has_the_shapes_of_outputs(conv1d_file: Path) -> None:
    found = benchmark([conv1d_file], runs=1, threads=[1, 1], runtimes=["onnxruntime", "litert"])
    document = found.as_dict()
    (measured,) = document["measurements"]
    assert measured["no_jpeg"] == f"{conv1d_file.name} does not take pictures"
    assert str(conv1d_file.parent) not in json.dumps(document)
    assert measured["outputs"] == (Predictor(conv1d_file).session.output.shape,)
    assert found.notes[0] == f"{conv1d_file.name} is not run by onnxruntime, which cannot run .tflite files"


def test_a_photo_of_the_user_is_used(lenet_file: Path, photos: tuple[Path, Path]) -> None:
    found = benchmark([lenet_file], runs=1, photo=photos[0])
    assert found.photo == str(photos[0])
    assert found.measurements[0].from_jpeg is not None


@pytest.mark.slow
def test_a_model_that_is_no_classifier_has_a_latency(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    inputs = keras.Input(batch_shape=(2, 8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs))
    path = tmp_path / "map.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    (measured,) = benchmark([path], runs=3).measurements
    assert measured.no_jpeg is not None
    assert "is no classifier" in measured.no_jpeg
    # There are two inputs in a run.
    assert measured.batch == 2
    assert measured.per_second == pytest.approx(2e3 / measured.latency.mean_ms)


@pytest.mark.slow
def test_no_profile_without_a_profiler(lenet_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo.benchmark.benchmark, "time_runs", unused)
    with pytest.raises(MissingDependencyError, match=f"litert shows .* benchmark_model --graph={lenet_file} "):
        benchmark([lenet_file], with_profile=True)


@pytest.mark.slow
def test_the_profile_of_a_runtime_that_has_one(lenet_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Profiler:
        def __init__(self, path: Path, threads: int) -> None:
            assert (path, threads) == (lenet_file, 2)

        def __call__(self, values: Any, runs: int) -> list[tuple[str, str, float]]:
            assert values.shape == (1, 28, 28, 1)
            assert runs > 1
            return [("conv1", "CONV_2D", 30.0), ("fc", "FULLY_CONNECTED", 10.0)]

    monkeypatch.setattr("ai_edge_litert.interpreter.Profiler", Profiler, raising=False)
    (measured,) = benchmark([lenet_file], runs=1, threads=[2], with_profile=True).measurements
    assert measured.ops == (OpTime("conv1", "CONV_2D", 30, 0.75), OpTime("fc", "FULLY_CONNECTED", 10, 0.25))


@pytest.mark.slow
def test_the_profile_of_openvino(lenet_file: Path) -> None:
    (measured,) = benchmark([lenet_file], runs=1, threads=[1], runtimes=["openvino"], with_profile=True).measurements
    assert measured.ops
    assert sum(op.type == "Convolution" for op in measured.ops) == 2
    # The last two of three are too small to be seen on a fast machine.
    assert 1 <= sum(op.type == "FullyConnected" for op in measured.ops) <= 3
    assert sum(op.share for op in measured.ops) == pytest.approx(1)
    assert all(op.mean_us > 0 for op in measured.ops)


def test_openvino_counts_from_the_first_run_on() -> None:
    from zoo.runner.loading.openvino import PROFILER_WARMUP, Profiler

    class Request:
        """Reports the mean of all its runs: 1000 us for the first, 10 us for the others."""

        runs = 0

        def get_input_tensor(self, index: int) -> Any:
            return SimpleNamespace(data=np.zeros((1, 4)))

        def infer(self) -> None:
            self.runs += 1

        @property
        def profiling_info(self) -> list[Any]:
            mean = timedelta(microseconds=(1000 + 10 * (self.runs - 1)) / self.runs)
            op = SimpleNamespace(node_name="conv", node_type="Convolution", real_time=mean)
            return [op, SimpleNamespace(node_name="clamp", node_type="Clamp", real_time=timedelta(0))]

    profiler = Profiler.__new__(Profiler)
    profiler._request, profiler._runs = request, _ = Request(), 0
    ((name, kind, mean),) = profiler(np.ones((1, 4)), 40)
    assert request.runs == PROFILER_WARMUP + 40
    assert (name, kind) == ("conv", "Convolution")
    assert mean == pytest.approx(10, abs=1)


@pytest.mark.slow
def test_notes(lenet_file: Path) -> None:
    found = benchmark([lenet_file], runs=1, threads=[1])
    calm = dataclasses.replace(
        found.before, governors=("performance",), load=0.0, throttling=(), throttle_count=None, temperatures={}
    )

    def noted(before: Any = calm, after: Any = calm, **changes: Any) -> list[str]:
        return dataclasses.replace(found, before=before, after=after, **changes).notes

    def only(text: str, notes: list[str]) -> bool:
        return len(notes) == 1 and text in notes[0]

    cores = found.machine.usable_cores
    assert noted() == []
    assert noted(before=dataclasses.replace(calm, governors=())) == []
    assert only("governor schedutil", noted(before=dataclasses.replace(calm, governors=("schedutil",))))
    assert only(f"load 99 on {cores}", noted(before=dataclasses.replace(calm, load=99)))
    assert only("held back: throttled now", noted(after=dataclasses.replace(calm, throttling=("throttled now",))))
    hot = dataclasses.replace(calm, throttle_count=5)
    assert only("heat slowed", noted(before=dataclasses.replace(calm, throttle_count=4), after=hot))
    assert noted(before=hot, after=hot) == []
    many = dataclasses.replace(found.measurements[0], threads=cores + 1)
    assert only(f"{cores + 1} threads share {cores} cores", noted(measurements=(many,)))


@pytest.mark.slow
def test_memory_is_that_of_the_fresh_process(lenet_file: Path) -> None:
    start = cold_start(lenet_file, runtime="litert", threads=1)
    own = coldstart.peak_memory()
    assert own is not None
    assert start.peak_bytes is not None
    # This process already uses more memory, with which the child's resource usage would begin.
    held = np.ones(max(0, 2 * start.peak_bytes - own) // 8 + 1)
    grown = coldstart.peak_memory()
    assert grown is not None
    assert grown > 1.5 * start.peak_bytes
    again = cold_start(lenet_file, runtime="litert", threads=1)
    assert again.peak_bytes == pytest.approx(start.peak_bytes, rel=0.1)
    assert held.all()


def test_a_fresh_process_that_fails(lenet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(lenet_file.read_bytes()[:5000])
    with pytest.raises(ModelFileError, match=f"^{cut} fails in a fresh process on litert: {cut} "):
        cold_start(cut, runtime="litert", threads=1)
    for script, reason in {
        "exit 3": "it ended with exit code 3 and no word",
        "echo ready; echo the end >&2; exit 1": "the end",
        "kill -KILL $$": "signal 9 ended it, perhaps for lack of memory",
        "echo ready; kill -SEGV $$": "signal 11 ended it",
    }.items():
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(ModelFileError, match=f"fails in a fresh process on litert: {reason}$"):
            cold_start(lenet_file, runtime="litert", threads=1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int8", "int16", "int32", "bool"])
def test_inputs_of_every_type(dtype: str) -> None:
    scale = 0.5 if dtype in {"uint8", "int8", "int16"} else 0.0
    values = some_input(TensorInfo("input", (1, 30, 20, 3), np.dtype(dtype), scale, 0))
    assert (values.shape, values.dtype) == ((1, 30, 20, 3), np.dtype(dtype))
    if dtype in {"int32", "bool"}:
        # The number could be an index into a table.
        assert not values.any()
    else:
        assert len(np.unique(values)) > 100
        assert values.astype(np.float64).std() > 30


def test_a_model_of_texts_cannot_be_measured() -> None:
    with pytest.raises(InputError, match="input 'query' is of type object; only models that take numbers"):
        some_input(TensorInfo("query", (1,), np.dtype(object), 0.0, 0))


@pytest.mark.slow
def test_the_picture_is_like_a_photo(tmp_path: Path, photos: tuple[Path, Path]) -> None:
    save_photo(tmp_path / "photo.jpg")

    def bytes_a_pixel(source: Path) -> float:
        with Image.open(source) as image:
            image.save(tmp_path / "again.jpg", quality=PHOTO_QUALITY, subsampling="4:2:0")
            return int((tmp_path / "again.jpg").stat().st_size) / int(image.width * image.height)

    with Image.open(tmp_path / "photo.jpg") as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", PHOTO_SIZE)
    low, high = sorted(map(bytes_a_pixel, photos))
    assert low < bytes_a_pixel(tmp_path / "photo.jpg") < high
    first = (tmp_path / "photo.jpg").read_bytes()
    save_photo(tmp_path / "photo.jpg")
    assert (tmp_path / "photo.jpg").read_bytes() == first


@pytest.mark.slow
def test_a_candidate_frees_its_memory(lenet_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gc
    import weakref

    sessions: list[Any] = []
    init = Candidate.__init__

    def spy(self: Candidate, *args: Any, **options: Any) -> None:
        init(self, *args, **options)
        sessions.append(weakref.ref(self.session))

    def start(*_: Any, **__: Any) -> Any:
        gc.collect()
        assert len(sessions) == 2
        assert [session() for session in sessions] == [None, None]
        return coldstart.ColdStart(1, 1, 1, 1, None, None)

    monkeypatch.setattr(Candidate, "__init__", spy)
    monkeypatch.setattr(zoo.benchmark.benchmark, "cold_start", start)
    found: Benchmark = benchmark([lenet_file, lenet_file], runs=1)
    assert found.measurements[0].cold_start.peak_bytes is None
