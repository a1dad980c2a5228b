"""The parts of `tools/jetson-emulate` that need no emulator; the whole is `make jetson`."""

from __future__ import annotations

import io
import json
import os
import platform
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from jetson_emulation import aarch64, checks, engine, host, image, machine, steps

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", aarch64.PROGRAMS)
def test_the_programs_are_static_arm64_files(name: str) -> None:
    data = aarch64.PROGRAMS[name]
    assert data[:7] == b"\x7fELF\x02\x01\x01"
    kind, processor, _, entry, segments = struct.unpack_from("<HHIQQ", data, 16)
    assert (kind, processor, segments) == (2, 183, 64)
    # The segment covers the whole file, and the entry lies in it, where the code begins.
    assert struct.unpack_from("<IIQQQQQ", data, 64) == (1, 5, 0, aarch64.ADDRESS, aarch64.ADDRESS, len(data), len(data))
    assert entry - aarch64.ADDRESS == 120
    assert data[-12:] == struct.pack("<III", *aarch64.EXIT)


def test_the_control_programs_differ_from_the_plain_one_by_what_they_test() -> None:
    plain = len(aarch64.PROGRAMS["plain"])
    assert len(aarch64.PROGRAMS["dot-product"]) == plain + 4
    assert struct.pack("<I", aarch64.SDOT) in aarch64.PROGRAMS["dot-product"]
    assert struct.pack("<I", aarch64.LDADD) in aarch64.PROGRAMS["atomics"]


def test_the_programs_can_be_started(tmp_path: Path) -> None:
    aarch64.write(tmp_path / "control")
    assert all(os.access(tmp_path / "control" / name, os.X_OK) for name in aarch64.PROGRAMS)


def test_other_systems_are_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    ubuntu = {"ID": "ubuntu", "VERSION_ID": "24.04", "PRETTY_NAME": "Ubuntu 24.04"}
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: ubuntu)
    with pytest.raises(steps.EmulationError, match=r"needs Debian 12 on x86-64, and root; here is Ubuntu 24.04"):
        machine.require_debian()
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(steps.EmulationError, match="user 1000"):
        machine.require_debian()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    machine.require_debian()


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEZOO_CACHE", str(tmp_path))
    assert machine.cache() == tmp_path / "jetson"


def test_settings_of_pip_go_into_the_base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_text("a certificate")
    listed = f":env:.cert='{bundle}'\nglobal.cert='/other'\nglobal.index-url='https://a/simple'\n"
    listed += "global.extra-index-url='file:///wheels'\n"
    found = subprocess.CompletedProcess([], 0, stdout=listed)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: found)
    with tarfile.open(fileobj=io.BytesIO(machine.pip_settings())) as archive:
        files = {name: archive.extractfile(name).read().decode() for name in archive.getnames()}  # type: ignore[union-attr]
    assert files["etc/ssl/certs/ci.crt"] == "a certificate"
    assert files["etc/pip.conf"] == "[global]\nindex-url = https://a/simple\ncert = /etc/ssl/certs/ci.crt\n"


def test_the_nano_s_processor() -> None:
    text = engine.cpuinfo()
    assert text.count("processor\t: ") == 4
    assert text.count("CPU part\t: 0xd07\n") == 4
    # ARMv8.0: no half-precision arithmetic, no dot product, no atomics.
    assert not {"asimdhp", "fphp", "asimddp", "atomics"} & set(text.split())


def test_scores_are_read_back() -> None:
    predictions = [{"index": 3, "score": 0.25}, {"index": 1, "score": 0.5}]
    line = {"file": "/data/pictures/one/000.png", "predictions": predictions}
    found = host.scores([json.dumps(line), "note: no JSON"])
    assert found == {"one/000.png": {3: 0.25, 1: 0.5}}
    assert host.best(found["one/000.png"]) == 1
    assert checks.at_label("one/000.png", 1)
    assert not checks.at_label("one/000.png", 3)


def test_weights_of_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(bytes(10))
    (tmp_path / "sub" / "b").write_bytes(bytes(5))
    (tmp_path / "sub" / "link").symlink_to(tmp_path / "a")
    assert image.weigh(tmp_path) == 15
    assert image.weigh(tmp_path / "a") == 10


def test_a_program_that_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(steps.EmulationError, match=r"(?s)exit code 3 from: .*oh no"):
        steps.run([sys.executable, "-c", "import sys; print('oh no'); sys.exit(3)"])
    with pytest.raises(steps.EmulationError, match="missing-program is not installed"):
        steps.run(["missing-program"])


def test_the_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://a")
    monkeypatch.setenv("https_proxy", "http://b")
    assert "PIP_INDEX_URL" not in steps.environment()
    assert steps.environment()["https_proxy"] == "http://b"


def test_the_script_starts() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "jetson-emulate", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--runtime" in done.stdout


@pytest.mark.parametrize("script", ["jetson-emulate", "make-demo-model"])
def test_the_scripts_can_be_executed(script: str) -> None:
    assert os.access(ROOT / "tools" / script, os.X_OK)
