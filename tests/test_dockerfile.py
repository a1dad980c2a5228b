"""Dockerfile.jetson: its pins agree with pyproject.toml, and its promises hold; `make jetson` builds it."""

from __future__ import annotations

import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import zoo
from releases import locks
from releases.errors import ReleaseError
from tests.test_packaging import pyproject

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile.jetson").read_text(encoding="utf-8")
LISTS = ROOT / "tools" / "jetson"
RUNTIMES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}


def pins(name: str) -> dict[str, str]:
    """Returns the exact version of each package in a list and in those that it includes."""
    found: dict[str, str] = {}
    for line in (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found |= pins(Path(text.removeprefix("-r ")).stem)
        elif text:
            package, equal, version = text.partition("==")
            assert equal, f"{name}.txt: {text!r} is not an exact version"
            assert re.fullmatch(r"[\d.]+", version)
            assert package not in found
            found[package] = version
    return found


def requirements(*extras: str) -> list[Requirement]:
    """Returns the requirements of pyproject.toml for the board, which has Python 3.11 on aarch64."""
    project: dict[str, Any] = pyproject()["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    board = {"python_version": "3.11", "platform_machine": "aarch64"}
    found = [Requirement(line) for line in lines]
    return [requirement for requirement in found if requirement.marker is None or requirement.marker.evaluate(board)]


def test_the_lists_are_those_that_the_dockerfile_knows() -> None:
    assert {path.stem for path in LISTS.glob("*.txt")} == {"build", "camera", "serve", "common", *RUNTIMES}
    assert re.search(r"^ARG RUNTIME=litert$", DOCKERFILE, re.MULTILINE)
    for runtime in RUNTIMES:
        assert f"{runtime}: | {runtime}:camera | {runtime}:serve | {runtime}:camera,serve)" in DOCKERFILE


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_pins_are_what_pyproject_asks_for(runtime: str) -> None:
    pinned = pins(runtime)
    wanted = requirements(*(["tflite-runtime"] if runtime == "tflite-runtime" else []))
    for requirement in wanted:
        if requirement.name in RUNTIMES.values() and requirement.name != RUNTIMES[runtime]:
            assert requirement.name not in pinned  # an image has one runtime
        else:
            assert requirement.specifier.contains(pinned[requirement.name]), requirement
    # The flatbuffer schema (tflite) imports flatbuffers.
    assert pinned.keys() == {r.name for r in requirements()} - set(RUNTIMES.values()) | {
        "flatbuffers",
        RUNTIMES[runtime],
    }


def test_the_camera_pin() -> None:
    (requirement,) = (Requirement(line) for line in pyproject()["project"]["optional-dependencies"]["camera"])
    assert pins("camera").keys() == {requirement.name}
    assert requirement.specifier.contains(pins("camera")[requirement.name])


def test_the_pins_of_the_server_are_what_pyproject_asks_for_and_what_that_needs() -> None:
    pinned = pins("serve")
    wanted = [Requirement(line) for line in pyproject()["project"]["optional-dependencies"]["serve"]]
    needed, left = set(), [requirement.name for requirement in wanted]
    while left:
        name = canonicalize_name(left.pop())
        if name in needed or name in pins("common"):
            continue
        needed.add(name)
        board = {"python_version": "3.11", "python_full_version": "3.11.2", "platform_machine": "aarch64", "extra": ""}
        found = map(Requirement, metadata.requires(name) or [])
        left += [one.name for one in found if one.marker is None or one.marker.evaluate(board)]
    assert pinned.keys() == needed
    for requirement in wanted:
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


@pytest.mark.parametrize(
    ("wanted", "lists"),
    [
        ("", ["litert"]),
        ("camera", ["litert", "camera"]),
        ("serve", ["litert", "serve"]),
        ("camera,serve", ["litert", "camera", "serve"]),
        ("server", None),
        ("serve camera", None),
    ],
)
def test_what_is_wanted_decides_which_locks_are_installed(wanted: str, lists: list[str] | None, tmp_path: Path) -> None:
    """The very lines of the Dockerfile, with a pip that says what it is told."""
    (lines,) = re.findall(r"^RUN (case .*?\n(?:.*\\\n)*?.*pins/serve.*?)\\\n", DOCKERFILE, re.MULTILINE)
    command = lines.replace("/opt/pip/bin/pip", "echo")
    done = subprocess.run(
        ["sh", "-euc", command], env={"RUNTIME": "litert", "WITH": wanted}, capture_output=True, text=True, check=False
    )
    if lists is None:
        assert done.returncode == 1
        assert f"'litert', '{wanted}'" in done.stderr
    else:
        assert re.findall(r"-r pins/(\S+)\.lock", done.stdout) == lists


def test_what_builds_the_wheel() -> None:
    (requirement,) = (Requirement(line) for line in pyproject()["build-system"]["requires"])
    assert pins("build").keys() == {requirement.name}
    assert requirement.specifier.contains(pins("build")[requirement.name])


@pytest.mark.parametrize("name", locks.LISTS)
def test_the_locks_are_those_of_the_lists(name: str) -> None:
    """Locks have the same versions, each with hashes; run `make lock` after a change."""
    text = (LISTS / f"{name}.lock").read_text(encoding="utf-8")
    assert locks.read(text) == pins(name)
    assert "://" not in text


def test_every_list_that_is_installed_has_a_lock_and_no_other() -> None:
    assert {path.stem for path in LISTS.glob("*.lock")} == set(locks.LISTS)
    assert set(locks.LISTS) == {path.stem for path in LISTS.glob("*.txt")} - {"common"}


def installs() -> list[str]:
    """Returns all pip commands of the Dockerfile, one on each line."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    return [
        part for line in lines for part in re.split(r"&&|;;", line) if re.search(r"bin/pip\b.* (install|wheel) ", part)
    ]


def test_nothing_is_installed_without_its_hash_but_the_wheel_that_is_made_here() -> None:
    """Every pip command has the options without which pip checks no hashes or fetches other packages."""
    found = installs()
    assert len(found) == 4
    for command in found:
        assert "--no-deps" in command
        if "--no-index" in command:
            assert "-r " not in command
            assert "/wheels" in command
            assert " install " in command or "--no-build-isolation" in command
        else:
            assert "--require-hashes" in command
            assert "--only-binary :all:" in command
            named = re.findall(r"-r (\S+?)(?=\s|\}|$)", command)
            assert named
            assert all(path.endswith(".lock") for path in named)


@pytest.mark.parametrize(
    "entry",
    [
        "numpy==2.4.6",
        "numpy>=2.4 --hash=sha256:" + "0" * 64,
        "numpy==2.4.6 --hash=md5:" + "0" * 32,
        "numpy @ https://example.org/numpy.whl --hash=sha256:" + "0" * 64,
        "-r other.txt",
        "--index-url https://example.org",
    ],
)
def test_a_lock_that_pins_less_is_refused(entry: str) -> None:
    with pytest.raises(ReleaseError, match="no exact version or no SHA-256"):
        locks.read(f"# a comment\n{entry}\n")


def test_the_base_is_pinned_by_digest_and_is_the_one_that_dependabot_raises() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE_IMAGE}", "scratch"]
    assert locks.ARG.findall(DOCKERFILE) == locks.BASE.findall((LISTS / "Dockerfile.base").read_text(encoding="utf-8"))
    assert len(locks.ARG.findall(DOCKERFILE)) == 1
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    folders = {update["package-ecosystem"]: update["directory"] for update in updates}
    assert ROOT / folders["docker"].strip("/") == LISTS


def test_a_raised_digest_is_taken_over_and_a_tag_is_not(tmp_path: Path) -> None:
    image = locks.ARG.findall(DOCKERFILE)[0].partition("@")[0]
    raised = f"{image}@sha256:{'12' * 32}"
    (tmp_path / "tools" / "jetson").mkdir(parents=True)
    (tmp_path / "Dockerfile.jetson").write_text(DOCKERFILE, encoding="utf-8")
    watched = tmp_path / "tools" / "jetson" / "Dockerfile.base"
    watched.write_text(f"FROM {raised}\n")
    changed = locks.pin_base(tmp_path).read_text(encoding="utf-8")
    assert locks.ARG.findall(changed) == [raised]
    assert locks.ARG.sub("", changed) == locks.ARG.sub("", DOCKERFILE)
    watched.write_text(f"FROM {image}\n")
    with pytest.raises(ReleaseError, match="does not name the base image once, by digest"):
        locks.pin_base(tmp_path)


def test_the_label_says_this_version() -> None:
    assert f'org.opencontainers.image.version="{zoo.__version__}"' in DOCKERFILE


def test_the_image_runs_zoo_and_not_as_root() -> None:
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert last.startswith("scratch\n")
    for line in ("USER zoo", "WORKDIR /data", 'ENTRYPOINT ["zoo"]', 'RUN ["zoo", "demo"]'):
        assert f"\n{line}\n" in last
    assert "OPENBLAS_CORETYPE=ARMV8" in last
    # This runs as root, before the user is set, because it writes byte code.
    assert last.index("RUN ") < last.index("USER ")


def test_old_builders_understand_it() -> None:
    for newer in ("<<", "COPY --link", "--mount", "# syntax"):
        assert newer not in DOCKERFILE


def test_the_dockerfile_names_no_machine() -> None:
    assert not re.search(r"(?i)proxy|pip\.conf|index-url|trusted-host|certificate|\.crt", DOCKERFILE)


def test_all_that_is_copied_is_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored
