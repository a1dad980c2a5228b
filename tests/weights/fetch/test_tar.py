"""Archives from untrusted sources: what is wanted is taken under names of our own, and attacks are refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.system.archives import MAX_EXPANSION, SLACK, ArchiveError, RefusedArchiveError
from zoo.weights.fetch import tar

MOST = {"index": 100, "data": 1000}


def add(archive: tarfile.TarFile, name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE) -> None:
    part = tarfile.TarInfo(name)
    part.size, part.type = len(data), kind
    if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
        part.size, part.linkname = 0, "/etc/passwd"
    archive.addfile(part, io.BytesIO(data))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes an archive of parts, each a tuple of arguments for `add`."""

    def write(*parts: tuple[object, ...]) -> Path:
        path = tmp_path / "a.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for part in parts:
                add(archive, *part)  # type: ignore[arg-type]
        return path

    return write


def take(path: Path) -> dict[str, int]:
    (path.parent / "out").mkdir(exist_ok=True)
    return tar.take(path, MOST, path.parent / "out" / "own")


def test_what_is_wanted_gets_our_names_wherever_the_archive_says_it_belongs(write: Callable[..., Path]) -> None:
    path = write(
        ("../../net.index", b"about"), ("net/", b"", tarfile.DIRTYPE), ("/net/x.data", b"numbers"), ("README",)
    )
    assert take(path) == {"index": 5, "data": 7}
    out = path.parent / "out"
    assert {one.name: one.read_bytes() for one in out.iterdir()} == {"own.index": b"about", "own.data": b"numbers"}
    assert sorted(one.name for one in path.parent.rglob("*") if one.is_file()) == ["a.tar.gz", "own.data", "own.index"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (("net.index", b"", tarfile.SYMTYPE), "its part 'net.index' is a link, a device or a sparse file"),
        (("net.data", b"", tarfile.LNKTYPE), "is a link"),
        (("pipe", b"", tarfile.FIFOTYPE), "is a link, a device"),
        (("net.index", b"x" * 101), "its part 'net.index' has 101 bytes; at most 100 are read"),
        (("net.data", b"x" * (SLACK + (MAX_EXPANSION + 2) * 10_000)), "at most 1000 are read"),
        (("other", b"\0" * (2 * SLACK)), "its parts unpack to more than"),
        (("x" * (tar.MAX_TEXT + 1),), "bytes about one of its parts"),
    ],
)
def test_attacks_are_refused(part: tuple[object, ...], message: str, write: Callable[..., Path]) -> None:
    with pytest.raises(RefusedArchiveError, match=message):
        take(write(part, ("last.data", b"x")))


def test_two_files_with_one_end_are_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(RefusedArchiveError, match=r"it has two parts that end in \.index"):
        take(write(("a.index",), ("b.index",)))


def test_too_many_parts_are_refused(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MAX_PARTS", 3)
    assert take(write(("a",), ("b",), ("c",))) == {}
    with pytest.raises(RefusedArchiveError, match="it has more than 3 parts"):
        take(write(("a",), ("b",), ("c",), ("d",)))


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no archive inside"), gzip.compress(b"x" * 2000)[:-8]],
    ids=["empty", "text", "compressed text", "half of it"],
)
def test_a_damaged_archive_is_told_from_an_attack(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="it is no .tar.gz archive, or damaged") as raised:
        take(path)
    assert not isinstance(raised.value, RefusedArchiveError)


def test_the_limits_themselves_are_allowed(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert take(write(("net.index", b"x" * 100), ("net.data", b"x" * 1000))) == {"index": 100, "data": 1000}
    assert (tar.MAX_PARTS, tar.MAX_TEXT) == (1000, 2**16)
    # A name of 298 characters takes 308 bytes.
    monkeypatch.setattr(tar, "MAX_TEXT", 308)
    assert take(write(("x" * 298,), ("net.index",))) == {"index": 1}
    with pytest.raises(RefusedArchiveError, match="it says 309 bytes about one of its parts"):
        take(write(("x" * 299,)))


def test_an_archive_of_exactly_the_most_bytes_is_read(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(("net.index", b"x"))
    size = len(gzip.decompress(path.read_bytes()))
    monkeypatch.setattr(tar, "MAX_EXPANSION", 0)
    monkeypatch.setattr(tar, "SLACK", size)
    assert take(path) == {"index": 1}
    monkeypatch.setattr(tar, "SLACK", 1000)
    with pytest.raises(RefusedArchiveError, match="its parts unpack to more than 1000 bytes"):
        take(path)


def test_a_long_name_is_cut_in_the_refusal(write: Callable[..., Path]) -> None:
    with pytest.raises(RefusedArchiveError, match=f"^its part '{'x' * 80}' is a link"):
        take(write(("x" * 90, b"", tarfile.SYMTYPE)))
