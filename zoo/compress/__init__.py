"""Makes models smaller: what quantization costs, training that simulates it, and pruning.

| module | what |
|---|---|
| `folding` | folds batch normalization into the convolution before it |
"""
