"""Commands in processes of their own that need not import torch first: a process that has imported everything is forked for each.

`warm_programs()` is a folder with an `eventtag` and a `python`, to be put first on PATH or called by path. What they run has its own
process, folder, environment and standard streams, and exits with its own code; variables that libraries read while they are imported are
those of the tests. Tests that send signals, need a terminal, or look at what is imported start real programs.
"""

from __future__ import annotations

import atexit
import functools
import io
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

import pytest

CLIENT = Path(__file__).with_name("warm_client.py")


@functools.cache
def warm_programs() -> Path:
    """A folder with the programs `eventtag` and `python`, for this process of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = subprocess.Popen([sys.executable, __file__, str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    atexit.register(server.kill)
    assert server.stdout is not None
    if server.stdout.readline() != b"ready\n":
        pytest.exit("tests/warm.py could not start its process; what it said stands above")
    for name, module in (("eventtag", "-m eventtag "), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {CLIENT} {folder / "socket"} {module}"$@"\n')
        program.chmod(0o755)
    return folder


def serve(folder: Path) -> None:
    """Import what commands need, then fork for each request; ends with the process that started it."""
    import eventtag.api.evaluate
    import eventtag.api.train
    import eventtag.cli.hydra_task  # noqa: F401

    assert threading.active_count() == 1  # a fork has none of the other threads, but keeps the locks that they hold
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()
        print("ready", flush=True)  # noqa: T201
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that are forked
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listening.close()
                sys.executable = str(folder / "python")  # for the commands that a command starts
                answer(connection)
            connection.close()


def answer(connection: socket.socket) -> None:
    """Run what is asked for, send the exit code, and end this process."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    content = b""
    while len(content) < int.from_bytes(size, "big"):
        content += connection.recv(1 << 16)
    request = json.loads(content)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
    assert isinstance(sys.stderr, io.TextIOWrapper)
    sys.stderr.reconfigure(line_buffering=True, errors="backslashreplace")
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    code = 1
    try:
        run(request["arguments"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        connection.sendall((code & 0xFF).to_bytes(4, "big"))
        os._exit(code & 0xFF)


def run(arguments: list[str]) -> None:
    """What `python ARGUMENTS` would run."""
    if arguments[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[2:]], ""
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    elif arguments[0] == "-m":
        sys.argv, sys.path[0] = arguments[1:], ""
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # as the command sets it before it imports anything
    serve(Path(sys.argv[1]))
