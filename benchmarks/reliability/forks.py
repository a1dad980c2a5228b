"""What a fork does before it may crash: the crash is its parent's to report, and nobody else's to see."""

from __future__ import annotations

import faulthandler
import resource


def crash_quietly() -> None:
    """Lets a crash of this process write nothing: no stack of Python's to a stream of its parent, no core file.

    pytest has Python write the stacks of a crash to the terminal itself, behind all that captures output, and a fork
    inherits that. A command that a user starts does neither.
    """
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
