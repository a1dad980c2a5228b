"""The strategy of a training: one process, the GPUs of one machine, or processes on several machines.

`TensorFlow's tf.distribute <https://www.tensorflow.org/guide/distributed_training>`_ does the work. Only one process,
the chief, writes files.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import TrainingError
from zoo.training.distributed.cluster import Cluster
from zoo.training.distributed.reception import differences

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]


class Strategy:
    """The processes and devices of a training; what is not overridden is true of a single process."""

    distributed = False
    """Whether the model's variables are on several devices, so that steps run through `distribution`."""
    is_chief = True
    """Whether this process writes the run's folder."""
    replicas = 1
    """Number of replicas in all processes together."""
    first_replica = 0
    """Index of this process' first replica."""
    local_replicas = 1
    """Number of replicas in this process."""

    @property
    def distribution(self) -> Any:
        """The `tf.distribute.Strategy` that runs the steps."""
        import tensorflow as tf

        return tf.distribute.get_strategy()

    def scope(self) -> Any:
        """Returns the scope in which variables and optimizers are created and set."""
        return contextlib.nullcontext()

    def replicate(self, model: keras.Model) -> keras.Model:
        """Returns the model as this strategy trains it, with its variables on every device."""
        return model

    def broadcast(self, value: Any) -> Any:
        """Broadcasts the chief's JSON value to all workers; each worker must call it."""
        return value

    def broadcast_variables(self, variables: Sequence[Any]) -> None:
        """Broadcasts the chief's values of variables; each worker must call it, within the scope."""

    def require_equal(self, facts: dict[str, Any]) -> None:
        """Checks that facts are the same on all workers; each worker must call it.

        Raises:
            TrainingError: a worker has other facts.
        """

    def sum(self, array: Array) -> Array:
        """Returns the all-reduce sum of the workers' arrays, which have the same shape; float64 for integers."""
        return array

    def average(self, variables: Sequence[Any]) -> None:
        """Sets variables that each replica has changed separately to their mean over all replicas."""


class SingleDevice(Strategy):
    """One process with one device."""


class Mirrored(Strategy):
    """One process with all GPUs of the machine."""

    distributed = True

    def __init__(self, distribution: Any) -> None:
        self._distribution = distribution
        self.replicas: int = distribution.num_replicas_in_sync
        self.local_replicas: int = len(distribution.extended.worker_devices)

    @property
    def distribution(self) -> Any:
        """The `tf.distribute.Strategy` that runs the steps."""
        return self._distribution

    def scope(self) -> Any:
        """Returns the scope in which variables are created on every device."""
        return self.distribution.scope()

    def replicate(self, model: keras.Model) -> keras.Model:
        """Returns a copy of the model with its variables on every device."""
        import keras

        with self.scope():
            copy = keras.models.clone_model(model)
            copy.set_weights(model.get_weights())
        return copy

    def sum(self, array: Array) -> Array:
        """Returns the all-reduce sum of the workers' arrays, which have the same shape; float64 for integers."""
        import tensorflow as tf

        mine = tf.constant(array if array.dtype == np.float32 else array.astype(np.float64))

        def one(context: Any) -> Any:
            return mine if context.replica_id_in_sync_group % self.local_replicas == 0 else tf.zeros_like(mine)

        with self.scope():
            values = self.distribution.experimental_distribute_values_from_function(one)
            return np.asarray(self.distribution.reduce("SUM", values, axis=None))

    def average(self, variables: Sequence[Any]) -> None:
        """Sets variables that each replica has changed separately to their mean over all replicas."""
        import tensorflow as tf

        with self.scope():
            for variable in variables:
                each = self.distribution.experimental_local_results(variable.value)
                # In float64 the mean of equal float32 values is that value, for any number of replicas.
                total = self.sum(np.sum([np.asarray(tf.cast(value, tf.float64)) for value in each], axis=0))
                variable.assign((total / self.replicas).astype(variable.dtype))


class MultiWorker(Mirrored):
    """One of several processes, which exchange values by TensorFlow's collective operations.

    Each operation waits for all workers. If a worker is lost, TensorFlow's connections and heartbeats (10 s) end the
    wait.
    """

    def __init__(self, distribution: Any, cluster: Cluster) -> None:
        super().__init__(distribution)
        self.cluster = cluster
        self.is_chief = cluster.index == 0
        self.first_replica = cluster.index * self.local_replicas

    def broadcast(self, value: Any) -> Any:
        """Broadcasts by an all-reduce sum: the chief contributes the JSON bytes, all other workers contribute zeros."""
        text = json.dumps(value).encode() if self.is_chief else b""
        length = int(self.sum(np.array([len(text)]))[0])
        numbers = np.frombuffer(text, np.uint8) if self.is_chief else np.zeros(length, np.uint8)
        return json.loads(self.sum(numbers).astype(np.uint8).tobytes())

    def broadcast_variables(self, variables: Sequence[Any]) -> None:
        """Broadcasts by an all-reduce sum: the chief contributes its values, all other workers contribute zeros."""
        for variable in variables:
            array = np.asarray(variable)
            variable.assign(self.sum(array if self.is_chief else np.zeros_like(array)).astype(array.dtype))

    def require_equal(self, facts: dict[str, Any]) -> None:
        """Checks the facts; all workers end if one of them differs."""
        facts = json.loads(json.dumps(facts))
        problem = differences(self.broadcast(facts), facts)
        if self.sum(np.array([float(bool(problem))]))[0]:
            raise TrainingError(
                f"this worker has {problem}; all workers need the same data"
                if problem
                else "another worker has other data than the chief; its own message says which"
            )

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turns TensorFlow's error about a lost worker into a `TrainingError` of one line."""
        import tensorflow as tf

        try:
            yield
        except (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
            tf.errors.FailedPreconditionError,
            tf.errors.InternalError,
        ) as error:
            if not re.search("[Cc]ollective|Coordination|remote target|heartbeat|RecvBuf", str(error)):
                raise
            raise TrainingError(
                f"{self._lost(str(error))}; its own message says why. Continue from the last epoch with --resume, on "
                "all workers"
            ) from error

    def _lost(self, text: str) -> str:
        named = [int(number) for number in re.findall(r"/job:worker/(?:replica:0/)?task:(\d+)", text)]
        others = [n for n in named if n != self.cluster.index and n < len(self.cluster.addresses)]
        if others:
            return f"{self.cluster.name(others[0])} has ended or cannot be reached"
        return "another worker has ended or cannot be reached"
