"""Runs detectors in MediaPipe Tasks, and prints what they find.

python mediapipe_detect.py THRESHOLD PICTURES.npy FILE...
"""

from __future__ import annotations

import json
import sys
from typing import Any

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def found(path: str, pictures: Any, threshold: float) -> list[list[Any]]:
    """The objects on each picture: name, score, left, top, right, bottom."""
    options = vision.ObjectDetectorOptions(
        base_options=BaseOptions(model_asset_path=path), max_results=50, score_threshold=threshold
    )
    answers = []
    with vision.ObjectDetector.create_from_options(options) as detector:
        for pixels in pictures:
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(pixels))
            objects = []
            for one in detector.detect(image).detections:
                box, best = one.bounding_box, one.categories[0]
                corners = (box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
                objects.append([best.category_name, best.score, *corners])
            answers.append(objects)
    return answers


if __name__ == "__main__":
    threshold, pictures, *files = sys.argv[1:]
    json.dump([found(path, np.load(pictures), float(threshold)) for path in files], sys.stdout)
