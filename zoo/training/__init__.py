"""Training: from labelled files to a model worth deploying.

| module | what |
|---|---|
| `run`, `folder` | `train` and `resume`: what to call; the run's folder |
| `recipe` | every number that decides a training, and each model's own |
| `inputs` | data that fit the model |
| `stages` | what learns when: the head, then the last blocks |
| `loop` | the epochs; what is best is kept |
| `feeds` | an epoch, by Keras' `fit` on one device |
| `distributed` | several GPUs or machines: who takes part, which rows each takes, an epoch by its own steps |
| `checkpoint`, `state` | when the best model and the state are written; the file a training goes on from |
| `precision` | 16 bits while training, float32 in what is saved |
| `callbacks` | for plain `model.fit` too (imports Keras) |
| `watch`, `history` | who is told how it goes; the rows of the epochs |
| `results`, `readme` | figures, pictures, and the model card |
"""

from zoo.training.recipe import Recipe, default_recipe
from zoo.training.run import TrainResult, resume, strategy_of, train
from zoo.training.watch import Watch

__all__ = ["Recipe", "TrainResult", "Watch", "default_recipe", "resume", "strategy_of", "train"]
