"""Lists the classes and functions that a model's configuration may name.

A configuration names classes and functions, and Keras creates them. Some can run code that is in the file, load a
program that is saved beside it, or read other files: `Lambda`, `TFSMLayer`, `TorchModuleWrapper`, `JaxLayer`,
`FlaxLayer`, the vocabularies of `StringLookup`, and everything that a dotted path can name. Therefore this list says
what is allowed.
"""

from __future__ import annotations

import re
from typing import Any

MODELS = frozenset({"Functional", "Model", "Sequential"})
"""Kinds of models; each may be named with any of the modules that Keras has had them in."""

_DIMENSIONS = ("1D", "2D", "3D")

LAYERS = frozenset(
    {
        *(f"{name}{d}" for name in ("Conv", "Convolution", "Cropping", "MaxPool", "AvgPool") for d in _DIMENSIONS),
        *(f"{name}{d}" for name in ("MaxPooling", "AveragePooling", "SpatialDropout") for d in _DIMENSIONS),
        *(f"{name}{d}" for name in ("UpSampling", "ZeroPadding", "ConvLSTM") for d in _DIMENSIONS),
        *(f"Global{name}{d}" for name in ("AveragePooling", "AvgPool", "MaxPooling", "MaxPool") for d in _DIMENSIONS),
        *(f"Adaptive{name}Pooling{d}" for name in ("Average", "Max") for d in _DIMENSIONS),
        *(f"{name}{d}Transpose" for name in ("Conv", "Convolution") for d in _DIMENSIONS),
        *(f"{name}{d}" for name in ("SeparableConv", "SeparableConvolution", "DepthwiseConv") for d in ("1D", "2D")),
        *("InputLayer", "Dense", "EinsumDense", "Embedding", "ReversibleEmbedding", "Identity", "Masking"),
        *("Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"),
        *("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"),
        *("Flatten", "Permute", "RepeatVector", "Reshape"),
        *("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
        *("SyncBatchNormalization", "SpectralNormalization"),
        *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"),
        *("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"),
        *("GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "SimpleRNN", "SimpleRNNCell", "StackedRNNCells"),
        *("Bidirectional", "TimeDistributed", "Pipeline"),
        *("Rescaling", "Resizing", "CenterCrop", "Normalization", "Discretization", "CategoryEncoding", "Hashing"),
        *("HashedCrossing", "MelSpectrogram", "STFTSpectrogram", "MaxNumBoundingBoxes"),
        *("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Equalization", "MixUp"),
        *("RandAugment", "Solarization", "RandomWidth", "RandomHeight"),
        *(
            f"Random{name}"
            for name in ("Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "Crop", "Erasing")
        ),
        *(f"Random{name}" for name in ("ElasticTransform", "Flip", "GaussianBlur", "Grayscale", "Hue", "Invert")),
        *(f"Random{name}" for name in ("Perspective", "Posterization", "Rotation", "Saturation", "Sharpness", "Shear")),
        *(f"Random{name}" for name in ("Translation", "Zoom")),
    }
)

OLD = frozenset({"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty"})
OLD |= {"TensorFlowOpLayer", "LocallyConnected1D", "LocallyConnected2D", "CuDNNGRU", "CuDNNLSTM", "DenseFeatures"}
"""Layers of Keras 2 that Keras 3 does not have: it is never given a model with one of them, see `keras2`."""

INITIALIZERS = frozenset(
    {
        *(f"{name}{kind}" for name in ("Glorot", "He", "Lecun", "Random") for kind in ("Normal", "Uniform")),
        *(f"{name}_{kind}" for name in ("glorot", "he", "lecun", "random") for kind in ("normal", "uniform")),
        *(
            "Constant",
            "Identity",
            "IdentityInitializer",
            "Ones",
            "Orthogonal",
            "OrthogonalInitializer",
            "STFT",
            "Zeros",
        ),
        *("STFTInitializer", "TruncatedNormal", "VarianceScaling"),
        *("constant", "identity", "ones", "orthogonal", "stft", "truncated_normal", "variance_scaling", "zeros"),
    }
)
REGULARIZERS = frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer", "l1", "l1_l2", "l2", "orthogonal_regularizer"})
CONSTRAINTS = frozenset(
    {"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "max_norm", "min_max_norm", "non_neg", "unit_norm"}
)
ACTIVATIONS = frozenset(
    {
        *("celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish"),
        *(
            "hard_tanh",
            "leaky_relu",
            "linear",
            "log_sigmoid",
            "log_softmax",
            "mish",
            "relu",
            "relu6",
            "selu",
            "sigmoid",
        ),
        *("silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax"),
        *("squareplus", "swish", "tanh", "tanh_shrink", "threshold"),
    }
)
POLICIES = frozenset({"DTypePolicy", "DTypePolicyMap", "FloatDTypePolicy", "Policy", "QuantizedDTypePolicy"})
POLICIES |= {"QuantizedFloat8DTypePolicy", "Int4DTypePolicy", "GPTQDTypePolicy", "AWQDTypePolicy"}
VALUES = frozenset(
    {"__tuple__", "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
)
"""Class names that stand for plain values; `__lambda__` and `__typespec__` stand for code and are not among them."""

_OPERATIONS_THAT_CALL = frozenset(
    {"Map", "Scan", "AssociativeScan", "Switch", "WhileLoop", "ForiLoop", "Cond", "VectorizedMap", "JVP"}
)
"""Operations of a graph that call a function which the configuration names."""
_OPERATION_MODULES = tuple(f"keras.src.ops.{name}" for name in ("core", "numpy", "nn", "math", "image", "linalg"))
_MODEL_MODULE = re.compile(
    r"keras(\.models|\.engine\.\w+|\.src\.(engine|models)\.(functional|model|sequential|training))?"
)
_PLAIN_WORD = re.compile(r"[A-Za-z]\w*")
_MAKERS = frozenset({"deserialize", "get", "serialize", "legacy", "schedules"})
"""Functions in the modules of losses and metrics that create an object from any configuration."""

_BY_MODULE: dict[str, frozenset[str]] = {
    "keras": MODELS | POLICIES,
    "keras.layers": LAYERS,
    "keras.initializers": INITIALIZERS,
    "keras.regularizers": REGULARIZERS,
    "keras.constraints": CONSTRAINTS,
    "keras.dtype_policies": POLICIES,
    "keras.mixed_precision": POLICIES,
    "keras.activations": ACTIVATIONS,
    "keras.random": frozenset({"SeedGenerator"}),
    "keras.src.random.seed_generator": frozenset({"SeedGenerator"}),
}
_OF_TRAINING = re.compile(r"keras\.(losses|metrics|optimizers(\.schedules)?)")
"""Matches modules whose classes only compute; a nested model that was compiled names them."""
_OF_ANY_MODULE = MODELS | LAYERS | INITIALIZERS | REGULARIZERS | CONSTRAINTS | POLICIES | VALUES
"""Names that `.h5` files give without a module; operations may be named, too, but Keras builds none from such files."""


def is_known_class(name: str, module: str | None) -> bool:
    """Whether a class that a configuration names is one of Keras' own that can only compute.

    Args:
        name: the name of the class.
        module: the module that the configuration gives; None if it gives none, as in files of Keras 2.
    """
    if name in VALUES:
        return True
    if module is None:
        return name in _OF_ANY_MODULE or any(_is_operation(name, module) for module in _OPERATION_MODULES)
    if name in MODELS and _MODEL_MODULE.fullmatch(module):
        return True
    if module in _OPERATION_MODULES:
        return _is_operation(name, module)
    if _OF_TRAINING.fullmatch(module):
        return _PLAIN_WORD.fullmatch(name) is not None and name not in _MAKERS
    return name in _BY_MODULE.get(module, frozenset())


def is_known_function(name: str, module: str | None) -> bool:
    """Whether a function of a configuration is one of Keras' own that can only compute: see `is_known_class`."""
    if module is not None and _OF_TRAINING.fullmatch(module):
        return _PLAIN_WORD.fullmatch(name) is not None and name not in _MAKERS
    return (
        module in {None, "builtins", "keras.activations", "keras.src.activations.activations"} and name in ACTIVATIONS
    )


def is_registered(name: Any) -> bool:
    """Whether this package or the user's own code has made a class or function known to Keras under this name."""
    import keras

    # These make the layers of detectors, of AlexNet, and of models that are trained for int8 known.
    import zoo.compress.fake
    import zoo.models.detectors.anchored
    import zoo.models.normalization  # noqa: F401

    return isinstance(name, str) and keras.saving.get_registered_object(name) is not None


def is_of_keras(name: str) -> bool:
    """Whether Keras itself has a layer of this name."""
    import keras

    return hasattr(keras.layers, name)


def is_plain_word(text: str) -> bool:
    """Whether a text is a plain word, which can name one of Keras' own objects, and not a dotted path."""
    return _PLAIN_WORD.fullmatch(text) is not None


def _is_operation(name: str, module: str) -> bool:
    """Whether a class is one of Keras' operations that only compute. `module` must be one of Keras' own."""
    import importlib

    import keras

    if name in _OPERATIONS_THAT_CALL:
        return False
    found = getattr(importlib.import_module(module), name, None)
    return isinstance(found, type) and issubclass(found, keras.Operation) and found.__module__ == module
