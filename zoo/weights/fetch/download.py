"""Downloads files so that a download can be interrupted, from servers that may be broken, changed or hostile."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from zoo.errors import OutputError, WeightsError, first_line
from zoo.progress import BYTES, SILENT, Progress
from zoo.weights.fetch.connection import (
    Answer,
    LeadsAwayError,
    all_bytes,
    announced_md5,
    connect,
    connect_within,
    first_byte,
    name_of,
)

CHUNK = 1 << 18
RETRIES = 4
"""Number of attempts in a row that bring nothing new before the download is given up."""
ENOUGH = 1 << 12
"""Number of new bytes from which an attempt counts as progress."""
PAUSE = 1.0
"""Seconds of waiting before the first new attempt; the time doubles before each further one."""
WINDOW, LEAST = 60.0, 1 << 16
"""A connection counts as lost if fewer than `LEAST` bytes come in `WINDOW` seconds."""
LIMIT = 256 << 20
"""Most bytes of a file whose size nobody says."""


@dataclass(frozen=True)
class Wanted:
    """What is known about a file before it is downloaded."""

    limit: int = LIMIT
    """Most bytes that the file may have."""
    md5: str | None = None
    sha256: str | None = None
    sha512: str | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether a hash of the file is known, so that a wrong file is detected, whoever sent it."""
        return bool(self.md5 or self.sha256 or self.sha512)

    def fault(self, path: Path) -> str:
        """Says in a few words what is wrong with a file; empty if the file has the size and hashes that are known."""
        size = path.stat().st_size
        if size > self.limit:
            return f"it has {size} bytes; at most {self.limit} are taken"
        for name, wanted in (("SHA-512", self.sha512), ("SHA-256", self.sha256), ("MD5", self.md5)):
            if wanted:
                found = file_hash(path, name.replace("-", "").lower())
                if found != wanted:
                    return f"its {name} is {found}, not {wanted}"
        return ""


class _EndlessError(Exception):
    """A server that sends more than a file may have."""


