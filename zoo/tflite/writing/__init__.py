"""Writes parts of a `.tflite` file: metadata, labels, card, and the operation that decodes boxes."""
