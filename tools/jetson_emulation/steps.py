"""Prints one line with the time for each step of the emulation, and runs its programs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

STARTED = time.monotonic()
TIMEOUT = 900
"""Time limit of each program, in seconds; none needs as long."""


class EmulationError(Exception):
    """Something that is missing, or a check that failed; the message is for the user."""


class UnfitMachineError(EmulationError):
    """This machine cannot emulate a Jetson Nano: another system, no root, no kernel support, no mirror."""


def say(text: str) -> None:
    """Prints a line that begins with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Prints what is done, and afterwards how long it took."""
    say(f"{text} ...")
    began = time.monotonic()
    yield
    say(f"{text}: {time.monotonic() - began:.0f} s")


def require(condition: object, message: str) -> None:
    """Checks a condition.

    Raises:
        EmulationError: the condition does not hold.
    """
    if not condition:
        raise EmulationError(message)


def environment(**more: str) -> dict[str, str]:
    """Returns a clean environment, because variables of this machine's shell must not get into the image."""
    kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"} | kept | more


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Runs a program in a clean environment, and captures its output.

    Raises:
        EmulationError: the program is missing, or it fails and `check` is set; the message has the end of its output.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env=environment() if env is None else env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise EmulationError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise EmulationError(f"not done within {TIMEOUT} s: {' '.join(words)}") from error
    if check and done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise EmulationError(f"exit code {done.returncode} from: {' '.join(words)}\n{tail}")
    return done
