"""The `.onnx` file as a format: its labels and card, its structure, and what can run it.

Files are read and described here without TensorFlow and without a runtime; `zoo.export` makes them, `zoo.runner` runs
them.
"""
