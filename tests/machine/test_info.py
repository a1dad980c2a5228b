"""Facts about machines, which are small copies of `/proc` and `/sys` of boards and PCs here."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from zoo.machine.info import read_machine, read_state


def write(root: Path, **texts: str | bytes) -> None:
    """Makes files; `__` in their names means `/`."""
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def arm_cpus(*parts: int, implementer: int = 0x41) -> str:
    return "\n".join(
        f"processor\t: {i}\nBogoMIPS\t: 38.40\nFeatures\t: fp asimd evtstrm aes crc32\n"
        f"CPU implementer\t: {implementer:#x}\nCPU architecture: 8\nCPU part\t: {part:#x}\n"
        for i, part in enumerate(parts)
    )


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    """A Jetson Nano."""
    write(
        tmp_path,
        proc__cpuinfo=arm_cpus(*[0xD07] * 4),
        proc__meminfo="MemTotal:        4059712 kB\nMemFree:  100 kB\nMemAvailable:    2500000 kB\n",
        proc__loadavg="0.42 0.30 0.20 1/300 1234\n",
        proc__sys__kernel__osrelease="4.9.337-tegra\n",
    )
    write(tmp_path, **{"proc__device-tree__model": b"NVIDIA Jetson Nano Developer Kit\0"})
    write(tmp_path, **{"etc__os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 18.04.6 LTS"\nID=ubuntu\n'})
    write(tmp_path, sys__devices__system__cpu__online="0-3\n")
    for i in range(4):
        folder = f"sys__devices__system__cpu__cpu{i}__cpufreq__"
        write(tmp_path, **{f"{folder}scaling_governor": "schedutil\n", f"{folder}scaling_cur_freq": "102000\n"})
        write(tmp_path, **{f"{folder}scaling_max_freq": "1479000\n"})
    zones = {"AO-therm": "41500", "CPU-therm": "34000", "PMIC-Die": "100000", "iwlwifi": "-273000", "off": ""}
    for i, (name, value) in enumerate(zones.items()):
        write(tmp_path, **{f"sys__class__thermal__thermal_zone{i}__type": f"{name}\n"})
        write(tmp_path, **{f"sys__class__thermal__thermal_zone{i}__temp": f"{value}\n"})
    write(tmp_path, sys__class__thermal__cooling_device0__type="pwm-fan\n")
    write(tmp_path, sys__class__thermal__cooling_device0__cur_state="2\n")
    return tmp_path


def test_a_jetson_nano(nano: Path) -> None:
    machine = read_machine(nano)
    assert machine.board == "NVIDIA Jetson Nano Developer Kit"
    assert machine.cpu == "Cortex-A57"
    assert machine.cpu_features == ("asimd",)
    assert machine.cores == 4
    assert machine.max_mhz == 1479
    assert machine.memory_bytes == 4_059_712 * 1024
    assert (machine.memory_limit_bytes, machine.cpu_limit) == (None, None)
    assert machine.system == "Ubuntu 18.04.6 LTS"
    assert machine.kernel == "4.9.337-tegra"


def test_its_state(nano: Path) -> None:
    state = read_state(nano)
    assert state.governors == ("schedutil",)
    assert list(state.mhz) == [102] * 4
    # The sensor that always says 100 and those that are off are left out.
    assert state.temperatures == {"AO-therm": 41.5, "CPU-therm": 34.0}
    assert state.load == 0.42
    assert state.available_bytes == 2_500_000 * 1024
    assert not state.throttling  # a running fan does not slow the machine down
    assert state.throttle_count is None
    write(nano, sys__class__thermal__cooling_device1__type="cpu-balanced\n")
    write(nano, sys__class__thermal__cooling_device1__cur_state="3\n")
    write(nano, sys__class__thermal__cooling_device1__max_state="10\n")
    write(nano, sys__devices__system__cpu__cpu3__cpufreq__scaling_governor="performance\n")
    state = read_state(nano)
    assert state.throttling == ("cpu-balanced at level 3 of 10",)
    assert state.governors == ("performance", "schedutil")


def test_two_sensors_of_one_name(nano: Path) -> None:
    write(
        nano, sys__class__thermal__thermal_zone10__type="CPU-therm\n", sys__class__thermal__thermal_zone10__temp="1000"
    )
    assert read_state(nano).temperatures == {"AO-therm": 41.5, "CPU-therm": 34.0, "CPU-therm thermal_zone10": 1.0}


@pytest.mark.parametrize(
    ("parts", "implementer", "name"),
    [
        ((0xD03, 0xD03, 0xD08, 0xD08), 0x41, "2x Cortex-A53 + 2x Cortex-A72"),
        ((0xD42,), 0x41, "Cortex-A78AE"),
        ((0x004,), 0x4E, "NVIDIA Carmel"),
        ((0x123,), 0x99, "ARM implementer 0x99 part 0x123"),
    ],
)
def test_arm_cores(tmp_path: Path, parts: tuple[int, ...], implementer: int, name: str) -> None:
    write(tmp_path, proc__cpuinfo=arm_cpus(*parts, implementer=implementer))
    assert read_machine(tmp_path).cpu == name


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("0", ()),
        ("1", ("under-voltage now",)),
        ("50005\n", ("under-voltage now", "throttled now")),
        ("80000", ("soft temperature limit since the start",)),
        ("a0002", ("frequency capped now", "soft temperature limit since the start")),
        ("not a number", ()),
    ],
)
def test_a_raspberry_pi_that_is_held_back(tmp_path: Path, bits: str, expected: tuple[str, ...]) -> None:
    write(tmp_path, **{"sys__devices__platform__soc__soc:firmware__get_throttled": bits})
    assert read_state(tmp_path).throttling == expected


def test_a_pc(tmp_path: Path) -> None:
    cpu = (
        "processor\t: {}\nmodel name\t: AMD Ryzen 7\ncpu MHz\t\t: 1400.5\nflags\t\t: fpu sse4_2 avx fma avx2 avx512f\n"
    )
    write(tmp_path, proc__cpuinfo="\n".join(cpu.format(i) for i in range(2)))
    write(tmp_path, proc__sys__kernel__arch="x86_64\n", sys__class__dmi__id__product_name="A PC\n")
    write(tmp_path, sys__devices__system__cpu__online="0-1,4\n")
    write(tmp_path, sys__class__hwmon__hwmon0__name="nvme\n", sys__class__hwmon__hwmon0__temp1_input="60000\n")
    write(tmp_path, sys__class__hwmon__hwmon1__name="k10temp\n", sys__class__hwmon__hwmon1__temp1_input="45250\n")
    write(tmp_path, sys__class__hwmon__hwmon1__temp1_label="Tctl\n", sys__class__hwmon__hwmon1__temp2_input="50000\n")
    for i in (0, 1):
        write(tmp_path, **{f"sys__devices__system__cpu__cpu{i}__thermal_throttle__core_throttle_count": "3\n"})
    machine, state = read_machine(tmp_path), read_state(tmp_path)
    assert (machine.architecture, machine.board, machine.cpu, machine.cores) == ("x86_64", "A PC", "AMD Ryzen 7", 3)
    assert machine.cpu_features == ("sse4_2", "avx", "avx2", "fma", "avx512f")
    assert state.mhz == (1400.5, 1400.5)
    assert state.temperatures == {"k10temp Tctl": 45.25, "k10temp temp2": 50.0}
    assert state.throttle_count == 6


def test_facts_that_linux_does_not_show_are_none(tmp_path: Path) -> None:
    machine, state = read_machine(tmp_path), read_state(tmp_path)
    assert (machine.board, machine.cpu, machine.cpu_features, machine.cores) == (None, None, (), None)
    assert (machine.memory_bytes, machine.system, machine.max_mhz) == (None, None, None)
    # Python itself returns these.
    assert (machine.architecture, machine.python) == (platform.machine(), platform.python_version())
    assert machine.kernel == platform.release()
    assert (state.governors, state.mhz, state.temperatures, state.throttling) == ((), (), {}, ())
    assert (state.load, state.throttle_count, state.available_bytes) == (None, None, None)


def test_garbage_is_not_shown_either(tmp_path: Path) -> None:
    write(
        tmp_path, proc__cpuinfo=b"\xff\xfe\0processor : x\n: :\n\n\n", proc__meminfo="MemTotal: much", proc__loadavg=""
    )
    write(tmp_path, sys__devices__system__cpu__online="0-", **{"sys__fs__cgroup__memory.max": "many"})
    write(tmp_path, sys__class__thermal__thermal_zone0__temp="hot")
    machine, state = read_machine(tmp_path), read_state(tmp_path)
    assert (machine.cpu, machine.memory_bytes, machine.cores, state.temperatures) == (None, None, None, {})
    assert machine.memory_limit_bytes is None


def test_limits_of_a_container(tmp_path: Path) -> None:
    write(tmp_path, proc__self__cgroup="0::/\n")
    write(tmp_path, **{"sys__fs__cgroup__cpu.max": "150000 100000\n", "sys__fs__cgroup__memory.max": "2147483648\n"})
    machine = read_machine(tmp_path)
    assert (machine.cpu_limit, machine.memory_limit_bytes) == (1.5, 2 << 30)


def test_the_tightest_of_nested_groups_counts(tmp_path: Path) -> None:
    write(tmp_path, proc__self__cgroup="0::/user.slice/a.scope\n")
    write(tmp_path, **{"sys__fs__cgroup__user.slice__a.scope__cpu.max": "max 100000\n"})
    write(tmp_path, **{"sys__fs__cgroup__user.slice__a.scope__memory.max": "4000000000\n"})
    write(tmp_path, **{"sys__fs__cgroup__user.slice__memory.max": "3000000000\n"})
    machine = read_machine(tmp_path)
    assert (machine.cpu_limit, machine.memory_limit_bytes) == (None, 3_000_000_000)


def test_limits_in_the_older_way(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{"sys__fs__cgroup__cpu__cpu.cfs_quota_us": "-1", "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000"},
    )
    write(tmp_path, **{"sys__fs__cgroup__memory__memory.limit_in_bytes": "9223372036854771712\n"})
    machine = read_machine(tmp_path)
    assert (machine.cpu_limit, machine.memory_limit_bytes) == (None, None)
    write(tmp_path, **{"sys__fs__cgroup__cpu__cpu.cfs_quota_us": "50000"})
    write(tmp_path, **{"sys__fs__cgroup__memory__memory.limit_in_bytes": "1000000\n"})
    machine = read_machine(tmp_path)
    assert (machine.cpu_limit, machine.memory_limit_bytes) == (0.5, 1_000_000)


def test_this_machine() -> None:
    machine, state = read_machine(), read_state()
    assert machine.usable_cores == len(os.sched_getaffinity(0)) >= 1
    assert 1 <= machine.physical_cores <= machine.usable_cores
    assert machine.bits in {32, 64}
    assert machine.memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert machine.kernel == os.uname().release
    assert state.available_bytes is not None
    assert state.available_bytes < machine.memory_bytes
