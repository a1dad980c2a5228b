"""Reads files of Keras, TensorFlow, TensorFlow Lite and PyTorch; none of them is trusted."""
