"""One hostile machine with hundreds of connections, and an honest one that gets its answers all the same.

Addresses of this machine stand for machines: 127.0.0.2 is the hostile one, 127.0.0.3 the honest one. No test waits for
a time limit unless it is the time limit that it tests; then the limits are short.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from zoo.runner import Classifier
from zoo.serve.http import limits

if TYPE_CHECKING:
    from tests.serve.conftest import Serving, Site

pytestmark = pytest.mark.slow

HOSTILE, HONEST = "127.0.0.2", "127.0.0.3"
MANY = 500
LONG = 60
"""Seconds: more than any wait here takes."""

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def digits() -> Classifier:
    import zoo

    return Classifier(Path(zoo.__file__).parent / "assets/demo/digits_int8.tflite")


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((28, 28)).save(buffer, "PNG")
    return buffer.getvalue()


def connect(site: Site, source: str, **options: int) -> socket.socket:
    made = socket.socket()
    made.settimeout(LONG)
    for name, value in options.items():
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    made.bind((source, 0))
    made.connect(("127.0.0.1", site.port))
    return made


def until_answer(connection: socket.socket) -> bytes:
    """The head of an answer; empty where the connection was ended."""
    got = b""
    with contextlib.suppress(OSError):
        while b"\r\n\r\n" not in got and (more := connection.recv(4096)):
            got += more
    return got


def send(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # it was ended meanwhile
        connection.sendall(data)


def nothing(_: socket.socket) -> None:
    """Connects, and that is all."""


def half_a_head(connection: socket.socket) -> None:
    send(connection, b"GET / HTTP/1.1\r\nHost: loc")


def half_a_second_head(connection: socket.socket) -> None:
    send(connection, GET)
    until_answer(connection)
    send(connection, b"G")


def a_body_that_stops(connection: socket.socket) -> None:
    send(connection, POST + b"Content-Length: 1000\r\n\r\nabc")


def chunks_that_stop(connection: socket.socket) -> None:
    send(connection, POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")


def a_body_that_nobody_needs(connection: socket.socket) -> None:
    send(connection, b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc")


def a_body_that_was_to_be_asked_for(connection: socket.socket) -> None:
    send(connection, POST + b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n")


def never_reading(connection: socket.socket) -> None:
    connection.setblocking(False)
    send(connection, b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300)


ATTACKS: list[Callable[[socket.socket], None]] = [
    nothing,
    half_a_head,
    half_a_second_head,
    a_body_that_stops,
    chunks_that_stop,
    a_body_that_nobody_needs,
    a_body_that_was_to_be_asked_for,
    never_reading,
]


@contextlib.contextmanager
def attacked(site: Site, attack: Callable[[socket.socket], None], **options: int) -> Iterator[list[socket.socket]]:
    """Hundreds of connections of the hostile machine, as long as the block lasts."""
    with contextlib.ExitStack() as stack:
        hostile = []
        for _ in range(MANY):
            hostile.append(stack.enter_context(contextlib.closing(connect(site, HOSTILE, **options))))
            attack(hostile[-1])
        yield hostile


class Honest:
    """A client of the other machine, with a connection that it keeps."""

    def __init__(self, site: Site, context: ssl.SSLContext | None = None) -> None:
        options: dict[str, Any] = {"timeout": LONG, "source_address": (HONEST, 0)}
        self.kept = (
            http.client.HTTPSConnection("localhost", site.port, context=context, **options)
            if context
            else http.client.HTTPConnection("127.0.0.1", site.port, **options)
        )

    def ask(self, method: str, path: str, body: bytes | None = None) -> int:
        self.kept.request(method, path, body, {"Host": "localhost"})
        response = self.kept.getresponse()
        response.read()
        return response.status

    def gets_its_answers(self) -> None:
        """On the connection that it had, and on new ones."""
        for _ in range(3):
            assert self.ask("GET", "/") == 200
            assert self.ask("POST", "/v1/classify", picture()) == 200
            assert self.ask("GET", "/v1/model") == 200
            self.kept.close()


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_honest_machine_gets_its_answers_beside(
    serving: Serving, digits: Classifier, attack: Callable[[socket.socket], None]
) -> None:
    with serving(digits) as site:
        honest = Honest(site)
        assert honest.ask("GET", "/healthz") == 200
        with attacked(site, attack, **({"SO_RCVBUF": 4096} if attack is never_reading else {})):
            honest.gets_its_answers()
            assert len(site.api.connections) <= site.api.connections.per_peer + 1
        assert site.api.connections.dropped + site.api.connections.refused >= MANY - site.api.connections.per_peer


def test_an_honest_machine_gets_its_answers_beside_stalled_tls_handshakes(
    serving: Serving, digits: Classifier, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    with serving(digits, certificate=cert, key=key) as site:
        honest = Honest(site, ssl.create_default_context(cafile=cert))
        assert honest.ask("GET", "/healthz") == 200
        # The first bytes of a greeting, which says that more will come.
        with attacked(site, lambda connection: send(connection, b"\x16\x03\x01\x02\x00\x01")):
            honest.gets_its_answers()
            assert len(site.api.connections) <= site.api.connections.per_peer + 1


def test_a_machine_with_many_addresses_does_not_take_all_connections(serving: Serving, digits: Classifier) -> None:
    with serving(digits, connections=64) as site, contextlib.ExitStack() as stack:
        for i in range(300):
            hostile = stack.enter_context(contextlib.closing(connect(site, f"127.0.1.{1 + i % 100}")))
            half_a_second_head(hostile)
        Honest(site).gets_its_answers()
        assert len(site.api.connections) <= 64


def test_neighbours_behind_one_address_still_come_in(serving: Serving, digits: Classifier) -> None:
    with serving(digits) as site, attacked(site, half_a_head):
        for _ in range(10):
            with contextlib.closing(connect(site, HOSTILE)) as neighbour:
                send(neighbour, GET)
                assert until_answer(neighbour).startswith(b"HTTP/1.1 200 ")


def test_the_newest_picture_of_whoever_holds_the_most_gives_way(serving: Serving, digits: Classifier) -> None:
    with serving(digits, queue=4) as site, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(contextlib.closing(connect(site, HOSTILE))) for _ in range(4)]
        for held, connection in enumerate(slow):
            a_body_that_stops(connection)
            wait_until(lambda held=held: site.api.gate.held == held + 1)  # type: ignore[misc]
        honest = Honest(site)
        assert honest.ask("POST", "/v1/classify", picture()) == 200
        honest.kept.close()
        answer = until_answer(slow[3])
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 1\r\n" in answer.lower()
        assert site.api.gate.held == 3


@pytest.mark.parametrize("patience", [0.0, LONG])
def test_a_machine_with_many_addresses_does_not_take_all_places_for_pictures(
    serving: Serving, digits: Classifier, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(limits, "PATIENCE", patience)
    with serving(digits, queue=4) as site, contextlib.ExitStack() as stack:
        for i in range(4):
            slow = stack.enter_context(contextlib.closing(connect(site, f"127.0.1.{1 + i}")))
            a_body_that_stops(slow)
            wait_until(lambda i=i: site.api.gate.held == i + 1)  # type: ignore[misc]
        # A picture is given some time to arrive, whoever waits.
        honest = Honest(site)
        assert honest.ask("POST", "/v1/classify", picture()) == (429 if patience else 200)
        honest.kept.close()
        assert site.api.gate.held == (4 if patience else 3)


def test_a_picture_that_is_here_gives_way_to_no_other_address(
    serving: Serving, digits: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE", 0.0)
    go, predict = threading.Event(), digits.predict

    def slowly(pixels: Any, top_k: int, _: Any) -> Any:
        assert go.wait(LONG)
        return predict(pixels, top_k)

    monkeypatch.setattr(digits, "predict", slowly)
    with serving(digits, queue=1) as site, ThreadPoolExecutor(1) as first:
        honest = Honest(site)
        sent = first.submit(honest.ask, "POST", "/v1/classify", picture())
        wait_until(lambda: site.api.gate.held == 1 and not site.api.gate._arriving)
        with contextlib.closing(connect(site, HOSTILE)) as hostile:
            a_body_that_stops(hostile)
            assert until_answer(hostile).startswith(b"HTTP/1.1 429 ")
        go.set()
        assert sent.result() == 200
        honest.kept.close()


def test_nobody_waits_behind_all_that_another_one_sent(
    serving: Serving, digits: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, order = threading.Event(), []
    predict = digits.predict

    def in_order(pixels: Any, top_k: int, _: Any) -> Any:
        assert go.wait(LONG)
        order.append(top_k)
        return predict(pixels, top_k)

    monkeypatch.setattr(digits, "predict", in_order)

    def post(source: str, top_k: int) -> int:
        made = http.client.HTTPConnection("127.0.0.1", site.port, timeout=LONG, source_address=(source, 0))
        with contextlib.closing(made):
            made.request("POST", f"/v1/classify?top_k={top_k}", picture())
            return made.getresponse().status

    with serving(digits) as site, ThreadPoolExecutor(7) as clients:
        sent = [clients.submit(post, HOSTILE, 1) for _ in range(6)]
        wait_until(lambda: sum(map(len, site.api.pool._runners._waiting.values())) == 5)
        sent.append(clients.submit(post, HONEST, 2))
        wait_until(lambda: sum(map(len, site.api.pool._runners._waiting.values())) == 6)
        go.set()
        assert [one.result() for one in sent] == [200] * 7
    assert order.index(2) <= 2


SHORT = {"header_timeout": 0.3, "keep_alive": 0.3, "timeout": 0.5}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_every_connection_that_waits_for_the_other_end_is_ended(
    serving: Serving, digits: Classifier, attack: Callable[[socket.socket], None]
) -> None:
    with serving(digits, **SHORT) as site:
        with contextlib.closing(connect(site, HOSTILE, SO_RCVBUF=4096)) as connection:
            attack(connection)
            wait_until(lambda: len(site.api.connections) == 1)
            wait_until(lambda: len(site.api.connections) == 0)
        wait_until(lambda: site.api.gate.held == 0)


TRICKLES = {
    "a head": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
    "a second head": (GET + b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
    "a body": (POST + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a body of a refused request": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "chunks of a refused request": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("kind", TRICKLES)
def test_a_trickle_of_bytes_extends_no_limit(serving: Serving, digits: Classifier, kind: str) -> None:
    begin, more = TRICKLES[kind]
    with serving(digits, **SHORT) as site, contextlib.closing(connect(site, HOSTILE)) as connection:
        send(connection, begin)
        end = time.monotonic() + LONG
        with pytest.raises(OSError, match="reset|Broken pipe"):  # noqa: PT012  # sent until it is ended
            while time.monotonic() < end:
                connection.sendall(more)
                time.sleep(0.02)


def test_a_stalled_tls_handshake_is_ended(serving: Serving, digits: Classifier, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serving(digits, certificate=cert, key=key, **SHORT) as site:
        for begin in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"):
            with contextlib.closing(connect(site, HOSTILE)) as connection:
                send(connection, begin)
                with contextlib.suppress(ConnectionResetError):
                    while connection.recv(4096):
                        pass
        wait_until(lambda: len(site.api.connections) == 0)


def test_who_never_reads_fills_no_memory(serving: Serving, digits: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(digits) as site:
        monkeypatch.setattr(site.api, "_model", b"x" * 50_000_000)
        with contextlib.closing(connect(site, HOSTILE, SO_RCVBUF=4096)) as connection:
            connection.sendall(b"GET /v1/model HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
            wait_until(lambda: any(held.flow and held.flow.write_paused for held in open_ones(site)))
            assert open_ones(site)[0].transport.get_write_buffer_size() < 300_000
            # Who does read gets all of it.
            whole = site.get("/v1/model").body
        assert len(whole) == 50_000_000


def open_ones(site: Site) -> list[Any]:
    return [held for name in list(site.api.connections._by_peer) for held in site.api.connections._by_peer[name]]


def test_a_small_answer_is_one_packet(serving: Serving, digits: Classifier) -> None:
    # Head and body apart would be two of everything, and more work for whoever asks often.
    with serving(digits) as site, contextlib.closing(connect(site, HONEST)) as connection:
        for _ in range(20):
            connection.sendall(GET)
            assert b'{"status":' in connection.recv(4096)


def test_requests_sent_ahead_are_answered_in_order(serving: Serving, digits: Classifier) -> None:
    body = picture()
    with serving(digits) as site, contextlib.closing(connect(site, HONEST)) as connection:
        post = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
        last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall((post + GET) * 40 + last)
        got = b"".join(iter(lambda: connection.recv(65536), b""))
    statuses = [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200"] * 80 + [b"404"]
    assert got.count(b'"predictions"') == 40


@pytest.mark.parametrize("path", [b"/", b"/v1/classify"])
def test_small_chunks_of_many_do_not_keep_others_waiting(serving: Serving, digits: Classifier, path: bytes) -> None:
    # As small as is allowed: each is a hundred times the work that its bytes would be in one.
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    chunks = (b"40\r\n" + bytes(64) + b"\r\n") * 3000

    def flood(connection: socket.socket) -> None:
        connection.setblocking(False)
        send(connection, head + chunks)

    with serving(digits) as site, attacked(site, flood) as hostile:
        Honest(site).gets_its_answers()
        if path == b"/":  # it was refused, and nobody reads all of it
            for connection in hostile:
                connection.settimeout(LONG)
                with contextlib.suppress(OSError):
                    while connection.recv(65536):
                        pass
            wait_until(lambda: len(site.api.connections) == 0)


def test_a_large_body_is_taken_in_chunks_of_an_honest_size(serving: Serving, digits: Classifier) -> None:
    body = picture()
    padded = body + bytes(300_000)

    def lines() -> Iterator[bytes]:
        for start in range(0, len(padded), 100):
            yield padded[start : start + 100]

    with serving(digits) as site:
        assert site.post(lines()).status == 200


@pytest.mark.parametrize(
    ("request_", "status", "line"),
    [
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000,
            431,
            "the head of the request has more than 16,384",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
            431,
            "the head of the request has more than 16,384",
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 40_000, 431, "the head of the request has more than"),
        (
            POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 3000,
            400,
            "the body comes in chunks that are too",
        ),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n", 400, "this is no HTTP request"),
        (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "this is no HTTP request"),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 413, "the picture has more than 16,000,000 bytes"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "this is no HTTP request"),
    ],
)
def test_what_is_no_honest_request_gets_one_line(
    serving: Serving, digits: Classifier, request_: bytes, status: int, line: str
) -> None:
    with serving(digits) as site, contextlib.closing(connect(site, HOSTILE)) as connection:
        send(connection, request_)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while b"}" not in got and (more := connection.recv(65536)):
                got += more
        assert got.startswith(b"HTTP/1.1 %d " % status)
        head, _, body = got.partition(b"\r\n\r\n")
        assert body.startswith(b'{"error": "' + line.encode())
        assert b"x-content-type-options: nosniff" in head.lower()


NOISE = [
    POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX\r\n",
    GET + b"\x00\x1b[31m\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\x9b\r\n\r\n",
    b"GET /%1b%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET",
    POST + b"Content-Length: 9999999\r\n\r\n" + b"x" * 100_000,
    POST + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
]


def test_a_flood_of_bad_requests_leaves_nothing_in_the_log(
    serving: Serving, digits: Classifier, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(digits, **SHORT) as site:
        for data in NOISE * 30:
            with contextlib.closing(connect(site, HOSTILE)) as connection:
                send(connection, data)
        wait_until(lambda: len(site.api.connections) == 0)
        assert site.get("/healthz").status == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "Traceback" not in capfd.readouterr().err


def test_a_bug_in_every_request_does_not_fill_the_log(
    serving: Serving, digits: Classifier, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.serve.http import log

    def broken(*_: Any) -> Any:
        raise KeyError("\x1b[31mred\u202e" + "x" * 10_000)

    with serving(digits) as site:
        monkeypatch.setattr(site.api.pool.predictor, "predict", broken)
        for _ in range(log.RECORDS + 20):
            assert site.post(picture()).status == 500
    assert len([record for record in caplog.records if record.name == "uvicorn.error"]) == log.RECORDS
    assert "KeyError" in caplog.text
    assert "\x1b" not in caplog.text
    assert "\u202e" not in caplog.text
    assert len(caplog.text) < log.RECORDS * log.LINES * (log.LINE + 100)
