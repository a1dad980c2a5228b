"""Damaged, malicious and foreign files: none of them may end the process."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo.runner.demo
from tests.runner import deadly
from zoo.errors import ModelFileError
from zoo.export import to_tflite
from zoo.runner import load
from zoo.runner.loading import known, sandbox
from zoo.system import processes
from zoo.tflite.card import checksum, seal
from zoo.tflite.writing.metadata import without_files

if TYPE_CHECKING:
    from tests.conftest import Case, Cli

MUTATIONS = 300
"""Number of damaged files, of which nearly half have a wrong structure; `mutated_models.py` tries thousands."""


@pytest.fixture(autouse=True)
def nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that belongs to the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def tried(lenet: Case, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Records the child processes that are started."""
    lenet.file  # noqa: B018  # made before: that takes processes as well
    started: list[list[str]] = []
    run = processes.run

    def spy(command: list[str], **options: Any) -> object:
        started.append(command)
        return run(command, **options)

    monkeypatch.setattr(processes, "run", spy)
    return started


def test_files_made_here_are_loaded_at_once(lenet: Case, tmp_path: Path, tried: list[list[str]]) -> None:
    path = tmp_path / "m.tflite"
    to_tflite(lenet.model, path)
    load(path)
    assert not tried


def test_a_right_checksum_is_no_licence(lenet: Case, tmp_path: Path, tried: list[list[str]]) -> None:
    """A copy counts as a new file, like one that somebody else gave."""
    path = tmp_path / "copy.tflite"
    shutil.copy2(lenet.file, path)
    assert checksum(path) == "right"
    load(path)
    assert len(tried) == 1
    load(path)
    assert len(tried) == 1
    assert not known.holds(path, "tensorflow")  # with which it was not tried


def test_the_model_of_the_package_is_loaded_at_once(tried: list[list[str]]) -> None:
    load(zoo.runner.demo.folder() / "digits_int8.tflite")
    assert not tried


@pytest.mark.slow
@pytest.mark.parametrize("is_known", [False, True])
def test_a_file_whose_weights_were_damaged_is_refused(
    is_known: bool, lenet: Case, tmp_path: Path, tried: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would run and give other answers, also where its storage damaged it after it was tried."""
    path = tmp_path / "changed.tflite"
    path.write_bytes(_changed(lenet))
    monkeypatch.setattr("zoo.runner.loading.known.holds", lambda *_: is_known)
    with pytest.raises(
        ModelFileError, match=r"changed\.tflite was changed, or damaged, after .*; copy it anew, or give "
    ):
        load(path)
    assert not tried
    session = load(path, trusted=True)
    assert not tried
    assert session.run(lenet.inputs[0])[0].shape == (1, 10)


@pytest.mark.parametrize("code", [0, 1, 7])
def test_a_trial_that_does_not_come_to_its_end_is_no_licence(
    lenet: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A file can end the child with any exit code, also with 0."""
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(f"import os\nos._exit({code})\n")
    path = tmp_path / "foreign.tflite"
    path.write_bytes(without_files(lenet.file.read_bytes()))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModelFileError, match=f"damaged or hostile: .* ended with exit code {code} before it was done"):
        load(path)
    assert not (tmp_path / "cache" / "edgezoo" / known.LIST).exists()


@pytest.mark.slow
def test_a_file_of_others_is_tried(lenet: Case, tmp_path: Path, tried: list[list[str]]) -> None:
    (tmp_path / "foreign.tflite").write_bytes(_plain(lenet))
    session = load(tmp_path / "foreign.tflite")
    assert len(tried) == 1
    np.testing.assert_allclose(session.run(lenet.inputs[0])[0][0], lenet.scores[0], atol=1e-5)
    load(tmp_path / "foreign.tflite")
    assert len(tried) == 1


def test_a_checksum_does_not_spare_the_structure(lenet: Case, tmp_path: Path) -> None:
    """A right checksum does not help, because an attacker can compute one."""
    with zipfile.ZipFile(lenet.file) as archive:
        card = json.loads(archive.read("card.json"))
    model = bytearray(lenet.file.read_bytes()[: card["flatbuffer"]["bytes"]])
    model[:4] = (len(model) + 8).to_bytes(4, "little")  # the place of the root table
    card["flatbuffer"] |= {"crc32": zlib.crc32(model), "sha256": hashlib.sha256(model).hexdigest()}
    labels = "\n".join(f"class_{i}" for i in range(10))
    card["checksum"] = seal(card, labels)
    path = tmp_path / "made anew.tflite"
    path.write_bytes(model)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", labels)
        archive.writestr("card.json", json.dumps(card))
    assert checksum(path) == "right"
    with pytest.raises(ModelFileError, match=r"made anew\.tflite is not a sound"):
        load(path)


