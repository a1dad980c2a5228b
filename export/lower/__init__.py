"""Rebuilds Keras models as converters take them: one float32 input, and no operation that runtimes are slow at."""
