"""The cluster: the addresses of all workers, and which of them this process is."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.errors import OptionError
from zoo.text import count_of


@dataclass(frozen=True)
class Cluster:
    """The addresses of all workers, and the index of this one.

    Raises:
        OptionError: an address is not valid or given twice, there are fewer than two, or the index is none of theirs.
    """

    addresses: tuple[str, ...]
    """`host:port` of each worker; the first one is the chief, which writes the run's folder."""
    index: int
    """Index of this worker in `addresses`."""

    def __post_init__(self) -> None:
        for address in self.addresses:
            host, port = split(address)
            if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
                raise OptionError(f"worker {address!r} is not of the form host:port, as in 192.168.0.10:2222")
        if len(self.addresses) < 2:
            raise OptionError(
                f"workers={','.join(self.addresses)!r}: give two or more as host:port,host:port; strategy='one' trains "
                "alone"
            )
        if len(set(self.addresses)) < len(self.addresses):
            raise OptionError(f"workers={','.join(self.addresses)!r} names one of them twice")
        if not 0 <= self.index < len(self.addresses):
            raise OptionError(
                f"index={self.index} is none of the {count_of(len(self.addresses), 'worker')}; give 0 "
                f"to {len(self.addresses) - 1}"
            )

    def name(self, index: int) -> str:
        """Returns the name of a worker in messages."""
        return f"worker {index} ({self.addresses[index]})"

    @property
    def local(self) -> bool:
        """Whether the addresses say that all workers are processes of this machine."""
        return all(is_loopback(split(address)[0]) for address in self.addresses)

    @property
    def chief(self) -> tuple[str, int]:
        """Host and port of the first worker, where all workers meet."""
        host, port = split(self.addresses[0])
        return host, int(port)


def split(address: str) -> tuple[str, str]:
    """Splits `host:port` into host and port; the brackets around an IPv6 address are removed."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach a host by this name or address."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def find_cluster(workers: Sequence[str] | None, index: int | None) -> Cluster:
    """Returns the given workers, after setting `TF_CONFIG` for TensorFlow, or those of `TF_CONFIG` if none are given.

    Args:
        workers: `host:port` of each worker.
        index: the index of this worker, counted from 0.

    Raises:
        OptionError: the workers are given in neither way, or are not valid.
    """
    if workers is not None:
        if index is None:
            raise OptionError(
                f"index is missing: which of the {count_of(len(workers), 'worker')} is this one? 0 is the first"
            )
        cluster = Cluster(tuple(workers), index)
        os.environ["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": list(cluster.addresses)}, "task": {"type": "worker", "index": cluster.index}}
        )
        return cluster
    text = os.environ.get("TF_CONFIG", "")
    if not text or index is not None:
        raise OptionError(
            "strategy='multiworker' needs the workers' addresses: give --workers host:port,host:port and --index N, "
            "or set TF_CONFIG"
        )
    try:
        config = json.loads(text)
        jobs, task = config["cluster"], config["task"]
        addresses = [*jobs.get("chief", []), *jobs["worker"]]
        first = len(jobs.get("chief", [])) if task["type"] == "worker" else 0
        return Cluster(tuple(addresses), first + int(task["index"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise OptionError(
            f'TF_CONFIG={text[:300]!r} is not of the form {{"cluster": {{"worker": ["host:port", ...]}}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from error
