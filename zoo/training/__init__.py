"""Training: from labelled files to a model worth deploying.

| module | what |
|---|---|
| `run`, `folder` | `train` and `resume`: what to call; the run's folder |
| `recipe` | every number that decides a training, and each model's own |
| `inputs` | data that fit the model |
| `stages` | what learns when: the head, then the last blocks |
| `loop` | the epochs; what is best is kept |
| `feeds`, `distributed` | an epoch, by Keras' `fit` on one device, or by its own steps on several |
| `team`, `rendezvous`, `shares` | several GPUs, several machines: who takes part, and which rows each takes |
| `keeping`, `state` | when the best model and the state are written; the file a training goes on from |
| `precision` | 16 bits while training, float32 in what is saved |
| `callbacks` | for plain `model.fit` too (imports Keras) |
| `results`, `card` | figures, pictures, and the model card |
"""

from zoo.training.recipe import Recipe, default_recipe
from zoo.training.run import TrainResult, resume, strategy_of, train
from zoo.training.watch import Watch

__all__ = ["Recipe", "TrainResult", "Watch", "default_recipe", "resume", "strategy_of", "train"]
