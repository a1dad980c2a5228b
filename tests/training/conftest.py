"""A small set of real pictures, and trainings on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.training.distributed.meeting import free_ports

if TYPE_CHECKING:
    from tests.conftest import Array


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory, digits: tuple[Array, Array]) -> Path:
    """400 of scikit-learn's digits, a folder a class."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, (picture, label) in enumerate(zip(digits[0][:400], digits[1][:400], strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(label) / f"{i:03}.png")
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the figures of a run's folder empty, which take a third of a short training.

    Those of fixtures for several tests are drawn.
    """
    monkeypatch.setattr("zoo.plots.save", lambda _, path: path.touch())


@pytest.fixture
def addresses() -> tuple[str, ...]:
    """The addresses of three workers on this machine."""
    return tuple(f"localhost:{port}" for port in free_ports(3))
