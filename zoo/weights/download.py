"""Downloads that can be interrupted."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import http
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from zoo.errors import OutputError, WeightsError

Progress = Callable[[int, int], None]
"""Is called with `(done, total)`, in bytes; the total is 0 where the server does not say."""

CHUNK = 1 << 18
TIMEOUT = 30.0
"""Seconds without a byte before a connection counts as lost."""
RETRIES = 4
"""Attempts in a row that bring nothing new before we give up."""
PAUSE = 1.0
"""Seconds before the first of them; twice as long before each next."""

LIMIT = 1 << 30
"""The most bytes of a file whose largest size nobody states."""
_HASHES = {"md5": "MD5", "sha256": "SHA-256"}


def fetch(
    url: str,
    path: Path,
    *,
    md5: str | None = None,
    sha256: str | None = None,
    limit: int = LIMIT,
    progress: Progress | None = None,
) -> Path:
    """Returns `path`, downloaded if it is not there yet; whole or not at all.

    A download that breaks off goes on where it stopped, at once and in the next call: what came stands in
    `path` with `.part` behind. Several processes may ask for the same file; one downloads it.

    Args:
        url: http or https.
        path: where the file belongs.
        md5: the file's MD5, where it is known. A file at `path` with another is downloaded anew.
        sha256: the file's SHA-256, likewise.
        limit: the most bytes that the file may have.
        progress: is told how far it is.

    Raises:
        WeightsError: it cannot be downloaded, or is damaged; the message says what to download and where to put it.
        OutputError: it cannot be written.
    """
    hashes = {name: value for name, value in (("md5", md5), ("sha256", sha256)) if value}
    if _is_good(path, hashes):
        return path
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise WeightsError(f"{url} is no http or https address; correct it (EDGEZOO_WEIGHTS_URL)")
    part = path.with_name(path.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file, _locked(file):
            # Another process may have finished it while we waited.
            if not _is_good(path, hashes):
                # What it left may be of a file that has changed since: then once more from the start.
                resumed = file.tell() > 0
                fault = _download(url, path, file, hashes, limit, progress)
                if fault and resumed:
                    fault = _download(url, path, file, hashes, limit, progress)
                if fault:
                    raise WeightsError(f"{url} is damaged or not what it should be: {fault}; it was not kept")
                part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if part.is_file() and not part.stat().st_size:
            part.unlink()
    return path


def file_hash(path: Path, algorithm: str) -> str:
    """A file's hash in hexadecimal; the algorithm is `md5` or `sha256`."""
    # MD5 is what Keras and Google publish, to find damage; it is no protection from malice.
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _is_good(path: Path, hashes: Mapping[str, str]) -> bool:
    return path.is_file() and all(file_hash(path, name) == value for name, value in hashes.items())


@contextlib.contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _download(
    url: str, path: Path, file: BinaryIO, hashes: Mapping[str, str], limit: int, progress: Progress | None
) -> str:
    """Fills the file up; returns what is wrong with it then, or nothing. A wrong one is emptied."""
    failures = 0
    while True:
        before = file.seek(0, 2)
        try:
            announced = _attempt(url, file, limit, progress)
            break
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                reason = f"it answers {error.code} {error.reason}"
                if error.code < 500:
                    raise WeightsError(f"{url} answers {error.code} {error.reason}; {_by_hand(url, path)}") from error
            done = file.seek(0, 2)
            failures = 0 if done > before else failures + 1
            if failures == RETRIES or (not done and _is_offline(error)):
                raise WeightsError(_broken_off(url, path, done, reason)) from error
            time.sleep(PAUSE * 2 ** max(0, failures - 1))
    file.flush()
    wanted = [*hashes.items(), *([("md5", announced)] if announced else [])]
    for name, value in wanted:
        if (found := file_hash(Path(file.name), name)) != value:
            file.truncate(0)
            return f"its {_HASHES[name]} is {found}, not {value}"
    return ""


def _attempt(url: str, file: BinaryIO, limit: int, progress: Progress | None) -> str | None:
    """Asks for what is missing and appends it; returns the MD5 that the server gives for the whole file, if any."""
    start = file.seek(0, 2)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        # Nothing is missing, or the file became shorter: the hash or a fresh start will tell.
        if error.headers.get("Content-Range", "").rpartition("/")[2] != str(start):
            file.truncate(0)
            return _attempt(url, file, limit, progress)
        return _announced(error.headers)
    with answer:
        if start and (answer.status != http.HTTPStatus.PARTIAL_CONTENT or not _goes_on(answer.headers, start)):
            file.truncate(0)
            if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
                raise http.client.HTTPException("it sent another part of the file than it was asked for")
            start = 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else 0
        done = start
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            done += len(chunk)
            if done > limit:
                file.truncate(0)
                raise WeightsError(f"{url} has more than the {limit} bytes that it may have; it was not kept")
            if progress:
                progress(done, total)
        file.flush()
        if total and done < total:
            raise http.client.IncompleteRead(b"", total - done)
        return _announced(answer.headers)


def _goes_on(headers: Message, start: int) -> bool:
    return headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _announced(headers: Message) -> str | None:
    """The MD5 in Google's header `x-goog-hash: crc32c=...,md5=...`, in hexadecimal."""
    match = re.search(r"md5=([A-Za-z0-9+/=]+)", ",".join(headers.get_all("x-goog-hash") or []))
    return base64.b64decode(match[1]).hex() if match else None


def _is_offline(error: Exception) -> bool:
    """Whether there is no way to the server at all, so that waiting helps little."""
    return isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError)


def _broken_off(url: str, path: Path, done: int, reason: str) -> str:
    if done:
        return (
            f"the download of {url} broke off after {done / 1e6:.1f} MB ({reason}); run it again to go on from there, "
            f"or {_by_hand(url, path)}"
        )
    return f"cannot reach {url} ({reason}); {_by_hand(url, path)}"


def _by_hand(url: str, path: Path) -> str:
    return f"download {url} on another machine and put it at {path}"
