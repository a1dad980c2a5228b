"""Nets without a width option with fewer filters and units: all layers, connected as in the papers, in less time.

What a test shows by a model's layers, it shows as well by narrow ones. `tests/export/tflite/test_matrix.py` exports
AlexNet as it is published, and `tests/export/tflite/test_exporter.py` VGG-16.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

FILTERS = 4
"""What the filters of the convolutions are divided by; an even number of groups' filters is left."""
UNITS = 16
"""What the units of the dense layers are divided by."""
DENSE = (4096, 4096)
"""The units of VGG-16's dense layers outside of every block."""


@contextlib.contextmanager
def narrow() -> Iterator[None]:
    """Makes `zoo.build` build these models narrow, as long as the block lasts; a block in another changes nothing."""
    alexnet, vgg16, resnet, lite, v4 = (
        importlib.import_module(f"zoo.models.{name}")
        for name in ("alexnet", "vgg16", "resnet", "efficientnet_lite", "mobilenet_v4")
    )
    if vgg16.DENSE != DENSE:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alexnet, "CONVS", tuple((filters // FILTERS, *rest) for filters, *rest in alexnet.CONVS))
        patch.setattr(vgg16, "BLOCKS", tuple(tuple(n // FILTERS for n in block) for block in vgg16.BLOCKS))
        patch.setattr(resnet, "FIRST_FILTERS", resnet.FIRST_FILTERS // FILTERS)
        patch.setattr(resnet, "STAGES", tuple((filters // FILTERS, stride) for filters, stride in resnet.STAGES))
        for module in (alexnet, vgg16):
            patch.setattr(module, "DENSE", tuple(units // UNITS for units in module.DENSE))
        stages = tuple((expansion, channels // FILTERS, *rest) for expansion, channels, *rest in lite.STAGES)
        patch.setattr(lite, "STAGES", stages)
        few = {
            name: tuple(tuple(row._replace(channels=row.channels // FILTERS) for row in rows) for rows in table)
            for name, table in v4.STAGES.items()
        }
        patch.setattr(v4, "STAGES", few)
        for module in (lite, v4):
            patch.setattr(module, "LAST_FILTERS", module.LAST_FILTERS // UNITS)
        yield


@contextlib.contextmanager
def narrow_applications() -> Iterator[None]:
    """Makes Keras Applications build VGG-16 and ResNet-50 as narrow as `narrow` makes ours."""
    from keras import applications, layers

    def divided(layer: Callable[..., Any], parts: int) -> Callable[..., Any]:
        # The head's units are the classes.
        return lambda width, *rest, **options: layer(
            width if options.get("name") == "predictions" else width // parts, *rest, **options
        )

    class Narrow:
        """The module of layers; two kinds are made with fewer filters or units."""

        Conv2D = staticmethod(divided(layers.Conv2D, FILTERS))
        Dense = staticmethod(divided(layers.Dense, UNITS))

        def __getattr__(self, name: str) -> Any:
            return getattr(layers, name)

    with pytest.MonkeyPatch.context() as patch:
        for build in (applications.VGG16, applications.ResNet50):
            patch.setattr(inspect.getmodule(inspect.unwrap(build)), "layers", Narrow())
        yield
