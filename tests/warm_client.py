"""Has a warm process (warm.py) run what `python ARGUMENTS` would: `warm_client.py SOCKET ARGUMENTS`.

Signals to end are passed on to the program, and this process ends as the program does: with its exit code, or by its signal.
"""

import json
import os
import signal
import socket
import sys

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
    server.connect(sys.argv[1])
    tell = os.environ.pop("WARM_TELL_PID", None)
    request = json.dumps(
        {
            "arguments": sys.argv[2:],
            "folder": os.getcwd(),  # noqa: PTH109
            "environment": dict(os.environ),
            "descriptors": [0, 1, 2],
            "session": os.getsid(0) == os.getpid(),
            "warm_workers": True,
        }
    ).encode()
    socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(request)
    pid = int.from_bytes(server.recv(4, socket.MSG_WAITALL), "big")
    for number in FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: os.kill(pid, number))
    if tell is not None:
        os.write(int(tell), pid.to_bytes(4, "big"))
        os.close(int(tell))
    answer = server.recv(4, socket.MSG_WAITALL)
code = int.from_bytes(answer, "big", signed=True) if answer else 70
if code < 0:
    if -code != signal.SIGKILL:  # nobody may handle that one
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
