"""What `.onnx` files reveal about their maker."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="needs onnx")

from tests.onnx import runnable
from zoo.privacy.scan import private


def test_the_card_the_properties_and_the_graph_are_searched(tmp_path: Path) -> None:
    props = runnable.described({"weights_from": "/home/alice/base.keras"}) | {"comment": "made in /home/bob/work"}
    path = runnable.colours(tmp_path / "c.onnx", props=props)
    content = path.read_bytes()
    path.write_bytes(content + b"\x32\x0f/home/carol/net")  # a text that describes the model
    found = {(telling.where, telling.value) for telling in private(path) if telling.kind == "path"}
    assert ("c.onnx: card, weights_from", "/home/alice/base.keras") in found
    assert any(where == "c.onnx: comment" and "/home/bob/work" in value for where, value in found)
    assert any("/home/carol/net" in value for _, value in found)


def test_a_plain_file_reveals_nothing(tmp_path: Path) -> None:
    assert [telling.kind for telling in private(runnable.colours(tmp_path / "c.onnx"))] == []
