"""Malicious HDF5 files, each made here; every function that reads weights refuses them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import zoo
from zoo.errors import UnsafeFileError, WeightsError
from zoo.weights import load_model, load_weights
from zoo.weights.formats import hdf5

SECRET = b"a private key of sixty-four bytes, which no model has to contain"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("honest") / "w.weights.h5"
    small().save_weights(path)
    return path


def small() -> Any:
    return zoo.build("mlp", features=4, hidden=(16,), num_classes=4)


def copy(honest: Path, target: Path, **options: Any) -> h5py.File:
    """A valid file without one bias; the caller puts something in its place, below `layers/dense/vars`."""
    target.write_bytes(honest.read_bytes())
    file = h5py.File(target, "r+", **options)
    del file["layers/dense/vars/1"]
    return file


def external_storage(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/1", (16,), "f4", external=[(str(folder / "secret"), 0, 64)])


def external_link(file: h5py.File, folder: Path) -> None:
    file["layers/dense/vars/1"] = h5py.ExternalLink(str(folder / "other.h5"), "/values")


def external_link_to_a_group(file: h5py.File, folder: Path) -> None:
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink(str(folder / "other.h5"), "/")


def soft_link(file: h5py.File, folder: Path) -> None:
    file["layers/dense/vars/1"] = h5py.SoftLink("/layers/dense_1/vars/0")


def dangling_link(file: h5py.File, folder: Path) -> None:
    file["layers/dense/vars/1"] = h5py.SoftLink("/nowhere")


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((16,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "values", (16,))
    file.create_virtual_dataset("layers/dense/vars/1", layout)


def hard_link(file: h5py.File, folder: Path) -> None:
    file["layers/dense/vars/1"] = file["layers/dense/vars/0"]


def loop(file: h5py.File, folder: Path) -> None:
    file["layers/dense/vars/1"] = file["layers"]


def fill_values(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/1", (1 << 40,), "f4", chunks=(1 << 10,), fillvalue=1)


def late_allocation(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/1", (1 << 40,), "f4")


def a_large_chunk(file: h5py.File, folder: Path) -> None:
    chunked = file.create_dataset(
        "layers/dense/vars/1", (16,), "f4", chunks=(1 << 28,), maxshape=(None,), compression="gzip"
    )
    chunked[:] = 0


def well_packed(file: h5py.File, folder: Path) -> None:
    file.create_dataset(
        "layers/dense/vars/1", data=np.zeros(1 << 24, np.float32), compression="gzip", chunks=(1 << 20,)
    )


def ranks(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/1", data=np.zeros((1,) * 20, np.float32))


def references(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/1", data=[file["layers"].ref] * 16, dtype=h5py.ref_dtype)


def texts(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/1", data=["a text"] * 16, dtype=h5py.string_dtype())


def a_named_type(file: h5py.File, folder: Path) -> None:
    file["layers/dense/vars/1"] = np.dtype("f4")


def a_reference_as_attribute(file: h5py.File, folder: Path) -> None:
    file["layers/dense/vars/1"] = np.zeros(16, np.float32)
    file["layers"].attrs.create("where", file["layers"].ref, dtype=h5py.ref_dtype)


def a_filter_of_a_plugin(file: h5py.File, folder: Path) -> None:
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_chunk((16,))
    layout.set_filter(307, h5py.h5z.FLAG_OPTIONAL)  # bzip2, which HDF5 has as a plugin only
    space = h5py.h5s.create_simple((16,))
    h5py.h5d.create(file["layers/dense/vars"].id, b"1", h5py.h5t.IEEE_F32LE, space, layout)


FAULTS: dict[Callable[[h5py.File, Path], None], str] = {
    external_storage: "is stored in another file",
    external_link: "is a link to another file",
    external_link_to_a_group: "is a link to another file",
    soft_link: "is a link that leads elsewhere",
    dangling_link: "is a link that leads elsewhere",
    virtual: "is virtual",
    hard_link: "is in two places",
    loop: "is in two places",
    fill_values: r"claims 4398046511104 bytes and has 0",
    late_allocation: r"claims 4398046511104 bytes and has 0",
    a_large_chunk: r"claims 1073741824 bytes and has",
    well_packed: r"claims 67108864 bytes and has",
    ranks: "has 20 dimensions; at most 8 are read",
    references: "holds something other than numbers",
    texts: "holds something other than numbers",
    a_named_type: "is neither a group nor an array",
    a_reference_as_attribute: "attribute 'where' holds something other than numbers",
    a_filter_of_a_plugin: r"is packed in an unusual way \(filter 307\)",
}


@pytest.fixture
def hostile(honest: Path, tmp_path: Path) -> Callable[[Callable[[h5py.File, Path], None]], Path]:
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["values"] = np.frombuffer(SECRET, np.float32)
        other["vars/0"], other["vars/1"] = np.zeros((4, 16), np.float32), np.frombuffer(SECRET, np.float32)

    def make(fault: Callable[[h5py.File, Path], None]) -> Path:
        path = tmp_path / "evil.weights.h5"
        with copy(honest, path) as file:
            fault(file, tmp_path)
        return path

    return make


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
class TestRefused:
    @pytest.mark.slow
    def test_as_weights(self, fault: Callable[[h5py.File, Path], None], hostile: Callable[..., Path]) -> None:
        model = small()
        before = model.get_weights()
        with pytest.raises(UnsafeFileError, match=FAULTS[fault]) as caught:
            load_weights(model, hostile(fault))
        assert "\n" not in str(caught.value)
        assert "evil.weights.h5 is refused: its " in str(caught.value)
        for now, old in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(now, old)

    @pytest.mark.slow
    def test_within_a_model(
        self, fault: Callable[[h5py.File, Path], None], hostile: Callable[..., Path], tmp_path: Path
    ) -> None:
        weights = hostile(fault)
        small().save(tmp_path / "m.keras")
        with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "evil.keras", "w") as new:
            for name in old.namelist():
                new.writestr(name, weights.read_bytes() if name == "model.weights.h5" else old.read(name))
        # A file that is refused for Keras is not read in another way either.
        for load in (load_model, lambda path: zoo.build("mlp", weights=path, features=4, hidden=(16,))):
            with pytest.raises(UnsafeFileError, match=FAULTS[fault]):
                load(tmp_path / "evil.keras")


def test_files_of_keras_2_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"fc1"]
        group = file.create_group("fc1")
        group.attrs["weight_names"] = [b"fc1/kernel:0", b"fc1/bias:0"]
        group["fc1/kernel:0"] = np.zeros((4, 16), np.float32)
        group.create_dataset("fc1/bias:0", (16,), "f4", external=[(str(tmp_path / "secret"), 0, 64)])
    with pytest.raises(UnsafeFileError, match="is stored in another file"):
        load_weights(small(), tmp_path / "w.h5")


def test_many_attributes_that_share_one_long_text_are_refused(honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    path.write_bytes(honest.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["long"] = "x" * 1_000_000
        file.attrs.create("names", [f"name {i}" for i in range(3000)], dtype=h5py.string_dtype())
    with pytest.raises(UnsafeFileError, match="attribute 'names' claims more than its"):
        load_weights(small(), path)


def test_too_many_objects(honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "MAX_OBJECTS", 5)
    with pytest.raises(UnsafeFileError, match="more than 5 groups and arrays"):
        load_weights(small(), honest)


@pytest.mark.parametrize(
    "packing", [{"compression": "gzip", "shuffle": True}, {"compression": "lzf"}, {"chunks": True}]
)
def test_valid_files_that_were_compressed_again_are_read(honest: Path, tmp_path: Path, packing: dict[str, Any]) -> None:
    with h5py.File(honest) as old, h5py.File(tmp_path / "w.weights.h5", "w") as new:

        def repack(name: str, member: Any) -> None:
            if isinstance(member, h5py.Group):
                new.require_group(name).attrs.update(member.attrs)
            else:
                new.create_dataset(name, data=member[()], **packing)

        old.visititems(repack)
    theirs, ours = small(), small()
    theirs.load_weights(honest)
    load_weights(ours, tmp_path / "w.weights.h5")
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_file_of_another_kind_is_a_weights_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["values"] = np.zeros(3)
    with pytest.raises(WeightsError, match="holds no weights that Keras wrote") as caught:
        load_weights(small(), tmp_path / "w.h5")
    assert not isinstance(caught.value, UnsafeFileError)
