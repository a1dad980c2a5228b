"""A process that has imported TensorFlow and the package once, and becomes a command for each client.

    python -I warm.py SOCKET

It listens at SOCKET, prints `ready` and its number when it is ready, and ends when its standard input does. A client
(`ask_warm.py`) sends its words, folder, variables and standard streams: `zoo` with its options, a program's file with
its own, or `listen` with another SOCKET. The command runs in a fork of this process, which has run no operation of
TensorFlow: its threads, which a fork would not have, have not begun. A fork that is to listen does what this process
does, so that each process of tests has one whose children's time is that of its own tests, and only one imports all.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys

from zoo.system.quiet import quiet, quiet_tensorflow

PACKAGES = ("zoo.choose", "zoo.compress", "zoo.export", "zoo.summary", "zoo.training", "zoo.weights")
"""What commands that need TensorFlow import, with all their modules. The commands' own are not among them: they make
their options of the registry, which a command's `--models` may add to."""


def main(path: str) -> None:
    """Serves clients; returns in a process that is to be a command."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", os.getpid(), flush=True)  # noqa: T201
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            client, _ = listener.accept()
            with client:
                if os.fork() == 0:
                    listener.close()
                    _answer(client)
                    return
            while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG):
                pass  # a child that has answered
    os._exit(0)


def _answer(client: socket.socket) -> None:
    """Forks the command; returns there, and ends this process after it with the client told how it ended."""
    head, streams, _, _ = socket.recv_fds(client, 4, 3)
    request = json.loads(client.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
    command = os.fork()
    if command == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        # Python's own streams go by what kind of file theirs was at the start.
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["variables"])
        quiet_tensorflow()
        sys.argv = request["words"]
        return
    ended = os.pidfd_open(command)
    while ended not in select.select([client.fileno(), ended], [], [])[0]:
        # A signal that the client was sent; nothing where the client is gone.
        os.kill(command, (client.recv(1) or bytes([signal.SIGKILL]))[0])
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        client.sendall(code.to_bytes(2, "big", signed=True))
    os._exit(0)


def import_all() -> None:
    """Imports all that commands need, and starts no threads, which a fork would not have."""
    for name in ("tensorflow", "keras", "matplotlib.pyplot", "zoo.cli.main"):
        importlib.import_module(name)
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def _become_the_command() -> None:
    """Runs the command and ends without taking all those modules down, which would take longer than most commands."""
    code = 1
    try:
        if sys.argv[0] == "zoo":
            importlib.import_module("zoo.__main__").main()
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # as Python's own end of a program
        sys.excepthook(*sys.exc_info())
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    quiet_tensorflow()
    with quiet():
        import_all()
    gc.freeze()
    main(sys.argv[1])
    while sys.argv[0] == "listen":
        main(sys.argv[1])
    _become_the_command()
