"""Begins a child process of `zoo.system.processes` where its modules are imported already: `begin_child.py ORDER`."""

import importlib
import json
import sys

order = json.loads(sys.argv.pop())
del order["path"]
importlib.import_module(order.pop("starter")).begin(**order)
