"""Every kind of child process, started in a folder that an attacker filled with modules."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from zoo.system import processes, surroundings

pytestmark = pytest.mark.slow

MODULES = (  # noqa: SIM905  # a line each would be thirty
    "json ctypes resource subprocess signal threading typing pathlib importlib contextlib "
    "zoo numpy PIL tensorflow keras ai_edge_litert tflite tflite_runtime openvino flatbuffers "
    "sitecustomize usercustomize site"
).split()
"""Names of modules that a child imports, or Python itself when it starts."""


def plant(folder: Path, *names: str) -> Path:
    """Writes modules and packages that leave a mark when they are run; returns the file of marks."""
    marks = folder / "MARKS"
    for i, name in enumerate(names):
        place = folder / f"{name}.py" if i % 2 else folder / name / "__init__.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"open({str(marks)!r}, 'a').write('{name}\\n')\nraise SystemExit(7)\n")
    return marks


CHILDREN = Path(__file__).parents[1] / "programs" / "start_child.py"


@pytest.fixture
def warm_converter() -> None:
    """Leaves the converter's process as it is for users."""


@pytest.mark.parametrize("kind", ["trial", "cold start", "doctor, a runtime", "doctor, a file", "converter", "program"])
def test_no_child_imports_from_the_current_folder(
    kind: str, lenet_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The parent has already loaded modules of these names, and the folder is on its import path in every way."""
    folder = tmp_path / "folder"
    folder.mkdir()
    marks = plant(folder, *MODULES)
    loaded = [name for name in MODULES if importlib.util.find_spec(name)] if kind == "converter" else []
    # Only the child of the converter need import TensorFlow.
    python = request.getfixturevalue("warm") if kind == "converter" else [sys.executable]
    command = [*python, str(CHILDREN), kind, str(lenet_file), str(folder), *loaded]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not marks.exists(), marks.read_text()
    assert done.returncode == 0, done.stderr


def test_that_folder_is_hostile_to_others(tmp_path: Path) -> None:
    """Without this the test above could not fail."""
    marks = plant(tmp_path, *MODULES)
    done = subprocess.run([sys.executable, "-c", "import json"], check=False, capture_output=True, cwd=tmp_path)
    assert done.returncode == 7
    assert marks.read_text() == "json\n"


@pytest.mark.parametrize(
    "words", [["run", "MODEL", "PHOTO"], ["demo"], ["inspect", "MODEL"], ["doctor", "ONNX"], ["list"]]
)
def test_the_command_imports_nothing_from_it_once_it_has_begun(
    words: list[str], lenet_file: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    """Python itself imports `sitecustomize` and the like before our first line runs; we cannot change that.

    `zoo doctor` imports every runtime, and runs an ONNX file with one of them only.
    """
    folder, program = tmp_path / "folder", tmp_path / "zoo"
    folder.mkdir()
    marks = plant(folder, *"json numpy click PIL rich tensorflow ai_edge_litert tflite".split())  # noqa: SIM905
    program.write_text("from zoo.__main__ import main\nmain()\n")
    names = {"MODEL": str(lenet_file), "PHOTO": str(photos[0])}
    if "ONNX" in words:
        pytest.importorskip("onnxruntime", reason="needs onnxruntime")
        pytest.importorskip("onnx", reason="needs onnx")
        from tests.onnx.runnable import colours

        names["ONNX"] = str(colours(tmp_path / "colours.onnx"))
    done = subprocess.run(
        [sys.executable, str(program), *(names.get(word, word) for word in words)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ":."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not marks.exists(), marks.read_text()
    assert done.returncode == 0, done.stderr


def report(what: str, *, seconds: float = 60, **limits: Any) -> Any:
    """Returns the output of a child, which runs a module `report` that is made here and found like our packages."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "reporting.py").write_text(f"import json, os, resource, sys\ndef main():\n    {what}\n")
        sys.path.append(folder)
        try:
            done = processes.run(processes.command("reporting", **limits), seconds=seconds)
        finally:
            sys.path.remove(folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_child_gets_no_token_and_what_runtimes_need(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = (
        "ZOO_SERVE_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "HF_TOKEN",
        "TF_TOKEN_registry",
        "TF_VAR_password",
        "NVIDIA_API_KEY",
        "TF_registry_token",
        "TF_PAT",
        "XLA_CREDS",
    )
    needed = ("OMP_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL", "OPENBLAS_CORETYPE", "CUDA_VISIBLE_DEVICES", "LC_CTYPE")
    for name in (*secrets, *needed):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PATH", ":.:bin:/usr/bin:/bin")
    monkeypatch.setenv("LD_LIBRARY_PATH", ":/usr/lib:lib")
    monkeypatch.setenv("LD_PRELOAD", "./evil.so")
    monkeypatch.setenv("TMPDIR", "here")
    found = report("print(json.dumps(dict(os.environ)))")
    assert not set(secrets) & set(found)
    assert set(needed) <= set(found)
    assert (found["PATH"], found["LD_LIBRARY_PATH"]) == ("/usr/bin:/bin", "/usr/lib")
    assert not {"LD_PRELOAD", "TMPDIR", "PYTHONPATH"} & set(found)


def test_a_child_has_no_input_and_keeps_to_its_limits() -> None:
    limits = "*[resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CORE)]"
    what = f"print(json.dumps([sys.stdin.read(), {limits}]))"
    assert report(what, memory=10**9) == ["", 10**9, 0]
    assert report(what)[1] == processes.all_memory()
    with pytest.raises(subprocess.TimeoutExpired):
        report("import time; time.sleep(60)", seconds=2)


def test_a_child_that_takes_too_long_is_killed_while_it_is_read_from() -> None:
    command = processes.program("/bin/sleep", "600")
    with tempfile.TemporaryFile("w+") as errors, processes.running(command, seconds=1, errors=errors) as child:
        assert child.stdout
        assert child.stdout.readline() == ""
    assert child.returncode == -signal.SIGKILL


PARENT = """
import subprocess, sys, tempfile
from zoo.system import processes
with tempfile.TemporaryFile("w+") as errors:
    with processes.running(processes.program("/bin/sleep", "600"), seconds=900, errors=errors) as child:
        print(child.pid, flush=True)
        child.wait()
"""


def test_a_child_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        # Before the child has become the program, it may not yet have asked the kernel to end it.
        while b"sleep" not in Path(f"/proc/{child}/comm").read_bytes():
            time.sleep(0.02)
        parent.kill()
    for _ in range(500):
        if not _runs(child):
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    pytest.fail("it goes on without its parent")


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_that_cannot_be_started_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(b"\0")
    done = processes.run(processes.program(str(tmp_path / "none")), seconds=60)
    assert done.returncode == 1
    assert "cannot be started: Permission denied" in done.stderr


def test_a_limit_is_never_raised() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    processes.limit(resource.RLIMIT_CORE, max(before) + 1 if max(before) >= 0 else 2**40)
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] == before[1]


def test_the_folder_of_this_package_is_handed_over_wherever_one_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    home = surroundings.PACKAGE_HOME
    monkeypatch.chdir(home)
    assert home in surroundings.import_path()
    monkeypatch.setattr(sys, "path", [home, "", "relative"])
    assert surroundings.import_path() == [home]
    surroundings.forget_current_folder()
    assert home in sys.path


def test_a_link_to_this_package_does_not_make_a_folder_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo").symlink_to(Path(surroundings.__file__).parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    assert str(tmp_path) not in surroundings.import_path()


def test_the_command_forgets_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}::.:bin:/usr/bin")
    monkeypatch.setenv("PYTHONPATH", "lib:")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), str(tmp_path / "lib"), "/elsewhere", "mark.of.a.hook"])
    surroundings.forget_current_folder()
    assert sys.path == ["/elsewhere", "mark.of.a.hook"]
    assert os.environ["PATH"] == f"{tmp_path / 'bin'}:/usr/bin"


