"""The page, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.serve.pages import (
    WAIT,
    OpenPage,
    labels,
    sync_api,
    take,
    wait_for_all,
    wait_for_answer,
    wait_for_frames,
    wait_for_model,
    wait_until,
)
from zoo.runner import Classifier, Prediction, Predictor

if TYPE_CHECKING:
    from tests.serve.conftest import Serving, Site


def test_upload(site: Site, open_page: OpenPage, photos: tuple[Path, Path], model: Path) -> None:
    page = open_page(site.url)
    page.set_input_files("#files", photos[0])
    wait_for_answer(page)
    expected = Classifier(model).classify(photos[0])
    assert labels(page) == [found.label for found in expected]
    assert page.locator("#bars .score").first.text_content() == f"{expected[0].score:.1%}".replace("%", " %")
    for part in ("decode", "inference", "network", "wait"):
        assert re.fullmatch(r"[\d.]+ ms", page.locator(f"#ms-{part}").text_content() or "")
    assert page.locator("#picture").evaluate("image => image.naturalWidth") == 640
    assert page.locator("#hint").is_hidden()
    # A square in the middle: 427 of 640x427.
    stage, crop = page.locator("#stage").bounding_box(), page.locator("#crop").bounding_box()
    assert stage
    assert crop
    assert crop["width"] == pytest.approx(crop["height"], abs=1)
    assert crop["width"] == pytest.approx(stage["width"] * 427 / 640, abs=2)


def test_several_pictures_one_after_the_other(site: Site, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    page = open_page(site.url)
    page.set_input_files("#files", [*photos, photos[0]])
    wait_for_all(page)
    captions = page.locator("#strip span").all_text_contents()
    assert len(captions) == 3
    page.locator("#strip button").nth(1).click()
    assert labels(page)[0] == captions[1]
    assert page.locator("#strip button[aria-current=true]").count() == 1


@pytest.mark.slow
def test_a_dropped_picture(site: Site, open_page: OpenPage, photos: tuple[Path, Path], model: Path) -> None:
    page = open_page(site.url)
    page.evaluate(
        """(bytes) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(bytes)], "dropped.jpg", { type: "image/jpeg" }));
            document.querySelector("#stage").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
        }""",
        list(photos[1].read_bytes()),
    )
    wait_for_answer(page)
    assert labels(page)[0] == Classifier(model).classify(photos[1])[0].label


def test_the_number_of_classes(site: Site, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    page = open_page(site.url)
    page.set_input_files("#files", photos[0])
    wait_for_answer(page)
    page.select_option("#top-k", "10")
    sync_api.expect(page.locator("#bars .label")).to_have_count(10, timeout=WAIT)
    page.select_option("#top-k", "1")
    sync_api.expect(page.locator("#bars .label")).to_have_count(1, timeout=WAIT)


@pytest.mark.slow
def test_webcam(site: Site, open_page: OpenPage) -> None:
    before = site.api.metrics.requests["/v1/classify", 200]
    page = open_page(site.url)
    page.click("#camera")
    wait_for_frames(page)
    assert len(labels(page)) == 5
    assert site.api.metrics.requests["/v1/classify", 200] >= before + 2
    page.click("#camera")
    page.wait_for_selector("#fps", state="hidden")
    assert page.locator("#hint").is_visible()
    assert page.evaluate("document.querySelector('#video').srcObject") is None


@pytest.mark.slow
def test_a_slow_server_gets_one_frame_at_a_time(
    serving: Serving, model: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    with serving() as site:
        answer = site.api._answer

        async def slow(*args: Any) -> Any:
            import asyncio

            held.append(site.api.gate.held)
            await asyncio.sleep(0.3)
            return await answer(*args)

        monkeypatch.setattr(site.api, "_answer", slow)
        page = open_page(site.url)
        page.click("#camera")
        wait_until(page, lambda: len(held) >= 4)
        page.click("#camera")
        assert set(held) == {1}


@pytest.mark.slow
def test_a_server_that_is_busy_is_asked_again(serving: Serving, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    with serving(queue=1) as site:
        page = open_page(site.url)
        wait_for_model(page)
        site.api.gate.held += 1
        page.set_input_files("#files", photos[0])
        wait_until(page, lambda: site.api.metrics.requests["/v1/classify", 429] == 1)
        site.api.gate.held -= 1
        wait_for_answer(page)
        assert len(labels(page)) == 5


def test_a_file_that_is_no_picture(site: Site, open_page: OpenPage, photos: tuple[Path, Path], tmp_path: Path) -> None:
    wrong = tmp_path / "notes.jpg"
    wrong.write_text("<script>document.title = 'owned'</script>")
    page = open_page(site.url)
    page.set_input_files("#files", [wrong, photos[0]])
    page.wait_for_selector("#problem", state="visible")
    assert (page.locator("#problem").text_content() or "").startswith("this is no picture of a kind that is read here")
    assert labels(page) == []
    # The other is classified all the same.
    page.locator("#strip button").nth(1).click()
    wait_for_answer(page)
    assert len(labels(page)) == 5
    assert page.locator("#problem").is_hidden()


@pytest.mark.slow
def test_a_file_that_is_too_large(serving: Serving, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    with serving(max_bytes=50_000) as site:
        page = open_page(site.url)
        wait_for_model(page)
        page.set_input_files("#files", photos[0])
        page.wait_for_selector("#problem", state="visible")
        assert page.locator("#problem").text_content() == "china.jpg has 0.20 MB; this server takes 0.05 MB"
        assert site.api.metrics.requests["/v1/classify", 413] == 0


def test_labels_are_text(serving: Serving, model: Path, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    nasty = [f"<img src=x onerror=\"document.title='owned {i}'\"><b>{i}</b> & co" for i in range(10)]
    with serving(Classifier(model, labels=nasty)) as site:
        page = open_page(site.url)
        page.set_input_files("#files", [photos[0], photos[1]])
        wait_for_answer(page)
        wait_for_all(page)
        assert set(labels(page)) <= set(nasty)
        assert page.locator("#strip span").first.text_content() in nasty
        page.click("#tab-model")
        assert page.locator("#labels span").all_text_contents() == nasty
        assert page.locator("#bars b, #bars img, #labels img, #strip b").count() == 0
        assert page.title() == model.name


HIDDEN = "\x1b[31m\x9b\x7f\u202e\u2066\u200e\u061c\u200b\ufeff\u2028"
ESCAPED = "".join(f"\\u{{{ord(char):x}}}" if not char.isprintable() else char for char in HIDDEN)


@pytest.mark.slow
def test_what_is_hidden_in_a_text_is_shown(
    serving: Serving, model: Path, open_page: OpenPage, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    honest = ["größer", "花", "👩\u200d🚀", "می\u200cشد", "❤\ufe0f"]
    nasty = [f"{i} {HIDDEN}" for i in range(5)]
    file, picture = tmp_path / f"a{HIDDEN}.tflite", tmp_path / f"b{HIDDEN}.jpg"
    shutil.copy(model, file)
    shutil.copy(photos[0], picture)
    with serving(Classifier(file, labels=nasty + honest)) as site:
        page = open_page(site.url)
        wait_for_model(page)
        page.select_option("#top-k", "10")
        page.set_input_files("#files", [picture, photos[1]])
        wait_for_all(page)
        sync_api.expect(page.locator("#bars .label")).to_have_count(10, timeout=WAIT)
        expected = {*honest, *(f"{i} {ESCAPED}" for i in range(5))}
        assert set(labels(page)) == expected
        assert page.locator("#strip button").first.get_attribute("title") == f"b{ESCAPED}.jpg"
        assert page.title() == page.locator("#file").text_content() == f"a{ESCAPED}.tflite"
        page.click("#tab-model")
        assert set(page.locator("#labels span").all_text_contents()) == expected


def test_a_score_that_is_no_number_is_a_dash(
    serving: Serving, model: Path, open_page: OpenPage, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(model)
    monkeypatch.setattr(classifier, "predict", lambda *_: [Prediction("a", 0, float("nan")), Prediction("b", 1, 0.5)])
    with serving(classifier) as site:
        page = open_page(site.url)
        page.set_input_files("#files", photos[0])
        wait_for_answer(page)
        assert page.locator("#bars .score").all_text_contents() == ["\u2013", "50.0 %"]


def test_the_model_tab(site: Site, open_page: OpenPage, model: Path) -> None:
    page = open_page(site.url)
    page.click("#tab-model")
    assert page.locator("#try").is_hidden()
    assert page.locator("#summary dd").first.text_content() == model.name
    assert page.locator("#ops tbody tr").count() == len(site.api.description["ops"])
    assert page.locator("#ops tbody td").first.text_content() == "CONV_2D"
    assert "sha256" in (page.locator("#card").text_content() or "")
    assert page.locator("#labels li").count() == 10
    page.keyboard.press("ArrowLeft")
    assert page.locator("#try").is_visible()


@pytest.mark.slow
def test_a_token(serving: Serving, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    with serving(token="open-sesame") as site:
        page = open_page(site.url)
        page.fill("#ask-token", "something-else")
        page.click("#ask button")
        page.wait_for_selector("#ask-problem", state="visible")
        page.fill("#ask-token", "open-sesame")
        page.click("#ask button")
        page.set_input_files("#files", photos[0])
        wait_for_answer(page)
        # In the address it works at once, and does not stay there.
        page = open_page(site.url + "#token=open-sesame")
        wait_for_model(page)
        assert page.url == site.url


def test_a_page_elsewhere_gets_nothing(site: Site, serving: Serving, open_page: OpenPage) -> None:
    with serving() as elsewhere:
        page = open_page(elsewhere.url + "healthz")
        # A form may send to any address, and needs no script.
        form = f"<form method=post enctype=text/plain action='{site.url}v1/classify'><input name=a value=b><button>"
        page.route("**/healthz", lambda route: route.fulfill(body=form, content_type="text/html"))
        page.goto(elsewhere.url + "healthz")
        before = site.api.metrics.requests["/v1/classify", 403]
        with page.expect_navigation():
            page.click("button")
        origin = elsewhere.url.rstrip("/")
        assert f"requests from pages of '{origin}' are not answered" in page.locator("body").inner_text()
        assert site.api.metrics.requests["/v1/classify", 403] == before + 1


def test_a_server_that_goes_away(serving: Serving, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    with serving() as site:
        page = open_page(site.url)
        wait_for_model(page)
    page.set_input_files("#files", photos[0])
    page.wait_for_selector("#problem", state="visible")
    assert page.locator("#problem").text_content() == "The server does not answer. Is it still running?"


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 320])
def test_a_narrow_screen(site: Site, open_page: OpenPage, photos: tuple[Path, Path], width: int) -> None:
    page = open_page(site.url, width=width, height=844, is_mobile=True, has_touch=True, device_scale_factor=2)
    page.set_input_files("#files", photos)
    wait_for_answer(page)
    for tab in ("#tab-try", "#tab-model"):
        page.tap(tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.tap("#tab-try")
    best = page.locator("#bars .line").first.bounding_box()
    assert best
    assert best["y"] + best["height"] < 844, "the best class is seen without scrolling"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, photos: tuple[Path, Path]) -> Path:
    """A MobileNetV2 whose last layer knows a temple, a flower, leaves and the sky in two photos."""
    import keras
    from sklearn.linear_model import LogisticRegression

    import zoo
    from zoo.export import to_tflite

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    # Photo; left, top, right, bottom of where a class is.
    areas = {"temple": (0, (0, 60, 640, 427)), "flower": (1, (150, 0, 520, 400)), "sky": (0, (200, 0, 640, 110))}
    areas["leaves"] = (1, (0, 200, 180, 427))
    pictures, names = [], []
    for name, (photo, (left, top, right, bottom)) in areas.items():
        with Image.open(photos[photo]) as image:
            for _ in range(40):
                side = int(rng.uniform(0.6, 1) * min(right - left, bottom - top))
                x, y = int(rng.integers(left, right - side + 1)), int(rng.integers(top, bottom - side + 1))
                pictures.append(np.asarray(image.crop((x, y, x + side, y + side)).resize((224, 224)), np.float32))
                names.append(name)
    net = zoo.build("mobilenet_v2", num_classes=len(areas))
    head = next(layer for layer in reversed(net.layers) if isinstance(layer, keras.layers.Dense))
    features = keras.Model(net.inputs, head.input).predict(np.stack(pictures), batch_size=16, verbose=0)
    scale = features.std()
    found = LogisticRegression(max_iter=3000).fit(features / scale, names)
    head.set_weights([found.coef_.T / scale, found.intercept_])
    path = tmp_path_factory.mktemp("trained") / "my_photos.tflite"
    return to_tflite(net, path, labels=list(found.classes_)).path


@pytest.mark.skipif("EDGEZOO_SCREENSHOTS" not in os.environ, reason="set EDGEZOO_SCREENSHOTS to a folder to take them")
def test_screenshots(serving: Serving, trained: Path, open_page: OpenPage, photos: tuple[Path, Path]) -> None:
    """Those in docs/, and others to look at."""
    folder = Path(os.environ["EDGEZOO_SCREENSHOTS"])

    phone: dict[str, Any] = {"width": 390, "height": 844, "is_mobile": True, "has_touch": True}
    views: dict[str, dict[str, Any]] = {
        "serve": {"height": 800},
        "serve-phone": phone,
        "dark": {"color_scheme": "dark"},
    }
    with serving(Classifier(trained)) as site:
        for name, options in views.items():
            page = open_page(site.url, **options)
            take(page, folder / f"{name}-empty.png")
            page.set_input_files("#files", photos[::-1])
            wait_for_all(page)
            page.wait_for_timeout(300)
            take(page, folder / f"{name}.png")
            page.click("#tab-model")
            take(page, folder / f"{name}-model.png")
            page.click("#tab-try")
            page.click("#camera")
            wait_for_frames(page)
            page.wait_for_timeout(2000)
            take(page, folder / f"{name}-camera.png")


@pytest.mark.slow
def test_a_file_for_another_task(
    serving: Serving, open_page: OpenPage, photos: tuple[Path, Path], spotter_file: Path, spotting_known: None
) -> None:
    predictor: Predictor[Any] = Predictor(spotter_file)
    with serving(predictor) as site:
        page = open_page(site.url)
        page.set_input_files("#files", photos[0])
        wait_for_answer(page)
        assert labels(page) == [predictor.predict(photos[0])[0].label]
        assert site.api.metrics.requests["/v1/spot", 200] == 1
