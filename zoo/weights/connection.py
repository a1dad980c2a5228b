"""Connections to a server of weights: http and https alone, and never from https down to http."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import re
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from http.client import HTTPMessage
from typing import IO, Any

TIMEOUT = 30.0
"""Seconds without a byte before a connection counts as lost."""
ANSWER = 60.0
"""Seconds before an answer has to begin, redirections among them, however slowly it comes."""
REDIRECTIONS = 5


class LeadsAwayError(urllib.error.URLError):
    """A redirection that is not followed: from https to http, or to anything else."""


def connect(url: str, headers: dict[str, str]) -> Any:
    """Asks for a file.

    Args:
        url: http or https.
        headers: the headers of the request.

    Returns:
        The answer, an `http.client.HTTPResponse`.

    Raises:
        LeadsAwayError: the server leads to an address that is not followed.
        urllib.error.URLError: there is no way to the server, or it answers with an error.
        http.client.HTTPException, TimeoutError, ConnectionError: the connection broke.
    """
    opener = urllib.request.OpenerDirector()
    watch = _Watch()
    # Those of `build_opener` without file, ftp and data addresses.
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
    timer = threading.Timer(ANSWER, watch.cut)
    timer.daemon = True
    timer.start()
    try:
        answer = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310
    except (OSError, http.client.HTTPException, ValueError) as error:
        if watch.has_cut:
            raise TimeoutError(f"no answer within {ANSWER:.0f} s") from error
        if isinstance(error, ValueError):  # an address or a header that makes no sense
            raise http.client.HTTPException(str(error)) from error
        raise
    finally:
        timer.cancel()
    if watch.has_cut:  # the headers that came look like all of them
        answer.close()
        raise TimeoutError(f"no answer within {ANSWER:.0f} s")
    return answer


def name_of(headers: Message) -> str:
    """What a server calls the file that it sends: its strong `ETag`, or when it was last changed (RFC 9110, 13.1.5)."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def first_byte(headers: Message) -> int | None:
    """Where the part of a file that a server sends begins; None where it does not say."""
    match = re.match(r"bytes (\d{1,18})-", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def announced_md5(headers: Message) -> str | None:
    """The MD5 in Google's header `x-goog-hash: crc32c=...,md5=...`, in hexadecimal."""
    match = re.search(r"md5=([A-Za-z0-9+/=]+)", ",".join(headers.get_all("x-goog-hash") or []))
    try:
        return base64.b64decode(match[1]).hex() if match else None
    except binascii.Error:
        return None


class _Watch:
    """Cuts a connection whose answer does not begin: a timeout alone begins anew with each byte."""

    def __init__(self) -> None:
        self.has_cut = False
        self._connection: http.client.HTTPConnection | None = None

    def follow(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def cut(self) -> None:
        self.has_cut = True
        sock = self._connection.sock if self._connection else None
        if sock is not None:
            with contextlib.suppress(OSError):  # it is gone already
                sock.shutdown(socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def make(host: str, **options: Any) -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection(host, **options)
            self._watch.follow(connection)
            return connection

        return self.do_open(make, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def make(host: str, **options: Any) -> http.client.HTTPConnection:
            connection = http.client.HTTPSConnection(host, **options)
            self._watch.follow(connection)
            return connection

        return self.do_open(make, request)


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
