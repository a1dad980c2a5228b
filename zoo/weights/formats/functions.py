"""Functions of TensorFlow in a graph of Keras 2, which stood there as `TFOpLambda` and `SlicingOpLambda`.

A function is called only if it stands in the list below: all of these compute, and none runs code or reads files.
"""

from __future__ import annotations

import functools
from typing import Any

_MATH = frozenset(
    {
        *("abs", "acos", "add", "add_n", "argmax", "argmin", "asin", "atan", "ceil", "cos", "cumsum", "divide", "erf"),
        *("divide_no_nan", "equal", "exp", "expm1", "floor", "floordiv", "floormod", "greater", "greater_equal"),
        *("l2_normalize", "less", "less_equal", "log", "log1p", "log_sigmoid", "logical_and", "logical_not"),
        *("logical_or", "maximum", "minimum", "mod", "multiply", "negative", "not_equal", "pow", "reciprocal"),
        *(f"reduce_{kind}" for kind in ("all", "any", "logsumexp", "max", "mean", "min", "prod", "std", "sum")),
        *("reduce_variance", "round", "rsqrt", "scalar_mul", "sigmoid", "sign", "sin", "softmax", "softplus", "sqrt"),
        *("square", "squared_difference", "subtract", "tan", "tanh", "top_k", "truediv"),
    }
)
_NEURAL = frozenset(
    {
        *("avg_pool", "avg_pool2d", "bias_add", "crelu", "depth_to_space", "elu", "gelu", "l2_normalize"),
        *("leaky_relu", "local_response_normalization", "log_softmax", "lrn", "max_pool", "max_pool2d", "relu"),
        *("relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "space_to_depth", "swish", "tanh"),
    }
)
_IMAGE = frozenset(
    {
        *("adjust_brightness", "adjust_contrast", "central_crop", "convert_image_dtype", "crop_to_bounding_box"),
        *("flip_left_right", "flip_up_down", "grayscale_to_rgb", "pad_to_bounding_box", "per_image_standardization"),
        *("resize", "resize_with_crop_or_pad", "resize_with_pad", "rgb_to_grayscale", "transpose"),
    }
)
_ARRAY = frozenset(
    {
        *("broadcast_to", "cast", "clip_by_value", "concat", "einsum", "expand_dims", "gather", "identity", "matmul"),
        *("linalg.matmul", "linalg.l2_normalize", "one_hot", "ones_like", "pad", "repeat", "reshape", "reverse"),
        *("shape", "slice", "split", "squeeze", "stack", "stop_gradient", "strided_slice", "tensordot", "tile"),
        *("transpose", "unstack", "where", "zeros_like", "norm", *_MATH),
        *(f"math.{name}" for name in _MATH),
        *(f"nn.{name}" for name in _NEURAL),
        *(f"image.{name}" for name in _IMAGE),
    }
)
_OPERATORS = {"__operators__.add": "math.add", "__operators__.eq": "math.equal", "__operators__.ne": "math.not_equal"}
_GETITEM = "__operators__.getitem"


def is_known(function: Any) -> bool:
    """Whether a function that a configuration names, such as `math.truediv`, may be called."""
    if not isinstance(function, str):
        return False
    return function in _OPERATORS or function == _GETITEM or function.removeprefix("compat.v1.") in _ARRAY


def resolve(function: str) -> Any:
    """The function of a name for which `is_known` holds."""
    import tensorflow as tf

    if not is_known(function):
        raise ValueError(f"the function tf.{function} is not known")
    if function == _GETITEM:
        return _getitem
    return functools.reduce(getattr, _OPERATORS.get(function, function).split("."), tf)


@functools.cache
def layer_class() -> type[Any]:
    """The class of layers that stand for such functions."""
    import keras

    @keras.saving.register_keras_serializable("edgezoo")
    class TensorFlowFunction(keras.layers.Layer):  # type: ignore[misc]
        """Calls a function of TensorFlow on the tensors that it is given, as the graph of Keras 2 did."""

        def __init__(self, function: str, template: dict[str, Any], **options: Any) -> None:
            super().__init__(**options)
            self.function, self.template = function, template
            self._target = resolve(function)

        def call(self, tensors: Any) -> Any:
            """Puts the tensors into their places among the arguments."""
            tensors = list(tensors) if isinstance(tensors, list | tuple) else [tensors]
            return self._target(
                _revived(self.template["first"], tensors), **_revived(self.template["keywords"], tensors)
            )

        def get_config(self) -> dict[str, Any]:
            """The function and its arguments."""
            return {**super().get_config(), "function": self.function, "template": self.template}

    return TensorFlowFunction


def registered_name() -> str:
    """The name under which Keras finds the class of these layers in a configuration."""
    import keras

    return str(keras.saving.get_registered_name(layer_class()))


def _getitem(values: Any, slice_spec: Any) -> Any:
    return values[tuple(slice_spec) if isinstance(slice_spec, list) else slice_spec]


def _revived(value: Any, tensors: list[Any]) -> Any:
    """An argument with the tensors, slices and ellipses that stand in it."""
    if isinstance(value, list | tuple):
        return [_revived(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"tensor"}:
        return tensors[value["tensor"]]
    if value.get("class_name") == "__ellipsis__":
        return ...
    if value.keys() == {"start", "stop", "step"}:
        return slice(*(_revived(value[key], tensors) for key in ("start", "stop", "step")))
    return {key: _revived(one, tensors) for key, one in value.items()}
