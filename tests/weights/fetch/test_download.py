from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.full import files_in, full_disk
from tests.told import Told
from tests.weights.conftest import serving
from zoo.errors import OutputError, WeightsError
from zoo.progress import BYTES
from zoo.weights.fetch import connection, download
from zoo.weights.fetch.download import fetch

if TYPE_CHECKING:
    from tests.weights.conftest import Server

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def url(server: Server) -> str:
    (server.folder / "file.h5").write_bytes(CONTENT)
    return f"{server.url}/file.h5"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models" / "file.h5"


def part(target: Path) -> Path:
    return target.with_name("file.h5.part")


def test_a_download_with_its_progress(url: str, target: Path) -> None:
    told = Told()
    assert fetch(url, target, md5=MD5, progress=told) == target
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.h5"]
    assert told.steps[-1] == ("downloading weights", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told.steps] == sorted(done for _, done, _ in told.steps)
    assert len(told.steps) > 1
    assert told.units == {BYTES}


def test_an_existing_file_is_not_downloaded_again(url: str, target: Path, server: Server) -> None:
    fetch(url, target)
    fetch(url, target, md5=MD5)
    assert len(server.requests) == 1


def test_a_wrong_file_in_the_cache_is_replaced(url: str, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"half of it")
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


def test_a_full_disk_keeps_what_has_come_and_the_next_call_goes_on(url: str, target: Path, server: Server) -> None:
    for free, left in ((0, []), (300_000, ["file.h5.part", "file.h5.part.json"])):
        with pytest.raises(OutputError, match="cannot write .*: File too large"), full_disk(free):
            fetch(url, target, md5=MD5)
        assert files_in(target.parent) == left
    assert part(target).stat().st_size == 300_000
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert files_in(target.parent) == ["file.h5"]
    assert server.requests[-1] == ("/file.h5", "bytes=300000-")


def test_a_partial_download_continues_where_it_stopped(url: str, target: Path, server: Server) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT[:300_000])
    told = Told()
    fetch(url, target, md5=MD5, progress=told)
    assert target.read_bytes() == CONTENT
    assert server.requests == [("/file.h5", "bytes=300000-")]
    assert told.steps[0][1] > 300_000
    assert told.steps[-1][1:] == (len(CONTENT), len(CONTENT))


def test_a_complete_part_is_only_renamed(url: str, target: Path) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT)
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"of another file" * 1000, CONTENT + b"and more"])
@pytest.mark.parametrize("md5", [MD5, None], ids=["hash", "server's hash"])
def test_a_part_of_another_file_is_given_up(url: str, target: Path, left: bytes, md5: str | None) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(left)
    fetch(url, target, md5=md5)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges(url: str, target: Path, server: Server) -> None:
    server.knows_ranges = False
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT[:300_000])
    fetch(url, target)
    assert target.read_bytes() == CONTENT


def test_a_download_continues_after_dropped_connections(url: str, target: Path, server: Server) -> None:
    server.drop_after = 300_000
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == ["", *(f"bytes={n}00000-" for n in (3, 6, 9))]


def test_a_server_that_sends_nothing_more_is_given_up_and_the_part_is_kept(
    url: str, target: Path, server: Server
) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT[:300_000])
    server.drop_after = 0
    with pytest.raises(
        WeightsError, match=r"broke off after 0\.3 MB \(.*\); run it again to go on from there"
    ) as caught:
        fetch(url, target)
    assert str(target) in str(caught.value)
    assert len(server.requests) == download.RETRIES
    assert part(target).read_bytes() == CONTENT[:300_000]
    assert not target.exists()
    server.drop_after = None
    fetch(url, target)
    assert target.read_bytes() == CONTENT


def test_a_file_with_a_wrong_hash_is_refused(url: str, target: Path) -> None:
    with pytest.raises(WeightsError, match=f"its MD5 is {MD5}, not {'0' * 32}; it was not kept"):
        fetch(url, target, md5="0" * 32)
    assert list(target.parent.iterdir()) == []


