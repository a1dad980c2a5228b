"""The HTTP API, over real connections."""

from __future__ import annotations

import asyncio
import io
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.runner import Classifier
from zoo.serve import page
from zoo.serve.app import routes
from zoo.serve.asked import Asked
from zoo.serve.http.grammar import Flow
from zoo.tasks.classification import CLASSIFICATION

if TYPE_CHECKING:
    from tests.conftest import Case
    from tests.serve.conftest import Serving, Site


def encoded(kind: str, size: tuple[int, int] = (120, 80), **options: Any) -> bytes:
    """A picture with a little of everything in it, as a file."""
    image = Image.radial_gradient("L").resize(size)
    buffer = io.BytesIO()
    Image.merge("RGB", (image, image.rotate(90), image)).save(buffer, kind, **options)
    return buffer.getvalue()


def test_it_says_what_zoo_run_says(site: Site, photos: tuple[Path, Path], model: Path) -> None:
    for photo in photos:
        reply = site.post(photo.read_bytes(), "/v1/classify?top_k=3")
        assert reply.status == 200
        expected = Classifier(model).classify(photo, 3)
        assert reply.json["predictions"] == [
            {"label": found.label, "index": found.index, "score": pytest.approx(found.score, abs=1e-6)}
            for found in expected
        ]
        assert set(reply.json["milliseconds"]) == {"receive", "wait", "decode", "inference"}
        assert reply.json["milliseconds"]["inference"] > 0


def test_five_classes_by_default_and_never_more_than_there_are(site: Site) -> None:
    assert len(site.post(encoded("PNG")).json["predictions"]) == 5
    assert len(site.post(encoded("PNG"), "/v1/classify?top_k=999").json["predictions"]) == 10


@pytest.mark.parametrize("top_k", ["0", "-1", "", "x", "1.5", "9" * 5000, "²", "1e3"])
def test_a_wrong_number_of_classes(site: Site, top_k: str) -> None:
    from urllib.parse import quote

    reply = site.post(encoded("PNG"), f"/v1/classify?top_k={quote(top_k)}")
    assert reply.status == 400
    assert re.fullmatch(r"top_k='.{0,40}' is not allowed; give 1 or more", reply.error)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM"])
def test_kinds_of_pictures(site: Site, kind: str) -> None:
    assert site.post(encoded(kind)).status == 200


@pytest.mark.parametrize("kind", ["TIFF", "EPS", "PDF", "ICO", "TGA"])
def test_kinds_that_are_not_read(site: Site, kind: str) -> None:
    reply = site.post(encoded(kind))
    assert reply.status == 415
    assert reply.error.startswith("this is no picture of a kind that is read here: JPEG, PNG, ")


