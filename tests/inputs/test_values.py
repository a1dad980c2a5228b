"""Windows of sensor values as spreadsheets and loggers write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.errors import InputError
from zoo.inputs import values
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", r"cannot read .*w\.csv: could not convert string 'x' to float32"),
        ("1,2\n3\n", r"cannot read .*w\.csv: the number of columns changed from 2 to 1"),
        ("a,b\n", r"cannot read .*w\.csv: could not convert string 'a' to float32"),
        ("a,b\n1,2\n3\n", r"cannot read .*w\.csv: could not convert string 'a' to float32"),
        ("time,ax,ay\n0,1,2\n", r"w\.csv holds values of shape \(1, 3\), the model takes \(1, 2\)"),
    ],
)
def test_what_are_no_such_numbers(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_values(written(tmp_path, text), (1, 2))


def test_a_single_line_may_have_decimal_commas_and_no_end(tmp_path: Path) -> None:
    np.testing.assert_array_equal(load_values(written(tmp_path, "0,5;1,5"), (2,)), np.array([0.5, 1.5], np.float32))


def test_a_batch_of_one_is_the_input_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", VALUES[np.newaxis])
    np.testing.assert_array_equal(load_values(tmp_path / "one.npy", (3, 2)), VALUES)
    np.testing.assert_array_equal(load_values(written(tmp_path, "1,2\n"), (2,)), np.array([1, 2], np.float32))
    np.save(tmp_path / "two.npy", np.stack([VALUES, VALUES]))
    with pytest.raises(InputError, match=r"two.npy holds values of shape \(2, 3, 2\), the model takes \(3, 2\)"):
        load_values(tmp_path / "two.npy", (3, 2))


def test_a_file_may_have_a_megabyte_and_64_bytes_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert values.most_bytes((3, 2)) == 2**20 + 6 * 64
    monkeypatch.setattr(values, "CSV_BYTES", 0)
    text = "1,2" + " " * (2 * values.NUMBER_BYTES - 4) + "\n"
    np.testing.assert_array_equal(load_values(written(tmp_path, text), (2,)), np.array([1, 2], np.float32))
    with pytest.raises(InputError, match=r"has more than 128 bytes; values of shape \(2,\) take fewer"):
        load_values(written(tmp_path, text + "\n"), (2,))


def test_a_column_is_left_out_only_where_it_is_one_too_many_and_an_index(tmp_path: Path) -> None:
    for head in ("index", "Unnamed: 0", ""):
        text = f"{head},ax,ay\n7,1,2\n"
        np.testing.assert_array_equal(load_values(written(tmp_path, text), (1, 2)), np.array([[1, 2]], np.float32))
        np.testing.assert_array_equal(load_values(written(tmp_path, text), (1, 3)), np.array([[7, 1, 2]], np.float32))
    with pytest.raises(InputError, match="w.csv"):
        load_values(written(tmp_path, "time,ax,ay\n7,1,2\n"), (1, 2))


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="w.csv holds values that are not finite numbers"):
        load_values(written(tmp_path, "1,nan\n"), (2,))


@pytest.mark.parametrize(  # as many dimensions as numpy 1 has
    ("shape", "shown"), [((1000, *[1] * 31), r"\(1000, 1, .*, 1\)"), ((10_000, *[1] * 31), "32 dimensions")]
)
def test_a_long_shape_is_told_by_its_length(shape: tuple[int, ...], shown: str, tmp_path: Path) -> None:
    np.save(tmp_path / "many.npy", np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=rf"many\.npy holds values of shape {shown}, the model takes \(2,\)"):
        load_values(tmp_path / "many.npy", (2,))
