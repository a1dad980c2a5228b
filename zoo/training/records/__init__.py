"""The files of a run's folder: checkpoints, history, results, README and TensorBoard events."""