def test_the_command_has_imported_next_to_nothing_before_it_forgets_the_current_folder() -> None:
    """An empty entry of `PYTHONPATH` comes before the standard library."""
    code = (
        "import os, site, sys\n"  # which Python has already loaded, unless it runs without `site`
        f"sys.path.insert(0, {surroundings.PACKAGE_HOME!r})\n"
        "before = set(sys.modules)\n"
        "import zoo.__main__\n"
        "print(*sorted(name.partition('.')[0] for name in set(sys.modules) - before))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"zoo"}


def test_an_archive_that_a_relative_entry_names_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib.zip").write_bytes(b"PK\5\6" + bytes(18))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "lib.zip")
    monkeypatch.setattr(sys, "path", ["lib.zip", str(tmp_path / "lib.zip"), *sys.path])
    assert str(tmp_path / "lib.zip") not in surroundings.import_path()
    surroundings.forget_current_folder()
    assert not any(entry.endswith("lib.zip") for entry in sys.path)


@pytest.mark.parametrize("how", ["surroundings.forget_current_folder()", "plots.figure(1, 1)", "child"])
def test_nobody_reads_settings_of_drawings_from_the_current_folder(how: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "matplotlibrc").write_bytes(b"\x1b]0;x\x07 : 1\nlines.linewidth : 99\n\xff\xfe\n")
    (tmp_path / "reporting.py").write_text(
        "import matplotlib\ndef main():\n    print(matplotlib.rcParams['lines.linewidth'])\n"
    )
    lines = ["import os, sys", "from zoo import plots", "from zoo.system import processes, surroundings"]
    if how == "child":
        lines += [
            f"sys.path.append({str(tmp_path)!r})",
            "os.mkdir('in')",
            "os.rename('matplotlibrc', 'in/matplotlibrc')",
        ]
        lines += ["os.chdir('in')", "done = processes.run(processes.command('reporting'), seconds=60)"]
        lines += ["print(done.stdout + done.stderr)"]
    else:
        lines += [how, "import matplotlib", "print(matplotlib.rcParams['lines.linewidth'])"]
        lines += [f"assert os.getcwd() == {str(tmp_path)!r}"]
    code = "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("1.5", "")
