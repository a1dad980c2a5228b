"""Describes this machine and its state, from what Linux shows in `/proc` and `/sys`.

Nothing is guessed: facts that the system does not show are None or empty. All functions take the root folder, so that
a copy of another machine's files can be read, too.
"""

from __future__ import annotations

import platform
import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from zoo.machine import memory
from zoo.machine.cores import physical_cores, usable_cores
from zoo.machine.loading import libc
from zoo.machine.procfs import ROOT, group_folders, kilobytes, number, text
from zoo.text import count_of

FEATURES = (
    # The features by which the runtimes choose their CPU kernels. x86:
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16",
    "amx_tile", "amx_int8", "amx_bf16",
    # ARM, as /proc/cpuinfo calls them: SIMD, its fp16 and dot product, matrix multiplication.
    "neon", "vfpv4", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip

ARM_PARTS = {
    # Implementer and part number, as util-linux' lscpu names them (sys-utils/lscpu-arm.c).
    (0x41, 0xC07): "Cortex-A7", (0x41, 0xC08): "Cortex-A8", (0x41, 0xC09): "Cortex-A9", (0x41, 0xC0F): "Cortex-A15",
    (0x41, 0xD03): "Cortex-A53", (0x41, 0xD04): "Cortex-A35", (0x41, 0xD05): "Cortex-A55", (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72", (0x41, 0xD09): "Cortex-A73", (0x41, 0xD0A): "Cortex-A75", (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1", (0x41, 0xD0D): "Cortex-A77", (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78", (0x41, 0xD42): "Cortex-A78AE", (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710", (0x41, 0xD49): "Neoverse-N2", (0x41, 0xD4F): "Neoverse-V2",
    (0x4E, 0x003): "NVIDIA Denver 2", (0x4E, 0x004): "NVIDIA Carmel",
}  # fmt: skip
"""Linux shows ARM cores by number only."""

PI_THROTTLING = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of the Raspberry Pi firmware's `get_throttled`: now; 16 places higher: since the start."""

# The power controller of Jetson boards always reports 100 °C.
_FALSE_SENSORS = {"PMIC-Die"}
_CPU_SENSORS = {"coretemp", "k10temp", "zenpower", "cpu_thermal"}


@dataclass(frozen=True)
class Machine:
    """Facts about a machine that do not change while a program runs."""

    architecture: str
    """`x86_64`, `aarch64`..."""
    bits: int
    """Size of Python's addresses: 32 in a 32-bit userland, whatever the kernel is."""
    board: str | None
    """Name of the board in the device tree or the BIOS."""
    cpu: str | None
    cpu_features: tuple[str, ...]
    """The features among `FEATURES` that the CPU has."""
    cores: int | None
    """Logical cores that are switched on."""
    usable_cores: int
    """Logical cores that this process may run on; two hardware threads of one core count twice."""
    physical_cores: int
    """Physical cores among the usable ones; two hardware threads of one core count once."""
    cpu_limit: float | None
    """CPU time that a container allows, in cores."""
    max_mhz: float | None
    """Highest allowed clock of the fastest core, in MHz; power modes lower it."""
    memory_bytes: int | None
    memory_limit_bytes: int | None
    """Memory that a container allows, in bytes; None for no limit."""
    system: str | None
    """Name and version of the distribution."""
    kernel: str
    libc: str | None
    python: str


@dataclass(frozen=True)
class State:
    """The state of a machine that changes while a program runs, and affects its speed."""

    governors: tuple[str, ...]
    """The clock governors in use, each once."""
    mhz: tuple[float, ...]
    """Current clock of each core, in MHz."""
    temperatures: dict[str, float]
    """Temperature in °C by the name of the sensor."""
    throttling: tuple[str, ...]
    """Reasons why the CPU is slowed down now, or was since the start."""
    throttle_count: int | None
    """How often heat has slowed the cores since the start; None if the CPU does not count it."""
    load: float | None
    """Average number of processes that ran or waited for a core in the last minute."""
    available_bytes: int | None
    """Memory that a new program can use, in bytes."""

    def busy(self, cores: int) -> str | None:
        """Returns a sentence if other programs use more than half of the cores, so that times get worse; else None."""
        if self.load is None or self.load <= 0.5 * cores:
            return None
        return f"the machine was busy before the start: load {self.load:g} on {count_of(cores, 'core')}"


def read_machine(root: Path = ROOT) -> Machine:
    """Describes this machine."""
    cpus = _cpuinfo(root)
    words = {word for cpu in cpus for key in ("flags", "Features") for word in cpu.get(key, "").split()}
    return Machine(
        architecture=text(root / "proc/sys/kernel/arch") or platform.machine(),
        bits=8 * struct.calcsize("P"),
        board=text(root / "proc/device-tree/model") or text(root / "sys/class/dmi/id/product_name"),
        cpu=_cpu_name(cpus),
        cpu_features=tuple(name for name in FEATURES if name in words),
        cores=_count(text(root / "sys/devices/system/cpu/online")),
        usable_cores=usable_cores(),
        physical_cores=physical_cores(root),
        cpu_limit=_cpu_limit(root),
        max_mhz=max((kilo / 1e3 for kilo in _cpu_numbers(root, "cpufreq/scaling_max_freq")), default=None),
        memory_bytes=kilobytes(root / "proc/meminfo", "MemTotal"),
        memory_limit_bytes=memory.limit(root),
        system=_system(root),
        kernel=text(root / "proc/sys/kernel/osrelease") or platform.release(),
        libc=libc(),
        python=platform.python_version(),
    )


def read_state(root: Path = ROOT) -> State:
    """Reads the current state of this machine."""
    clocks = [kilo / 1e3 for kilo in _cpu_numbers(root, "cpufreq/scaling_cur_freq")]
    shown = [float(cpu["cpu MHz"]) for cpu in _cpuinfo(root) if re.fullmatch(r"[\d.]+", cpu.get("cpu MHz", ""))]
    governors = {text(path) for path in _cpu_files(root, "cpufreq/scaling_governor")}
    counts = _cpu_numbers(root, "thermal_throttle/core_throttle_count")
    load = (text(root / "proc/loadavg") or "").split()
    return State(
        governors=tuple(sorted(name for name in governors if name)),
        mhz=tuple(clocks or shown),
        temperatures=_temperatures(root),
        throttling=_throttling(root),
        throttle_count=sum(counts) if counts else None,
        load=float(load[0]) if load else None,
        available_bytes=kilobytes(root / "proc/meminfo", "MemAvailable"),
    )


def _numbered(path: Path) -> int:
    """Returns the number in a name, to sort `cpu10` after `cpu9`."""
    return int(re.sub(r"\D", "", path.name) or 0)


def _cpu_files(root: Path, name: str) -> list[Path]:
    return [cpu / name for cpu in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=_numbered)]


def _cpu_numbers(root: Path, name: str) -> list[int]:
    return [value for value in map(number, _cpu_files(root, name)) if value is not None]


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """Returns the fields of each processor in `/proc/cpuinfo`."""
    cpus = []
    for block in re.split(r"\n\s*\n", text(root / "proc/cpuinfo") or ""):
        lines = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in lines}
        if fields.get("processor", "").isdigit():
            cpus.append(fields)
    return cpus


def _cpu_name(cpus: list[dict[str, str]]) -> str | None:
    # A CPU with big and little cores shows each kind with its number of cores.
    kinds = Counter(name for name in map(_core_name, cpus) if name)
    if len(kinds) == 1:
        return next(iter(kinds))
    return " + ".join(f"{count}x {name}" for name, count in kinds.items()) or None


def _core_name(cpu: dict[str, str]) -> str | None:
    try:
        implementer, part = int(cpu["CPU implementer"], 16), int(cpu["CPU part"], 16)
    except (KeyError, ValueError):
        return cpu.get("model name")
    return ARM_PARTS.get((implementer, part), f"ARM implementer {implementer:#x} part {part:#x}")


def _count(ranges: str | None) -> int | None:
    """Counts the numbers in ranges such as `0-3,6`."""
    if not ranges or not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", ranges):
        return None
    ends = ([int(end) for end in part.split("-")] for part in ranges.split(","))
    return sum(end[-1] - end[0] + 1 for end in ends)


def _system(root: Path) -> str | None:
    found = re.search(r'^PRETTY_NAME="?(.*?)"?$', text(root / "etc/os-release") or "", re.MULTILINE)
    return found[1] if found else None


def _cpu_limit(root: Path) -> float | None:
    """Returns the CPU time, in cores, that the strictest control group of this process allows; None for no limit."""
    cores = []
    for version, group in group_folders("cpu", root):
        if version == 2:
            quota, _, period = (text(group / "cpu.max") or "").partition(" ")
        else:
            quota, period = (text(group / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
        # "max" and -1 mean no limit.
        if quota.isdigit() and period.isdigit() and int(quota) and int(period):
            cores.append(int(quota) / int(period))
    return min(cores, default=None)


def _temperatures(root: Path) -> dict[str, float]:
    sensors = []
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"), key=_numbered):
        sensors.append((text(zone / "type") or zone.name, zone / "temp"))
    if not sensors:
        # PCs without thermal zones still have the CPU's own sensor.
        for chip in sorted((root / "sys/class/hwmon").glob("hwmon*"), key=_numbered):
            name = text(chip / "name")
            if name in _CPU_SENSORS:
                for path in sorted(chip.glob("temp*_input"), key=_numbered):
                    label = text(chip / path.name.replace("_input", "_label")) or path.name.replace("_input", "")
                    sensors.append((f"{name} {label}", path))
    found: dict[str, float] = {}
    for name, path in sensors:
        thousandths = number(path)
        # A sensor that is switched off may report -273 or -40 or 0x7fffffff.
        if name not in _FALSE_SENSORS and thousandths is not None and -30_000 < thousandths < 150_000:
            found[name if name not in found else f"{name} {path.parent.name}"] = thousandths / 1e3
    return found


def _throttling(root: Path) -> tuple[str, ...]:
    found = []
    for device in sorted((root / "sys/class/thermal").glob("cooling_device*"), key=_numbered):
        name, level, levels = text(device / "type") or "", number(device / "cur_state"), text(device / "max_state")
        # Fans are cooling devices too; only those that slow the processor count.
        if level and level > 0 and re.search("cpu|processor|powerclamp", name, re.IGNORECASE):
            found.append(f"{name} at level {level} of {levels or '?'}")
    bits = number(root / "sys/devices/platform/soc/soc:firmware/get_throttled", 16) or 0
    for bit, what in PI_THROTTLING.items():
        if bits >> bit & 1:
            found.append(f"{what} now")
        elif bits >> (bit + 16) & 1:
            found.append(f"{what} since the start")
    return tuple(found)
