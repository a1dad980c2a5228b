"""Nets with fewer blocks: what takes time is the number of layers.

MobileNetV2 has fewer in the zoo and in Keras Applications alike. The blocks that are left have the names and the
channels that they have in the whole net; each kind of block is among them: without an expansion, with a stride, with
other channels, and with a sum. `tests/weights/test_transfer.py` and `tests/weights/fetch/test_imagenet.py` take weights
for the whole net, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zoo import registry
from zoo.models import mobilenet_v2, resnet

LEFT_OUT = frozenset({4, 5, 7, 8, 9, 11, 12, 14, 15, 16})
"""Blocks that keep the size of the maps; of these, 0, 2 and 10 are left, whose names are not in order as texts."""


@contextlib.contextmanager
def shallow() -> Iterator[None]:
    """Leaves out blocks of each MobileNetV2 that is built as long as the block lasts."""
    from keras.applications import MobileNetV2

    def passing(block: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(block)

        def passed(*words: Any, **options: Any) -> Any:
            given = signature.bind(*words, **options).arguments
            index = given.get("i", given.get("block_id"))
            return next(iter(given.values())) if index in LEFT_OUT else block(*words, **options)

        return passed

    with pytest.MonkeyPatch.context() as patch:
        theirs = inspect.getmodule(inspect.unwrap(MobileNetV2))
        for module, name in ((mobilenet_v2, "inverted_residual"), (theirs, "_inverted_res_block")):
            patch.setattr(module, name, passing(getattr(module, name)))
        backbone = mobilenet_v2.BACKBONE
        parts = {f"block_{i}" for i in LEFT_OUT}
        few = dataclasses.replace(
            backbone, layers=tuple(name for name in backbone.layers if "_".join(name.split("_")[:2]) not in parts)
        )
        for name, (spec, builder) in registry.snapshot().items():
            if spec.backbone is backbone:
                patch.setitem(registry._MODELS, name, (dataclasses.replace(spec, backbone=few), builder))
        yield


@contextlib.contextmanager
def shallow_resnet() -> Iterator[None]:
    """Makes ResNet-50 of two blocks a stage: one that narrows or widens the maps, and one that repeats it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(resnet.BLOCKS, 50, resnet.BLOCKS[18])
        yield
