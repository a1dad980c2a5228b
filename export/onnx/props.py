"""Puts labels, card and metadata into an `.onnx` file, with checksums of all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.onnx.card import CARD, props_of
from zoo.onnx.digest import FIELD, digest


def with_props(
    proto: Any, card: Mapping[str, Any], labels: Sequence[str], metadata: Mapping[str, bytes] | None = None
) -> bytes:
    """Returns the bytes of a file, the same for the same model; the card stands last.

    Args:
        proto: the `onnx.ModelProto`; its properties are replaced.
        card: the card; its checksums are computed here.
        labels: the names of the classes.
        metadata: as in `zoo.onnx.card.props_of`.
    """
    import onnx

    others = {key: text for key, text in props_of({}, labels, metadata).items() if key != CARD}
    onnx.helper.set_model_props(proto, others)
    content: bytes = proto.SerializeToString(deterministic=True)
    # The fields of a message may stand one after the other in any order, so that the large ones are written once.
    last = onnx.ModelProto()
    onnx.helper.set_model_props(last, {CARD: props_of({**card, FIELD: digest(content)}, labels)[CARD]})
    return content + bytes(last.SerializeToString(deterministic=True))