def fetch(
    url: str,
    path: Path,
    *,
    md5: str | None = None,
    sha256: str | None = None,
    sha512: str | None = None,
    limit: int = LIMIT,
    within: float | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Downloads a file to `path` if it is not there yet, whole or not at all, and returns `path`.

    A download that breaks off continues where it stopped, both at once and in the next call. The bytes that arrived are
    in `path` with the suffix `.part`, and the server's `ETag` of the file is in `.part.json`. A part is continued
    only if a hash or the `ETag` shows that the rest belongs to the same file. Several processes may ask for the same
    file; one of them downloads it.

    Args:
        url: an https or http address. A redirection from https to http is not followed.
        path: the place of the file.
        md5: its hash, where it is known. A file at `path` with another is downloaded anew.
        sha256: likewise.
        sha512: likewise.
        limit: the most bytes that it may have.
        within: the seconds within which the server has to answer, and to go on where it pauses; it is asked once only,
            and again after an attempt that brought something. By default it is waited for with patience.
        progress: is told how many bytes have come.

    Raises:
        WeightsError: the file cannot be downloaded, is too large or damaged; the message says what to download and
            where to put it.
        OutputError: the file cannot be written.
    """
    wanted = Wanted(limit, md5, sha256, sha512)
    if _is_good(path, wanted):
        return path
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise WeightsError(f"{url} is no http or https address; correct it (EDGEZOO_WEIGHTS_URL)")
    part = path.with_name(path.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file, _locked(file):
            # Another process may have finished the download while this one waited for the lock.
            if not _is_good(path, wanted):
                # A part may belong to a file that has changed since then; if so, the download starts again from zero.
                resumed = file.tell() > 0
                fault = _Download(url, path, file, wanted, within, progress).run()
                if fault and resumed:
                    fault = _Download(url, path, file, wanted, within, progress).run()
                if fault:
                    raise WeightsError(f"{url} is damaged or not what it should be: {fault}; it was not kept")
                part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if part.is_file() and not part.stat().st_size:
            part.unlink()
        if not part.is_file() and _about(part).is_file():
            _about(part).unlink(missing_ok=True)
    return path


def file_hash(path: Path, algorithm: str) -> str:
    """Returns a file's hash, in hexadecimal."""
    # Keras and Google publish MD5 hashes, which show damage but do not protect from an attacker.
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _is_good(path: Path, wanted: Wanted) -> bool:
    # A file without a known hash is used as it is, because somebody may have put it there by hand.
    return path.is_file() and not (wanted.is_pinned and wanted.fault(path))


@contextlib.contextmanager
def _locked(file: BinaryIO) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _about(part: Path) -> Path:
    """Returns the path of the file that holds the `ETag` of a partly downloaded file."""
    return part.with_name(part.name + ".json")


class _Download:
    """The download of one file, in as many attempts as it takes."""

    def __init__(
        self, url: str, path: Path, file: BinaryIO, wanted: Wanted, within: float | None, progress: Progress
    ) -> None:
        self._url, self._path, self._file, self._wanted, self._progress = url, path, file, wanted, progress
        self._within = within
        self._window = WINDOW if within is None else min(within, WINDOW)
        self._about = _about(Path(file.name))
        self._furthest = file.seek(0, 2)
        """Largest size that the file has had, in bytes; bytes that come a second time are no progress."""

    def run(self) -> str:
        """Completes the file; says what is wrong with it then, or returns an empty text. A wrong file is emptied."""
        failures = 0
        while True:
            before = self._furthest
            try:
                announced = self._attempt()
                break
            except _EndlessError as error:
                self._file.truncate(0)
                raise WeightsError(f"{self._url} is not what it should be: {error}; it was not kept") from error
            except LeadsAwayError as error:
                raise WeightsError(f"{self._url} is not what it should be: {error.reason}") from error
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                failures = 0 if self._furthest - before >= ENOUGH else failures + 1
                self._give_up_or_wait(error, failures)
        self._file.flush()
        part = Path(self._file.name)
        fault = self._wanted.fault(part)
        if not fault and announced and file_hash(part, "md5") != announced:
            fault = f"its MD5 is {file_hash(part, 'md5')}, not {announced}"
        if fault:
            self._file.truncate(0)
        return fault

    def _give_up_or_wait(self, error: Exception, failures: int) -> None:
        reason = first_line(Exception(getattr(error, "reason", "") or error)) if str(error) else type(error).__name__
        by_hand = f"download it on another machine and put it at {self._path}"
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if error.code < 500:
                raise WeightsError(f"{self._url} answers {error.code} {reason}; {by_hand}") from error
            reason = f"it answers {error.code} {reason}"
        done = self._file.seek(0, 2)
        # If the server cannot be reached at all, waiting rarely helps.
        offline = isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError)
        if failures >= (RETRIES if self._within is None else 1) or (not done and offline):
            if done:
                raise WeightsError(
                    f"the download of {self._url} broke off after {done / 1e6:.1f} MB ({reason}); run it again to go "
                    f"on from there, or {by_hand}"
                ) from error
            raise WeightsError(f"cannot reach {self._url} ({reason}); {by_hand}") from error
        time.sleep(PAUSE * 2 ** max(0, failures - 1))

    def _attempt(self, *, anew: bool = False) -> str | None:
        """Requests the missing bytes and appends them; returns the server's MD5 of the whole file, if it sends one."""
        start = 0 if anew else self._file.seek(0, 2)
        known = self._recorded()
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and known:
            headers["If-Range"] = known
        try:
            if self._within is None:
                answer = connect(self._url, headers)
            else:
                answer = connect_within(self._within, self._url, headers)
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not start:
                raise
            error.close()
            # Either nothing is missing or the file became shorter; the hash or a new start from zero shows which.
            whole = error.headers.get("Content-Range", "").rpartition("/")[2] == str(start)
            if whole and self._is_same(error.headers, known):
                return announced_md5(error.headers)
            return self._attempt(anew=True)
        with answer:
            if start and answer.status == http.HTTPStatus.PARTIAL_CONTENT:
                if first_byte(answer.headers) != start:
                    self._file.truncate(0)
                    raise http.client.HTTPException("it sent another part of the file than it was asked for")
                if not self._is_same(answer.headers, known):
                    answer.close()
                    return self._attempt(anew=True)
            elif answer.status != http.HTTPStatus.OK:
                raise http.client.HTTPException(f"it answers {answer.status} where it was asked for the whole file")
            else:
                start = 0
            return self._receive(answer, start)

    def _receive(self, answer: Answer, start: int) -> str | None:
        total = all_bytes(answer.headers, start)
        done, limit = start, self._wanted.limit
        if total > limit:
            raise _EndlessError(f"it has {total} bytes; at most {limit} are taken")
        window, in_window = time.monotonic(), 0
        while chunk := answer.read(CHUNK, self._window):
            if not done:
                # The old bytes are deleted only after new ones have arrived.
                self._file.truncate(0)
                self._record(answer.headers)
            if done + len(chunk) > limit:
                raise _EndlessError(f"it has more than {limit} bytes")
            self._file.write(chunk)
            done, in_window = done + len(chunk), in_window + len(chunk)
            self._furthest = max(self._furthest, done)
            self._progress.step("downloading weights", done, total, BYTES)
            if time.monotonic() - window > self._window:
                if in_window < LEAST:
                    raise TimeoutError(f"it sent {in_window} bytes in {self._window:.0f} s")
                window, in_window = time.monotonic(), 0
        self._file.flush()
        if not done:
            raise http.client.HTTPException("it sent nothing")
        if total and done < total:
            raise http.client.IncompleteRead(b"", total - done)
        return announced_md5(answer.headers)

    def _is_same(self, headers: Message, known: str) -> bool:
        """Whether an answer belongs to the partly downloaded file, or a hash will show it at the end."""
        return self._wanted.is_pinned or bool(announced_md5(headers)) or bool(known and known == name_of(headers))

    def _recorded(self) -> str:
        """Returns the `ETag` of the partly downloaded file; empty if it is not known."""
        try:
            found = json.loads(self._about.read_text(encoding="utf-8"))
            name = found["is"] if found["url"] == self._url else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return name if isinstance(name, str) and name.isascii() and name.isprintable() else ""

    def _record(self, headers: Message) -> None:
        text = json.dumps({"url": self._url, "is": name_of(headers)})
        self._about.write_text(text, encoding="utf-8")
