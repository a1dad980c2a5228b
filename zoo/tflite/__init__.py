"""The `.tflite` file as a format: reading it safely, its metadata, labels and card, and what can run it.

Files are read and described here without TensorFlow and without a runtime; `zoo.export` makes them, `zoo.runner` runs them.
"""
