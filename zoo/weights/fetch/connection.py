"""Connects to a server of weights, by http or https only, and never follows a redirection from https to http."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import queue
import re
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from http.client import HTTPMessage
from typing import IO, Any

TIMEOUT = 30.0
"""Seconds without a byte before a connection counts as lost."""
ANSWER = 60.0
"""Seconds within which an answer has to begin, redirections included, even if its bytes keep coming slowly."""
STEP = 0.5
"""Seconds between two looks of a watch at the clock."""
REDIRECTIONS = 5


class LeadsAwayError(urllib.error.URLError):
    """A redirection that is not followed: from https to http, or to an address of another kind."""


def connect(url: str, headers: dict[str, str]) -> Answer:
    """Asks for a file, and returns the answer.

    Args:
        url: an http or https address.
        headers: the headers of the request.

    Raises:
        LeadsAwayError: the server redirects to an address that is not followed.
        urllib.error.URLError: the server cannot be reached, or it answers with an error.
        http.client.HTTPException, TimeoutError, ConnectionError: the connection broke.
    """
    opener = urllib.request.OpenerDirector()
    watch = _Watch()
    # These are the handlers of `build_opener` without those for file, ftp and data addresses.
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _Http(watch),
        _Https(watch),
        _Redirections(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", "edgezoo")]
    watch.give(ANSWER)
    try:
        answer = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310
    except (OSError, http.client.HTTPException, ValueError) as error:
        watch.end()
        if watch.has_cut:
            raise TimeoutError(f"no answer within {ANSWER:.0f} s") from error
        if isinstance(error, ValueError):  # an address or a header that makes no sense
            raise http.client.HTTPException(str(error)) from error
        raise
    except BaseException:
        watch.end()
        raise
    if watch.has_cut:  # the headers that arrived before the cut look complete
        watch.end()
        answer.close()
        raise TimeoutError(f"no answer within {ANSWER:.0f} s")
    return Answer(answer, watch)


def connect_within(seconds: float, url: str, headers: dict[str, str]) -> Answer:
    """Asks for a file like `connect`, and waits for the answer so many seconds at most.

    The look-up of the server's name counts, too, which has no limit of its own: where there is a network without a way
    out it takes half a minute.

    Raises:
        TimeoutError: no answer came within that time.
        As `connect` otherwise.
    """
    found: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(connect(url, headers))
        except BaseException as error:  # noqa: BLE001  # it is raised below
            found.put(error)

    threading.Thread(target=ask, daemon=True, name="ask").start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:.0f} s") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer


class Answer:
    """The answer of a server; as a context manager it closes the connection."""

    def __init__(self, response: http.client.HTTPResponse, watch: _Watch) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._watch = watch

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def read(self, most: int, seconds: float) -> bytes:
        """Reads at most `most` bytes of the body; returns no bytes at its end.

        In a chunked body a server can go on for ever with bytes that are no part of the file: chunk extensions and
        trailers. So the time for each read is limited as a whole, in seconds.

        Raises:
            TimeoutError: no byte of the file came in that time.
            http.client.HTTPException, ConnectionError: the connection broke.
        """
        self._watch.give(seconds)
        try:
            piece = self._response.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._watch.has_cut:
                raise TimeoutError(f"it sent nothing of the file for {seconds:.0f} s") from error
            if isinstance(error, ValueError):  # a chunked body with a chunk size that is not a number
                raise http.client.HTTPException(str(error)) from error
            raise
        if self._watch.has_cut:
            raise TimeoutError(f"it sent nothing of the file for {seconds:.0f} s")
        return piece

    def close(self) -> None:
        """Closes the connection."""
        self._watch.end()
        self._response.close()


def name_of(headers: Message) -> str:
    """Returns what identifies a file's version: its strong `ETag`, or its time of change (RFC 9110, 13.1.5)."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def first_byte(headers: Message) -> int | None:
    """Returns where the part of a file that a server sends begins; None if the server does not say."""
    match = re.match(r"bytes (\d{1,18})-", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def all_bytes(headers: Message, start: int) -> int:
    """Returns the size of the whole file, from the headers of the part that begins at `start`; 0 if it is not known."""
    whole = headers.get("Content-Range", "").rpartition("/")[2] if start else ""
    length = headers.get("Content-Length", "")
    sizes = [int(text) for text in (whole, length) if re.fullmatch("[0-9]{1,19}", text)]
    return sizes[0] if whole and sizes and whole != "*" else start + sizes[-1] if sizes else 0


def announced_md5(headers: Message) -> str | None:
    """Returns the MD5 in Google's header `x-goog-hash: crc32c=...,md5=...`, in hexadecimal; None if there is none."""
    match = re.search(r"md5=([A-Za-z0-9+/=]+)", ",".join(headers.get_all("x-goog-hash") or []))
    try:
        return base64.b64decode(match[1]).hex() if match else None
    except binascii.Error:
        return None


class _Watch:
    """Cuts a connection whose time is up; a socket's own timeout begins again with each byte."""

    def __init__(self) -> None:
        self.has_cut = False
        self._sockets: list[socket.socket] = []
        self._until = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def give(self, seconds: float) -> None:
        """Starts the countdown, or restarts it."""
        self._until = time.monotonic() + seconds
        if self._thread is None:
            self._thread = threading.Thread(target=self._wait, daemon=True, name="watch")
            self._thread.start()

    def end(self) -> None:
        """Ends the countdown."""
        self._ended.set()
        for sock in self._sockets:
            sock.close()

    def follow(self, sock: socket.socket) -> None:
        """Adds a socket to those that are cut.

        A duplicate is kept, because TLS takes over the original and an answer can outlive its connection.
        """
        self._sockets.append(sock.dup())

    def _wait(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            if self._ended.wait(min(left, STEP)):
                return
        self.has_cut = True
        for sock in self._sockets:
            with contextlib.suppress(OSError):  # it is gone already
                sock.shutdown(socket.SHUT_RDWR)


class _Followed(http.client.HTTPConnection):
    """A connection that gives its socket to a watch, before TLS begins on it."""

    watch: _Watch

    def connect(self) -> None:
        super().connect()
        self.watch.follow(self.sock)


class _FollowedTls(http.client.HTTPSConnection, _Followed):
    """The same over TLS: `HTTPSConnection.connect` first calls that of `_Followed`."""


def _maker(kind: type[_Followed], watch: _Watch) -> Any:
    def make(host: str, **options: Any) -> http.client.HTTPConnection:
        connection = kind(host, **options)
        connection.watch = watch
        return connection

    return make


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_maker(_Followed, self._watch), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_maker(_FollowedTls, self._watch), request)


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, to addresses of the same kind or from http to https."""

    max_redirections = REDIRECTIONS
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme.lower()
        if scheme not in {"http", "https"} or (req.type == "https" and scheme != "https"):
            fp.close()
            shown = ascii(newurl[:120])[1:-1]
            raise LeadsAwayError(f"it leads from {req.type} to {shown}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
