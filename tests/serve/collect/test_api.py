"""`zoo serve --collect`: its API behind the checks of every server, and its page in a real browser."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from PIL import Image

from tests.serve.collect.test_folder import jpeg
from tests.serve.conftest import Site
from tests.serve.pages import WAIT, OpenPage, sync_api, take, wait_until
from zoo.serve import Settings
from zoo.serve.collect.api import Collecting
from zoo.serve.collect.folder import Collection
from zoo.serve.server import Configuration, Server

if TYPE_CHECKING:
    from tests.conftest import Cli


@contextlib.contextmanager
def collecting(folder: Path, most: int = 100, **settings: Any) -> Iterator[Site]:
    """A server that collects into a folder."""
    chosen = Settings(**{"port": 0, **settings})
    listener = chosen.bind()
    api = Collecting(Collection(folder, most), chosen)
    server = Server(Configuration(api, api.app()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Site(api, listener.getsockname()[1])  # type: ignore[arg-type]  # of which the page is asked alone
    finally:
        server.should_exit = True
        thread.join()
        api.close()


def test_classes_and_pictures_come_and_go(tmp_path: Path) -> None:
    with collecting(tmp_path / "pictures") as site:
        made = site.ask("POST", "/v1/classes?name=" + quote("a dog"))
        assert (made.status, made.json) == (201, {"name": "a dog", "count": 0, "files": []})
        stored = site.post(jpeg(), "/v1/pictures?class=a+dog&burst=x1")
        assert (stored.status, stored.json["file"], stored.json["count"]) == (201, "burst-x1-0001.jpg", 1)
        place = "/v1/pictures?class=a+dog&file=burst-x1-0001.jpg"
        assert site.get(place).body == jpeg()
        assert site.get(place).headers["content-type"] == "image/jpeg"
        tag = site.get(place).headers["etag"]
        assert "max-age" not in site.get(place).headers["cache-control"]
        assert site.ask("GET", place, headers={"If-None-Match": tag}).status == 304
        listed = site.get("/v1/classes").json
        assert (listed["folder"], listed["classes"][0]["count"]) == ("pictures", 1)
        assert listed["limits"]["pictures"] == 100
        assert site.ask("DELETE", place).json["count"] == 0
        assert site.ask("DELETE", place).status == 404
    assert list((tmp_path / "pictures" / "a dog").iterdir()) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/v1/classes?name=../x", b"", 400, "is not allowed for a class"),
        ("POST", "/v1/classes", b"", 400, "needs the parameter 'name'"),
        ("POST", "/v1/classes?name=%ff%fe", b"", 400, "are not UTF-8 text"),
        ("POST", "/v1/classes?name=a&name=b", b"", 400, "is there 2 times"),
        ("POST", "/v1/pictures?class=cat&burst=a", b"junk", 400, "not a picture"),
        ("POST", "/v1/pictures?class=cat&burst=a", b"", 400, "there is no picture"),
        ("POST", "/v1/pictures?class=no&burst=a", jpeg(), 404, "there is no class 'no'"),
        ("POST", "/v1/pictures?class=cat&burst=a", jpeg((200, 200)), 413, "the limit here is 0.02 megapixels"),
        ("POST", "/v1/pictures?class=cat&burst=a", b"x" * 20_001, 413, "more than 20,000 bytes"),
        ("GET", "/v1/pictures?class=..&file=secret.txt", b"", 404, "there is no picture 'secret.txt'"),
        ("DELETE", "/v1/pictures?class=cat&file=own.jpg", b"", 404, "there is no picture 'own.jpg'"),
        ("DELETE", "/v1/classes", b"", 405, "is asked by"),
        ("GET", "/v1/model", b"", 404, "there is nothing here"),
        ("GET", "/page.js", b"", 404, "there is nothing here"),
    ],
)
def test_what_is_wrong_is_one_line(method: str, path: str, body: bytes, status: int, says: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    with collecting(folder, max_bytes=20_000, max_pixels=20_000) as site:
        site.ask("POST", "/v1/classes?name=cat")
        (folder / "cat" / "own.jpg").write_bytes(jpeg())
        (tmp_path / "secret.txt").write_text("secret")
        found = site.ask(method, path, body)
        assert found.status == status
        assert says in found.error
        assert str(tmp_path) not in found.error
    assert [path.name for path in (folder / "cat").iterdir()] == ["own.jpg"]


def test_a_full_folder_is_said_and_takes_no_more(tmp_path: Path) -> None:
    with collecting(tmp_path, most=1) as site:
        site.ask("POST", "/v1/classes?name=cat")
        assert site.post(jpeg(), "/v1/pictures?class=cat&burst=a").status == 201
        full = site.post(jpeg(), "/v1/pictures?class=cat&burst=a")
        assert (full.status, "there are 1 pictures" in full.error) == (507, True)


def test_strangers_neither_read_nor_write(tmp_path: Path) -> None:
    with collecting(tmp_path, token="abcdefgh") as site:
        for path in ("/", "/collect.js", "/collect.css", "/page.css", "/healthz"):
            assert site.get(path).status == 200
        for method, path in (("GET", "/v1/classes"), ("POST", "/v1/classes?name=a"), ("DELETE", "/v1/pictures")):
            assert site.ask(method, path).status == 401
        token = {"Authorization": "Bearer abcdefgh"}
        assert site.ask("GET", "/v1/classes", headers=token).status == 200
        elsewhere = {**token, "Origin": "http://evil.example"}
        assert site.ask("POST", "/v1/classes?name=a", headers=elsewhere).status == 403
        assert site.ask("GET", "/v1/classes", headers={**token, "Host": "evil.example"}).status == 403
        assert "frame-ancestors 'none'" in site.get("/").headers["content-security-policy"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_page_records_bursts_and_deletes_mistakes(open_page: OpenPage, tmp_path: Path) -> None:
    with collecting(tmp_path) as site:
        page = open_page(site.url)
        page.fill("#name", "mug")
        page.click("#new button")
        record = page.locator(".record")
        sync_api.expect(record).to_have_attribute("aria-label", "Record mug", timeout=WAIT)
        record.dispatch_event("pointerdown", {"pointerId": 1})
        sync_api.expect(page.locator("#message")).to_have_text("Start the camera first.")
        page.click("#camera")
        wait_until(page, lambda: bool(page.locator("#video").evaluate("video => video.videoWidth > 0")))
        record.scroll_into_view_if_needed()
        record.hover()
        page.mouse.down()
        wait_until(page, lambda: len(list((tmp_path / "mug").glob("*.jpg"))) >= 3)
        page.mouse.up()
        sync_api.expect(record).to_have_attribute("aria-pressed", "false", timeout=WAIT)
        page.wait_for_timeout(500)
        files = sorted(path.name for path in (tmp_path / "mug").glob("*.jpg"))
        assert len({name.rpartition("-")[0] for name in files}) == 1
        sync_api.expect(page.locator(".count")).to_have_text(f"{len(files)} pictures", timeout=WAIT)
        page.locator(".strip button").first.click()
        wait_until(page, lambda: len(list((tmp_path / "mug").glob("*.jpg"))) == len(files) - 1)
        page.reload()
        sync_api.expect(page.locator(".count")).to_have_text(f"{len(files) - 1} pictures", timeout=WAIT)
        assert (
            page.locator(".strip img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
        )


def test_the_page_fits_a_narrow_screen_and_shows_what_the_server_refuses(open_page: OpenPage, tmp_path: Path) -> None:
    with collecting(tmp_path, token="abcdefgh") as site:
        page = open_page(f"{site.url}#token=abcdefgh", width=360, height=740)
        page.fill("#name", "test")
        page.click("#new button")
        sync_api.expect(page.locator("#message")).to_contain_text("is read as the test part of the data", timeout=WAIT)
        page.fill("#name", "x" * 60)
        page.click("#new button")
        sync_api.expect(page.locator(".class")).to_have_count(1, timeout=WAIT)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Missing argument 'FILE'; to collect pictures without one, give --collect DIR"),
        (["m.tflite", "--collect", "d"], "needs no model; leave out m.tflite"),
        (["--collect", "d", "--threads", "2"], "--threads is for a model"),
        (["--collect", "d", "--provider", "cpu"], "--provider is for a model"),
        (["m.tflite", "--max-pictures", "5"], "--max-pictures is for --collect DIR"),
    ],
)
def test_options_that_do_not_go_together(words: list[str], says: str, cli: Cli) -> None:
    done = cli("serve", *words)
    assert done.code == 2
    assert says in done.err


@pytest.mark.skipif("EDGEZOO_SCREENSHOTS" not in os.environ, reason="set EDGEZOO_SCREENSHOTS to a folder to take them")
def test_screenshot(open_page: OpenPage, tmp_path: Path, photos: tuple[Path, Path]) -> None:
    """The one in docs/: three classes of two real photos, as a hand before a webcam would show them."""
    parts = {"flower": (1, 200, 90, 240), "nothing": (1, 0, 280, 100), "roof": (0, 120, 40, 240)}
    things = tmp_path / "things"
    for number, (name, (photo, x, y, width)) in enumerate(parts.items()):
        (things / name).mkdir(parents=True)
        with Image.open(photos[photo]) as image:
            for frame in range(18 + 7 * number):
                left, top = x + 6 * (frame % 9), y + 5 * (frame % 7)
                part = image.crop((left, top, left + width, top + width * 3 // 4)).resize((640, 480))
                part.save(things / name / f"burst-{name[:2]}{frame // 9}-{frame % 9 + 1:04}.jpg")
    with collecting(things, most=10_000) as site:
        page = open_page(site.url, height=860)
        page.evaluate(
            """async () => {
                const image = new Image();
                image.src = "v1/pictures?class=flower&file=burst-fl0-0001.jpg";
                await image.decode();
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [640, 480];
                const draw = () => canvas.getContext("2d").drawImage(image, 0, 0);
                setInterval(draw, 40);
                draw();
                navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(25);
            }"""
        )
        page.click("#camera")
        sync_api.expect(page.locator(".class")).to_have_count(3, timeout=WAIT)
        page.wait_for_timeout(3000)
        take(page, Path(os.environ["EDGEZOO_SCREENSHOTS"]) / "serve-collect.png")
