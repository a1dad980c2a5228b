"""Provides a model's weights: random weights, published weights, or the weights of a file.

| module | what |
|---|---|
| `building` | `build` and `load_weights`: what to call |
| `imagenet` | chooses the published file for a model, as the model's spec says, and fetches it |
| `pins` | remembers the hashes of published files |
| `download`, `connection` | download a file into Keras' cache |
| `stored` | opens a file if everything in it is harmless |
| `config`, `known` | check what a model's configuration names |
| `hdf5` | checks the structure of an HDF5 file |
| `files` | reads `.keras`, `.h5` and `.weights.h5` files of Keras 2 and 3 |
| `transfer` | finds a backbone and a head among the layers that were read |
| `preprocessing` | finds out how a foreign model prepares its pixels, and makes ours do the same |
| `state` | tells whether a model was trained |
"""

from zoo.weights.building import Built, build, build_from, load_weights
from zoo.weights.files import load_model
from zoo.weights.state import is_untrained

__all__ = ["Built", "build", "build_from", "is_untrained", "load_model", "load_weights"]
