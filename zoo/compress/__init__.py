"""Makes models smaller: what quantization costs, training that simulates it, and pruning.

| module | what |
|---|---|
| `channels`, `kinds` | which channels can be removed, and which only together |
| `scoring`, `choosing` | what channels are worth, and which are kept |
| `cutting`, `norms` | rebuilds a model with fewer channels; measures batch normalization anew |
| `pruning` | removes channels: all of that in one call |
| `copying` | copies a model layer by layer, with other weights and configurations |
| `folding` | folds batch normalization into the convolution before it |
| `supported`, `fake`, `graph` | the graph that computes as an int8 file does, and what it cannot hold |
| `baking` | a plain model of such a graph, for the converter |
| `ranges`, `methods` | chooses the range in which 8 bits store an activation |
| `diagnose`, `probe` | measures what 8 bits cost in each layer, one at a time |
| `findings`, `advice`, `drawing` | what that finds, what to do about it in words, and a picture of it |
| `equalize` | gives the channels of neighbouring layers weights of the same size |
"""
