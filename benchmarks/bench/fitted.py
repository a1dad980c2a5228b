"""Makes a MobileNetV2 whose predictions are meaningful, in seconds and without a download."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from bench.pictures import REGIONS, crop, region_of

CROPS = 360


def fitted_mobilenet(seed: int = 0) -> Any:
    """Builds MobileNetV2 1.0/224 with a random backbone, whose last layer distinguishes six regions of two photos.

    The last layer is fitted by scikit-learn's logistic regression to the features of 360 crops.
    """
    import keras
    from sklearn.linear_model import LogisticRegression

    import zoo

    keras.utils.set_random_seed(seed)
    model = zoo.build("mobilenet_v2", num_classes=REGIONS)
    head_layer = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    features = keras.Model(model.inputs, head_layer.input)
    seen = features.predict(pixels_of_crops(), batch_size=16, verbose=0).reshape(CROPS, -1)
    scale = seen.std()
    head = LogisticRegression(max_iter=3000, C=100).fit(seen / scale, [region_of(i) for i in range(CROPS)])
    head_layer.set_weights([head.coef_.T / scale, head.intercept_])
    return model


def pixels_of_crops(count: int = CROPS) -> Any:
    """Returns the crops for the last layer and for the calibration of int8, `(count, 224, 224, 3)`, float32 0..255."""
    resized = [crop(i).resize((224, 224), Image.Resampling.BILINEAR) for i in range(count)]
    return np.stack([np.asarray(image) for image in resized]).astype(np.float32)
