"""Says why an installed package cannot be imported on this system, and what to do."""

from __future__ import annotations

import os
import re

from zoo.errors import first_line

NEWER_SYSTEM = "use a newer system (Debian 12 bookworm, Ubuntu 22.04 or later)"

# The dynamic linker's words: "libc.so.6: version `GLIBC_2.34' not found (required by libLiteRt.so)".
_MISSING_VERSION = re.compile(r"version [`'](GLIBC|GLIBCXX|CXXABI)_([\d.]+)' not found")


def system_too_old(error: BaseException) -> str | None:
    """Returns that the system's C or C++ library is older than the one that a package was built for, in a phrase that
    begins with `needs`; None if an error of its import has another reason.

    pip checks such a need by the tag of the wheel alone. LiteRT's for arm64 says 2.27, and needs 2.34.
    """
    found = _MISSING_VERSION.search(str(error))
    if found is None:
        return None
    installed = libc() if found[1] == "GLIBC" else None
    return f"needs {found[1]} {found[2]}, and this system has {installed or 'an older one'}"


def not_loaded(package: str, error: BaseException, *, missing: str, older: str = NEWER_SYSTEM) -> str:
    """Says why a package cannot be used.

    Args:
        package: the name of the package, and its version if that is known.
        error: what its import raised.
        missing: what to type if it is not installed.
        older: what to do if the system is older than the package.

    Returns:
        One line. Only a package that is not there is said to be not installed.
    """
    if isinstance(error, ModuleNotFoundError):
        return f"{package} is not installed ({first_line(error)}): {missing}"
    if old := system_too_old(error):
        return f"{package} is installed, but {old}: {older}"
    return f"{package} is installed, but cannot be imported ({first_line(error)})"


def libc() -> str | None:
    """Returns the C library and its version, such as `glibc 2.36`; None if it is no glibc."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):  # musl and others have no such name
        return None
