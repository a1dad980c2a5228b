"""The page that was written, in a real browser: opened from disk, and as a site."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests import detectors
from tests.serve.pages import (
    WAIT,
    OpenPage,
    labels,
    sync_api,
    wait_for_all,
    wait_for_answer,
    wait_for_frames,
    wait_until,
)
from zoo.runner import Classifier, Detector, Predictor, demo, load_image
from zoo.web import assemble, write
from zoo.web.bundle import joined

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.web.conftest import WritePage

PICTURES = sorted(demo.folder().glob("pictures/*/*.png"))
SPY = """
window.told = [];
const { toFixed } = window.Number.prototype;
window.Number.prototype.toFixed = function (digits) {
  window.told.push(Number(this));
  return toFixed.call(this, digits);
};
"""
"""Keeps the numbers that are shown rounded."""


def wait_for_model(page: Page) -> None:
    sync_api.expect(page.locator("#facts")).to_have_text(re.compile("in this browser"), timeout=WAIT)


@pytest.mark.slow
def test_ten_digits_get_pythons_scores_to_the_bit(digits_page: Path, browser: Browser) -> None:
    classifier = Classifier(demo.folder() / demo.DIGITS)
    page = browser.new_page()
    errors, asked = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(SPY)
    page.goto(digits_page.as_uri())
    wait_for_model(page)
    page.select_option("#top-k", "10")
    assert len(PICTURES) == 10
    for picture in PICTURES:
        page.evaluate("window.told = []")
        page.set_input_files("#files", picture)
        wait_for_all(page)
        expected = classifier.classify(picture, top_k=10)
        assert expected[0].label == picture.parent.name
        assert labels(page) == [found.label for found in expected]
        shown = page.evaluate("window.told")
        assert [found.score * 100 for found in expected] == shown[: len(expected)]
    # For those who measure: the last inference, and no growing list.
    assert page.evaluate("performance.getEntriesByName('inference').length") == 1
    page.close()
    assert errors == []
    # Nothing but the file itself, and what it holds.
    assert {url for url in asked if not url.startswith("blob:")} == {digits_page.as_uri()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["demo", "heads", "scaled", "operation"])
def test_a_detector_finds_what_python_finds(kind: str, package: Path, open_page: OpenPage, tmp_path: Path) -> None:
    if kind == "demo":
        file, picture = demo.folder() / demo.BOXES, min(demo.folder().glob("photos/*.jpg"))
    else:
        make = detectors.four_outputs if kind == "operation" else detectors.two_outputs
        file, picture = make(tmp_path / "colours.tflite"), tmp_path / "scene.png"
        pixels = detectors.cells((0, 1, "red"), (2, 2, "blue"), (3, 3, "red"), (1, 0, "green"), size=400)
        Image.fromarray(pixels).resize((800, 400), Image.Resampling.NEAREST).save(picture)
    detector = Detector(file, input_range=(0, 200) if kind == "scaled" else None)
    write(detector, tmp_path / "page.html", runtime=package)
    page = open_page((tmp_path / "page.html").as_uri())
    page.set_input_files("#files", picture)
    wait_for_answer(page)
    page.fill("#threshold", "0.3")
    expected = detector.detect(picture, threshold=0.3)
    assert len(expected) >= 3
    corners = [[round(side) for side in found.box] for found in expected]
    rows = [
        f"{found.label}{found.score * 100:.1f} %{left}, {top} to {right}, {bottom}"
        for found, (left, top, right, bottom) in zip(expected, corners, strict=True)
    ]
    # Scores of float files may differ in the last bits, by which equally good ones stand in another order.
    assert sorted(page.locator("#objects li").all_text_contents()) == sorted(rows)
    assert page.locator("#boxes g").count() == len(expected)


def pictures_of_all_kinds(folder: Path, photo: Path) -> list[Path]:
    """Writes pictures that have to come out the same in browser and Python."""
    rng = np.random.default_rng(5)
    with Image.open(photo) as image:
        small = image.resize((230, 150))
        rgba = small.convert("RGBA")
        rgba.putalpha(Image.fromarray(rng.integers(0, 256, (150, 230), dtype=np.uint8)))
        exif = Image.Exif()
        made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
            "photo.png": (image, {}),
            "photo.webp": (image, {"quality": 80}),
            "alpha.png": (rgba, {}),
            "gray.png": (small.convert("L"), {}),
            "palette.png": (small.quantize(32), {}),
            "tall.png": (image.resize((60, 400)), {}),
            "small.jpg": (small, {"quality": 90}),
        }
        for name, (picture, options) in made.items():
            picture.save(folder / name, **options)
        for orientation in range(2, 9):
            exif[0x0112] = orientation
            small.save(folder / f"turned{orientation}.jpg", exif=exif, quality=95)
    return sorted(folder.iterdir())


@pytest.mark.slow
def test_files_of_all_kinds_are_decoded_to_pythons_pixels(
    browser: Browser, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    test = """
