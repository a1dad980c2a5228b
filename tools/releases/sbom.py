"""Makes a list of the packages that are installed with the wheel (SBOM), in the format of CycloneDX."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import tomli
import tomli_w

from releases import environments, tagging
from releases.errors import ReleaseError


def write(wheel: Path, root: Path, out: Path, extras: tuple[str, ...] = ()) -> None:
    """Installs the wheel into a new environment without other tools, and lists its packages.

    Raises:
        ReleaseError: the wheel cannot be installed, or the list is not valid.
    """
    with tempfile.TemporaryDirectory() as folder:
        python = environments.make(Path(folder) / "env", Path(sys.executable), wheel, extras=extras, testing=False)
        project = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        # The tool looks for the version only there.
        project |= {"version": tagging.version(root), "dynamic": []}
        about = Path(folder) / "pyproject.toml"
        about.write_text(tomli_w.dumps({"project": project}), encoding="utf-8")
        program = Path(sys.executable).with_name("cyclonedx-py")
        options = ("--output-reproducible", "--mc-type", "library", "--validate", "--output-format", "JSON")
        command: list[str | Path] = [
            program,
            "environment",
            *options,
            "--pyproject",
            about,
            "--output-file",
            out,
            python,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"cyclonedx-py: {done.stderr.strip()}")
