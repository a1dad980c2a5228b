"""Measures `zoo serve` under load, and compares it with the runner itself on the same pictures.

    python benchmarks/serve_load.py [--clients 8] [--seconds 60] [--file mine.tflite] [--json] [-- OPTIONS OF zoo serve]

Clients on this machine send one picture after the other, each over its own connection. Between these periods,
`Classifier.classify_many` runs over the same pictures in another process for the same time; the ratio is the median of
the periods' ratios. The clients use some of the machine's cores, which `classify_many` has for itself. So the processor
time of a picture is measured as well, that of the server's process, of `classify_many`'s and of the clients. The exit
code is 1 if an answer was neither 200 nor 429, if the server was slower than 0.9 times `classify_many`, or if its
memory grew by more than 10 % from the first quarter of the time to the last.

Without --file: MobileNetV2 1.0/224 with random weights, which needs TensorFlow. The pictures are 24 JPEGs of 640x480,
cut from two photos.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.cells import ratio_text
from bench.pictures import SMALL, save_crops
from bench.processes import Worker, processor_seconds, resident, serving
from bench.script import benchmark, say
from bench.turns import versus
from tables import markdown_table
from zoo.benchmark.statistics import ratio

SPELLS = 6


def table(result: dict[str, Any]) -> str:
    """Shows `zoo serve` under load."""
    took, memory = result["milliseconds"], result["memory_mb"]
    processor = []
    if cost := result.get("processor"):  # older figures lack it
        said = f"{cost['ours']:.2f} ms, and {cost['clients']:.2f} of the clients; `classify_many` {cost['plain']:.2f}"
        processor = [("processor time of a picture", said), ("beside it", ratio_text(cost))]
    rows = [
        ("answers", ", ".join(f"{count:,} of {status}" for status, count in result["answers"].items())),
        ("pictures a second", f"{result['rate']:.1f}; `classify_many` {result['classify_many']:.1f}"),
        ("beside it", ratio_text(result)),
        *processor,
        ("a request", f"median {took['p50']:.0f} ms, p99 {took['p99']:.0f} ms"),
        (
            "memory",
            f"{memory['first_quarter']:.0f} MB in the first quarter, {memory['last_quarter']:.0f} MB in the last, "
            f"peak {memory['peak']:.0f}",
        ),
    ]
    return markdown_table((f"{result['clients']} clients", f"{result['seconds']:g} s"), rows)


@benchmark(table)
@click.option("--clients", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=2), default=60, show_default=True, help="Under load.")
@click.option("--file", type=click.Path(path_type=Path, exists=True), help="A .tflite file.")
@click.option("--threads", type=click.IntRange(min=1), help="Of the interpreters, in both.")
@click.argument("options", nargs=-1)
def main(
    clients: int, seconds: float, file: Path | None, threads: int | None, options: tuple[str, ...]
) -> dict[str, Any]:
    """Measures, and judges the results."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pictures = make_pictures(folder / "pictures")
        file = file or make_file(folder)
        extra = [*options, *(["--threads", str(threads)] if threads else [])]
        say(f"{clients} clients for {seconds:g} s, classify_many for as long")
        with Worker(sys.executable, "ours", file, folder / "pictures", threads or 0) as reference:
            result = load(file, pictures, clients, seconds, extra, reference)
    return result | {"problems": judge(result)}


def make_pictures(folder: Path) -> list[bytes]:
    """Makes JPEG files of 640x480; returns their bytes and writes them to a folder, too."""
    return [path.read_bytes() for path in save_crops(folder, 24, SMALL)]