import { decode } from "./decoding.js";
import { toPixels } from "./pixels.js";
window.read = async (bytes, input) => {
  const picture = await decode(new Blob([Uint8Array.from(bytes)]));
  return [...toPixels(picture, input, picture.stored)];
};
"""
    names = ("pixels.js", "decoding.js")
    page = browser.new_page()
    page.add_script_tag(content=joined({**{f"./{name}": assemble.read(name) for name in names}, "./test.js": test}))
    for path in pictures_of_all_kinds(tmp_path, photos[1]):
        for channels in (3, 1):
            found = page.evaluate(
                "([bytes, input]) => window.read(bytes, input)",
                [list(path.read_bytes()), {"shape": [64, 96, channels], "resize": "crop"}],
            )
            ours = np.array(found, np.uint8).reshape(64, 96, channels)
            theirs = load_image(path, 96, 64, channels)
            if channels == 1 and path.suffix == ".jpg":
                # Pillow decodes its gray, and never its colours.
                assert np.abs(ours.astype(int) - theirs).mean() < 0.5, path.name
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=path.name)
    page.close()


@pytest.mark.slow
def test_the_camera_on_a_narrow_screen(digits_page: Path, open_page: OpenPage) -> None:
    page = open_page(digits_page.as_uri(), width=320, height=844, is_mobile=True, has_touch=True)
    wait_for_model(page)
    page.click("#camera")
    wait_for_frames(page)
    assert len(labels(page)) == 5
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.locator("#ms-network").is_hidden()
    page.click("#camera")
    page.click("#tab-model")
    assert "sha256" in (page.locator("#card").text_content() or "")
    assert "LiteRT.js" in (page.locator("#summary").text_content() or "")


@pytest.mark.slow
def test_a_file_that_is_no_picture_is_one_line(digits_page: Path, open_page: OpenPage, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.png"
    wrong.write_text("<script>document.title = 'owned'</script>")
    page = open_page(digits_page.as_uri())
    page.set_input_files("#files", [wrong, PICTURES[0]])
    wait_for_all(page)
    line = "this is no picture of a kind that this browser reads; save it as PNG or JPEG"
    assert page.locator("#problem").text_content() == line
    # Its place is empty: no sign of a broken picture, nor the text that stands for one.
    sync_api.expect(page.locator("#picture")).to_have_css("visibility", "hidden", timeout=WAIT)
    sync_api.expect(page.locator("#strip img").nth(0)).to_have_css("visibility", "hidden", timeout=WAIT)
    page.locator("#strip button").nth(1).click()
    assert labels(page)[0] == PICTURES[0].parent.name
    sync_api.expect(page.locator("#picture")).to_have_css("visibility", "visible", timeout=WAIT)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["file", "site"])
def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script_but_its_own(
    form: str, digits_page: Path, served: tuple[str, Path], browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(digits_page.as_uri() if form == "file" else served[0])
    wait_for_model(page)
    stopped = page.evaluate(
        """async () => {
            const stopped = [];
            addEventListener("securitypolicyviolation", ({ effectiveDirective }) => stopped.push(effectiveDirective));
            await fetch("http://127.0.0.1:1/elsewhere").catch(() => {});
            const image = new Image(), inline = document.createElement("script");
            image.src = "http://127.0.0.1:1/elsewhere.png";
            inline.textContent = "window.owned = true";
            document.body.append(image, inline);
            await new Promise((done) => setTimeout(done, 300));
            return [stopped.sort(), window.owned ?? false];
        }"""
    )
    assert stopped == [["connect-src", "img-src", "script-src-elem"], False]
    page.close()


@pytest.mark.slow
def test_labels_are_text_and_end_no_script(package: Path, open_page: OpenPage, tmp_path: Path) -> None:
    nasty = [f"</script><script>document.title='owned {i}'</script><!--<b>{i}</b>" for i in range(10)]
    # A name that would turn the direction of the text.
    file = tmp_path / "<b>\u202e.tflite"
    shutil.copy(demo.folder() / demo.DIGITS, file)
    predictor: Predictor[Any] = Predictor(file, labels=nasty)
    write(predictor, tmp_path / "page.html", runtime=package)
    write(predictor, tmp_path / "site", runtime=package)
    page = open_page((tmp_path / "page.html").as_uri())
    page.set_input_files("#files", PICTURES[0])
    wait_for_answer(page)
    assert set(labels(page)) <= set(nasty)
    assert page.title() == page.locator("#file").text_content() == "<b>\\u{202e}.tflite"


@pytest.mark.slow
def test_a_page_that_came_in_part_says_so(digits_page: Path, open_page: OpenPage, tmp_path: Path) -> None:
    whole = digits_page.read_text(encoding="utf-8")
    start = whole.index('id="part-wasm">') + len('id="part-wasm">')
    (tmp_path / "cut.html").write_text(whole[: start + 1000] + whole[whole.index("</script>", start) :])
    page = open_page((tmp_path / "cut.html").as_uri())
    message = "This file is damaged, or did not come whole; copy it again"
    sync_api.expect(page.locator("#message")).to_have_text(message, timeout=WAIT)


@pytest.fixture
def served(write_page: WritePage) -> Iterator[tuple[str, Path]]:
    """The site of the digits, below a path of a server, as on GitHub Pages."""
    folder = write_page(demo.folder() / demo.DIGITS, "site")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder.parent)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/site/", folder
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_while_the_model_is_loaded_a_line_says_so(served: tuple[str, Path], browser: Browser) -> None:
    page, held = browser.new_page(), list[Any]()

    def hold(route: Any) -> None:  # Playwright takes no method of a list
        held.append(route)

    page.route("**/model.tflite", hold)
    page.goto(served[0])
    message = page.locator("#message")
    sync_api.expect(message).to_have_text("The model is being loaded…", timeout=WAIT)
    sync_api.expect(message).to_have_class("message calm")
    page.set_input_files("#files", PICTURES[0])
    wait_until(page, lambda: len(held) == 1)
    assert page.locator("#strip span").all_text_contents() == ["…"]
    held[0].continue_()
    wait_for_model(page)
    sync_api.expect(message).to_be_hidden(timeout=WAIT)
    wait_for_all(page)
    assert labels(page)[0] == PICTURES[0].parent.name
    page.close()


@pytest.mark.slow
def test_a_model_that_is_not_loaded_leaves_no_picture_waiting(served: tuple[str, Path], browser: Browser) -> None:
    page, faults = browser.new_page(), list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.route("**/model.tflite", lambda route: route.fulfill(body=b"none"))
    page.goto(served[0])
    line = re.compile("^This browser does not run the model: ")
    sync_api.expect(page.locator("#message")).to_have_text(line, timeout=WAIT)
    sync_api.expect(page.locator("#message")).to_have_class("message")
    page.set_input_files("#files", PICTURES[:2])
    wait_for_all(page)
    assert page.locator("#strip span").all_text_contents() == ["not read", "not read"]
    sync_api.expect(page.locator("#problem")).to_have_text(line, timeout=WAIT)
    page.click("#camera")
    sync_api.expect(page.locator("#message")).to_have_text(line, timeout=WAIT)
    page.close()
    assert faults == []


@pytest.mark.slow
def test_a_site_works_without_a_network_after_the_first_visit(served: tuple[str, Path], open_page: OpenPage) -> None:
    url, _ = served
    page = open_page(url)
    wait_for_model(page)
    manifest = page.evaluate("fetch('manifest.webmanifest').then((answer) => answer.json())")
    assert (manifest["name"], manifest["display"]) == ("digits_int8", "standalone")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.reload()
    wait_for_model(page)
    page.set_input_files("#files", PICTURES[3])
    wait_for_answer(page)
    assert labels(page)[0] == PICTURES[3].parent.name
    page.context.set_offline(False)


@pytest.mark.slow
def test_a_new_model_comes_with_the_second_visit(served: tuple[str, Path], package: Path, open_page: OpenPage) -> None:
    url, folder = served
    page = open_page(url)
    wait_for_model(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    (folder / "CNAME").write_text("digits.example.org")
    write(Predictor(demo.folder() / demo.BOXES), folder, runtime=package)
    assert (folder / "CNAME").exists()
    page.reload()
    page.evaluate(
        """async () => {
            const registration = await navigator.serviceWorker.ready;
            await registration.update();
            const old = registration.installing ?? registration.waiting;
            while (old && old.state !== "activated") await new Promise((done) => setTimeout(done, 50));
        }"""
    )
    page.reload()
    sync_api.expect(page.locator("#file")).to_have_text(demo.BOXES, timeout=WAIT)
    assert page.evaluate("caches.keys().then((names) => names.length)") == 1


@pytest.mark.slow
def test_a_site_that_is_opened_from_disk_says_how_to_serve_it(served: tuple[str, Path], browser: Browser) -> None:
    page = browser.new_page()
    page.goto((served[1] / "index.html").as_uri())
    line = "a folder has to be served, for example by: python -m http.server"
    sync_api.expect(page.locator("#message")).to_contain_text(line, timeout=WAIT)
    page.close()
