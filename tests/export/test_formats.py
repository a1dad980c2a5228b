from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import OutputError
from zoo.export import to_keras, to_savedmodel
from zoo.weights import load_model

if TYPE_CHECKING:
    from tests.conftest import Case


def test_keras(lenet: Case, tmp_path: Path) -> None:
    path = to_keras(lenet.model, str(tmp_path / "new" / "lenet.keras"))
    assert path == tmp_path / "new" / "lenet.keras"
    np.testing.assert_array_equal(np.asarray(load_model(path)(lenet.inputs, training=False)), lenet.scores)
    assert [p.name for p in path.parent.iterdir()] == ["lenet.keras"]


@pytest.mark.slow
def test_savedmodel(lenet: Case, tmp_path: Path) -> None:
    import tensorflow as tf

    path = to_savedmodel(lenet.model, tmp_path / "lenet_savedmodel")
    loaded = tf.saved_model.load(str(path))
    np.testing.assert_allclose(loaded.serve(tf.constant(lenet.inputs)).numpy(), lenet.scores, atol=1e-6)
    # The second export replaces the first.
    assert to_savedmodel(lenet.model, path) == path
    assert [p.name for p in tmp_path.iterdir()] == ["lenet_savedmodel"]


@pytest.mark.parametrize("write", [to_keras, to_savedmodel])
def test_a_place_that_cannot_be_written(lenet: Case, tmp_path: Path, write: Callable[..., Any]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*file/model\.keras: a file stands where a folder should be"):
        write(lenet.model, tmp_path / "file" / "model.keras")


def test_an_interrupted_save_leaves_nothing(lenet: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(lenet.model, "save", save)
    with pytest.raises(KeyboardInterrupt):
        to_keras(lenet.model, tmp_path / "lenet.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_full_folder_is_not_replaced(lenet: Case, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("years of work")
    with pytest.raises(OutputError, match="thesis is a folder that holds other things"):
        to_savedmodel(lenet.model, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "text").exists()


def test_tensorflow_finds_the_disk_full(lenet: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def export(path: Path, **_: Any) -> None:
        Path(path).mkdir()
        raise tf.errors.ResourceExhaustedError(
            None, None, f"{path}/variables; No space left on device [Op:SaveV2]\nmore"
        )

    monkeypatch.setattr(lenet.model, "export", export)
    with pytest.raises(OutputError, match=r"cannot write .*/saved: No space left on device$"):
        to_savedmodel(lenet.model, tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []
