"""Has a warm process (warm.py) run what `python ARGUMENTS` would: `warm_client.py SOCKET ARGUMENTS`."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
    server.connect(sys.argv[1])
    request = json.dumps({"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}).encode()  # noqa: PTH109
    socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(request)
    answer = server.recv(4)
sys.exit(int.from_bytes(answer, "big") if answer else 70)  # no answer: the process was killed
