"""Makes a detector's ONNX graph decode its boxes itself, with `NonMaxSuppression`, and checks what it finds."""
