"""Reads and writes the files of a run's folder from which a training starts or continues."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import InputError, OutputError, UnsafeFileError, first_line
from zoo.files.places import base_name
from zoo.files.reading import read_list, read_text
from zoo.files.writing import atomic, require_writable
from zoo.training.recipe import Recipe, read_toml
from zoo.training.records import checkpoint
from zoo.training.records.readme import read_files
from zoo.versions import installed
from zoo.weights.formats import config as configs

if TYPE_CHECKING:
    import keras

RECIPE = "recipe.toml"
LABELS = "labels.txt"
ARCHITECTURE = "architecture.json"
HERE = "resume.toml"
"""Name of the file with the paths of data, weights and teacher on this machine, for `--resume` only; no other file has
paths."""


def require_new(folder: Path) -> None:
    """Refuses a folder that is not empty.

    Raises:
        OutputError: the folder is not empty, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        ways = f"continue it (--resume {folder}), train it further (--from {folder}), or "
        hint = ways if (folder / RECIPE).exists() else ""
        raise OutputError(f"{folder} exists already; {hint}choose another folder with --out")
    require_writable(folder.parent)
    if folder.exists():
        folder.rmdir()


def begin_run(folder: Path, run: dict[str, Any], class_names: Sequence[str], model: keras.Model) -> None:
    """Creates a run's folder with the files that `read_run` reads.

    Paths of this machine go into a file of their own, which can be left out when the folder is given away.

    Raises:
        InputError: a path holds bytes that are no UTF-8.
        OutputError: the folder cannot be written.
    """
    import tomli_w

    # The folder is written whole or not at all: neither a new run nor --resume could use a part of it.
    data, weights, teacher = run["data"], run["model"]["weights"], run.get("teacher")
    here = {"data": data["path"], "weights": weights} | ({"teacher": teacher["path"]} if teacher else {})
    for path in here.values():
        if not path.isascii() and any("\ud800" <= char <= "\udfff" for char in path):
            raise InputError(f"the name of {path} is not UTF-8, and no run can hold such a path; rename it")
    shared = run | {"data": data | {"path": base_name(data["path"])}}
    shared["model"] = run["model"] | {"weights": base_name(weights)}
    if teacher:
        shared["teacher"] = teacher | {"path": base_name(teacher["path"])}
    with atomic(folder) as scratch:
        scratch.mkdir()
        (scratch / RECIPE).write_text(tomli_w.dumps(shared), encoding="utf-8")
        (scratch / HERE).write_text(tomli_w.dumps(here), encoding="utf-8")
        (scratch / LABELS).write_text("".join(f"{label}\n" for label in class_names), encoding="utf-8")
        (scratch / ARCHITECTURE).write_text(model.to_json(), encoding="utf-8")


def read_run(folder: Path) -> dict[str, Any]:
    """Reads a run's folder: the tables of its recipe, its `labels` and the model's `architecture`.

    Raises:
        InputError: the folder holds no run.
    """
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}; a training that ends before its first step leaves none, and is to be begun "
            f"again: zoo train MODEL DATA --out {folder}"
        )
    if not (folder / RECIPE).exists():
        raise InputError(f"{folder} holds no run of zoo train: there is no {RECIPE} in it")
    run = read_toml(folder / RECIPE)
    _require_tables(
        run, _TABLES | ({"teacher": {"path": str, "sha256": str}} if "teacher" in run else {}), folder / RECIPE
    )
    # A run of an older version has the paths in its recipe.
    if (folder / HERE).exists():
        here = read_toml(folder / HERE)
        _require_tables(here, {"data": str, "weights": str}, folder / HERE)
        run["data"]["path"], run["model"]["weights"] = here["data"], here["weights"]
        if "teacher" in run:
            _require_tables(here, {"teacher": str}, folder / HERE)
            run["teacher"]["path"] = here["teacher"]
    Recipe().change(run["recipe"])
    read_files(folder)  # errors are found now, not when the card is written after the training
    try:
        run["labels"] = read_list(folder / LABELS, "the labels").splitlines()
        run["architecture"] = read_text(folder / ARCHITECTURE, "the architecture")
    except InputError as error:
        raise InputError(f"{folder} holds no training to continue: {error}") from error
    return run


_TABLES: dict[str, Any] = {
    "model": {
        "name": str, "weights": str, "pretrained": bool, "new_head": bool, "strategy": str, "options": dict,
    },
    "recipe": dict,
    "data": {"path": str, "pictures": bool, "splits": dict},
    "versions": {"edgezoo": str},
}  # fmt: skip
"""The tables and fields of a run's recipe file."""


def _require_tables(found: Any, wanted: dict[str, Any], path: Path, place: str = "") -> None:
    for key, kind in wanted.items():
        name = f"{place}{key}"
        if not isinstance(found, dict) or not isinstance(found.get(key), dict if isinstance(kind, dict) else kind):
            raise InputError(f"{path} holds no training to continue: {name} is missing, or has another type")
        if isinstance(kind, dict):
            _require_tables(found[key], kind, path, f"{name}.")


def strategy_of(folder: Path) -> str:
    """Returns the strategy of a run.

    Raises:
        InputError: the folder holds no run.
    """
    return str(read_run(folder)["model"]["strategy"])


def read_architecture(text: str, folder: Path) -> keras.Model:
    """Builds the model of a run, with meaningless weights.

    Args:
        text: the architecture as JSON.
        folder: the run's folder, which may be a stranger's: if it holds a checkpoint, the model must fit that.

    Raises:
        UnsafeFileError: the text names code, or a model larger than the checkpoint.
        InputError: the text is no model.
    """
    import keras

    path, saved = folder / ARCHITECTURE, folder / checkpoint.FILE
    try:
        config = configs.parse(text, path)
        configs.require_harmless(config, path, compiles=True)
        old = configs.names_old_layers(config)
        if old:
            raise InputError(f"{path} cannot be read: Keras 3 does not have {', '.join(old)}")
        if saved.exists():
            configs.require_room(lambda: keras.models.model_from_json(text), saved.stat().st_size, path)
        model = keras.models.model_from_json(text)
    except (UnsafeFileError, InputError):
        raise
    except Exception as error:  # Keras passes on any error of its readers
        raise InputError(f"{folder / ARCHITECTURE} cannot be read: {first_line(error)}") from error
    if not isinstance(model, keras.Model):
        raise InputError(f"{folder / ARCHITECTURE} cannot be read: it holds no model")
    return model


def versions() -> dict[str, str]:
    """Returns the installed versions of the packages that affect the result."""
    return installed("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow")
