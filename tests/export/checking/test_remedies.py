"""The fewest layers that have to stay float, and equalized exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.compress.nets import depthwise_net, pictures
from zoo.errors import VerificationError
from zoo.export import to_tflite
from zoo.export.checking.remedies import fewest

RANKED = [("a", "b"), ("b",), ("c",), ("d",), ("e",), ("f",), ("g",), ("h",), ("i",), ("j",)]


class File:
    """A file that agrees from some layers on."""

    def __init__(self, *needed: str) -> None:
        self.needed = set(needed)
        self.tried: list[tuple[str, ...]] = []

    def share(self, layers: Sequence[str]) -> float:
        self.tried.append(tuple(layers))
        return 0.5 + 0.5 * len(self.needed & set(layers)) / max(1, len(self.needed))


def test_no_layer_is_kept_where_none_has_to_be() -> None:
    kept, why = fewest(RANKED, lambda _: 0.9, 0.85)
    assert kept == ()
    assert "agrees on 90%, 85% are asked for" in why


@pytest.mark.parametrize(("needed", "kept"), [("a", "ab"), ("c", "abc"), ("d", "abcd"), ("e", "abcde")])
def test_the_fewest_of_those_that_lose_most(needed: str, kept: str) -> None:
    file = File(needed)
    found, why = fewest(RANKED, file.share, 0.9)
    assert "".join(found) == kept
    assert "on 50% without" in why
    assert len(file.tried) <= 6


def test_a_file_that_no_layer_helps_is_refused() -> None:
    with pytest.raises(VerificationError, match="agrees with Keras on 50% at best, .* 90% are asked for"):
        fewest(RANKED, File("z").share, 0.9)


@pytest.mark.slow
def test_equalization_rescues_a_file_of_one_scale_a_layer(tmp_path: Path) -> None:
    model, path = depthwise_net(cap=6.0, uneven=300), tmp_path / "m.tflite"
    with pytest.raises(VerificationError):
        to_tflite(model, path, quantize="int8", calibration=pictures(), per_tensor=True)
    report = to_tflite(model, path, quantize="int8", calibration=pictures(), per_tensor=True, equalize=True)
    assert report.verification is not None
    assert report.verification.agreement.share >= 0.9
    assert report.card["equalize"] is True
    assert report.card["per_tensor"] is True
    assert any("pairs of layers were equalized" in note for note in report.notes)
