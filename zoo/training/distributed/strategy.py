"""The processes and devices of a training: one process, the GPUs of one machine, or processes on several machines.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.errors import OptionError, TrainingError
from zoo.training.distributed.cluster import Cluster, find_cluster
from zoo.training.distributed.reception import differences
from zoo.training.distributed.rendezvous import meet
from zoo.training.distributed.secret import find_secret

if TYPE_CHECKING:
    import keras

CONNECT = 120.0
"""Time limit, in seconds, for TensorFlow to connect the workers after all have arrived."""

OPEN = (
    "TensorFlow's own connections between the workers are neither encrypted nor guarded by the secret: a private "
    "network, a VPN or ssh tunnels have to keep strangers out"
)
"""The note on workers on several machines."""

STRATEGIES = ("one", "mirrored", "multiworker")

Array = npt.NDArray[Any]


class Team:
    """One process with one device."""

    chief = True
    """Whether this process writes the run's folder."""

    def scope(self) -> Any:
        """Returns the scope in which variables and optimizers are created and set."""
        return contextlib.nullcontext()

    def adopt(self, model: keras.Model) -> keras.Model:
        """Returns the model as this strategy trains it."""
        return model

    def share(self, value: Any) -> Any:
        """Broadcasts the chief's JSON value to all workers; each worker must call it."""
        return value

    def copy(self, variables: Sequence[Any]) -> None:
        """Broadcasts the chief's values of variables; each worker must call it, within the scope."""

    def check(self, facts: dict[str, Any]) -> None:
        """Checks that facts are the same on all workers; each worker must call it.

        Raises:
            TrainingError: a worker has other facts.
        """


class Mirrored(Team):
    """One process with all GPUs of the machine."""

    first = 0
    """Index of this process' first replica."""

    def __init__(self, strategy: Any) -> None:
        self.strategy = strategy
        self.replicas: int = strategy.num_replicas_in_sync
        """Number of replicas in all processes together."""
        self.local = len(strategy.extended.worker_devices)
        """Number of replicas in this process."""

    def scope(self) -> Any:
        """Returns the scope in which variables are created on every device."""
        return self.strategy.scope()

    def adopt(self, model: keras.Model) -> keras.Model:
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
            return mine if context.replica_id_in_sync_group % self.local == 0 else tf.zeros_like(mine)

        with self.scope():
            values = self.strategy.experimental_distribute_values_from_function(one)
            return np.asarray(self.strategy.reduce("SUM", values, axis=None))

    def average(self, variables: Sequence[Any]) -> None:
        """Sets variables that each replica has changed separately to their mean over all replicas."""
        import tensorflow as tf

        with self.scope():
            for variable in variables:
                each = self.strategy.experimental_local_results(variable.value)
                # In float64 the mean of equal float32 values is that value, for any number of replicas.
                total = self.sum(np.sum([np.asarray(tf.cast(value, tf.float64)) for value in each], axis=0))
                variable.assign((total / self.replicas).astype(variable.dtype))


class Workers(Mirrored):
    """One of several processes, which exchange values by TensorFlow's collective operations.

    Each operation waits for all workers. If a worker is lost, TensorFlow's connections and heartbeats (10 s) end the
    wait.
    """

    def __init__(self, strategy: Any, cluster: Cluster) -> None:
        super().__init__(strategy)
        self.cluster = cluster
        self.chief = cluster.index == 0
        self.first = cluster.index * self.local

    def share(self, value: Any) -> Any:
        """Broadcasts by an all-reduce sum: the chief contributes the JSON bytes, all other workers contribute zeros."""
        text = json.dumps(value).encode() if self.chief else b""
        length = int(self.sum(np.array([len(text)]))[0])
        numbers = np.frombuffer(text, np.uint8) if self.chief else np.zeros(length, np.uint8)
        return json.loads(self.sum(numbers).astype(np.uint8).tobytes())

    def copy(self, variables: Sequence[Any]) -> None:
        """Broadcasts by an all-reduce sum: the chief contributes its values, all other workers contribute zeros."""
        for variable in variables:
            array = np.asarray(variable)
            variable.assign(self.sum(array if self.chief else np.zeros_like(array)).astype(array.dtype))

    def check(self, facts: dict[str, Any]) -> None:
        """Checks the facts; all workers end if one of them differs."""
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
    secret_file: str | Path | None = None,
    facts: dict[str, Any],
    note: Callable[[str], None],
) -> Iterator[Team]:
    """Yields the team of a training; with several workers once all are there.

    Args:
        strategy: one of `STRATEGIES`.
        workers: `host:port` of each worker; by default from `TF_CONFIG`.
        index: the index of this worker.
        secret_file: a file with the secret that all workers share; see `zoo.training.distributed.secret`.
        facts: the facts that must be the same on all workers.
        note: is called with a text that names the missing workers.

    Raises:
        OptionError: a strategy that there is not, workers that cannot be, or no secret where one is needed.
        TrainingError: a worker did not come, differs, or is lost while the block runs.
    """
    if strategy not in STRATEGIES:
        raise OptionError(f"strategy={strategy!r} is not one of {', '.join(STRATEGIES)}")
    if strategy != "multiworker" and (workers is not None or index is not None):
        raise OptionError(f"workers and index are for strategy='multiworker', not for {strategy!r}")
    if strategy != "multiworker" and secret_file is not None:
        raise OptionError(f"a secret file is for strategy='multiworker', not for {strategy!r}")
    if strategy == "one":
        yield Team()
        return
    import tensorflow as tf

    if strategy == "mirrored":
        yield Mirrored(tf.distribute.MirroredStrategy())
        return
    cluster = find_cluster(workers, index)
    secret = find_secret(cluster, secret_file, note)
    if not cluster.local:
        note(OPEN)
    meet(cluster, facts, note, secret=secret)
    team = Workers(_connect(note), cluster)
    with team.translated():
        yield team


def _connect(note: Callable[[str], None]) -> Any:
    import tensorflow as tf

    # TensorFlow replaces the handler of SIGTERM, which would then no longer end the program.
    before = signal.getsignal(signal.SIGTERM)
    # If a worker is lost during this call, TensorFlow waits forever and holds the GIL, so that neither threads nor
    # signal handlers run. faulthandler then ends the process, with exit code 1.
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
