"""The layer that normalizes each value by its neighbours in the channels. This module imports Keras."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="edgezoo")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by `(bias + alpha * s) ** beta`, where s is the sum of squares over neighbouring channels.

    Krizhevsky, Sutskever, Hinton 2012, section 3.3; the defaults are the paper's constants k, n = 5, alpha and beta.
    LiteRT and tflite-runtime run it in float only.

    Args:
        radius: the number of channels on each side that count as neighbours.
        bias: the constant k of the paper.
        alpha: the weight of the squares.
        beta: the power.
        **others: of every Keras layer.
    """

    def __init__(
        self, radius: int = 2, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75, **others: Any
    ) -> None:
        super().__init__(**others)
        self.radius, self.bias, self.alpha, self.beta = int(radius), float(bias), float(alpha), float(beta)

    def call(self, inputs: Any) -> Any:
        """Returns the normalized values, of the inputs' shape `(batch, height, width, channels)`."""
        import tensorflow as tf

        return tf.nn.local_response_normalization(
            inputs, depth_radius=self.radius, bias=self.bias, alpha=self.alpha, beta=self.beta
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, as JSON can hold them."""
        own = {"radius": self.radius, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}
