"""What tests and the processes that they start see of the machine and its user: the same everywhere.

`settle` is called once, before anything is collected. A test that is about one of these things sets it itself.
"""

from __future__ import annotations

import codecs
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
    "EDGEZOO_SCREENSHOTS",
    "EDGEZOO_TFLITE_RUNTIME_PYTHON",
}
"""Variables that are meant for the tests."""

DROPPED = (
    # What commands of ours, Keras and TensorFlow read.
    *("EDGEZOO_", "KERAS_", "TF_", "XLA_", "CUDA_VISIBLE_DEVICES", "XDG_CACHE_HOME"),
    # How wide and colourful output is, and in which language.
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "PY_COLORS", "TTY_", "LANG", "LC_"),
    # PYTHONUNBUFFERED, for one, would hide that something is not flushed; PYTHONWARNINGS that a warning is shown.
    "PYTHON",
    # A commit hook's say which repository git is to look at.
    "GIT_",
)
"""How the names of variables begin that change what commands do, and that a user or CI may have set."""

KEPT = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"} | OURS

FIXED = {
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
    # Nobody listens there: `--weights auto` finds nothing, at once, and no test waits for a network.
    "EDGEZOO_WEIGHTS_URL": "http://127.0.0.1:9",
    # A test takes no GPU for granted, and none for absent.
    "CUDA_VISIBLE_DEVICES": "-1",
    # The checkout may belong to another user than the one who tests it.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": str(ROOT),
}

LOCAL = ("localhost", "127.0.0.1", "::1")
"""What no proxy is asked for: the tests' own servers."""


def environment(given: dict[str, str], own: str) -> dict[str, str]:
    """The variables that tests see, of those that were given; `own` is a folder of the tests.

    Proxies stay: building a wheel may need one. A home that is not there or not to be written to is replaced.
    """
    kept = {name: value for name, value in given.items() if name in KEPT or not name.startswith(DROPPED)}
    if not os.access(given.get("HOME", ""), os.W_OK | os.X_OK):
        kept["HOME"] = own
    exceptions = ",".join(filter(None, [given.get("no_proxy") or given.get("NO_PROXY"), *LOCAL]))
    # Keras reads a file of settings there, such as another backend.
    return {**kept, **FIXED, "KERAS_HOME": f"{own}/keras", "no_proxy": exceptions, "NO_PROXY": exceptions}


def settle(own: str) -> None:
    """Gives this process, and so all that it starts, known variables, signals, rights of new files, and limits.

    Args:
        own: an empty folder, there to the end.

    Raises:
        pytest.UsageError: this Python began in a locale that is not UTF-8, which cannot be mended from within.
    """
    encoding = locale.getpreferredencoding(False)
    if codecs.lookup(encoding).name != "utf-8":
        raise pytest.UsageError(f"the locale's encoding is {encoding}, the tests' files are UTF-8: LC_ALL=C.UTF-8")
    known = environment(dict(os.environ), own)
    os.environ.clear()
    os.environ.update(known)
    os.umask(0o022)
    # Some tests crash a process on purpose.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            # The suite runs in the background of a script and goes on ignoring it. What is handled, by whatever
            # function, is not handed down; what is ignored would be.
            signal.signal(number, _ignore)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else every child seems to end well


def _ignore(*_: object) -> None:
    pass