def _changed(lenet: Case) -> bytes:
    data = bytearray(lenet.file.read_bytes())
    data[20_000] ^= 1  # a weight
    return bytes(data)


def _plain(lenet: Case) -> bytes:
    """A file of another converter, without labels and card, can be used."""
    import tensorflow as tf

    model: bytes = tf.lite.TFLiteConverter.from_keras_model(lenet.model).convert()
    return model


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"litert crashes on it \(SIGSEGV\)"),
        ("os.abort()", r"litert crashes on it \(SIGABRT\)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the memory ran out"),
        ("time.sleep(60)", "litert did not finish it in 1 s"),
    ],
)
def test_a_file_that_ends_its_process(
    lenet: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, message: str
) -> None:
    """Puts a fake interpreter, which ends the process, first on the child's import path."""
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(
        f"import os, signal, time\nclass Interpreter:\n    def __init__(self, **options):\n        {ending}\n"
    )
    path = tmp_path / "foreign.tflite"
    path.write_bytes(without_files(lenet.file.read_bytes()))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModelFileError, match=f"foreign.tflite is damaged or hostile: {message}"):
        # The test waits only for the child that hangs; the others end by themselves, on any machine.
        sandbox.require_harmless(path, "litert", seconds=1 if "sleep" in ending else 60)


def test_a_file_that_is_not_loaded_is_not_tried_again(
    lenet: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the child could be a crash here, as with a convolution without weights if TensorFlow is loaded."""
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(
        "class Interpreter:\n    def __init__(self, **options):\n        raise ValueError('no weights\\nin node 4')\n"
    )
    path = tmp_path / "foreign.tflite"
    path.write_bytes(without_files(lenet.file.read_bytes()))

    def crash(**_: object) -> None:
        pytest.fail("loaded here")

    monkeypatch.setattr("zoo.runner.loading.session.find", lambda *_: ("litert", crash))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModelFileError, match="litert cannot load .*foreign.tflite: no weights in node 4$"):
        load(path)


@pytest.mark.slow
def test_mutated_files_never_end_our_process(lenet: Case, tmp_path: Path) -> None:
    """Each file is loaded and run in its own child; those that end the child must be refused by `load`."""
    # Foreign files are used, because their graph's tables are together at the end, where many mutations hit them.
    (tmp_path / "m.tflite").write_bytes(_plain(lenet))
    script = Path(deadly.__file__)
    command = [sys.executable, str(script), str(tmp_path / "m.tflite"), str(tmp_path), str(MUTATIONS)]
    environment = os.environ | {"PYTHONPATH": str(script.parent.parent.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    outcomes = json.loads(done.stdout)
    assert sum(outcomes.values()) == MUTATIONS
    assert outcomes["refused"] > MUTATIONS / 20
    assert outcomes["orderly"] > MUTATIONS / 20
    culprits = sorted(tmp_path.glob("deadly_*.tflite"))
    assert len(culprits) == outcomes["deadly"]
    for culprit in culprits[:12]:  # only some, because each needs a new process
        # A file that ends one process may raise an error in another, because it reads foreign memory. Both are refused.
        with pytest.raises(ModelFileError, match="damaged or hostile|litert cannot load"):
            load(culprit)


@pytest.mark.slow
def test_a_mutated_file_that_ends_its_process_would_be_seen(
    lenet: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this the test above could not fail."""
    monkeypatch.setattr(sandbox, "run_once", lambda *_: os.abort())
    found = deadly.load_many(lenet.file, tmp_path, 20)
    assert found["orderly"] == 0
    assert found["deadly"] == len(list(tmp_path.glob("deadly_*.tflite"))) > 0


def test_the_command_says_it_in_one_line(lenet: Case, tmp_path: Path, cli: Cli, photos: tuple[Path, Path]) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(lenet.file.read_bytes()[:30_000])
    done = cli("run", path, photos[0])
    assert done.code == 1
    assert f"{path} is not a sound .tflite file" in done.error
