"""Reads `.onnx` files from untrusted sources: their records, their graph, and what is constant in it."""
