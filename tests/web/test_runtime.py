"""The runtime is fetched once, by npm or from a server, and checked whatever it comes from."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo import published
from zoo.errors import InputError, MissingDependencyError
from zoo.system import npm
from zoo.web import runtime
from zoo.web.runtime import MEMBERS, PACKAGE, Member, find

CONTENTS = {member.place: f"content of {member.place}".encode() for member in MEMBERS}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another package stands for the real one: its files have hashes of their own, and a cache that is empty."""
    members = tuple(Member(place, hashlib.sha512(content).hexdigest()) for place, content in CONTENTS.items())
    monkeypatch.setattr(runtime, "MEMBERS", members)
    for name, member in zip(("LIBRARY", "GLUE", "WASM"), members, strict=True):
        monkeypatch.setattr(runtime, name, member)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def pack(path: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for place, content in contents.items():
            about = tarfile.TarInfo(f"package/{place}")
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    return pack(tmp_path / PACKAGE.file, CONTENTS)


def is_whole(found: runtime.Runtime) -> bool:
    return [found.library.encode(), found.glue, found.wasm] == list(CONTENTS.values())


def as_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> Path:
    """Puts a script in npm's place; returns the file that lists its calls."""
    tools, calls = tmp_path / "bin", tmp_path / "calls"
    tools.mkdir()
    (tools / "npm").write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
    (tools / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    return calls


def test_npm_fetches_it_once(tarball: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = as_npm(monkeypatch, tmp_path, f'cp {tarball} "$5/"')
    assert is_whole(find())
    assert is_whole(find())
    (call,) = calls.read_text().splitlines()
    assert call.startswith("pack --silent --ignore-scripts --pack-destination ")
    assert call.endswith(f" {PACKAGE.name}@{PACKAGE.version}")
    kept = sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept == sorted(Path(place).name for place in CONTENTS), "nothing else is kept"


def test_what_was_damaged_in_the_cache_is_fetched_anew(
    tarball: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = as_npm(monkeypatch, tmp_path, f'cp {tarball} "$5/"')
    find()
    next((tmp_path / "cache").rglob("*.wasm")).write_bytes(b"")
    assert is_whole(find())
    assert len(calls.read_text().splitlines()) == 2


def test_another_package_under_the_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = pack(tmp_path / PACKAGE.file, dict.fromkeys(CONTENTS, b"evil"))
    as_npm(monkeypatch, tmp_path, f'cp {wrong} "$5/"')
    line = r"is not version 2\.5\.3 of @litertjs/core: the SHA-512 of its dist/index.js is [0-9a-f]{16}\.\.\., not"
    for given in (None, wrong):
        with pytest.raises(InputError, match=line):
            find(given)
    assert not list((tmp_path / "cache").rglob("*.js"))


def test_where_npm_fails_a_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_npm(monkeypatch, tmp_path, "echo 'npm error 404 Not Found' >&2\nexit 1")
    with pytest.raises(MissingDependencyError) as caught:
        find()
    assert str(caught.value) == (
        "the page's runtime, LiteRT.js 2.5.3, cannot be fetched: npm cannot fetch @litertjs/core@2.5.3 (npm error 404 "
        "Not Found); give the package: --runtime litertjs-core-2.5.3.tgz"
    )


def test_a_packed_and_an_unpacked_package_are_taken(tarball: Path, tmp_path: Path) -> None:
    with tarfile.open(tarball) as archive:
        # No filter: Python 3.11.2, that of Debian 12, has none. This archive is our own.
        archive.extractall(tmp_path / "unpacked")
    for given in (tarball, tmp_path / "unpacked", tmp_path / "unpacked" / "package"):
        assert is_whole(find(given))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda path: path, "cannot read .*: No such file or directory; `npm pack @litertjs/core@2.5.3` fetches it"),
        (lambda path: path.write_bytes(b"no archive") and path, "cannot read .* as the npm package @litertjs/core@2.5"),
        (lambda path: pack(path, {"package.json": b"{}"}), r"is not @litertjs/core@2.5.3: .*dist/index.js"),
        (lambda path: path.mkdir() or path, "holds no dist/index.js of the npm package @litertjs/core@2.5.3"),
    ],
)
def test_what_is_given_and_is_none_is_one_line(make: Any, line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=line) as caught:
        find(make(tmp_path / "given.tgz"))
    assert "\n" not in str(caught.value)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server of single files of packages, for a machine without npm; yields the paths that were asked for."""
    asked: list[str] = []
    folder = tmp_path / "served" / PACKAGE.wanted
    for place, content in CONTENTS.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=tmp_path / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setattr(published, "NPM_FILES", f"http://127.0.0.1:{served.server_address[1]}/")
        monkeypatch.setattr(npm, "is_installed", lambda: False)
        yield asked
        served.shutdown()
        thread.join()


def test_without_npm_a_server_is_asked_once_for_the_files_alone(server: list[str]) -> None:
    assert is_whole(find())
    assert is_whole(find())
    assert server == [f"/@litertjs/core@2.5.3/{place}" for place in CONTENTS]


def test_a_server_that_sends_something_else_is_not_believed(server: list[str], tmp_path: Path) -> None:
    (tmp_path / "served" / PACKAGE.wanted / runtime.LIBRARY.place).write_bytes(b"evil")
    with pytest.raises(MissingDependencyError, match=r"is damaged or not what it should be: its SHA-512 is"):
        find()
    assert not list((tmp_path / "cache").rglob("*.js"))
