from __future__ import annotations

import numpy as np
import pytest

from zoo.inputs.boxes import Boxes


def test_each_label_has_one_box_of_four_numbers() -> None:
    found = Boxes(("cat", "dog"), np.array([[0, 1, 2, 3], [4, 5, 6, 7]]))
    assert len(found) == 2
    assert found.boxes.dtype == np.float64
    for wrong in (np.zeros((1, 4)), np.zeros((2, 5)), np.zeros(8)):
        with pytest.raises(ValueError, match="2 labels need as many boxes"):
            Boxes(("cat", "dog"), wrong)


def test_a_picture_without_objects_has_an_empty_list_of_boxes() -> None:
    found = Boxes((), np.empty(0))
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
