"""Runs MediaPipe's image classifier as its guide does: FILE PICTURE."""

import sys

import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision

options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=sys.argv[1]), max_results=5)
with vision.ImageClassifier.create_from_options(options) as classifier:
    result = classifier.classify(mp.Image.create_from_file(sys.argv[2]))
for category in result.classifications[0].categories:
    print(category.category_name, category.score)
