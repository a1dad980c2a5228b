"""Keeps the log messages of native libraries off the user's terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import IO


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Captures all output of the process to its standard output and error, including that of C++ code.

    Inside of the block, the value returns the last 4000 bytes of what was captured so far.

    If the block fails, the captured text is attached to the exception as a note (Python 3.11 and later),
    so that a crash report still has it.
    """
    sys.stdout.flush()
    sys.stderr.flush()

    def captured() -> str:
        sys.stdout.flush()
        sys.stderr.flush()
        size = os.fstat(log.fileno()).st_size
        return os.pread(log.fileno(), 4000, max(0, size - 4000)).decode(errors="replace")

    with _log() as log:
        saved = [(fd, os.dup(fd)) for fd in (1, 2)]
        try:
            for fd, _ in saved:
                os.dup2(log.fileno(), fd)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield captured
        except Exception as error:
            sys.stdout.flush()
            sys.stderr.flush()
            log.seek(0)
            if hasattr(error, "add_note"):
                error.add_note(log.read()[-4000:].decode(errors="replace"))
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for fd, copy in saved:
                os.dup2(copy, fd)
                os.close(copy)


def _log() -> IO[bytes]:
    # The output is short enough for memory, which is also there where no folder can be written.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.fdopen(os.memfd_create("zoo-log"), "w+b")
    import tempfile  # only where it is needed: it takes milliseconds of every start

    return tempfile.TemporaryFile()


def quiet_tensorflow() -> None:
    """Makes TensorFlow log only errors; this must be called before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def quiet_onnxruntime() -> None:
    """Makes ONNX Runtime report nothing to its maker; this must be called before ONNX Runtime is imported.

    Otherwise version 1.32 writes a number for this machine into the user's cache, with a file of what is to be
    reported, and another file beside the temporary ones.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
