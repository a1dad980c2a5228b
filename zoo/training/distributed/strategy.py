"""Who takes part in a training: one process, the GPUs of one machine, or processes on several.

`TensorFlow's tf.distribute <https://www.tensorflow.org/guide/distributed_training>`_ does the work. What is written is
written by one process, the chief.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import OptionError, TrainingError
from zoo.training.distributed.rendezvous import Cluster, differences, find_cluster, meet

if TYPE_CHECKING:
    import keras

CONNECT = 120.0
"""Seconds that TensorFlow may take to connect workers that have met."""

STRATEGIES = ("one", "mirrored", "multiworker")

Array = npt.NDArray[Any]


class Team:
    """One process with one device."""

    chief = True
    """Whether this process writes the run's folder."""

    def scope(self) -> Any:
        """Where what learns is made and set: variables and optimizers."""
        return contextlib.nullcontext()

    def adopt(self, model: keras.Model) -> keras.Model:
        """The model as this team trains it."""
        return model

    def share(self, value: Any) -> Any:
        """What the chief gives, for JSON, on every worker; each has to call it."""
        return value

    def copy(self, variables: Sequence[Any]) -> None:
        """Sets variables to the chief's values; each worker has to call it, within the scope."""

    def check(self, facts: dict[str, Any]) -> None:
        """Compares what has to be the same on all workers; each has to call it.

        Raises:
            TrainingError: it is not.
        """


class Mirrored(Team):
    """One process with all GPUs of the machine."""

    first = 0
    """The number of this process' first replica."""

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy
        self.replicas: int = strategy.num_replicas_in_sync
        """How many devices train, in all processes together."""
        self.local = len(strategy.extended.worker_devices)
        """How many of them are this process'."""

    def scope(self) -> Any:
        """Variables made here are on every device."""
        return self.strategy.scope()

    def adopt(self, model: keras.Model) -> keras.Model:
        """A copy of the model whose variables are on every device."""
        import keras

        with self.scope():
            copy = keras.models.clone_model(model)
            copy.set_weights(model.get_weights())
        return copy

    def sum(self, array: Array) -> Array:
        """The sum of all workers' arrays, which have the same shape; of integers as float64."""
        import tensorflow as tf

        mine = tf.constant(array if array.dtype == np.float32 else array.astype(np.float64))

        def one(context: Any) -> Any:
            return mine if context.replica_id_in_sync_group % self.local == 0 else tf.zeros_like(mine)

        with self.scope():
            values = self.strategy.experimental_distribute_values_from_function(one)
            return np.asarray(self.strategy.reduce("SUM", values, axis=None))

    def average(self, variables: Sequence[Any]) -> None:
        """Sets variables that each replica changed by itself to their mean over all."""
        import tensorflow as tf

        with self.scope():
            for variable in variables:
                each = self.strategy.experimental_local_results(variable.value)
                # In float64 the mean of equal float32 values is that value, for any number of replicas.
                total = self.sum(np.sum([np.asarray(tf.cast(value, tf.float64)) for value in each], axis=0))
                variable.assign((total / self.replicas).astype(variable.dtype))


class Workers(Mirrored):
    """One of several processes; what they exchange goes through TensorFlow's collective operations.

    Those wait for all workers. When one is gone, TensorFlow's connections and heartbeats (10 s) end the wait.
    """

    def __init__(self, strategy: Any, cluster: Cluster) -> None:
        super().__init__(strategy)
        self.cluster = cluster
        self.chief = cluster.index == 0
        self.first = cluster.index * self.local

    def share(self, value: Any) -> Any:
        """As bytes; numbers are what can be added."""
        text = json.dumps(value).encode() if self.chief else b""
        length = int(self.sum(np.array([len(text)]))[0])
        numbers = np.frombuffer(text, np.uint8) if self.chief else np.zeros(length, np.uint8)
        return json.loads(self.sum(numbers).astype(np.uint8).tobytes())

    def copy(self, variables: Sequence[Any]) -> None:
        """The others add zeros."""
        for variable in variables:
            array = np.asarray(variable)
            variable.assign(self.sum(array if self.chief else np.zeros_like(array)).astype(array.dtype))

    def check(self, facts: dict[str, Any]) -> None:
        """All of them end when one differs."""
        facts = json.loads(json.dumps(facts))
        problem = differences(self.share(facts), facts)
        if self.sum(np.array([float(bool(problem))]))[0]:
            raise TrainingError(
                f"this worker has {problem}; all workers need the same data"
                if problem
                else "another worker has other data than the chief; its own message says which"
            )

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turns TensorFlow's error about a worker that is gone into a line."""
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
                f"{self._lost(str(error))}; what it said tells why. Go on from the last epoch: --resume, on all workers"
            ) from error

    def _lost(self, text: str) -> str:
        named = [int(number) for number in re.findall(r"/job:worker/(?:replica:0/)?task:(\d+)", text)]
        others = [n for n in named if n != self.cluster.index and n < len(self.cluster.addresses)]
        if others:
            return f"{self.cluster.name(others[0])} has ended or cannot be reached"
        return "another worker has ended or cannot be reached"


@contextlib.contextmanager
def gather(
    strategy: str,
    workers: Sequence[str] | None,
    index: int | None,
    *,
    facts: dict[str, Any],
    note: Callable[[str], None],
) -> Iterator[Team]:
    """Yields the team of a training; with several workers once all are there.

    Args:
        strategy: one of `STRATEGIES`.
        workers: `host:port` of each; of `TF_CONFIG` by default.
        index: which of them this one is.
        facts: what has to be the same on all workers.
        note: is told who is waited for.

    Raises:
        OptionError: a strategy that there is not, or workers that cannot be.
        TrainingError: a worker did not come, differs, or is lost while the block runs.
    """
    if strategy not in STRATEGIES:
        raise OptionError(f"strategy={strategy!r} is not one of {', '.join(STRATEGIES)}")
    if strategy != "multiworker" and (workers is not None or index is not None):
        raise OptionError(f"workers and index are for strategy='multiworker', not for {strategy!r}")
    if strategy == "one":
        yield Team()
        return
    import tensorflow as tf

    if strategy == "mirrored":
        yield Mirrored(tf.distribute.MirroredStrategy())
        return
    cluster = find_cluster(workers, index)
    meet(cluster, facts, note)
    team = Workers(_connect(note), cluster)
    with team.translated():
        yield team


def _connect(note: Callable[[str], None]) -> Any:
    import tensorflow as tf

    # TensorFlow takes SIGTERM for itself, and then nothing ends the program.
    before = signal.getsignal(signal.SIGTERM)
    # A worker that is lost just now would be waited for without end, and Python stands still meanwhile: neither a
    # thread nor a signal handler would run. This ends the process all the same, with code 1.
    note(f"all workers are there; connecting takes at most {CONNECT:.0f} s")
    faulthandler.dump_traceback_later(CONNECT, exit=True, file=2)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "startup" not in str(error):
            raise
        raise TrainingError(
            "several workers can be connected only before anything else is done with TensorFlow, and once; start a "
            "new process"
        ) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
        with contextlib.suppress(ValueError):  # only the main thread may
            signal.signal(signal.SIGTERM, before)
