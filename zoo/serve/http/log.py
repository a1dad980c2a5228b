"""Bounds the log: a visitor can cause only few lines, and none that control a terminal."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator

from zoo.text import shown

RECORDS = 20
"""The most records in a minute, so that a bug in every request does not fill the disk."""
LINE = 300
"""The most characters of a line of a message."""
LINES = 60
"""The most lines of a traceback; its last ones are kept, because they name the error."""
LOGGERS = ("uvicorn.error", "asyncio")
_FORMAT = logging.Formatter()


class Bounded(logging.Filter):
    """Passes a limited number of records in a minute, cut and escaped, and tells how many others were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._since = 0.0
        self._passed = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging."""
        now = time.monotonic()
        if now - self._since >= 60:
            self._since, self._passed = now, 0
        if self._passed >= RECORDS:
            self._left_out += 1
            return False
        self._passed += 1
        message = shown(_message(record), limit=LINE)
        if self._left_out:
            message += f" ({self._left_out:,} more were left out before)"
            self._left_out = 0
        record.msg, record.args = message, ()
        if record.exc_info:
            lines = _FORMAT.formatException(record.exc_info).splitlines()[-LINES:]
            record.exc_text = "\n".join(shown(line, limit=LINE) for line in lines)
            record.exc_info = None
        return True


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Bounds the log of a server during the block, and silences Pillow's remarks on unusual pictures."""
    limit = Bounded()
    loggers = [logging.getLogger(name) for name in LOGGERS]
    pillow = logging.getLogger("PIL")
    level = pillow.level
    pillow.setLevel(logging.CRITICAL)
    for logger in loggers:
        logger.addFilter(limit)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(limit)
        pillow.setLevel(level)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().strip()
    except (TypeError, ValueError):  # the arguments do not fit, which logging would report in many lines
        return str(record.msg)
