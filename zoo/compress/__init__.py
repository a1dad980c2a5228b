"""Makes models smaller: what quantization costs, training that simulates it, and pruning.

| module | what |
|---|---|
| `channels`, `kinds` | which channels can be removed, and which only together |
| `scoring`, `choosing` | what channels are worth, and which are kept |
| `cutting`, `norms` | rebuilds a model with fewer channels; measures batch normalization anew |
| `pruning` | removes channels: all of that in one call |
| `copying` | copies a model layer by layer, with other weights and configurations |
| `folding` | folds batch normalization into the convolution before it |
| `ranges` | chooses the range in which 8 bits store an activation |
"""
