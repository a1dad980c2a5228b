"""The recipes that the detectors share, for their specs; see `zoo.training.Recipe` for the fields.

What counts is the number of steps: 1,000 with pretrained weights, in batches of 16, however few pictures there are.
Of a pretrained detector first the new head alone learns, for 30% of the steps, then all layers, those before the head
at 0.3 of its rate. A rate below 1e-3 for the head costs most in short trainings, a higher one destroys pretrained
layers.
"""

from __future__ import annotations

from typing import Any

RECIPE: dict[str, Any] = {
    "epochs": 40, "min_steps": 2000, "batch_size": 16, "learning_rate": 1e-3, "warmup_epochs": 2, "patience": 20,
    "augment": "standard", "resize": "stretch",
}  # fmt: skip
TRANSFER_RECIPE: dict[str, Any] = {
    "head_epochs": 6, "epochs": 14, "min_steps": 700, "batch_size": 16, "head_learning_rate": 1e-3,
    "learning_rate": 1e-3, "body_rate": 0.3, "patience": 10, "augment": "standard", "resize": "stretch",
}  # fmt: skip
