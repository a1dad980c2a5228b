"""Prepares a fork that may crash, so that only its parent reports the crash."""

from __future__ import annotations

import faulthandler
import resource


def crash_quietly() -> None:
    """Makes a crash of this process silent: no Python stack in a stream of its parent, and no core file.

    pytest makes Python write the stacks of a crash directly to the terminal, past all capturing of output, and a fork
    inherits that. A command that a user starts does not do this.
    """
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
