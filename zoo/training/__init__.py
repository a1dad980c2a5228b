"""Training: from labelled files to a model worth deploying.

| module | what |
|---|---|
| `run`, `continued`, `setup` | `train` and `train_from`, and `resume`, which each prepare a frozen set-up |
| `start` | what a training begins with: the model, its weights, and what is said of them |
| `loop` | `fit` trains a set-up: stages, epochs, the best model, the result |
| `tasks` | what is learned: targets, loss, metrics, head and report, one module for each task |
| `stages`, `optimizer` | what learns when and how fast: the head, then the last blocks |
| `feeds` | an epoch: by Keras' `fit`, on cached features, or on several devices |
| `distributed` | strategies for several GPUs or machines, the rendezvous of workers, the sharding of batches |
| `recipe`, `inputs` | every number that decides a training, and each model's own; the shape and the facts of the data |
| `folder`, `checkpoint`, `checkpointer` | the run's folder; the file that a training continues from |
| `pruned`, `quantized` | a training after a pruning; a training for int8 |
| `unread` | what a user gave that a training does not read |
| `teacher` | a trained model whose answers are learned, too |
| `precision` | 16 bits while training, float32 in what is saved |
| `callbacks` | Keras callbacks, for plain `model.fit` too (imports Keras) |
| `watch`, `history`, `events` | who receives the progress; the rows of the epochs, as CSV and for TensorBoard |
| `results`, `readme` | the evaluation of the best model, plots, and the model card |
"""

from zoo.training.continued import resume
from zoo.training.quantized import train_quantized
from zoo.training.recipe import Recipe, default_recipe
from zoo.training.records.folder import strategy_of
from zoo.training.records.results import TrainResult
from zoo.training.run import train, train_from
from zoo.training.watch import Watch

__all__ = [
    "Recipe",
    "TrainResult",
    "Watch",
    "default_recipe",
    "resume",
    "strategy_of",
    "train",
    "train_from",
    "train_quantized",
]
