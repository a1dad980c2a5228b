"""Calibration inputs: which pictures are chosen, and how the report describes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import InputError
from zoo.export.checking import calibration
from zoo.export.checking.calibrated import is_calibrated_on
from zoo.inputs.preprocessing import Preprocessing
from zoo.progress import Lines

SHAPE = (8, 8, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two classes with 30 and 8 pictures, one of them damaged, and a text file."""
    for name, count, shade in (("cats", 30, 10), ("dogs", 8, 200)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("RGB", (10, 8), (shade + i, shade, shade)).save(tmp_path / name / f"{i:02}.png")
    (tmp_path / "dogs" / "03.png").write_bytes(b"not a picture")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_classes_are_balanced_and_bad_files_counted(folder: Path) -> None:
    found = calibration.from_folder(folder, SHAPE, samples=12)
    classes = [path.parent.name for path in found.files]
    assert (classes.count("cats"), classes.count("dogs")) in {(6, 6), (7, 5)}
    assert found.inputs.shape == (12, 8, 8, 3)
    assert found.inputs.dtype == np.float32
    everything = calibration.from_folder(folder, SHAPE, samples=100)
    assert everything.manifest["skipped"] == 1
    assert everything.manifest["count"] == 37


def test_the_choice_follows_the_seed(folder: Path) -> None:
    one, same = (calibration.from_folder(folder, SHAPE, samples=12, seed=3) for _ in range(2))
    other = calibration.from_folder(folder, SHAPE, samples=12, seed=4)
    assert one.files == same.files
    assert {key: value for key, value in one.manifest.items() if key != "digest"} == {
        key: value for key, value in same.manifest.items() if key != "digest"
    }
    assert one.files != other.files


def test_the_manifest_has_a_digest_of_the_set_and_nothing_of_single_pictures(folder: Path) -> None:
    found = calibration.from_folder(folder, SHAPE, samples=12)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in found.files]
    salt = found.manifest["digest"]["salt"]
    said = hashlib.sha256("\n".join([salt, *sorted(hashes)]).encode()).hexdigest()
    assert found.manifest["digest"]["value"] == said
    text = json.dumps(found.manifest)
    assert not any(path.name in text for path in found.files)
    assert not any(one in text for one in hashes)
    assert found.manifest["range"][0] >= 0
    assert found.manifest["range"][1] <= 255


def test_two_exports_of_one_set_have_digests_that_do_not_tell_so(folder: Path) -> None:
    one, same = (calibration.from_folder(folder, SHAPE, samples=12, seed=3).manifest["digest"] for _ in range(2))
    assert one["salt"] != same["salt"]
    assert one["value"] != same["value"]


def test_the_owner_of_the_pictures_can_check_that_they_are_those(folder: Path) -> None:
    manifest = calibration.from_folder(folder, SHAPE, samples=12, seed=3).manifest
    card = {"calibration": json.loads(json.dumps(manifest))}
    assert is_calibrated_on(card, folder)
    used = calibration.from_folder(folder, SHAPE, samples=12, seed=3).files[5]
    used.write_bytes(used.read_bytes() + b"\0")
    assert not is_calibrated_on(card, folder)


def test_the_owner_of_an_array_can_check_that_it_is_that(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).standard_normal((30, 16, 3)).astype(np.float32)
    np.save(tmp_path / "w.npy", windows)
    card = {"calibration": calibration.from_file(tmp_path / "w.npy", (16, 3), 20, 1).manifest}
    assert is_calibrated_on(card, tmp_path / "w.npy")
    np.save(tmp_path / "w.npy", windows + 1)
    assert not is_calibrated_on(card, tmp_path / "w.npy")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (None, "holds no digest"),
        ({"files": [{"file": "a.png", "sha256": "0" * 64}]}, "holds no digest"),
        ({"digest": {"salt": 7}}, "holds no digest"),
        ({"digest": {"salt": "00"}, "count": "12", "seed": 0}, "damaged: count '12'"),
        ({"digest": {"salt": "00"}, "count": 0, "seed": 0}, "damaged: count 0"),
    ],
)
def test_a_card_without_a_sound_digest_is_said(stated: Any, message: str, folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        is_calibrated_on({"calibration": stated}, folder)


def test_a_data_set_gives_its_training_pictures(tmp_path: Path) -> None:
    for part, shade in (("train", 50), ("val", 250)):
        (tmp_path / part / "a").mkdir(parents=True)
        for i in range(12):
            Image.new("L", (8, 8), shade).save(tmp_path / part / "a" / f"{i}.png")
    assert calibration.from_folder(tmp_path, SHAPE).inputs.max() == 50


def test_the_resize_policy_is_the_runners(tmp_path: Path) -> None:
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, :8] = 255  # cut off by crop, kept by stretch
    for i in range(10):
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    assert calibration.from_folder(tmp_path, SHAPE).inputs.max() == 0
    assert calibration.from_folder(tmp_path, SHAPE, preprocessing=Preprocessing("stretch")).inputs.max() == 255


