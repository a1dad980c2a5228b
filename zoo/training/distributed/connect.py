"""Connects the workers of a training and makes the strategy."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import OptionError, TrainingError
from zoo.training.distributed.cluster import find_cluster
from zoo.training.distributed.rendezvous import meet
from zoo.training.distributed.secret import find_secret
from zoo.training.distributed.strategy import Mirrored, MultiWorker, SingleDevice, Strategy

CONNECT = 120.0
"""Time limit, in seconds, for TensorFlow to connect the workers after all have arrived."""

OPEN = (
    "TensorFlow's own connections between the workers are neither encrypted nor guarded by the secret: a private "
    "network, a VPN or ssh tunnels have to keep strangers out"
)
"""The note on workers on several machines."""

STRATEGIES = ("one", "mirrored", "multiworker")


@contextlib.contextmanager
def connect(
    strategy: str,
    workers: Sequence[str] | None,
    index: int | None,
    *,
    secret_file: str | Path | None = None,
    facts: dict[str, Any],
    note: Callable[[str], None],
) -> Iterator[Strategy]:
    """Yields the strategy of a training; with several workers once all of them have arrived.

    Args:
        strategy: one of `STRATEGIES`.
        workers: `host:port` of each worker; by default from `TF_CONFIG`.
        index: the index of this worker.
        secret_file: a file with the secret that all workers share; see `zoo.training.distributed.secret`.
        facts: the facts that must be the same on all workers.
        note: is called with a text that names the missing workers.

    Raises:
        OptionError: there is no such strategy, the workers are not valid, or a secret is needed and missing.
        TrainingError: a worker did not arrive, differs, or is lost while the block runs.
    """
    if strategy not in STRATEGIES:
        raise OptionError(f"strategy={strategy!r} is not one of {', '.join(STRATEGIES)}")
    if strategy != "multiworker" and (workers is not None or index is not None):
        raise OptionError(f"workers and index are for strategy='multiworker', not for {strategy!r}")
    if strategy != "multiworker" and secret_file is not None:
        raise OptionError(f"a secret file is for strategy='multiworker', not for {strategy!r}")
    if strategy == "one":
        yield SingleDevice()
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
    connected = MultiWorker(_connect_tensorflow(note), cluster)
    with connected.translated():
        yield connected


def _connect_tensorflow(note: Callable[[str], None]) -> Any:
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
        with contextlib.suppress(ValueError):  # only the main thread may set it
            signal.signal(signal.SIGTERM, before)
