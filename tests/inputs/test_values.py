"""Windows of sensor values as spreadsheets and loggers write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.errors import InputError
from zoo.inputs.values import load_values

VALUES = np.array([[0.5, -1.25], [2, 3e-3], [1000, 0]], np.float32)


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "w.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text",
    [
        "0.5,-1.25\n2,0.003\n1000,0\n",
        "0,5;-1,25\r\n2;0,003\r\n1000;0\r\n",
        "0,5\t-1,25\n2\t3e-3\n1000\t0\n",
        "ax,ay\n0.5,-1.25\n2,0.003\n1000,0\n",
        "sep=;\nBeschleunigung;Drehung\n0,5;-1,25\n2;0,003\n1000;0\n",
        ",ax,ay\n0,0.5,-1.25\n1,2,0.003\n2,1000,0\n",
        "index;ax;ay\n0;0,5;-1,25\n1;2;0,003\n2;1000;0\n",
    ],
)
def test_numbers_of_any_country(tmp_path: Path, text: str, encoding: str) -> None:
    np.testing.assert_array_equal(load_values(written(tmp_path, text, encoding), (3, 2)), VALUES)


@pytest.mark.parametrize("text", ["1,2\n3,x\n", "1,2\n3\n", "a,b\n", "time,ax,ay\n0,1,2\n"])
def test_what_are_no_such_numbers(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="w.csv"):
        load_values(written(tmp_path, text), (1, 2))
