"""Gives tests and their processes the same environment on every machine and for every user.

`settle` is called once, before any test is collected. A test of one of these settings changes it itself.
"""

from __future__ import annotations

import codecs
import contextlib
import locale
import os
import resource
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

OURS = {
    "EDGEZOO_BASE_PYTHON",
    "EDGEZOO_CASES",
    "EDGEZOO_CHROMIUM",
    "EDGEZOO_DIST",
    "EDGEZOO_MEDIAPIPE_PYTHON",
    "EDGEZOO_SCREENSHOTS",
    "EDGEZOO_TFLITE_RUNTIME_PYTHON",
}
"""The variables that are meant for the tests."""

DROPPED = (
    # Variables that our commands, Keras and TensorFlow read.
    *("EDGEZOO_", "KERAS_", "TF_", "XLA_", "CUDA_VISIBLE_DEVICES", "XDG_CACHE_HOME"),
    # Variables for the width, colours and language of output.
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "PY_COLORS", "TTY_", "LANG", "LC_"),
    # For example, PYTHONUNBUFFERED would hide a missing flush, and PYTHONWARNINGS a warning.
    "PYTHON",
    # The variables of a commit hook name the repository that git uses.
    "GIT_",
)
"""Matches the beginnings of names of variables that change what commands do, and that a user or CI may have set."""

KEPT = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"} | OURS

FIXED = {
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
    # Nobody listens there: `--weights auto` finds nothing, at once, and no test waits for a network.
    "EDGEZOO_WEIGHTS_URL": "http://127.0.0.1:9",
    # A test assumes neither that there is a GPU nor that there is none.
    "CUDA_VISIBLE_DEVICES": "-1",
    # A process of tests keeps one core busy: threads of small nets mostly wait for each other.
    **dict.fromkeys(
        ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    ),
    # The checkout may belong to another user than the one who runs the tests.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": str(ROOT),
}

LOCAL = ("localhost", "127.0.0.1", "::1")
"""The hosts for which no proxy is used: the tests' own servers."""


def environment(given: dict[str, str], own: str) -> dict[str, str]:
    """Returns the variables that tests see, from those that were given; `own` is a folder of the tests.

    Proxies stay, because building a wheel may need one. A home that is missing or not writable is replaced, and the
    package's cache, where it lists the files that were made or tried on this machine, is a folder of the tests.
    """
    kept = {name: value for name, value in given.items() if name in KEPT or not name.startswith(DROPPED)}
    if not os.access(given.get("HOME", ""), os.W_OK | os.X_OK):
        kept["HOME"] = own
    exceptions = ",".join(filter(None, [given.get("no_proxy") or given.get("NO_PROXY"), *LOCAL]))
    # Keras reads settings in its home, which may choose another backend.
    folders = {"KERAS_HOME": f"{own}/keras", "XDG_CACHE_HOME": f"{own}/cache"}
    return {**kept, **FIXED, **folders, "no_proxy": exceptions, "NO_PROXY": exceptions}


def link_others(given: Path, own: Path) -> None:
    """Makes what other programs keep in the user's cache, such as lists of fonts, visible in that of the tests."""
    own.mkdir()
    with contextlib.suppress(OSError):  # there is no such folder, or it may not be read
        for entry in given.iterdir():
            if entry.name != "edgezoo":
                (own / entry.name).symlink_to(entry)


def settle(own: str) -> None:
    """Gives this process and its children known variables, signals, permissions of new files, and limits.

    Args:
        own: an empty folder that exists until the end.

    Raises:
        pytest.UsageError: this Python was started in a locale that is not UTF-8, which cannot be changed later.
    """
    encoding = locale.getpreferredencoding(False)
    if codecs.lookup(encoding).name != "utf-8":
        raise pytest.UsageError(f"the locale's encoding is {encoding}, the tests' files are UTF-8: LC_ALL=C.UTF-8")
    given = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/")) / ".cache")
    link_others(given, Path(own) / "cache")
    known = environment(dict(os.environ), own)
    os.environ.clear()
    os.environ.update(known)
    os.umask(0o022)
    # Some tests crash a process on purpose.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            # The suite runs in the background of a script, and keeps ignoring the signal by a handler: children
            # inherit an ignored signal, but no handler.
            signal.signal(number, _ignore)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # otherwise every child would seem to end well


def _ignore(*_: object) -> None:
    pass
