"""`zoo benchmark`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.options.runtime import delegate_option, provider_option
from zoo.cli.output import echo, json_option, megabytes, milliseconds, print_json, print_table, significant, status
from zoo.cli.types import PATH, int_list, words
from zoo.runner.loading.runtimes import RUNTIMES
from zoo.system.quiet import quiet
from zoo.text import count_of

if TYPE_CHECKING:
    from zoo.benchmark.benchmark import Benchmark, Measurement
    from zoo.machine.info import State


@click.command()
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--runs", type=click.IntRange(min=1), default=100, show_default=True, help="Number of timed runs of each file."
)
@click.option(
    "--warmup",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Number of untimed runs before the timed ones.",
)
@click.option(
    "--threads",
    type=int_list,
    metavar="N,...",
    help="Numbers of CPU threads to try, separated by commas, e.g. 1,2,4.  "
    "[default: the number of physical cores, at most 4]",
)
@click.option(
    "--runtime",
    type=words(*RUNTIMES),
    metavar="NAME,...",
    help=f"Runtimes to try, separated by commas: {', '.join(RUNTIMES)}.  [default: the first that is installed]",
)
@delegate_option
@provider_option
@click.option(
    "--photo",
    type=PATH,
    help="JPEG file to measure the rate from JPEG with.  [default: a synthetic photo of 1920x1080]",
)
@click.option("--profile", "with_profile", is_flag=True, help="Time each operation, if the runtime can do that.")
@json_option
def benchmark(
    files: tuple[Path, ...],
    runs: int,
    warmup: int,
    threads: tuple[int, ...] | None,
    runtime: tuple[str, ...] | None,
    delegate: str | None,
    provider: str | None,
    photo: Path | None,
    with_profile: bool,
    as_json: bool,
) -> None:
    """Measure how fast each .tflite or .onnx FILE runs here.

    Every combination of file, runtime and number of threads runs once in each round, and is compared with the first
    file. The time of a run does not include decoding the boxes of a detector, which is timed apart. The tables also
    show load time, cold start and peak memory in a new process, and how many JPEG files a second are decoded and run
    through the model.
    """
    from zoo.benchmark.benchmark import benchmark as measure

    with status("loading", steady=True) as progress, quiet():
        found = measure(
            files,
            runs=runs,
            warmup=warmup,
            threads=threads or (),
            runtimes=runtime or (),
            delegate=delegate,
            provider=provider,
            photo=photo,
            with_profile=with_profile,
            progress=progress,
        )
    if as_json:
        print_json(found.as_dict())
        return
    _print_tables(found)
    _print_machine(found)
    for note in found.notes:
        echo(f"note: {note}", err=True)


def _print_tables(found: Benchmark) -> None:
    """Prints three tables that fit a narrow terminal, with columns for runtime and threads only if they differ."""
    every = {
        "runtime": [f"{m.runtime} on {m.provider}" if m.provider else m.runtime for m in found.measurements],
        "threads": [str(m.threads) for m in found.measurements],
    }
    varied = {name: values for name, values in every.items() if len(set(values)) > 1}

    def show(columns: Sequence[str], row: Callable[[Measurement], Sequence[str]]) -> None:
        heads = zip([m.file for m in found.measurements], *varied.values(), strict=True)
        rows = [(*head, *row(measured)) for head, measured in zip(heads, found.measurements, strict=True)]
        print_table(("file", *varied, *columns), rows, left=("runtime",))
        echo()

    show(("min", "median", "p90", "p99", "a second"), _latency)
    show(("size", "time / first", "JPEGs a second"), lambda m: (megabytes(m.size_bytes), _ratio(m), _rate(m)))
    if any(measured.decoding for measured in found.measurements):
        show(("decoding", "p90", "at threshold 0", "objects"), _decoding)
    show(("check", "load", "first run", "cold start", "peak memory"), _start)
    for measured in found.measurements:
        if measured.ops is not None:
            echo(f"{measured.file}, {measured.runtime}, threads: {measured.threads}")
            ops = [(op.name, op.type, f"{op.mean_us:.1f} us", f"{op.share:.1%}") for op in measured.ops]
            print_table(("operation", "type", "mean", "share"), ops, left=("type",))
            echo()
    same = [f"{name}: {values[0]}" for name, values in every.items() if name not in varied]
    runs = f"{count_of(found.runs, 'run')} each after {found.warmup} to warm up"
    jpeg = [f"JPEG: {found.photo}"] if any(measured.from_jpeg for measured in found.measurements) else []
    echo("; ".join([runs, *same, *jpeg]))


def _latency(measured: Measurement) -> tuple[str, ...]:
    times = measured.latency
    shown = map(milliseconds, (times.min_ms, times.median_ms, times.p90_ms, times.p99_ms))
    return (*shown, significant(measured.per_second))


def _decoding(measured: Measurement) -> tuple[str, ...]:
    """The step from outputs to objects, with the number of those in the photo and the threshold."""
    decoding = measured.decoding
    if decoding is None:
        return ("", "", "", "")
    times = map(milliseconds, (decoding.time.median_ms, decoding.time.p90_ms, decoding.most.median_ms))
    return (*times, f"{decoding.objects} above {decoding.threshold:g}")


def _start(measured: Measurement) -> tuple[str, ...]:
    start = measured.cold_start
    shown = map(milliseconds, (start.check_ms, start.load_ms, start.first_run_ms, start.total_ms))
    return (*shown, "not shown" if start.peak_bytes is None else megabytes(start.peak_bytes))


def _print_machine(found: Benchmark) -> None:
    machine, versions = found.machine, {(m.runtime, m.runtime_version) for m in found.measurements}
    cores = (
        f"{machine.usable_cores} of {count_of(machine.cores, 'core')}"
        if machine.cores
        else count_of(machine.usable_cores, "core")
    )
    memory = f"{machine.memory_bytes / 1e9:.1f} GB" if machine.memory_bytes else None
    hardware = (machine.board, machine.cpu, machine.architecture, cores, memory)
    runtimes = [f"{name} {version or ''}".strip() for name, version in sorted(versions)]
    software = (machine.system, f"kernel {machine.kernel}", machine.libc, f"Python {machine.python}", *runtimes)
    echo(f"machine: {', '.join(filter(None, hardware))}")
    echo(f"software: {', '.join(filter(None, software))}")
    echo(f"governor: {', '.join(found.before.governors) or 'not shown'}")
    echo(f"temperature: {_temperatures(found.before, found.after)}")
    for reason in dict.fromkeys(measured.no_jpeg for measured in found.measurements):
        if reason:
            echo(f"no rate from JPEG: {reason}")


def _temperatures(before: State, after: State) -> str:
    shared = [name for name in before.temperatures if name in after.temperatures]
    found = [f"{name} {before.temperatures[name]:.0f} -> {after.temperatures[name]:.0f} °C" for name in shared]
    return ", ".join(found) or "not shown"


def _ratio(measured: Measurement) -> str:
    if not measured.ratio:
        return ""
    time = measured.ratio.time
    return f"{significant(time.median)} ({significant(time.p10)} to {significant(time.p90)})"


def _rate(measured: Measurement) -> str:
    if not measured.from_jpeg:
        return ""
    rate = measured.from_jpeg.per_second
    return f"{significant(rate.median)} ({significant(rate.p10)} to {significant(rate.p90)})"