def test_404(url: str, target: Path, server: Server) -> None:
    with pytest.raises(WeightsError) as caught:
        fetch(url + "x", target)
    assert str(caught.value) == (f"{url}x answers 404 Not Found; download it on another machine and put it at {target}")
    assert len(server.requests) == 1
    assert list(target.parent.iterdir()) == []


def test_an_unavailable_server_is_asked_again(url: str, target: Path, server: Server) -> None:
    server.status = 503
    with pytest.raises(WeightsError, match=f"cannot reach {url} .it answers 503 Service Unavailable.; download"):
        fetch(url, target)
    assert len(server.requests) == download.RETRIES


def test_offline(target: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.h5"
        with pytest.raises(WeightsError) as caught:
            fetch(url, target)
    assert str(caught.value).startswith(f"cannot reach {url} (")
    assert str(caught.value).endswith(f"; download it on another machine and put it at {target}")
    assert list(target.parent.iterdir()) == []


def test_an_address_that_is_not_http_is_refused(target: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"^here/file.h5 is no http or https address; correct it \(EDGEZOO_WEIGHTS_URL\)$"
    ):
        fetch("here/file.h5", target)


def test_a_place_that_cannot_be_written(url: str, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}/models/file.h5"):
        fetch(url, tmp_path / "models" / "file.h5")


@dataclass(frozen=True)
class Interrupt:
    """A `Progress` that interrupts a download after so many bytes."""

    at: int

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        if done >= self.at:
            raise KeyboardInterrupt


def test_an_interrupt_keeps_what_came(url: str, target: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fetch(url, target, progress=Interrupt(at=0))
    assert 0 < part(target).stat().st_size < len(CONTENT)
    assert not target.exists()
    fetch(url, target, md5=MD5)
    assert target.read_bytes() == CONTENT


NEWER = bytes(reversed(range(256))) * 4000


@pytest.fixture
def plain(server: Server) -> Server:
    """A server that sends no hash, like most mirrors."""
    server.sends_hash = False
    return server


def begin(url: str, target: Path, server: Server) -> None:
    """Downloads only the first 300 kB."""

    with pytest.raises(KeyboardInterrupt):
        fetch(url, target, progress=Interrupt(at=300_000))
    assert 300_000 <= part(target).stat().st_size < len(CONTENT)
    server.requests.clear()
    server.conditions.clear()


@pytest.mark.parametrize("obeys", [True, False], ids=["a server that obeys", "a server that does not"])
@pytest.mark.parametrize("name", ["ETag", "Last-Modified", "nothing", "weak ETag"])
def test_a_part_is_never_completed_with_the_rest_of_a_newer_file(
    name: str, obeys: bool, url: str, target: Path, plain: Server
) -> None:
    def called(version: str) -> dict[str, str]:
        header, _, value = {
            "ETag": f'ETag:"{version}"',
            "Last-Modified": f"Last-Modified:Thu, 0{len(version)} Oct 2026 07:00:00 GMT",
            "nothing": "",
            "weak ETag": 'ETag:W/"the same"',
        }[name].partition(":")
        return {header: value} if header else {}

    plain.headers, plain.obeys_if_range = called("old"), obeys
    begin(url, target, plain)
    (plain.folder / "file.h5").write_bytes(NEWER)
    plain.headers = called("newer")
    fetch(url, target)
    assert target.read_bytes() == NEWER
    assert [path.name for path in target.parent.iterdir()] == ["file.h5"]


@pytest.mark.parametrize("headers", [{"ETag": '"one"'}, {"Last-Modified": "Thu, 01 Oct 2026 07:00:00 GMT"}])
def test_a_part_of_the_same_file_is_continued(headers: dict[str, str], url: str, target: Path, plain: Server) -> None:
    plain.headers = headers
    begin(url, target, plain)
    done = part(target).stat().st_size
    fetch(url, target)
    assert target.read_bytes() == CONTENT
    assert plain.requests == [("/file.h5", f"bytes={done}-")]
    assert plain.conditions == list(headers.values())


def test_the_etag_of_a_file_at_another_address_is_not_used(url: str, target: Path, plain: Server) -> None:
    plain.headers = {"ETag": '"one"'}
    begin(url, target, plain)
    (plain.folder / "other.h5").write_bytes(NEWER)
    fetch(url.replace("file.h5", "other.h5"), target)
    assert target.read_bytes() == NEWER


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_a_file_that_is_too_large(told: bool, url: str, target: Path, plain: Server) -> None:
    if not told:
        plain.headers = {"Content-Length": ""}
    with pytest.raises(WeightsError, match=r"is not what it should be: it has .* bytes.*; it was not kept"):
        fetch(url, target, limit=len(CONTENT) - 1)
    assert list(target.parent.iterdir()) == []
    assert len(plain.requests) == 1
    assert fetch(url, target, limit=len(CONTENT)).read_bytes() == CONTENT


def test_a_part_that_is_too_large_is_given_up(url: str, target: Path, plain: Server) -> None:
    target.parent.mkdir(parents=True)
    part(target).write_bytes(CONTENT + b"and more")
    assert fetch(url, target, md5=MD5, limit=len(CONTENT)).read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["-5", "many", "9" * 5000, "\u00b2"])
def test_an_invalid_length_gives_the_file_or_one_line(length: str, url: str, target: Path, plain: Server) -> None:
    plain.headers = {"Content-Length": length}
    with contextlib.suppress(WeightsError):  # any error that is not a ZooError would give a traceback
        assert fetch(url, target, md5=MD5).read_bytes() == CONTENT


def test_a_length_that_is_too_short_leaves_no_file(url: str, target: Path, plain: Server) -> None:
    plain.headers = {"Content-Length": "1000"}
    with pytest.raises(WeightsError, match="it was not kept"):
        fetch(url, target, md5=MD5)
    assert not target.exists()


def test_an_invalid_hash_is_ignored(url: str, target: Path, plain: Server) -> None:
    plain.headers = {"x-goog-hash": "md5=A"}
    assert fetch(url, target).read_bytes() == CONTENT


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/file.h5", "data:,x", "gopher://127.0.0.1/"])
def test_redirections_to_other_kinds_of_addresses(where: str, url: str, target: Path, server: Server) -> None:
    server.redirects["/file.h5"] = where
    with pytest.raises(WeightsError) as caught:
        fetch(url, target)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_redirections_are_followed_and_counted(url: str, target: Path, server: Server) -> None:
    server.redirects["/a"] = "/file.h5"
    assert fetch(url.replace("file.h5", "a"), target).read_bytes() == CONTENT
    target.unlink()
    server.requests.clear()
    server.redirects.update({f"/{i}": f"/{i + 1}" for i in range(100)})
    with pytest.raises(WeightsError, match="answers 302") as caught:
        fetch(url.replace("file.h5", "0"), target)
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 6


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A self-signed certificate for 127.0.0.1, which Python trusts while the test runs."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here")
    path = tmp_path / "both.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    for proxy in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return path


