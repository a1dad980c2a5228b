"""Has the process of `warm.py` run a command with the words, folder, variables and streams of this one.

    python -IS ask_warm.py SOCKET zoo|listen|PROGRAM.py WORDS...

It ends as the command does, by a signal too.
"""

import json
import os
import signal
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: server.sendall(bytes([number])))
    request = {"words": sys.argv[2:], "folder": os.getcwd(), "variables": dict(os.environ)}  # noqa: PTH109  # pathlib takes longer to import than the rest
    body = json.dumps(request).encode()
    socket.send_fds(server, [len(body).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(body)
    answer = server.recv(2)
code = int.from_bytes(answer, "big", signed=True) if answer else 1
if code < 0:
    if -code in {signal.SIGINT, signal.SIGTERM}:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
