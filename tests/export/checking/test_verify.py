from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.export.checking.calibration import Calibration, synthetic
from zoo.export.checking.verify import verify

if TYPE_CHECKING:
    from tests.conftest import Case


def test_a_faithful_file(lenet: Case) -> None:
    found = verify(lenet.model, lenet.file, Calibration(lenet.inputs, {"source": "noise"}), pixels=True)
    assert (found.inputs, found.source, found.runtime) == (len(lenet.inputs), "noise", "litert")
    assert found.mean_diff <= found.max_diff < 1e-5
    assert found.agreement.figures == {"top1": 1.0, "top5": 1.0}
    document = found.as_dict()
    assert document["max_diff"] == found.max_diff
    assert document["top1"] == document["top5"] == 1.0


def test_figures_by_hand(lenet: Case) -> None:
    """Compares a file with a model whose scores are the file's own, changed by known amounts."""
    scores = lenet.scores.copy()
    last = np.argsort(scores, axis=1)
    # For the first input the best and the worst class are exchanged, for the second the best two.
    scores[0, last[0, [0, -1]]] = scores[0, last[0, [-1, 0]]]
    scores[1, last[1, [-2, -1]]] = scores[1, last[1, [-1, -2]]]

    def moved(inputs: Any, training: bool) -> Any:
        assert not training
        np.testing.assert_array_equal(inputs, lenet.inputs)
        return scores

    found = verify(moved, lenet.file, Calibration(lenet.inputs, {"source": "noise"}), pixels=True)
    count = len(lenet.inputs)
    assert found.agreement.share == found.agreement.figures["top1"] == pytest.approx((count - 2) / count)
    assert found.agreement.figures["top5"] == pytest.approx((count - 1) / count)
    difference = np.abs(scores - lenet.scores)
    assert found.max_diff == pytest.approx(difference.max(), abs=1e-5)
    assert found.mean_diff == pytest.approx(difference.mean(), abs=1e-5)


@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 40, 3), (128, 6), (7,)])
def test_synthetic_inputs(shape: tuple[int, ...]) -> None:
    inputs = synthetic(shape, 32, 0).inputs
    assert inputs.shape == (32, *shape)
    assert inputs.dtype == np.float32
    assert inputs.std(axis=0).min() > 0
    np.testing.assert_array_equal(inputs, synthetic(shape, 32, 0).inputs)
    assert (inputs != synthetic(shape, 32, 1).inputs).any()
    if len(shape) == 3:
        np.testing.assert_array_equal(inputs, inputs.round())
        assert inputs.min() >= 0
        assert inputs.max() <= 255
        assert np.ptp(inputs) > 200


def test_a_refusal_says_where_keras_itself_is_not_sure() -> None:
    from zoo.errors import VerificationError
    from zoo.export.checking.checks import require_agreement
    from zoo.export.checking.verify import Verification
    from zoo.export.modes import mode
    from zoo.tasks.task import Agreement

    def refusal(doubt: str) -> str:
        agreement = Agreement(0.03, "finds the same objects as Keras", {}, doubt)
        with pytest.raises(VerificationError) as raised:
            require_agreement(Verification(13, "photos", "litert", 0.1, 0.1, agreement, 0.5), mode("int8"), "a.tflite")
        return str(raised.value)

    assert refusal("").endswith("it was not kept")
    assert refusal("no object with a score of 0.5").endswith(
        "it was not kept. Keras itself gives no object with a score of 0.5 for all of them: the model may have to be "
        "trained for longer"
    )