def make_file(folder: Path) -> Path:
    """Exports MobileNetV2 in a separate process, so that TensorFlow takes no memory and threads from the benchmark."""
    command = [sys.executable, "-m", "zoo", "build", "mobilenet_v2", "--weights", "none", "--export", "tflite"]
    command += ["--out", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "mobilenet_v2.tflite"


def load(
    file: Path, pictures: list[bytes], clients: int, seconds: float, options: list[str], reference: Worker
) -> dict[str, Any]:
    """Starts a server, has clients ask it, watches its memory, and stops it."""
    with serving(file, *options) as (server, port):
        statuses: list[int] = []
        times: list[float] = []
        memory: list[float] = []
        rates, costs = [], []
        asking = (port, pictures, clients)
        spell(*asking, 1, [], [])  # this warms up
        reference.ask("rate 1")
        for _ in range(SPELLS):
            done, start, own = statuses.count(200), processor_seconds(server.pid), time.process_time()
            rate = spell(*asking, seconds / SPELLS, statuses, times, lambda: memory.append(resident(server.pid)))
            done = max(1, statuses.count(200) - done)
            cost, asked = (processor_seconds(server.pid) - start) / done, (time.process_time() - own) / done
            start = processor_seconds(reference.pid)
            other = reference.ask(f"rate {seconds / SPELLS}")[1]
            # It decodes a few pictures ahead, and none between two periods.
            other_cost = (processor_seconds(reference.pid) - start) / (other * seconds / SPELLS)
            rates.append((rate, other))
            costs.append((other_cost, cost, asked))
    quarter = max(1, len(memory) // 4)
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    pairs, cost_rows = np.array(rates), np.array(costs)
    beside = ratio(pairs[:, 0].tolist(), pairs[:, 1].tolist())
    return {
        "clients": clients,
        "seconds": seconds,
        "answers": {str(status): count for status, count in sorted(Counter(statuses).items())},
        "rate": float(np.median(pairs[:, 0])),
        "classify_many": float(np.median(pairs[:, 1])),
        "ratio": beside.median,
        "p10": beside.p10,
        "p90": beside.p90,
        "processor": {
            **versus(cost_rows[:, 0].tolist(), cost_rows[:, 1].tolist(), "ms", 1e3),
            "clients": 1e3 * float(np.median(cost_rows[:, 2])),
        },
        "milliseconds": {"p50": p50, "p99": p99},
        "memory_mb": {
            "first_quarter": float(np.median(memory[:quarter])),
            "last_quarter": float(np.median(memory[-quarter:])),
            "peak": max(memory),
        },
        "exit_code": server.returncode,
    }


def spell(
    port: int,
    pictures: list[bytes],
    clients: int,
    seconds: float,
    statuses: list[int],
    times: list[float],
    watch: Callable[[], object] = lambda: None,
) -> float:
    """Has all clients send requests for some seconds; returns the pictures that were classified per second."""
    before, start = statuses.count(200), time.perf_counter()
    arguments = (port, pictures, start + seconds, statuses, times)
    threads = [threading.Thread(target=ask, args=arguments) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        watch()
        time.sleep(min(0.5, seconds / 20))
    for thread in threads:
        thread.join()
    return (statuses.count(200) - before) / (time.perf_counter() - start)


def ask(port: int, pictures: list[bytes], end: float, statuses: list[int], times: list[float]) -> None:
    """Runs one client, which sends a picture, reads the answer, and repeats; status 0 means a broken connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    i = threading.get_ident()
    while time.perf_counter() < end:
        i += 1
        start = time.perf_counter()
        try:
            connection.request("POST", "/v1/classify", pictures[i % len(pictures)])
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            statuses.append(0)
            connection.close()
            continue
        statuses.append(response.status)
        if response.status == 200:
            assert json.loads(content)["predictions"]
            times.append(time.perf_counter() - start)
        elif response.status == 429:
            time.sleep(float(response.headers["Retry-After"]))
    connection.close()


def judge(result: dict[str, Any]) -> list[str]:
    """Lists what is not as it should be."""
    problems = []
    others = {status: count for status, count in result["answers"].items() if status not in {"200", "429"}}
    if others:
        problems.append(f"other answers than 200 and 429 (0: broken connections): {others}")
    if result["ratio"] < 0.9:
        problems.append(f"{result['ratio']:.2f} of the rate of classify_many, at least 0.9 is expected")
    memory = result["memory_mb"]
    if memory["last_quarter"] > 1.1 * memory["first_quarter"]:
        problems.append(f"memory grew from {memory['first_quarter']:.0f} to {memory['last_quarter']:.0f} MB")
    if result["exit_code"]:
        problems.append(f"the server ended with exit code {result['exit_code']}")
    return problems


if __name__ == "__main__":
    main()
