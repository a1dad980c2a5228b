"""Exports Keras models to checked `.onnx` files, also such as the programs of jetson-inference take."""
