"""The Edge TPU's rules, and its compiler, replaced by a program that behaves in the same way."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.narrow import narrow
from zoo.cli.main import main
from zoo.errors import ExportError
from zoo.export import to_tflite
from zoo.export.tflite import edgetpu
from zoo.tflite import modelfile
from zoo.tflite.card import describe
from zoo.tflite.edgetpu import report as report_of

pytestmark = pytest.mark.slow

GOOD_LOG = """Edge TPU Compiler version 16.0.384591198
Model compiled successfully in 120 ms.
Number of operations that will run on Edge TPU: 9
Number of operations that will run on CPU: 0
"""


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edgetpu, "compiler", lambda: None)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs a program named edgetpu_compiler with the given behaviour."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(
        *, log: str = GOOD_LOG, code: str = "0", stub: bool = False, write: bool = True, sleep: str = "0"
    ) -> None:
        # Like the real compiler, it copies the model with one custom operation in it.
        output = "printf stub" if stub else 'cat "$file"; printf edgetpu-custom-op'
        lines = [
            "#!/bin/bash",
            "while [ $# -gt 0 ]; do case $1 in --out_dir) out=$2; shift;; -*) ;; *) file=$1;; esac; shift; done",
            f"exec -a sleep sleep {sleep}" if sleep != "0" else "",
            'name=$(basename "$file" .tflite)',
            f'( {output} ) > "$out/${{name}}_edgetpu.tflite"' if write else "",
            f"cat <<'LOG'\n{log}\nLOG",
            f"exit {code}" if code.isdigit() else f"kill -{code} $$",
        ]
        program = folder / edgetpu.COMPILER
        program.write_text("\n".join(lines))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return install


@pytest.fixture(scope="module")
def int8_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edgetpu") / "lenet_int8.tflite"
    to_tflite(zoo.build("lenet"), path, quantize="int8")
    return path


def test_success(compiler: Any, int8_file: Path, tmp_path: Path) -> None:
    compiler()
    edgetpu.compile_model(int8_file, tmp_path / "out.tflite")
    assert b"edgetpu-custom-op" in (tmp_path / "out.tflite").read_bytes()


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"log": "Invalid model: m.tflite\nModel not quantized", "code": "1"}, "exit code 1: Model not quantized"),
        ({"log": "Internal compiler error. Aborting!", "stub": True}, "without saying that it compiled.*Internal"),
        ({"stub": True}, "left no compiled model behind"),
        ({"write": False}, "left no compiled model behind"),
        ({"log": GOOD_LOG.replace("TPU: 9", "TPU: 0")}, "mapped no operation"),
        ({"code": "SEGV"}, r"crashed \(signal 11\)"),
    ],
)
def test_failures_are_seen(
    compiler: Any, int8_file: Path, tmp_path: Path, behaviour: dict[str, Any], message: str
) -> None:
    compiler(**behaviour)
    with pytest.raises(ExportError, match=message):
        edgetpu.compile_model(int8_file, tmp_path / "out.tflite")
    assert not (tmp_path / "out.tflite").exists()


def test_timeout(compiler: Any, int8_file: Path, tmp_path: Path) -> None:
    compiler(sleep="30")
    with pytest.raises(ExportError, match=r"did not finish within 0\.5 s"):
        edgetpu.compile_model(int8_file, tmp_path / "out.tflite", timeout=0.5)


def test_export_writes_both_files(compiler: Any, tmp_path: Path) -> None:
    compiler()
    report = to_tflite(
        zoo.build("lenet"), tmp_path / "m.tflite", quantize="int8", target="edgetpu", labels=list("0123456789")
    )
    assert report.compiled == tmp_path / "m_edgetpu.tflite"
    description = describe(report.compiled)
    assert description.labels == tuple("0123456789")
    assert description.card["compiled_for"] == "edgetpu"


def test_failed_compilation_keeps_the_int8_file(compiler: Any, tmp_path: Path) -> None:
    compiler(code="1", log="Internal error")
    with pytest.raises(ExportError, match=r"m\.tflite is the int8 file, not compiled"):
        to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", quantize="int8", target="edgetpu")
    assert modelfile.read(tmp_path / "m.tflite")
    assert not (tmp_path / "m_edgetpu.tflite").exists()


@pytest.mark.usefixtures("no_compiler")
def test_without_the_compiler_it_says_what_to_do(tmp_path: Path) -> None:
    report = to_tflite(zoo.build("lenet"), tmp_path / "m.tflite", quantize="int8", target="edgetpu")
    assert report.compiled is None
    note = next(note for note in report.notes if "nothing was compiled" in note)
    assert "x86-64 Linux only" in note
    assert "edgetpu_compiler m.tflite" in note


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize("name", ["lenet", "mobilenet_v2", "alexnet"])
def test_zoo_models_map_completely(name: str, tmp_path: Path) -> None:
    sizes: dict[str, dict[str, Any]] = {
        "mobilenet_v2": {"alpha": 0.35, "input_size": 32},
        "alexnet": {"input_size": 63},
    }
    options = sizes.get(name, {})
    with narrow():
        model = zoo.build(name, num_classes=4, **options)
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", target="edgetpu", verify_file=False)
    assert report.edgetpu is not None
    stays = [(p.op, p.why) for p in report.edgetpu.placements if not p.on_tpu]
    assert stays == []
    assert report.edgetpu.mapped_macs == 1
    assert report.edgetpu.fits_cache


def test_the_graph_is_cut_once(tmp_path: Path) -> None:
    """In a float file no operation runs on the Edge TPU, and each says why."""
    to_tflite(zoo.build("lenet"), tmp_path / "m.tflite")
    report = report_of(modelfile.read(tmp_path / "m.tflite"))
    assert report.mapped_macs == 0
    assert "not 8-bit" in report.placements[0].why
    assert any("float32, not 8-bit" in p.why for p in report.placements)
    assert all("where the graph is cut" in p.why or "not 8-bit" in p.why for p in report.placements)


@pytest.mark.usefixtures("no_compiler")
def test_an_operation_it_lacks_cuts_the_graph(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, activation="leaky_relu")(inputs)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(x)))
    report = to_tflite(model, tmp_path / "m.tflite", quantize="int8", target="edgetpu")
    assert report.edgetpu is not None
    placed = {p.op: p for p in report.edgetpu.placements}
    assert "no such operation" in placed["LEAKY_RELU"].why
    assert "comes after LEAKY_RELU" in placed["SOFTMAX"].why
    assert [p.on_tpu for p in report.edgetpu.placements if p.op == "CONV_2D"] == [True, False]
    assert 0 < report.edgetpu.mapped_macs < 1


@pytest.mark.usefixtures("no_compiler")
def test_the_command_prints_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["build", "lenet", "--quantize", "int8", "--target", "edgetpu", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "Edge TPU: " in printed
    assert "100.0% of the MACs" in printed
    assert "nothing was compiled" in printed
    with pytest.raises(SystemExit):
        main([*arguments, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document[0]["edgetpu"]["mapped_macs"] == 1
