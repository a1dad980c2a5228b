from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.runner import doctor
from zoo.runner.loading import runtimes

if TYPE_CHECKING:
    from tests.conftest import Case


@pytest.fixture
def quick(uninstall: Callable[..., None]) -> None:
    """Hides TensorFlow, whose import takes seconds."""
    uninstall("tensorflow")


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.slow
def test_edge_tpus_and_cameras(tmp_path: Path, quick: None) -> None:
    for name, vendor, product in [("1-1", "1a6e", "089a"), ("1-2", "18d1", "9302"), ("1-3", "18d1", "4ee1")]:
        write(tmp_path / f"sys/bus/usb/devices/{name}/idVendor", vendor + "\n")
        write(tmp_path / f"sys/bus/usb/devices/{name}/idProduct", product + "\n")
    write(tmp_path / "sys/bus/usb/devices/usb1/speed", "480")
    write(tmp_path / "dev/apex_0")
    write(tmp_path / "dev/video0")
    write(tmp_path / "dev/video1")
    write(tmp_path / "sys/class/video4linux/video0/name", "HD Webcam\n")
    found = doctor.diagnose(root=tmp_path)
    assert found.edgetpu_devices == ("USB 1-1 (not yet started)", "USB 1-2 (started)", f"PCIe {tmp_path}/dev/apex_0")
    assert found.cameras == ("/dev/video0 (HD Webcam)", "/dev/video1")
    assert found.machine.cpu is None
    assert found.packages["numpy"]
    assert found.file is None


@pytest.mark.slow
def test_runtimes(quick: None, uninstall: Callable[..., None]) -> None:
    uninstall("tflite-runtime")
    states = {state.name: state for state in doctor.diagnose().runtimes}
    assert states["litert"].version == runtimes.version("litert")
    assert states["litert"].problem is None
    assert states["tflite-runtime"].version is None
    assert states["tflite-runtime"].problem == "not installed: pip install 'edgezoo[tflite-runtime]'"


@pytest.mark.slow
def test_a_runtime_that_crashes_is_no_crash_of_ours(
    quick: None, uninstall: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "ai_edge_litert/__init__.py")
    write(tmp_path / "ai_edge_litert/interpreter.py", "import os; os.abort()")
    monkeypatch.syspath_prepend(tmp_path)
    uninstall("openvino", "tflite-runtime", "onnxruntime")
    found = doctor.diagnose()
    assert found.runtimes[0].problem == "signal 6 ended its process"
    assert not found.well
    write(tmp_path / "ai_edge_litert/interpreter.py", "raise ImportError('no such symbol')")
    problem = doctor.diagnose().runtimes[0].problem
    assert problem
    assert "no such symbol" in problem
    # What Debian 11 (bullseye) says: pip installs LiteRT there, and its library needs a newer system.
    write(
        tmp_path / "ai_edge_litert/__init__.py",
        'raise OSError("libc.so.6: version `GLIBC_2.34\' not found (required by libLiteRt.so)")',
    )
    problem = doctor.diagnose().runtimes[0].problem
    assert problem
    assert "is installed, but needs GLIBC 2.34, and this system has " in problem
    assert "Debian 12 bookworm" in problem


@pytest.mark.slow
def test_whether_a_file_runs(quick: None, lenet: Case, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    found = doctor.diagnose(lenet.file)
    assert found.well
    assert found.file
    assert {(state.runtime, state.problem) for state in found.file} >= {("litert", None), ("openvino", None)}
    shutil.copy(lenet.file, tmp_path / "cut.tflite")
    (tmp_path / "cut.tflite").write_bytes(lenet.file.read_bytes()[:5000])
    cut = doctor.diagnose(tmp_path / "cut.tflite")
    assert not cut.well
    assert cut.file
    assert "is not a sound .tflite file" in (cut.file[0].problem or "")
