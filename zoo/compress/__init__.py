"""Makes models smaller: what quantization costs, training that simulates it, and pruning.

| module | what |
|---|---|
| `folding` | folds batch normalization into the convolution before it |
| `ranges` | chooses the range in which 8 bits store an activation |
"""
