"""Labelled boxes: read, checked, split by content, and changed at random together with their pictures.

    from zoo.data.boxes import check_boxes, find_boxes, ground_truth
    for path, boxes in ground_truth(find_boxes("street")):
        print(path, boxes.labels)

The readers are in `zoo.inputs.annotations`, where a board has them, too. None of it needs TensorFlow.
"""

from zoo.data.boxes.augment import Changes, change
from zoo.data.boxes.check import check_boxes
from zoo.data.boxes.report import BoxReport
from zoo.inputs.annotations import find_boxes, ground_truth, holds_boxes
from zoo.inputs.boxes import Boxes

__all__ = ["BoxReport", "Boxes", "Changes", "change", "check_boxes", "find_boxes", "ground_truth", "holds_boxes"]
