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
import os
import re
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

from bench import script
from bench.pictures import SMALL, save_crops
from bench.turns import ratio_text, versus
from zoo.benchmark.statistics import Spread
from zoo.cli.output import print_json, print_table

SERVE = "from zoo.cli.main import main; main()"
SPELLS = 6
REFERENCE = """
import itertools, sys, time
from pathlib import Path
from zoo.runner import Classifier
file, folder, threads = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
classifier = Classifier(file, threads=int(threads) if threads else None)
results = classifier.classify_many(itertools.cycle(sorted(folder.iterdir())))
for line in itertools.chain(["1"], sys.stdin):
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < float(line):
        assert next(results).error is None
        count += 1
    print(count / (time.perf_counter() - start), flush=True)
"""


@click.command()
@click.option("--clients", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=2), default=60, show_default=True, help="Under load.")
@click.option("--file", type=click.Path(path_type=Path, exists=True), help="A .tflite file.")
@click.option("--threads", type=click.IntRange(min=1), help="Of the interpreters, in both.")
@click.option("--json", "as_json", is_flag=True)
@click.argument("options", nargs=-1)
def main(
    clients: int, seconds: float, file: Path | None, threads: int | None, as_json: bool, options: tuple[str, ...]
) -> None:
    """Measures, prints the results, and judges them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pictures = make_pictures(folder / "pictures")
        file = file or make_file(folder)
        extra = [*options, *(["--threads", str(threads)] if threads else [])]
        click.echo(f"{clients} clients for {seconds:g} s, classify_many for as long", err=True)
        with Reference(file, folder / "pictures", threads) as reference:
            result = load(file, pictures, clients, seconds, extra, reference)
    problems = judge(result)
    if as_json:
        print_json(result | {"problems": problems})
    else:
        show(result)
    for problem in problems:
        click.echo(f"problem: {problem}", err=True)
    sys.exit(1 if problems else 0)


def make_pictures(folder: Path) -> list[bytes]:
    """Makes JPEG files of 640x480; returns their bytes and writes them to a folder, too."""
    return [path.read_bytes() for path in save_crops(folder, 24, SMALL)]


def make_file(folder: Path) -> Path:
    """Exports MobileNetV2 in a separate process, so that TensorFlow takes no memory and threads from the benchmark."""
    code = "import sys; sys.argv[0] = 'zoo'; " + SERVE
    command = [
        sys.executable,
        "-c",
        code,
        "build",
        "mobilenet_v2",
        "--weights",
        "none",
        "--export",
        "tflite",
        "--out",
        str(folder),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "mobilenet_v2.tflite"


class Reference:
    """Starts a process with `classify_many`, which rests while the clients run."""

    def __init__(self, file: Path, folder: Path, threads: int | None) -> None:
        command = [sys.executable, "-c", REFERENCE, str(file), str(folder), str(threads or "")]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self._read()  # the first period warms up

    def __enter__(self) -> Reference:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, seconds: float) -> tuple[float, float]:
        """Returns the pictures per second of one period, and the processor seconds of a picture."""
        assert self._process.stdin
        start = processor_seconds(self._process.pid)
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        rate = self._read()
        # It decodes a few pictures ahead, and none between two periods.
        return rate, (processor_seconds(self._process.pid) - start) / (rate * seconds)

    def _read(self) -> float:
        assert self._process.stdout
        return float(self._process.stdout.readline())


def load(
    file: Path, pictures: list[bytes], clients: int, seconds: float, options: list[str], reference: Reference
) -> dict[str, Any]:
    """Starts a server, has clients ask it, watches its memory, and stops it."""
    command = [sys.executable, "-c", SERVE, "serve", str(file), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        found = re.search(r":(\d+)/", server.stdout.readline())
        if not found:
            server.kill()
            raise click.ClickException(f"zoo serve {file} {' '.join(options)} does not start")
        statuses: list[int] = []
        times: list[float] = []
        memory: list[float] = []
        rates, costs = [], []
        asking = (int(found[1]), pictures, clients)
        spell(*asking, 1, [], [])  # this warms up
        for _ in range(SPELLS):
            done, start, own = statuses.count(200), processor_seconds(server.pid), time.process_time()
            rate = spell(*asking, seconds / SPELLS, statuses, times, lambda: memory.append(resident(server.pid)))
            done = max(1, statuses.count(200) - done)
            cost, asked = (processor_seconds(server.pid) - start) / done, (time.process_time() - own) / done
            other, other_cost = reference.run(seconds / SPELLS)
            rates.append((rate, other))
            costs.append((other_cost, cost, asked))
        server.terminate()
        code = server.wait(30)
    quarter = max(1, len(memory) // 4)
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    pairs, cost_rows = np.array(rates), np.array(costs)
    beside = Spread.of((pairs[:, 0] / pairs[:, 1]).tolist())
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
        "exit_code": code,
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


def resident(pid: int) -> float:
    """Returns the memory that a process holds now, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor_seconds(pid: int) -> float:
    """Returns the processor time that all threads of a process have used, in seconds."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


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


def show(result: dict[str, Any]) -> None:
    """Prints the results as a table."""
    answers = ", ".join(f"{count:,} of {status}" for status, count in result["answers"].items())
    memory, took, cost = result["memory_mb"], result["milliseconds"], result["processor"]
    rows = [
        ("answers", answers),
        ("pictures a second", f"{result['rate']:.1f}"),
        ("of classify_many", f"{result['classify_many']:.1f}"),
        ("beside it", ratio_text(result)),
        ("processor, a picture", f"{cost['ours']:.2f} ms; {cost['plain']:.2f} of classify_many, {ratio_text(cost)}"),
        ("of the clients", f"{cost['clients']:.2f} ms"),
        ("a request", f"median {took['p50']:.0f} ms, p99 {took['p99']:.0f} ms"),
        (
            "memory",
            f"{memory['first_quarter']:.0f} MB, at the end {memory['last_quarter']:.0f}, peak {memory['peak']:.0f}",
        ),
    ]
    print_table((f"{result['clients']} clients, {result['seconds']:.0f} s", ""), rows, left=("",))


if __name__ == "__main__":
    script.run(main)
