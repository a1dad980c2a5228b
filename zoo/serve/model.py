"""What `GET /v1/model` says: the file, its input, labels, card and operations, and the server's limits."""

from __future__ import annotations

from collections import Counter
from typing import Any

from zoo.serve.settings import Settings
from zoo.serve.workers import Pool, available_formats
from zoo.tflite import modelfile


def describe(pool: Pool, settings: Settings) -> dict[str, Any]:
    """For JSON.

    Raises:
        ModelFileError: the file is damaged.
    """
    classifier = pool.classifier
    session = classifier.session
    file = modelfile.read(session.path)
    return {
        # Not the path: it says more of the machine than a visitor needs to know.
        "file": session.path.name,
        "bytes": file.size,
        "runtime": session.runtime,
        "workers": pool.workers,
        "input": {
            "shape": list(session.input.shape[1:]),
            "dtype": session.input.dtype.name,
            "resize": classifier.preprocessing.resize,
        },
        "macs": file.main.total_macs,
        "labels": list(classifier.labels),
        "card": classifier.card,
        "ops": operations(file),
        "limits": {
            "bytes": settings.max_bytes,
            "pixels": settings.max_pixels,
            "pictures": settings.queue,
            "formats": list(available_formats()),
        },
    }


def operations(file: modelfile.ModelFile) -> list[dict[str, Any]]:
    """Each kind of operation: how many there are, their multiply-accumulates, and the bytes of their constants.

    A constant that several operations read counts for the first. Most frequent first.
    """
    count: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for graph in file.graphs:
        sizes.update(graph.constant_bytes())
        for op in graph.ops:
            count[op.name] += 1
            macs[op.name] += graph.macs(op)
    return [
        {"op": name, "count": number, "macs": macs[name], "bytes": sizes[name]} for name, number in count.most_common()
    ]
