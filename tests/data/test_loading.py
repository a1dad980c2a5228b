from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import zoo
from zoo.data import load, load_folder, load_windows, loading
from zoo.data.pipeline import make_dataset
from zoo.errors import InputError, OptionError
from zoo.inputs.preprocessing import Preprocessing
from zoo.runner import load_image

if TYPE_CHECKING:
    from tests.data.conftest import MakePictures

Array = npt.NDArray[Any]


def epoch(dataset: Any) -> tuple[Array, Array]:
    """Returns all examples of an epoch, in order."""
    images, labels = zip(*((x.numpy(), y.numpy()) for x, y in dataset), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_datasets(pictures: Path, tmp_path: Path, cache: Any) -> None:
    data = load_folder(pictures, (10, 14), batch_size=8, cache=cache, cache_folder=tmp_path / "cache")
    assert data.validation is not None
    assert data.test is None
    assert data.class_names == ("cat", "dog")
    total = 0
    for dataset, split in ((data.train, "train"), (data.validation, "validation")):
        images, labels = epoch(dataset)
        total += len(labels)
        assert len(dataset) == -(-len(labels) // 8)
        assert images.shape == (len(labels), 10, 14, 3)
        assert (images.dtype.name, labels.dtype.name) == ("float32", "int32")
        assert tuple(np.bincount(labels, minlength=2)) == data.report.counts[split]  # type: ignore[index]
        seen = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        source = data.sources[split]  # type: ignore[index]
        for path, label in zip(source.paths, source.labels, strict=True):
            assert path.parent.name == data.class_names[label]
            # Pixels are those of the device with its default resize policy.
            assert seen[load_image(path, 14, 10).astype(np.float32).tobytes()] == label
    assert total == 36
    assert data.report.place.kind == cache


def test_no_dataset_is_made_before_it_is_asked_for(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(source: Any, *arguments: Any) -> Any:
        made.append(len(source))
        return make_dataset(source, *arguments)

    monkeypatch.setattr(loading, "make_dataset", counted)
    data = load_folder(pictures, 8, batch_size=3)
    assert made == []
    assert data.validation is data.validation
    assert data.train is data.train
    assert made == [len(data.sources["validation"]), len(data.sources["train"])]


def test_validation_is_in_the_order_of_its_source(pictures: Path) -> None:
    data = load_folder(pictures, 8, batch_size=3)
    source = data.sources["validation"]
    images, labels = epoch(data.validation)
    np.testing.assert_array_equal(labels, source.labels)
    np.testing.assert_array_equal(images, source.fetch(np.arange(len(source))))


@pytest.mark.slow
@pytest.mark.parametrize("augment", ["none", "standard"])
def test_an_epoch_depends_on_seed_and_number_only(pictures: Path, augment: Any) -> None:
    data, same, other = (load_folder(pictures, 16, seed=seed, batch_size=8, augment=augment) for seed in (1, 1, 2))
    first, second = epoch(data.train), epoch(data.train)
    assert not np.array_equal(first[0], second[0])
    if augment == "none":
        assert sorted(x.tobytes() for x in first[0]) == sorted(x.tobytes() for x in second[0])
    # This is a training that is resumed after its first epoch.
    same.order.epoch = 1
    for a, b in zip(epoch(same.train), second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(data.sources["train"].paths) != set(other.sources["train"].paths)


@pytest.mark.slow
def test_fit(pictures: Path) -> None:
    """Plain Keras and the zoo's model learn to distinguish the classes."""
    for i, path in enumerate(sorted((pictures / "dog").iterdir())):
        dark = load_image(path, 16, 16) // 4 + i
        Image.fromarray(dark).save(path)
    data = load_folder(pictures, 28, channels=1, batch_size=8, augment="light")
    import keras

    keras.utils.set_random_seed(0)
    model = zoo.build("lenet", num_classes=2)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        data.train,
        validation_data=data.validation,
        epochs=8,
        class_weight=data.class_weights,
        shuffle=False,
        verbose=0,
    ).history
    assert history["val_accuracy"][-1] == 1
    assert data.order.epoch == 8


def test_bad_files_are_skipped(pictures: Path, bad_pictures: dict[Path, str]) -> None:
    data = load_folder(pictures, 8)
    assert {bad.path for bad in data.report.bad} == set(bad_pictures)
    used = {path for source in data.sources.values() for path in source.paths}
    assert len(used) == 36
    assert not used & set(bad_pictures)
    assert len(epoch(data.train)[1]) + len(epoch(data.validation)[1]) == 36


def test_given_splits(tmp_path: Path, make_pictures: MakePictures) -> None:
    for split, count in (("train", 6), ("val", 3), ("test", 2)):
        for name in ("cat", "dog"):
            make_pictures(tmp_path / split / name, count)
    data = load_folder(tmp_path, 8)
    for split, dataset in (("train", data.train), ("val", data.validation), ("test", data.test)):
        assert len(epoch(dataset)[1]) == 2 * {"train": 6, "val": 3, "test": 2}[split]
        source = data.sources["validation" if split == "val" else split]  # type: ignore[index]
        assert {path.parent.parent.name for path in source.paths} == {split}


def test_a_list(pictures: Path) -> None:
    rows = [f"{path.relative_to(pictures.parent)},{path.parent.name}" for path in pictures.rglob("*.png")]
    file = pictures.parent / "list.csv"
    file.write_text("\n".join(["path,label", *rows, "nowhere.png,cat"]), encoding="utf-8")
    data = load_folder(file, 8)
    assert data.report.used == 36
    assert [bad.path.name for bad in data.report.bad] == ["nowhere.png"]
    # The split depends on the content, so it is that of the folder.
    names = {path.resolve() for path in data.sources["validation"].paths}
    assert names == {path.resolve() for path in load_folder(pictures, 8).sources["validation"].paths}


def test_no_validation(pictures: Path) -> None:
    data = load_folder(pictures, 8, validation=0)
    assert data.validation is None
    assert len(epoch(data.train)[1]) == 36


def test_a_resize_policy(pictures: Path) -> None:
    data = load_folder(pictures, 8, resize="pad", validation=0)
    assert data.preprocessing == Preprocessing("pad")
    source = data.sources["train"]
    np.testing.assert_array_equal(
        source.fetch(np.array([4]))[0], load_image(source.paths[4], 8, 8, 3, Preprocessing("pad"))
    )


def test_a_sample(pictures: Path) -> None:
    data = load_folder(pictures, 8)
    sample = data.sample(5)
    assert (sample.shape, sample.dtype.name) == ((5, 8, 8, 3), "uint8")
    np.testing.assert_array_equal(sample, data.sample(5))
    assert len(data.sample(1000, split="validation")) == len(data.sources["validation"])


@pytest.mark.slow
def test_windows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("run", "walk"):
        (tmp_path / name).mkdir()
        for i in range(12):
            window = rng.standard_normal((16, 3)).astype(np.float32)
            if i % 2:
                np.save(tmp_path / name / f"{i}.npy", window)
            else:
                np.savetxt(tmp_path / name / f"{i}.csv", window, delimiter=",")
    (tmp_path / "run" / "short.csv").write_text("1,2,3\n", encoding="utf-8")
    data = load_windows(tmp_path, (16, 3), batch_size=4)
    windows, labels = epoch(data.train)
    assert (windows.shape[1:], windows.dtype.name) == ((16, 3), "float32")
    assert len(labels) + len(epoch(data.validation)[1]) == 24
    assert [bad.path.name for bad in data.report.bad] == ["short.csv"]
    assert data.report.sizes == {}
    model = zoo.build("conv1d", width=16, channels=3, num_classes=2)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(data.train, validation_data=data.validation, shuffle=False, verbose=0)
    with pytest.raises(OptionError, match="augment='light' is for pictures, not for windows of values"):
        load_windows(tmp_path, (16, 3), augment="light")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 is not allowed; give 1 or more"),
        ({"augment": "heavy"}, "augment='heavy' is not one of none, light, no-flip, standard"),
        ({"resize": "zoom"}, "resize='zoom' is not one of crop, pad, stretch"),
        ({"cache": "ram"}, "cache='ram' is not one of"),
        ({"channels": 4}, "pictures have 3 channels or 1, not 4"),
        ({"size": 0}, "an input of shape (0, 0, 3) cannot be read"),
        ({"size": 100_000}, "an input of shape (100000, 100000, 3) has 30,000,000,000 numbers; give one of"),
    ],
)
def test_values_that_are_not_allowed(pictures: Path, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as raised:
        load_folder(pictures, **choices)
    assert str(raised.value).startswith(message)


def test_too_few_of_two_classes(pictures: Path, make_pictures: MakePictures) -> None:
    make_pictures(pictures / "cow", 1)
    make_pictures(pictures / "eel", 0)
    with pytest.raises(InputError, match=r"class cow has 1 usable .* \(and 1 more: zoo data check .*pictures\)"):
        load(pictures, (8, 8, 3))


def test_a_file_that_goes_away_where_nothing_is_kept(pictures: Path) -> None:
    data = load_folder(pictures, 8, cache="none")
    shutil.rmtree(pictures / "cat")
    with pytest.raises(Exception, match="cannot read .*cat.*No such file or directory"):
        epoch(data.train)


def test_check_needs_no_tensorflow(pictures: Path) -> None:
    code = "import sys, zoo.data; zoo.data.check(sys.argv[1]); print(*{'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, str(pictures)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
