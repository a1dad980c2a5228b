"""The workers' beginning, and their pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.training.distributed import started


@pytest.fixture(scope="session")
def warm_workers(warm: list[str]) -> None:
    """Lets workers begin as `warm` says."""
    started.COMMAND[:] = warm


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory, digits: Any) -> str:
    """200 digits; 161 or so are for training, so that the last batch is smaller."""
    folder = tmp_path_factory.mktemp("few")
    for i, (picture, label) in enumerate(zip(digits[0][:200], digits[1][:200], strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(picture[..., 0].astype(np.uint8)).save(folder / str(label) / f"{i:03}.png")
    return str(folder)