@pytest.fixture
def secure(server: Server, certificate: Path) -> Iterator[str]:
    """The files of the same server over https."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(server, context) as url:
        yield url


def test_a_redirection_from_https_to_http_is_not_followed(url: str, secure: str, target: Path, server: Server) -> None:
    assert fetch(f"{secure}/file.h5", target).read_bytes() == CONTENT
    target.unlink()
    server.redirects.update({"/down": url, "/up": f"{secure}/file.h5"})
    with pytest.raises(WeightsError, match=f"it leads from https to {url}, which is not followed"):
        fetch(f"{secure}/down", target)
    assert not target.exists()
    assert fetch(url.replace("file.h5", "up"), target).read_bytes() == CONTENT


def test_an_untrusted_certificate_is_refused(secure: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(WeightsError, match="cannot reach https://127.* .*certificate verify failed"):
        fetch(f"{secure}/file.h5", target)


@contextlib.contextmanager
def trickle(lines: list[bytes], pause: float) -> Iterator[str]:
    """A server of one connection at a time that sends the same pieces again and again, with pauses between them."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(lines[0])
                    for _ in range(1000):
                        time.sleep(pause)
                        connection.sendall(lines[1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file.h5"
        listener.shutdown(socket.SHUT_RDWR)  # has a thread that waits for the next connection go on at once
        thread.join(30)
    assert not thread.is_alive()


@pytest.mark.slow
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "lines",
    [[b"HTTP/1.0 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"], [b"HTTP/1.0 200 OK\r\n", b"X-More: x\r\n"]],
    ids=["content", "headers"],
)
def test_a_server_that_sends_byte_by_byte_is_given_up(
    lines: list[bytes], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "WINDOW", 0.2)
    monkeypatch.setattr(connection, "ANSWER", 0.5)
    monkeypatch.setattr(download, "RETRIES", 2)
    with (
        trickle(lines, 0.05) as url,
        pytest.raises(WeightsError, match=r"it sent \d+ bytes in 0 s|no answer within 0 s"),
    ):
        fetch(url, target)
    assert not target.exists()


@pytest.mark.usefixtures("server")
def test_a_server_that_sends_one_byte_a_connection_is_given_up(url: str, target: Path, server: Server) -> None:
    server.drop_after = 1
    with pytest.raises(WeightsError, match="broke off"):
        fetch(url, target, md5=MD5)
    assert len(server.requests) == download.RETRIES


@pytest.mark.usefixtures("plain")
def test_a_server_that_sends_the_same_beginning_over_and_over_is_given_up(
    url: str, target: Path, server: Server
) -> None:
    server.knows_ranges, server.drop_after = False, 100_000
    with pytest.raises(WeightsError, match="broke off after 0.1 MB"):
        fetch(url, target)
    assert len(server.requests) == download.RETRIES + 1


def test_a_rest_that_is_too_short_does_not_complete_the_file(url: str, target: Path, plain: Server) -> None:
    plain.headers["ETag"] = '"one"'
    begin(url, target, plain)
    plain.headers["Content-Length"] = "1000"
    with pytest.raises(WeightsError, match="broke off after"):
        fetch(url, target)
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "lines",
    [
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"X-More: x\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1", b";x"],
    ],
    ids=["lines behind the end", "remarks"],
)
def test_a_body_in_chunks_that_goes_on_without_content_is_given_up(
    lines: list[bytes], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "WINDOW", 0.5)
    monkeypatch.setattr(download, "RETRIES", 2)
    with trickle(lines, 0.01) as url, pytest.raises(WeightsError, match="it sent nothing of the file for"):
        fetch(url, target)
    assert not target.exists()


@pytest.mark.usefixtures("server")
def test_a_part_that_was_not_requested_is_not_taken_for_the_file(target: Path) -> None:
    head = b"HTTP/1.0 206 Partial Content\r\nContent-Range: bytes 9-9/10\r\nContent-Length: 1\r\n\r\n"
    with (
        trickle([head, b"x"], 0.01) as url,
        pytest.raises(WeightsError, match="it answers 206 where it was asked for the whole file"),
    ):
        fetch(url, target)
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("server")
def test_a_tls_handshake_that_does_not_end_is_given_up(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER", 0.5)
    monkeypatch.setattr(download, "RETRIES", 2)
    # This is the beginning of a record of 16 kB.
    with (
        trickle([b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"x"], 0.05) as url,
        pytest.raises(WeightsError, match="no answer within 0 s"),
    ):
        fetch(url.replace("http://", "https://"), target)
