"""Makes tiny arm64 programs byte by byte: one that a Cortex-A57 can run, and others that it cannot.

If the others ran, the emulated processor would not be a Cortex-A57, and the results would tell nothing about the Nano.
"""

from __future__ import annotations

import struct
from pathlib import Path

SDOT = 0x4E829420
"""The instruction `sdot v0.4s, v1.16b, v2.16b`: the dot product of ARMv8.2, which int8 kernels use. Arm Architecture
Reference Manual, C7.2 SDOT (vector)."""
LDADD = 0xB8200041
"""The instruction `ldadd w0, w1, [x2]`: an atomic addition of ARMv8.1 (LSE)."""
EXIT = (0xD2800000, 0xD2800BA8, 0xD4000001)
"""The instructions `mov x0, #0; mov x8, #93 (exit); svc #0`."""
STACK_ADDRESS = 0x910003E2
"""The instruction `mov x2, sp`, for an address that may be written."""

ADDRESS, HEADERS = 0x400000, 64 + 56


def program(*instructions: int) -> bytes:
    """Returns a static ELF file that runs these instructions and exits with 0."""
    code = b"".join(struct.pack("<I", word) for word in (*instructions, *EXIT))
    # e_type EXEC, e_machine AARCH64, one program header, no sections.
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, ADDRESS + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = HEADERS + len(code)
    # PT_LOAD, readable and executable, the whole file.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, ADDRESS, ADDRESS, size, size, 0x1000)
    return identity + header + segment + code


PROGRAMS = {
    "plain": program(),
    "dot-product": program(SDOT),
    "atomics": program(STACK_ADDRESS, LDADD),
}


def write(folder: Path) -> None:
    """Writes the programs as executable files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in PROGRAMS.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o755)
