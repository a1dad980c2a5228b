"""Does one task for each line of standard input, and prints the seconds and the result as JSON.

    python worker.py ours|bare|mediapipe|ours-boxes|mediapipe-boxes FILE PICTURES_FOLDER THREADS

The task `one` takes a decoded picture of the model's size from pixels to the best class, and `many` finds the best
class of each picture file in the folder; `invoke` runs our interpreter alone. Of detectors `one` takes the first
picture, decoded, from pixels to boxes, and `many` finds the objects of each picture. `rate SECONDS` gives the pictures
that our runner classifies in a second. MediaPipe has no option for threads in Python; on Linux it uses one.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE = (224, 224)
THRESHOLD, IOU, LIMIT = 0.5, 0.6, 100
"""The least score of an object, the overlap above which one of two is left out, and the most objects of a picture.
MediaPipe's overlap is fixed in the file or its default, so that it may keep another one of two boxes."""
Tasks = dict[str, Callable[..., Any]]


def ours(file: str, photos: list[Path], threads: int) -> Tasks:
    """Classifies with the runner."""
    from zoo.runner import Classifier

    classifier = Classifier(file, threads=threads or None)
    results = classifier.classify_many(itertools.cycle(photos))
    sample = classifier.read(photos[0])
    run = _invoking(classifier.session._interpreter)

    def rate(seconds: str) -> float:
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < float(seconds):
            assert next(results).error is None
            count += 1
        return count / (time.perf_counter() - started)

    return {
        "rate": rate,
        "invoke": lambda: run(sample.values) is None,
        "one": lambda: classifier.classify(sample, top_k=1)[0].index,
        "many": lambda: [result.predictions[0].index for result in classifier.classify_many(photos, top_k=1)],
    }


def bare(file: str, photos: list[Path], threads: int) -> Tasks:
    """Classifies with the interpreter itself, and Pillow."""
    from ai_edge_litert.interpreter import Interpreter
    from PIL import Image

    interpreter = Interpreter(file, num_threads=threads)
    interpreter.allocate_tensors()
    run = _invoking(interpreter)

    def best(image: Any) -> int:
        return int(run(image).argmax())

    def read(path: Path) -> Any:
        return _picture(path).resize(SIZE, Image.Resampling.BILINEAR)

    pixels = np.asarray(read(photos[0]))
    return {"one": lambda: best(pixels), "many": lambda: [best(read(path)) for path in photos]}


def _invoking(interpreter: Any) -> Callable[[Any], Any]:
    """Returns a function that sets an interpreter's input, runs it, and returns the scores."""
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(pixels: Any) -> Any:
        interpreter.set_tensor(entry["index"], np.asarray(pixels, entry["dtype"])[None])
        interpreter.invoke()
        return interpreter.get_tensor(exit_["index"])[0]

    return run


def mediapipe(file: str, photos: list[Path], _threads: int) -> Tasks:
    """Classifies with MediaPipe's image classifier."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=file), max_results=1)
    classifier = vision.ImageClassifier.create_from_options(options)

    def best(image: Any) -> int:
        return int(classifier.classify(image).classifications[0].categories[0].index)

    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    decoded = mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels)
    return {
        "one": lambda: best(decoded),
        "many": lambda: [best(mp.Image.create_from_file(str(path))) for path in photos],
    }


def ours_boxes(file: str, photos: list[Path], threads: int) -> Tasks:
    """Finds objects with the runner."""
    from zoo.runner import Detector

    detector = Detector(file, threads=threads)
    picture = _picture(photos[0])

    def found(source: Any) -> list[Any]:
        objects = detector.detect(source, threshold=THRESHOLD, iou=IOU, limit=LIMIT)
        return [(one.label, one.score, *one.box) for one in objects]

    return {"one": lambda: found(picture), "many": lambda: [found(path) for path in photos]}


def mediapipe_boxes(file: str, photos: list[Path], _threads: int) -> Tasks:
    """Finds objects with MediaPipe's object detector."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ObjectDetectorOptions(
        base_options=BaseOptions(model_asset_path=file), max_results=LIMIT, score_threshold=THRESHOLD
    )
    detector = vision.ObjectDetector.create_from_options(options)
    decoded = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.asarray(_picture(photos[0])))

    def found(image: Any) -> list[Any]:
        objects = []
        for one in detector.detect(image).detections:
            box, best = one.bounding_box, one.categories[0]
            corners = (box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
            objects.append((best.category_name, best.score, *corners))
        return objects

    return {
        "one": lambda: found(decoded),
        "many": lambda: [found(mp.Image.create_from_file(str(path))) for path in photos],
    }


def _picture(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


def main() -> None:
    """Does tasks until standard input ends."""
    # Output of native libraries must not get between our lines.
    with os.fdopen(os.dup(1), "w") as report:
        os.dup2(2, 1)
        who, file, folder, threads = sys.argv[1:5]
        make = {
            "ours": ours, "bare": bare, "mediapipe": mediapipe, "ours-boxes": ours_boxes,
            "mediapipe-boxes": mediapipe_boxes,
        }[who]  # fmt: skip
        tasks = make(file, sorted(Path(folder).iterdir()), int(threads))
        for line in sys.stdin:
            (task, *words), started = line.split(), time.perf_counter()
            result = tasks[task](*words)
            report.write(json.dumps([time.perf_counter() - started, result]) + "\n")
            report.flush()


if __name__ == "__main__":
    main()
