"""Reads annotation files of labelled boxes: COCO JSON, Pascal VOC XML, YOLO text files and CSV tables.

    from zoo.inputs.annotations import find_boxes, ground_truth
    data = find_boxes("street")                 # which of them it is, is found out by looking
    for path, boxes in ground_truth(data):      # boxes in pixels of the upright picture
        print(path, boxes.labels)

numpy and Pillow only, so that a board reads the same data as a laptop.
"""

from zoo.inputs.annotations.look import find_boxes, holds_boxes
from zoo.inputs.annotations.place import ground_truth, place
from zoo.inputs.annotations.values import BoxData, Format, Remark, Stated, Tally

__all__ = [
    "BoxData", "Format", "Remark", "Stated", "Tally", "find_boxes", "ground_truth", "holds_boxes", "place",
]  # fmt: skip
