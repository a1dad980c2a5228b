"""Provides a model's weights: random weights, published weights, or the weights of a file.

| module | what |
|---|---|
| `building` | `build` and `load_weights`: what to call |
| `imagenet` | which published file a model takes, ImageNet's among them, as the model's spec says |
| `download` | gets a file into Keras' cache |
| `stored` | opens a file, if everything in it is harmless |
| `config`, `known` | what a model's configuration may name |
| `keras2`, `functions` | what Keras 2 wrote, as Keras 3 reads it |
| `old` | loads whole models of Keras 2 |
| `savedmodel`, `graphs` | loads SavedModel folders, if all that they compute is harmless |
| `hdf5` | what an HDF5 file may be made of |
| `files` | reads `.keras`, `.h5` and `.weights.h5` files of Keras 2 and 3 |
| `lite` | reads the convolutions of a TensorFlow Lite model that stands in a published file |
| `transfer` | finds a backbone and a head among the layers that were read |
| `detectors` | finds a detector's head, with its anchors |
| `auto` | takes published weights if they can be had, else random ones |
| `pixels` | fits a model to a file's pixels, whatever the architecture |
| `preprocessing` | finds out how a foreign model prepares its pixels, and makes ours do the same |
| `state` | tells whether a model was trained |
"""

from zoo.weights.building import Built, build, build_from, load_weights
from zoo.weights.formats.files import load_model
from zoo.weights.state import is_untrained

__all__ = ["Built", "build", "build_from", "is_untrained", "load_model", "load_weights"]
