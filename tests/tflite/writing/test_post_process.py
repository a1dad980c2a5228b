"""The operation that decodes boxes in the file, appended to detectors that were made without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tflite

from tests import detectors
from zoo.errors import ExportError
from zoo.export.tflite.order import with_output_names, with_tail_last
from zoo.runner import Detector, load
from zoo.tflite import compat, modelfile
from zoo.tflite.writing.metadata import append_files
from zoo.tflite.writing.post_process import OUTPUTS, PostProcess, with_post_process

if TYPE_CHECKING:
    from tests.conftest import Elsewhere

ADDED = PostProcess(detectors.ANCHORS, (10, 10, 5, 5), classes=3, limit=10, least_score=0.3, iou=0.6)
PICTURE = detectors.cells((0, 1, "red"), (1, 1, "red"), (2, 0, "green"), (3, 2, "blue"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A detector whose boxes the runner decodes, and the same with the operation."""
    folder = tmp_path_factory.mktemp("post-process")
    plain = detectors.two_outputs(folder / "plain.tflite")
    ends = folder / "ends.tflite"
    ends.write_bytes(with_post_process(detectors.heads_only(folder / "heads.tflite").read_bytes(), 0, 1, ADDED))
    append_files(ends, {"labels.txt": "\n".join(detectors.COLOURS)})
    return plain, ends


def shown(detector: Detector, **options: Any) -> list[tuple[Any, ...]]:
    found = detector.detect(PICTURE, threshold=0.3, **options)
    return sorted((one.label, round(one.score, 4), *(round(side, 3) for side in one.box)) for one in found)


def test_the_operation_finds_what_the_runner_finds(pair: tuple[Path, Path]) -> None:
    plain, ends = map(Detector, pair)
    assert [output.name for output in ends.session.outputs] == list(OUTPUTS)
    assert shown(ends) == shown(plain)
    assert len(shown(ends)) == 4


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_no_class_is_lost_whatever_the_number_of_threads(pair: tuple[Path, Path], threads: int) -> None:
    # Class by class, kernels with as many threads leave out the class of that number.
    assert {name for name, *_ in shown(Detector(pair[1], threads=threads))} == set(detectors.COLOURS)


def test_places_beyond_the_count_are_not_read(pair: tuple[Path, Path]) -> None:
    detector = Detector(pair[1])
    black = np.zeros((detectors.SIDE, detectors.SIDE, 3), np.uint8)
    assert detector.detect(black, threshold=0.0) == []
    outputs = detector.session.run(black[np.newaxis].astype(np.float32))
    assert float(outputs[3].reshape(-1)[0]) == 0


FOUND = """
import json, sys
import numpy as np
from zoo.runner import Detector
detector = Detector(sys.argv[1], runtime=sys.argv[3])
found = detector.detect(np.load(sys.argv[2]), threshold=0.3)
print(json.dumps(sorted([one.label, round(one.score, 4), *(round(side, 3) for side in one.box)] for one in found)))
"""


@pytest.mark.slow
def test_tflite_runtime_finds_the_same(
    pair: tuple[Path, Path], tflite_runtime_python: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    np.save(tmp_path / "picture.npy", PICTURE)
    found = elsewhere(tflite_runtime_python, FOUND, pair[1], tmp_path / "picture.npy", "tflite-runtime")
    assert [tuple(one) for one in json.loads(found)] == shown(Detector(pair[1]))


def test_quantized_boxes_are_refused_which_the_kernel_reads_as_zeros(tmp_path: Path) -> None:
    quantized = detectors.heads_only(tmp_path / "heads.tflite", quantized=True).read_bytes()
    with pytest.raises(ExportError, match=r"reads quantized boxes as zeros; export with float32 outputs"):
        with_post_process(quantized, 0, 1, ADDED)


def test_runtimes_are_known_to_have_the_operation(pair: tuple[Path, Path]) -> None:
    file = modelfile.read(pair[1])
    assert [op.name for op in file.main.ops][-1] == modelfile.POST_PROCESS
    assert {name: compat.problems(file, name) for name in compat.RUNTIMES} == {name: [] for name in compat.RUNTIMES}


def test_the_model_in_front_is_untouched(pair: tuple[Path, Path], tmp_path: Path) -> None:
    before = detectors.heads_only(tmp_path / "heads.tflite").read_bytes()
    after = with_post_process(before, 0, 1, ADDED)
    assert after.endswith(before)
    assert (len(after) - len(before)) % 16 == 0
    old, new = tflite.Model.GetRootAs(before, 0), tflite.Model.GetRootAs(after, 0)
    assert new.Subgraphs(0).OperatorsLength() == old.Subgraphs(0).OperatorsLength() + 1
    assert new.Subgraphs(0).TensorsLength() == old.Subgraphs(0).TensorsLength() + 5


@pytest.mark.slow
def test_outputs_get_names_and_finishing_operations_the_last_places(tmp_path: Path) -> None:
    path = detectors.heads_only(tmp_path / "heads.tflite")
    before = path.read_bytes()
    renamed = tmp_path / "renamed.tflite"
    renamed.write_bytes(with_tail_last(with_output_names(before, ["one", "a much longer name"])))
    old, new = modelfile.read(path).main, modelfile.read(renamed).main
    assert [new.tensors[i].name for i in new.outputs] == ["one", "a much longer name"]
    assert [op.name for op in old.ops] == ["CONV_2D", "RESHAPE", "CONV_2D", "RESHAPE", "LOGISTIC"]
    assert [op.name for op in new.ops] == ["CONV_2D", "CONV_2D", "RESHAPE", "RESHAPE", "LOGISTIC"]
    pixels = PICTURE[np.newaxis].astype(np.float32)
    for ours, theirs in zip(load(path).run(pixels), load(renamed).run(pixels), strict=True):
        np.testing.assert_array_equal(ours, theirs)
