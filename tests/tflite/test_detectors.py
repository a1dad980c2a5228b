from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import detectors as made
from zoo.errors import ModelFileError
from zoo.tflite import modelfile
from zoo.tflite.detectors import stated


def file_with(path: Path, blob: bytes | None) -> modelfile.ModelFile:
    net = made.Net()
    net.graph.outputs = list(made.heads(net))
    return modelfile.read(net.write(path, blob))


def test_anchors_scales_and_flags_are_read(tmp_path: Path) -> None:
    anchors = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]])
    found = stated(file_with(tmp_path / "a.tflite", made.metadata(anchors, sigmoid=True)))
    assert found is not None
    assert np.allclose(found.anchors, anchors)
    assert (found.scales, found.exponential, found.sigmoid) == ((10, 10, 5, 5), True, True)


def test_a_file_without_that_metadata_states_nothing(tmp_path: Path) -> None:
    assert stated(file_with(tmp_path / "a.tflite", None)) is None


def test_damaged_metadata_is_an_error_of_one_line(tmp_path: Path) -> None:
    whole = made.metadata()
    anchors = made.ANCHORS.copy()
    anchors[3, 2] = np.nan
    for number, blob in enumerate((made.metadata(identifier=b"XXXX"), made.metadata(anchors), made.damaged(whole))):
        with pytest.raises(ModelFileError, match=r"\.tflite has damaged metadata: "):
            stated(file_with(tmp_path / f"{number}.tflite", blob))


def test_no_cut_or_changed_byte_does_more_than_raise(tmp_path: Path) -> None:
    whole = made.metadata(made.ANCHORS[:2])
    rng = np.random.default_rng(0)
    file = file_with(tmp_path / "a.tflite", whole)
    for _ in range(400):
        blob = bytearray(whole[: int(rng.integers(8, len(whole) + 1))])
        blob[int(rng.integers(len(blob)))] = int(rng.integers(256))
        file.metadata["TFLITE_METADATA"] = bytes(blob)
        try:
            found = stated(file)
        except ModelFileError:
            continue
        assert found is None or np.isfinite(found.anchors).all()
