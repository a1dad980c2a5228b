"""Writes random weights, inputs and outputs of timm's models, which `tools/parity` compares ours with.

    .venv-parity/bin/python tools/parity_reference.py FOLDER NAME SIZE [NAME SIZE ...]

It runs in an environment of its own, which has timm and PyTorch but neither TensorFlow nor this package. For each model
it writes NAME.safetensors, and NAME_SIZE.npz with `pixels` (count, height, width, 3) from 0 to 255 and `scores` (count,
1000), the probabilities.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

COUNT = 4


def import_timm() -> Any:
    """Imports timm, also beside a torchvision that was built for another PyTorch, of which timm needs no operation."""
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        missing = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            missing.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    import timm

    print(f"timm {timm.__version__}, PyTorch {torch.__version__}, torchvision {torchvision.__version__}")
    return timm


def randomize(model: Any, inputs: Any) -> None:
    """Gives all of a model's weights random values; those of a new model leave out what normalization does.

    The classifier is scaled so that no class gets all of the probability of these inputs.
    """
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            kind = name.rpartition(".")[2]
            if kind == "running_var" or (kind == "weight" and value.ndim == 1):
                value.uniform_(0.5, 1.5)
            elif kind in {"bias", "running_mean"}:
                value.normal_(0, 0.1)
            elif kind == "weight":
                value.normal_(0, (1.7 / value[0].numel()) ** 0.5)
        model.classifier.weight /= model(inputs).std() / 2


def pixels_of(size: int) -> Any:
    """Makes noisy pictures of one colour each, as float32 `(count, size, size, 3)`."""
    rng = np.random.default_rng(size)
    colours = rng.integers(0, 256, (COUNT, 1, 1, 3))
    return (colours + rng.integers(-60, 61, (COUNT, size, size, 3))).clip(0, 255).astype(np.float32)


def main(folder: Path, wanted: list[tuple[str, int]]) -> None:
    """Writes the files of each model and size."""
    timm = import_timm()
    torch.set_num_threads(1)
    for name in dict.fromkeys(name for name, _ in wanted):
        model = timm.create_model(name).eval()
        mean, std = (torch.tensor(model.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
        shown = {size: pixels_of(size) for other, size in wanted if other == name}
        inputs = {size: (torch.from_numpy(p).permute(0, 3, 1, 2) / 255 - mean) / std for size, p in shown.items()}
        randomize(model, next(iter(inputs.values())))
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        for size, pixels in shown.items():
            with torch.no_grad():
                scores = model(inputs[size]).softmax(dim=1).numpy()
            np.savez(folder / f"{name}_{size}.npz", pixels=pixels, scores=scores)


if __name__ == "__main__":
    pairs = sys.argv[2:]
    main(Path(sys.argv[1]), [(name, int(size)) for name, size in zip(pairs[::2], pairs[1::2], strict=True)])
