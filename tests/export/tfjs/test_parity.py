"""Layers models of every classifier of the registry answer in TensorFlow.js as in Keras, or are refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo
from tests import npm
from tests.conftest import CLASSIFIERS
from tests.export.conftest import MATRIX
from tests.export.tfjs.pages import open_models
from tests.narrow import narrow
from zoo.errors import ExportError
from zoo.export import to_tfjs
from zoo.export.tfjs.exporter import HALF

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = [name for name in MATRIX if name != "alexnet"]
"""All but AlexNet as it is published, of which the narrow one has every layer."""
TOLERANCE = 1e-4
"""The largest difference of a score, a share of 1."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the written models."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def page(browser: Browser, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """One page for all models."""
    return open_models(browser, tmp_path_factory, (npm.TFJS,), models)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_every_classifier_answers_as_in_keras(matrix: Any, models: Path, page: Page, name: str) -> None:
    inputs = matrix.inputs(name).astype(np.float32)
    written = to_tfjs(matrix.model(name), models / name)
    assert written.half == (None if name == "conv1d" else HALF)
    shown = inputs if written.half is None else (inputs / np.float32(HALF) - 1).astype(np.float32)
    found = page.evaluate(
        """async ([name, values, shape]) => {
            await tf.setBackend('cpu');
            const model = await tf.loadLayersModel(name + '/model.json');
            const answers = tf.tidy(() => model.predict(tf.tensor(values, shape)));
            const scores = [...await answers.data()];
            answers.dispose();
            model.dispose();
            return scores;
        }""",
        [name, shown.ravel().tolist(), list(shown.shape)],
    )
    wanted = matrix.keras_scores(name)
    assert wanted.max(axis=0).min() != wanted.max(axis=0).max()  # else any answer would do
    np.testing.assert_allclose(np.reshape(found, wanted.shape), wanted, atol=TOLERANCE)


def test_no_classifier_is_left_out() -> None:
    assert {name.removeprefix("narrow-").partition("-")[0] for name in NAMES} == {*CLASSIFIERS}


def test_a_normalization_over_neighbouring_channels_is_refused_in_one_line(tmp_path: Path) -> None:
    with narrow():
        model = zoo.build("alexnet", num_classes=10, input_size=67, lrn=True)
    with pytest.raises(ExportError, match=r"cannot be written for TensorFlow.js, which has no layer for \S") as caught:
        to_tfjs(model, tmp_path / "net")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "net").exists()
