"""The workflows of GitHub, and the steps of `.ci/run` that they call."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from releases import pythons
from tests.test_packaging import pyproject

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".github" / "workflows"
RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
LISTED = re.search(r"^STEPS=\((.+)\)$", RUN, re.MULTILINE)
STEPS = LISTED[1].split() if LISTED else []


def workflow(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))


def called() -> list[str]:
    """Returns every step of `.ci/run` that a workflow calls."""
    found: list[str] = []
    for path in FOLDER.glob("*.yml"):
        for job in workflow(path.stem)["jobs"].values():
            for step in job["steps"]:
                if words := re.match(r"\.ci/run\b(.*)", step.get("run", "")):
                    by_name = job["strategy"]["matrix"]["step"] if '"$STEP"' in words[1] else words[1].split()
                    assert by_name, "without a name it would run them all"
                    found += by_name
    return found


def test_the_steps_are_functions_of_ci_run() -> None:
    assert re.findall(r"^step_(\w+)\(\)", RUN, re.MULTILINE) == STEPS
    assert len(STEPS) == 7


def test_the_workflows_run_every_step_and_no_other() -> None:
    assert set(called()) == set(STEPS)


def test_an_unknown_step_is_refused_before_anything_runs() -> None:
    done = subprocess.run([ROOT / ".ci" / "run", "demo", "frob"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"ci: error: there is no step frob; there are: {' '.join(STEPS)}\n"


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^\s+make ([\w./-]+)$", RUN, re.MULTILINE):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


def test_the_audit_is_strict_where_there_is_a_network() -> None:
    """Outside of workflows, a service that does not answer is reported, and the other steps continue."""
    (step,) = (step for step in workflow("ci")["jobs"]["audit"]["steps"] if "run" in step)
    assert (step["run"], step["env"]) == (".ci/run audit", {"EDGEZOO_AUDIT": "strict"})
    body = re.search(r"^step_audit\(\) \{\n(.*?)^\}", RUN, re.MULTILINE | re.DOTALL)
    assert body
    judged = (
        body[1]
        .replace("    needs\n    make .venv/ready\n", "")
        .replace(".venv/bin/python tools/release audit", "(exit $CODE)")
    )
    for strict, code, expected in (
        ("", 77, 0),
        ("", 1, 1),
        ("", 0, 0),
        ("strict", 77, 77),
        ("strict", 1, 1),
        ("strict", 0, 0),
    ):
        script = f"set -euo pipefail\nCODE={code}\nEDGEZOO_AUDIT={strict}\nstep_audit() {{\n{judged}}}\n( step_audit )"
        assert subprocess.run(["bash", "-c", script], check=False).returncode == expected, (strict, code)


def test_both_processors_and_all_pythons_are_tried() -> None:
    jobs = workflow("ci")["jobs"]
    for name in ("step", "pythons"):
        assert jobs[name]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    (setup,) = (step["with"] for step in jobs["pythons"]["steps"] if "setup-python" in step.get("uses", ""))
    assert sorted(setup["python-version"].split()) == pythons.declared(pyproject()["project"])


@pytest.mark.parametrize("name", ["ci", "release"])
def test_rights_are_given_job_by_job_and_actions_by_commit(name: str) -> None:
    document = workflow(name)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"]
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", "a@" + 40 * "0"))
    may_write = {
        (job, right)
        for job, content in document["jobs"].items()
        for right, value in content["permissions"].items()
        if value == "write"
    }
    assert may_write == ({("publish", "id-token"), ("announce", "contents")} if name == "release" else set())


@pytest.mark.slow
def test_the_linters_find_nothing() -> None:
    """Workflows fit GitHub's schema and have no unsafe steps; neither check needs a network."""
    files = [str(path) for path in sorted(FOLDER.glob("*.yml"))]
    dependabot = str(ROOT / ".github" / "dependabot.yml")
    programs = Path(sys.executable).parent
    for command in (
        [str(programs / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *files],
        [str(programs / "check-jsonschema"), "--builtin-schema", "vendor.dependabot", dependabot],
        [str(programs / "zizmor"), "--offline", "--no-progress", *files, dependabot],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def run_steps(folder: Path, *names: str, python: str = "", make: str = "") -> subprocess.CompletedProcess[str]:
    """Runs steps of `.ci/run` in a folder where `make` and the environment's Python are scripts of the test."""
    for path, body in {
        ".ci/run": RUN,
        "tools/system-packages": "#!/bin/sh\n",
        "bin/make": f'#!/bin/sh\necho "make $*"\n{make}\n',
        ".venv/bin/python": f'#!/bin/sh\necho "python $*"\n{python}\n',
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(body, encoding="utf-8")
        (folder / path).chmod(0o755)
    environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        [folder / ".ci" / "run", *names], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_emulation_runs_beside_the_steps_behind_it_and_is_shown_last(tmp_path: Path) -> None:
    """The emulation goes on only when a later step has begun, and that step ends only when the emulation goes on."""
    done = run_steps(
        tmp_path,
        "jetson",
        "docs",
        python="until [ -e begun ]; do sleep 0.05; done; touch seen",
        make='case "$*" in docs) touch begun; until [ -e seen ]; do sleep 0.05; done ;; esac',
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.sub(r"in \d+ min \d+ s", "", line).strip() for line in done.stdout.splitlines()]
    assert lines == [
        "=== jetson: runs beside the steps that follow",
        "make .venv/ready",
        "=== docs",
        "make docs",
        "=== docs: done",
        "=== jetson",
        "make .venv/ready",
        "python tools/jetson-emulate",
        "=== jetson: done",
    ]


@pytest.mark.parametrize("names", [("jetson", "docs"), ("jetson",), ("docs", "jetson")])
@pytest.mark.parametrize(("code", "expected"), [(77, 0), (1, 1)])
def test_a_failure_of_the_emulation_fails_the_whole(
    tmp_path: Path, names: tuple[str, ...], code: int, expected: int
) -> None:
    done = run_steps(tmp_path, *names, python=f"exit {code}")
    assert done.returncode == expected
    assert ("=== jetson: failed after" in done.stdout + done.stderr) == bool(expected)


def test_a_step_that_fails_ends_the_run_but_shows_the_emulation(tmp_path: Path) -> None:
    done = run_steps(tmp_path, "jetson", "docs", "release", make='[ "$*" != docs ] || exit 3')
    assert done.returncode == 3
    assert "=== docs: failed after" in done.stderr
    assert "=== jetson: done" in done.stdout
    assert "release" not in done.stdout
