"""Runs a file as a user's script without edgezoo would: FILE PICTURE THREADS."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

interpreter = Interpreter(sys.argv[1], num_threads=int(sys.argv[3]))
interpreter.allocate_tensors()
entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
image = Image.open(sys.argv[2]).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
interpreter.set_tensor(entry["index"], np.asarray(image, entry["dtype"])[None])
interpreter.invoke()
scores = interpreter.get_tensor(exit_["index"])[0]
for i in np.argsort(-scores)[:5]:
    print(i, scores[i])
