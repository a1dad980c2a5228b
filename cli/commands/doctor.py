"""`zoo doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.output import echo, json_option, print_json, print_table, status
from zoo.cli.types import PATH

if TYPE_CHECKING:
    from zoo.runner.doctor import Diagnosis, RuntimeState


@click.command()
@click.argument("file", type=PATH, required=False)
@json_option
def doctor(file: Path | None, as_json: bool) -> int:
    """Show which runtimes and hardware this machine has, what FILE is for, and whether it runs here.

    The exit code is 1 if no runtime works, or if none runs FILE.
    """
    from zoo.runner.doctor import diagnose

    with status("looking around"):
        found = diagnose(file)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found, file)
    return 0 if found.well else 1


def _print(found: Diagnosis, file: Path | None) -> None:
    from zoo.runner.outlook import lines

    machine, state = found.machine, found.state
    temperatures = ", ".join(f"{name} {value:.0f} °C" for name, value in state.temperatures.items())
    cores = f"{machine.usable_cores} usable, {machine.physical_cores} of them physical"
    if machine.cpu_limit is not None:
        cores += f", limited to the time of {machine.cpu_limit:g}"
    facts = {
        "board": machine.board,
        "processor": machine.cpu,
        "architecture": f"{machine.architecture}, Python of {machine.bits} bits",
        "features": ", ".join(machine.cpu_features),
        "cores": cores,
        "memory": _memory(found),
        "system": ", ".join(filter(None, (machine.system, f"kernel {machine.kernel}", machine.libc))),
        "python": ", ".join([machine.python, *(f"{name} {version}" for name, version in found.packages.items())]),
        "governor": ", ".join(state.governors),
        "temperature": temperatures,
        "throttling": ", ".join(state.throttling),
        "Edge TPU": ", ".join(found.edgetpu_devices) or "none found",
        "libedgetpu": found.edgetpu_library or "not installed",
        "cameras": ", ".join(found.cameras) or "none found",
    }
    for name, value in facts.items():
        echo(f"{name + ':':14} {value or 'not shown'}")
    echo()
    rows = [(state.name, state.version or "", _how(state)) for state in found.runtimes]
    print_table(("runtime", "version", ""), rows, left=("version", ""))
    if found.file is not None:
        echo()
        results = [(state.runtime, state.problem or "runs it") for state in found.file]
        print_table(("runtime", str(file)), results, left=(str(file),))
    if found.runner is not None:
        echo("", *lines(found.runner))


def _how(state: RuntimeState) -> str:
    """Whether a runtime works, and on what it can run a file, where it says so."""
    on = f" on {', '.join(state.providers)}" if state.providers else ""
    return state.problem or f"works{on}"


def _memory(found: Diagnosis) -> str | None:
    machine, state = found.machine, found.state
    if machine.memory_bytes is None:
        return None
    text = f"{machine.memory_bytes / 1e9:.1f} GB"
    if state.available_bytes is not None:
        text += f", {state.available_bytes / 1e9:.1f} free"
    if machine.memory_limit_bytes is not None:
        text += f", limited to {machine.memory_limit_bytes / 1e9:.1f}"
    return text
