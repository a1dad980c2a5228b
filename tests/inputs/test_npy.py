"""`.npy` files whose header claims more than the file has, or objects that only running code could read."""

from __future__ import annotations

import io
import pickle
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import InputError
from zoo.inputs import npy
from zoo.inputs.values import load_values, most_bytes

SHAPE = (128, 6)


def header(text: str, version: tuple[int, int] = (1, 0), length: int | None = None) -> bytes:
    content = text.encode().ljust(118) + b"\n"
    width = 2 if version == (1, 0) else 4
    return b"\x93NUMPY" + bytes(version) + (length or len(content)).to_bytes(width, "little") + content


def claims(shape: str, dtype: str = "'<f4'") -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}"


def pickled() -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([print], object), allow_pickle=True)
    return content.getvalue()


FAULTS: dict[str, tuple[bytes, str]] = {
    "terabytes": (header(claims("(1099511627776,)")), "it claims 4398046511104 bytes of values and has 0"),
    "as many as the model takes": (header(claims("(128, 6)")), "it claims 3072 bytes of values and has 0"),
    "more than any number can say": (header(claims(f"({'9' * 60},)")), "it claims 39{59}6 bytes"),
    "many dimensions": (header(claims(f"({'9,' * 50})")), "it claims .* bytes of values and has 0"),
    "a negative side": (header(claims("(-1, 6)")), "its header is damaged"),
    "objects": (pickled(), "it holds no plain numbers but object"),
    "texts": (header(claims("(1,)", "'<U9'")) + bytes(36), "it holds no plain numbers but <U9"),
    "records": (header(claims("(1,)", "[('a', '<f4')]")) + bytes(4), "it holds no plain numbers"),
    "version 3": (header(claims("(1,)"), (3, 0)) + bytes(4), "it is of version 3.0"),
    "a header without end": (header(claims("(1,)"), (2, 0), length=1 << 31), "its header is damaged: EOF"),
    "a long header": (header(" " * 12_000 + claims("(1,)")) + bytes(4), "its header is damaged: Header info length"),
    "code": (header("__import__('os').system('true')"), "its header is damaged: malformed node"),
    "deep": (header("(" * 5000 + ")" * 5000), "its header is damaged"),
    "nothing": (b"", "its header is damaged: EOF"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_refused(fault: str, tmp_path: Path) -> None:
    content, message = FAULTS[fault]
    path = tmp_path / "evil.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        npy.map_file(path)
    with pytest.raises(ValueError, match=message):
        npy.read(io.BytesIO(content), len(content))
    with pytest.raises(InputError) as caught:
        load_values(path, SHAPE)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_nothing_is_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return print, ("code ran",)

    path = tmp_path / "evil.npy"
    path.write_bytes(header(claims("(1,)", "'|O'")) + pickle.dumps(np.array([Evil()], object)))
    with pytest.raises(InputError, match="it holds no plain numbers but object"):
        load_values(path, (1,))
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match="cannot read"):
        load_values(path, (1,))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "u1", "i8", "?", "f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_honest_arrays_are_read(dtype: str, order: Any, tmp_path: Path) -> None:
    array = np.asarray(np.random.default_rng(0).integers(0, 2, SHAPE), dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    with (tmp_path / "a.npy").open("rb") as stream:
        found = npy.read(stream, (tmp_path / "a.npy").stat().st_size)
    for same in (found, npy.map_file(tmp_path / "a.npy")):
        np.testing.assert_array_equal(same, array)
        assert same.dtype == array.dtype
    found[0] = 0  # numpy does the same
    np.testing.assert_array_equal(load_values(tmp_path / "a.npy", SHAPE), array.astype(np.float32))


def test_an_empty_array_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.empty((0, 4)))
    assert npy.map_file(tmp_path / "a.npy").shape == (0, 4)


def test_a_file_of_another_shape_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    with path.open("wb") as file:
        file.write(header(claims("(1000000, 128, 6)")))
        file.truncate(4 << 30)  # a sparse file, which takes no room on the disk
    with pytest.raises(InputError, match=r"holds values of shape \(1000000, 128, 6\), the model takes \(128, 6\)"):
        within_memory(path)


@pytest.mark.parametrize("line", ["1,", "1", "\n", "x"])
def test_an_endless_csv_file_is_not_read_to_its_end(line: str, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(line * (most_bytes(SHAPE) // len(line) + 10))
    with pytest.raises(
        InputError, match=rf"it has more than {most_bytes(SHAPE)} bytes; values of shape \(128, 6\) take"
    ):
        load_values(path, SHAPE)


def within_memory(path: Path) -> None:
    """Reads values in a process with at most 1 GB of memory, and raises its error here."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom zoo.errors import InputError\n"
        "from zoo.inputs.values import load_values\n"
        "try:\n    load_values(Path(sys.argv[1]), (128, 6))\nexcept InputError as error:\n    print(error)"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, preexec_fn=limit,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    raise InputError(done.stdout.strip())


@pytest.mark.parametrize("text", ["(" * 5000, "{'descr': '''", "{'descr': \\", "\0", "  {}\n {}"])
def test_a_header_that_is_no_python_is_damaged(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode())
    with pytest.raises(ValueError, match="its header is damaged: "):
        npy.map_file(path)
