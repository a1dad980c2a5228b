"""Data that ships with the package."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from typing import Any

SIZES = "sizes.tsv"
"""The table of parameters and MACs of the nets that accuracies are published for; `tools/sizes.py` writes it."""


def read_sizes() -> dict[tuple[str, str], tuple[int, int]]:
    """Returns parameters and multiply-accumulates of one input, by the names of an architecture and of its net."""
    rows = (line.split("\t") for line in _read(SIZES).splitlines() if line and not line.startswith("#"))
    return {(family, net): (int(params), int(macs)) for family, net, params, macs in rows}


def read_json(name: str) -> Any:
    """Returns one of the tables beside this module."""
    return json.loads(_read(name))


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def imagenet_labels() -> list[str]:
    """Returns the 1000 class names of ImageNet-1k, in the order of published weights.

    A name is the first synonym if that is unique, otherwise all synonyms (`maillot, tank suit`). If two classes share
    all synonyms, the WordNet id follows (the two cranes). The source is named in `imagenet_classes.tsv`.
    """
    rows = [
        line.split("\t") for line in _read("imagenet_classes.tsv").splitlines() if line and not line.startswith("#")
    ]
    shorts = Counter(names.split(",")[0] for _, _, names in rows)
    fulls = Counter(names for _, _, names in rows)
    labels = []
    for _, wordnet_id, names in rows:
        short = names.split(",")[0]
        unique = names if fulls[names] == 1 else f"{names} ({wordnet_id})"
        labels.append(short if shorts[short] == 1 else unique)
    return labels
