"""Files of detectors that decode their boxes themselves (`nms="file"`), and MediaPipe, which reads both kinds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests import colours
from zoo.errors import ExportError, VerificationError
from zoo.export import to_tflite
from zoo.export.tflite import nms
from zoo.runner import Detector
from zoo.tflite import modelfile
from zoo.tflite.flatbuffer import Reader
from zoo.tflite.normalization import ENTRY, IDENTIFIER
from zoo.tflite.writing.post_process import with_post_process

if TYPE_CHECKING:
    from tests.conftest import Cli, Elsewhere
    from tests.export.conftest import Made

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[1] / "programs" / "mediapipe_detect.py"
LABELS = colours.LABELS[:3]


def shown(found: Any) -> list[tuple[Any, ...]]:
    return sorted((one.label, round(one.score, 3), *(round(side, 2) for side in one.box)) for one in found)


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_a_file_that_decodes_itself_finds_what_the_runner_finds(made: Made, quantize: str) -> None:
    ours, theirs = Detector(made(quantize).path), Detector(made(quantize, nms="file").path)
    assert [one.name for one in theirs.session.outputs] == ["boxes", "classes", "scores", "count"]
    assert {str(one.dtype) for one in theirs.session.outputs} == {"float32"}
    assert str(theirs.session.input.dtype) == ("uint8" if quantize == "int8" else "float32")
    for pixels in colours.pictures(6, seed=5):
        assert shown(theirs.detect(pixels)) == shown(ours.detect(pixels))
    assert theirs.card["nms"] == {"by": "file", "least_score": 0.05, "limit": 100, "iou": 0.6}
    assert theirs.labels == tuple(LABELS)


def test_its_metadata_is_what_the_android_task_library_looks_for(made: Made) -> None:
    file = modelfile.read(made("int8", nms="file").path)
    root = Reader(file.metadata[ENTRY]).root(IDENTIFIER)
    assert root.text(7) == "1.2.0"  # the first version of the schema with groups of outputs
    (graph,) = root.tables(3, "graphs", 2)
    outputs = list(graph.tables(3, "outputs", 9))
    assert [one.text(0) for one in outputs] == ["location", "category", "score", "number of detections"]
    content = outputs[0].table(3)
    assert content is not None
    boxes = content.table(1)
    assert boxes is not None
    assert boxes.array(0, "<u4", "corners", 4).tolist() == [1, 0, 3, 2]
    assert (boxes.number(1, "b"), boxes.number(2, "b")) == (1, 0)  # BOUNDARIES, RATIO
    (labels,) = outputs[1].tables(6, "files", 9)
    assert (labels.text(0), labels.number(2, "b")) == ("labels.txt", 3)  # TENSOR_VALUE_LABELS
    (group,) = graph.tables(8, "groups", 2)
    assert group.text(0) == "detection_result"


def test_on_an_edge_tpu_only_the_end_stays_on_the_cpu(tmp_path: Path) -> None:
    report = to_tflite(
        colours.detector(),
        tmp_path / "m.tflite",
        quantize="int8",
        target="edgetpu",
        nms="file",
        calibration=colours.pictures(),
    )
    assert report.edgetpu is not None
    assert report.edgetpu.mapped_macs == 1
    left = [one.op for one in report.edgetpu.placements if not one.on_tpu]
    assert left == ["DEQUANTIZE", "DEQUANTIZE", modelfile.POST_PROCESS]


def test_an_operation_that_finds_something_else_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = with_post_process

    def wrong(flatbuffer: bytes, boxes: int, scores: int, added: Any) -> bytes:
        object.__setattr__(added, "anchors", added.anchors + np.float32(0.1))
        return right(flatbuffer, boxes, scores, added)

    monkeypatch.setattr(nms, "with_post_process", wrong)
    with pytest.raises(VerificationError, match="m.tflite finds 0% of the objects only that the runner finds"):
        to_tflite(colours.detector(), tmp_path / "m.tflite", nms="file", calibration=colours.pictures())
    assert not list(tmp_path.iterdir())


def test_a_classifier_has_no_boxes_to_decode(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="lenet is no detector with anchors, so nms='file' .* has no boxes to decode"):
        to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", nms="file")


def test_the_command_refuses_quantized_outputs_in_one_line(cli: Cli, tmp_path: Path) -> None:
    done = cli("export", tmp_path / "m.keras", "--quantize", "int8", "--nms", "file", "--io", "uint8")
    assert done.code == 1
    assert "--nms file needs float32 outputs" in done.error
    assert "leave out io (--io)" in done.error


FOUND = """
import json, sys
import numpy as np
from zoo.runner import Detector
detector = Detector(sys.argv[1], runtime="tflite-runtime")
found = detector.detect(np.load(sys.argv[2]))
print(json.dumps(sorted([one.label, one.score, *one.box] for one in found)))
"""


@pytest.mark.parametrize("place", ["runner", "file"])
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_tflite_runtime_finds_what_litert_finds(
    made: Made, quantize: str, place: str, tflite_runtime_python: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    file = made(quantize, **({"nms": "file"} if place == "file" else {})).path
    np.save(tmp_path / "picture.npy", colours.pictures(1)[0])
    theirs = json.loads(elsewhere(tflite_runtime_python, FOUND, file, tmp_path / "picture.npy"))
    found = Detector(file).detect(colours.pictures(1)[0])
    ours: list[list[Any]] = sorted([one.label, one.score, *one.box] for one in found)
    assert [one[0] for one in theirs] == [one[0] for one in ours]
    for first, second in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(first[1:], second[1:], atol=0.1 if quantize == "int8" else 1e-3)


@pytest.mark.parametrize("place", ["runner", "file"])
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_mediapipe_finds_what_the_runner_finds(
    made: Made, quantize: str, place: str, mediapipe_python: Path, tmp_path: Path
) -> None:
    pictures = colours.pictures(6, seed=3).astype(np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    file = made(quantize, **({"nms": "file"} if place == "file" else {})).path
    command = [str(mediapipe_python), "-I", str(PROGRAM), "0.5", str(tmp_path / "pictures.npy"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (theirs,) = json.loads(done.stdout)
    detector = Detector(file)
    for pixels, answer in zip(pictures, theirs, strict=True):
        ours = detector.detect(pixels)
        assert len(answer) == len(ours) == 4
        for label, score, *corners in answer:
            # It gives whole pixels, and does not cut boxes at the edges of the picture.
            near = [one for one in ours if one.label == label and np.abs(np.subtract(one.box, corners)).max() <= 2]
            assert [one.score for one in near] == [pytest.approx(score, abs=0.01)]
