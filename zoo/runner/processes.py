"""Fresh Python processes that see the packages of this one, for what may crash or has to start from nothing."""

from __future__ import annotations

import json
import sys
from typing import Any

_CODE = """
import importlib, json, sys
order = json.loads(sys.argv[1])
sys.path[:] = order.pop("sys_path")
importlib.import_module(order.pop("module")).main(**order)
"""


def command(module: str, **order: Any) -> list[str]:
    """The command line of a process that calls a module's `main(**order)`; `order` has to fit into JSON."""
    # The same packages as here, whatever way they were found.
    return [sys.executable, "-c", _CODE, json.dumps({"sys_path": sys.path, "module": module, **order})]