def test_too_few_pictures(tmp_path: Path) -> None:
    for i in range(9):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(
        InputError,
        match=r"at least 10 examples, found 9 in .* \(1 could not be read, the first because .*bad.jpg is not",
    ):
        calibration.from_folder(tmp_path, SHAPE)
    with pytest.raises(InputError, match="no calibration folder"):
        calibration.from_folder(tmp_path / "nowhere", SHAPE)


def test_progress_is_told(folder: Path) -> None:
    said: list[str] = []
    calibration.from_folder(folder, SHAPE, samples=11, progress=Lines(said.append))
    assert said[-1] == "reading calibration pictures 11/11"


def test_arrays(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).normal(size=(300, 16, 2))
    found = calibration.from_array(windows, (16, 2), samples=50)
    assert found.inputs.shape == (50, 16, 2)
    assert found.manifest["count"] == 50
    np.save(tmp_path / "windows.npy", windows)
    assert calibration.from_file(tmp_path / "windows.npy", (16, 2)).source == "windows.npy"
    with pytest.raises(InputError, match=r"shape \(300, 16, 2\), the model takes \(count, 8, 2\)"):
        calibration.from_array(windows, (8, 2))
    with pytest.raises(InputError, match="found 9"):
        calibration.from_array(windows[:9], (16, 2))
    windows[5] = np.nan
    with pytest.raises(InputError, match="not finite"):
        calibration.from_array(windows, (16, 2), samples=300)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="cannot read calibration data"):
        calibration.from_file(tmp_path / "bad.npy", (16, 2))


def test_a_file_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((20, 16, 2), np.float32))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(20, 16, 2)", b"(9**9,16,2)"))
    with pytest.raises(InputError, match="cannot read calibration data"):
        calibration.from_file(tmp_path / "a.npy", (16, 2))
    (tmp_path / "a.npy").write_bytes(content.replace(b"(20, 16, 2)", b"(2000,16,2)"))
    with pytest.raises(InputError, match=r"it claims 256000 bytes of values and has 2560"):
        calibration.from_file(tmp_path / "a.npy", (16, 2))


def test_of_a_large_file_only_the_examples_are_read(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 28, 16, 2)})
        file.truncate(file.tell() + (1 << 28) * 16 * 2 * 8)  # a sparse file of 64 GB, which takes no room on the disk
    found = calibration.from_file(path, (16, 2), samples=50)
    assert found.inputs.shape == (50, 16, 2)
    assert found.inputs.dtype == np.float32
    with pytest.raises(InputError, match=r"calibration data has shape \(268435456, 16, 2\)"):
        calibration.from_file(path, (16, 3))


def test_synthetic_pictures_are_whole_numbers() -> None:
    pictures = calibration.synthetic((33, 20, 3), 20).inputs
    assert pictures.shape == (20, 33, 20, 3)
    assert set(np.unique(pictures)) <= set(range(256))
    assert len({picture.tobytes() for picture in pictures}) == 20
    assert calibration.synthetic((128, 6), 4).inputs.min() < 0


def test_a_model_that_takes_no_pictures_is_said_to(folder: Path) -> None:
    for shape in ((8, 8, 4), (3, 8, 8)):
        with pytest.raises(InputError, match=r"takes no pictures; give a \.npy file"):
            calibration.from_folder(folder, shape)