def test_what_is_no_picture(site: Site, model: Path) -> None:
    for body in (b"x", b"hello" * 1000, b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", model.read_bytes()[:5000], bytes(5000)):
        reply = site.post(body)
        assert reply.status in {400, 415}
        assert reply.error


def test_damaged_pictures(site: Site, photos: tuple[Path, Path]) -> None:
    whole = photos[0].read_bytes()
    reply = site.post(whole[: len(whole) // 3])
    assert reply.status == 400
    assert "truncated" in reply.error
    for kind in ("PNG", "WEBP", "GIF", "BMP"):
        content = encoded(kind)
        assert site.post(content[: len(content) // 2]).status in {400, 415}, kind


def test_no_picture_at_all(site: Site) -> None:
    reply = site.post(b"")
    assert (reply.status, reply.error) == (
        400,
        "there is no picture: send its file as the body, curl --data-binary @photo.jpg",
    )


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
def test_a_picture_within_something_else(site: Site, kind: str) -> None:
    reply = site.post(encoded("PNG"), headers={"Content-Type": kind})
    assert reply.status == 415
    assert "--data-binary" in reply.error
    # What curl says on its own.
    assert site.post(encoded("PNG"), headers={"Content-Type": "application/x-www-form-urlencoded"}).status == 200


def test_large_files(serving: Serving) -> None:
    picture = encoded("BMP", (100, 100))
    with serving(max_bytes=len(picture)) as site:
        assert site.post(picture).status == 200
        reply = site.post(picture + b"\0")
        assert reply.status == 413
        assert reply.error == f"the picture has more than {len(picture):,} bytes, which is the limit here"

        def endless() -> Iterator[bytes]:
            for _ in range(300):
                yield bytes(1 << 16)

        # In chunks no length is said: it is counted while it comes.
        reply = site.post(endless())
        assert (reply.status, reply.error[:29]) == (413, "the picture has more than 30,")
        assert site.post(picture).status == 200


def test_many_pixels(serving: Serving) -> None:
    with serving(max_pixels=10_000) as site:
        assert site.post(encoded("PNG", (100, 100))).status == 200
        reply = site.post(encoded("PNG", (100, 101)))
        assert reply.status == 413
        assert reply.error == "the picture has 100x101 pixels; the limit here is 0.01 megapixels"
    with serving() as site:
        # A bomb: 400 megapixels in a small file, which Pillow itself refuses.
        head = encoded("BMP", (4, 4))
        bomb = head[:18] + (20_000).to_bytes(4, "little") * 2 + head[26:]
        assert site.post(bomb).status == 413


def hold(site: Site, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Lets the interpreter wait until the event is set."""
    go = threading.Event()
    predict = site.api.pool.predictor.predict

    def slowly(*args: Any) -> Any:
        assert go.wait(30)
        return predict(*args)

    monkeypatch.setattr(site.api.pool.predictor, "predict", slowly)
    return go


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_more_than_the_queue_holds(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(queue=3) as site, ThreadPoolExecutor(3) as clients:
        go = hold(site, monkeypatch)
        under_way = [clients.submit(site.post, encoded("PNG")) for _ in range(3)]
        wait_until(lambda: site.api.gate.held == 3)
        reply = site.post(encoded("PNG"))
        assert (reply.status, reply.error) == (429, "3 pictures are under way; try again")
        assert reply.headers["retry-after"] == "1"
        site.api.pool.pace = 4
        assert site.post(encoded("PNG")).headers["retry-after"] == "12"
        # Even a large one is read to its end, or the client would see a broken connection and no answer.
        assert site.post(bytes(10_000_000)).status == 429
        # All else goes on.
        assert site.get("/healthz").status == 200
        assert b"edgezoo_pictures 3.0\n" in site.get("/metrics").body
        go.set()
        assert [reply.result().status for reply in under_way] == [200, 200, 200]
        assert site.post(encoded("PNG")).status == 200


def test_an_answer_that_takes_too_long(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(timeout=0.3) as site:
        go = hold(site, monkeypatch)
        reply = site.post(encoded("PNG"))
        assert (reply.status, reply.error) == (503, "there was no answer within 0.3 s; try again")
        assert int(reply.headers["retry-after"]) >= 1
        assert site.api.gate.held == 0
        go.set()
        assert site.post(encoded("PNG")).status == 200


def raw(site: Site, *parts: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=30)
    for part in parts:
        connection.sendall(part)
    return connection


HEAD = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(("kind", "stops"), [(b"Content-Length: 60000", 0), (b"Transfer-Encoding: chunked", 1)])
def test_reading_is_stopped_only_for_what_is_much_work(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, kind: bytes, stops: int
) -> None:
    stopped = []
    monkeypatch.setattr(Flow, "parse_first", lambda _: stopped.append(1))
    body = bytes(60_000) if kind.startswith(b"Content") else b"ea60\r\n" + bytes(60_000) + b"\r\n0\r\n\r\n"
    with serving() as site:
        with raw(site, b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\n" + kind + b"\r\n\r\n" + body) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 415 ")
        assert bool(stopped) == stops


def test_an_upload_that_takes_too_long(serving: Serving) -> None:
    with serving(timeout=0.3) as site, raw(site, HEAD, b"abc") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert site.api.gate.held == 0


def test_an_upload_that_breaks_off(site: Site) -> None:
    with raw(site, HEAD, b"abc"):
        wait_until(lambda: site.api.gate.held == 1)
    wait_until(lambda: site.api.gate.held == 0)
    assert site.post(encoded("PNG")).status == 200


def test_a_connection_that_asks_for_nothing(serving: Serving) -> None:
    with serving(header_timeout=0.2) as site, raw(site, b"POST /v1/cl") as connection:
        assert connection.recv(4096) == b""


def test_several_interpreters(serving: Serving, model: Path, photos: tuple[Path, Path]) -> None:
    classifiers = [Classifier(model, threads=1) for _ in range(3)]
    with serving(*classifiers) as site, ThreadPoolExecutor(8) as clients:
        assert site.get("/v1/model").json["workers"] == 3
        alone = [site.post(photo.read_bytes()).json["predictions"] for photo in photos]
        together = list(clients.map(lambda i: site.post(photos[i % 2].read_bytes()), range(24)))
        for i, reply in enumerate(together):
            assert reply.json["predictions"] == alone[i % 2]


def test_a_bug_is_one_line_too(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as site:

        def broken(*_: Any) -> Any:
            raise KeyError("secret")

        monkeypatch.setattr(site.api.pool.predictor, "predict", broken)
        reply = site.post(encoded("PNG"))
        assert (reply.status, reply.error) == (500, "this is a bug in the server; its log says more")
        assert reply.headers["x-content-type-options"] == "nosniff"
        wait_until(lambda: "secret" in caplog.text)


def test_the_model(site: Site, model: Path) -> None:
    found = site.get("/v1/model").json
    classifier = Classifier(model)
    assert found["file"] == model.name
    assert str(model.parent) not in str(found)
    assert found["bytes"] == model.stat().st_size
    assert found["input"] == {"shape": [96, 96, 3], "dtype": "float32", "resize": "crop"}
    assert found["labels"] == list(classifier.labels)
    for name in ("model", "params", "input", "classes", "quantize", "flatbuffer"):
        assert found["card"][name] == classifier.card[name]
    assert found["ops"][0]["op"] == "CONV_2D"
    assert sum(op["macs"] for op in found["ops"]) == found["macs"] > 1e6
    # Nearly all of a file is its operations' constants.
    assert 0.9 < sum(op["bytes"] for op in found["ops"]) / found["bytes"] < 1


def test_metrics(serving: Serving) -> None:
    with serving() as site:
        site.post(encoded("PNG"))
        site.post(b"no picture")
        for i in range(5):
            assert site.get(f"/no/{i}").status == 404
        reply = site.get("/metrics")
        assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        samples = samples_of(reply.body)
        assert samples['edgezoo_requests_total{path="/v1/classify",status="200"}'] == 1
        assert samples['edgezoo_requests_total{path="/v1/classify",status="415"}'] == 1
        assert samples['edgezoo_requests_total{path="other",status="404"}'] == 5
        assert samples['edgezoo_stage_seconds_count{stage="inference"}'] == 1
        assert samples['edgezoo_stage_seconds_bucket{le="+Inf",stage="decode"}'] == 1
        assert samples["process_resident_memory_bytes"] > 1e6


def samples_of(text: bytes) -> dict[str, float]:
    """Series -> value."""
    lines = (line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in lines}


def test_nothing_that_a_visitor_sends_becomes_a_label(serving: Serving) -> None:
    nasty = "edgezoo_evil"
    with serving() as site:
        before = set(samples_of(site.get("/metrics").body))
        for path in (f"/{nasty}", f"/v1/{nasty}%22%0a", f"/metrics?{nasty}", f"/v1/classify?top_k={nasty}"):
            site.ask("GET", path, headers=dict.fromkeys(("User-Agent", "Referer", "X-Forwarded-For"), nasty))
        site.post(encoded("PNG"), f"/v1/classify?top_k={nasty}", {"Content-Type": f"multipart/{nasty}"})
        site.get("/", Host=nasty)
        site.get("/", Origin=f"http://{nasty}")
        site.ask(nasty.upper(), "/")
        text = site.get("/metrics").body
    assert nasty.encode() not in text.lower()
    new = set(samples_of(text)) - before
    assert all(series.startswith(("edgezoo_requests_total{", "edgezoo_stage_seconds_")) for series in new), new


def test_health(site: Site) -> None:
    assert site.get("/healthz").json == {"status": "ok", "version": zoo.__version__}


def test_the_document_describes_what_there_is(site: Site) -> None:
    document = site.get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    for path, methods in document["paths"].items():
        for method, entry in methods.items():
            reply = site.ask(method.upper(), path, encoded("PNG") if method == "post" else None)
            assert reply.status == 200
            content = entry["responses"]["200"]["content"]
            kind = reply.headers["content-type"].partition(";")[0]
            assert list(content) == [kind]
            if kind == "application/json":
                check(reply.json, content[kind]["schema"], document)
    served = {route.path for route in routes(site.api)}
    assert set(document["paths"]) == served - set(page.FILES) - {"/openapi.json"}
    refusals = set(document["paths"]["/v1/classify"]["post"]["responses"])
    assert refusals == {"200", "400", "408", "413", "415", "429", "503"}


def check(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Holds a value against a schema of the few kinds that the document has."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "null": type(None),
    }
    allowed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(isinstance(value, kinds[one]) for one in allowed)
    if "properties" in schema:
        assert set(value) == set(schema["required"]) == set(schema["properties"])
        for name, inner in schema["properties"].items():
            check(value[name], inner, document)
    for item in value if schema["type"] == "array" else ():
        check(item, schema["items"], document)


def test_the_wrong_method_and_the_wrong_place(site: Site) -> None:
    reply = site.get("/v1/classify")
    assert (reply.status, reply.error) == (405, "/v1/classify is asked by POST, not by GET")
    assert "is asked by GET" in site.ask("POST", "/v1/model", b"x").error
    reply = site.get("/../../etc/passwd")
    assert (reply.status, reply.error) == (404, "there is nothing here; see /openapi.json")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/v1/classify?topk=3", "there is no parameter 'topk'; did you mean 'top_k'? /v1/classify takes top_k"),
        ("/v1/classify?top_k=2&threshold=1", "there is no parameter 'threshold'; /v1/classify takes top_k"),
        ("/v1/classify?top_k=2&top_k=3", "the parameter 'top_k' is there 2 times; give it once"),
    ],
)
def test_a_parameter_that_is_not_known_is_no_guess(site: Site, path: str, line: str, photos: tuple[Path, Path]) -> None:
    reply = site.post(photos[0].read_bytes(), path)
    assert (reply.status, reply.error) == (400, line)


def test_other_places_take_no_parameters(site: Site) -> None:
    assert site.get("/v1/model?labels=5").error == "there is no parameter 'labels'; /v1/model takes none"
    assert site.get("/healthz?t=1").status == 200


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/classify", "/v1/classify"),
        ("/v1/clasify", "/v1/classify"),
        ("/model", "/v1/model"),
        ("/health", "/healthz"),
        ("/v1/model/", "/v1/model"),
    ],
)
def test_a_place_that_is_not_there_names_the_closest(site: Site, path: str, near: str) -> None:
    assert site.get(path).error == f"there is nothing here; did you mean {near!r}? see /openapi.json"


def test_a_model_that_gives_no_answer_is_not_the_visitors_fault(
    serving: Serving, model: Path, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(model)
    monkeypatch.setattr(classifier.session, "run", lambda _: (np.full((1, 10), np.nan, np.float32),))
    with serving(classifier) as site:
        reply = site.post(photos[0].read_bytes())
        assert reply.status == 500
        assert reply.error.startswith(f"{model.name} gives no answer: nan is among its scores")


def test_scores_that_are_no_probabilities_are_announced(site: Site, serving: Serving, model: Path) -> None:
    found = site.get("/v1/model").json
    assert (found["scores"], found["notes"]) == ("probabilities", [])
    classifier = Classifier(model)
    classifier.task = CLASSIFICATION._replace(scores="numbers")
    with serving(classifier) as other:
        found = other.get("/v1/model").json
        assert found["scores"] == "numbers"
        assert found["notes"] == [
            f"{model.name} gives scores that are no probabilities, such as logits; they are shown as numbers, the "
            "largest first"
        ]


def test_a_model_of_one_channel(serving: Serving, cases: Callable[[str], Case], photos: tuple[Path, Path]) -> None:
    file = cases("lenet").file
    with serving(Classifier(file)) as site:
        found = site.post(photos[0].read_bytes()).json["predictions"]
        assert found[0]["label"] == Classifier(file).classify(photos[0])[0].label


def test_a_picture_goes_through_no_other_decoder(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    original = Image.open

    def watch(*args: Any, **options: Any) -> Any:
        opened.append(options.get("formats"))
        return original(*args, **options)

    monkeypatch.setattr(Image, "open", watch)
    # In a thread of its own: a browser that an earlier test has opened keeps an event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(lambda: asyncio.run(site.api.pool.predict(encoded("PNG"), Asked(1))))
        assert found.result().predictions
    assert len(opened) == 1
    assert all(formats and "EPS" not in formats and "TIFF" not in formats for formats in opened)


def test_a_picture_that_does_not_fit_into_the_memory(
    site: Site, monkeypatch: pytest.MonkeyPatch, photos: tuple[Path, Path]
) -> None:
    def load(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    reply = site.post(photos[0].read_bytes())
    assert (reply.status, reply.error) == (413, "the picture does not fit into this machine's memory")


def test_below_the_least_score_the_api_answers_that_it_is_not_sure(
    site: Site, serving: Serving, model: Path, photos: tuple[Path, Path]
) -> None:
    assert site.get("/v1/model").json["min_score"] is None
    best = Classifier(model).classify(photos[0], 1)[0]
    with serving(Classifier(model, min_score=best.score + 1e-4)) as other:
        assert other.get("/v1/model").json["min_score"] == pytest.approx(best.score + 1e-4)
        first, second = other.post(photos[0].read_bytes()).json["predictions"][:2]
        assert (first["label"], first["index"], first["score"]) == ("not sure", -1, second["score"])
        assert second["label"] == best.label
