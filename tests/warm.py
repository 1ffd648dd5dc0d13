"""Commands in processes of their own that need not import torch first: a process that has imported everything is forked for each.

`warm_programs()` is a folder with an `eventtag` and a `python`, to be put first on PATH or called by path. What they run has its own
process, folder, environment and standard streams, and exits with its own code; variables that libraries read while they are imported are
those of the tests. Processes that `multiprocessing` spawns there are forked in the same way. `WarmPopen` is a `Popen` whose signals reach
the program itself. Tests that set limits of a process, or look at what is imported, start real programs.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import gc
import io
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import popen_spawn_posix, util
from pathlib import Path
from typing import Any

import pytest

CLIENT = Path(__file__).with_name("warm_client.py")
ROOM = "EVENTTAG_TESTS_WARM"
"""The variable with the folder of the programs."""
ALIVE = 0
"""Standard input of the process that forks: it ends when pytest does."""
FORGET = """
import functools, sys
from transformers import AutoConfig, AutoModelForTokenClassification
for known in (AutoConfig, AutoModelForTokenClassification):
    known.register = functools.partial(known.register, exist_ok=True)
for name in [name for name in sys.modules if name.partition(".")[0] == "eventtag"]:
    del sys.modules[name]
"""
"""How a program begins that imports eventtag itself, or not at all: of what was imported for it, it keeps only other libraries."""


def make_room() -> None:
    """Make the folder of the programs, for this process and those that it starts; what runs there ends when this process does."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.mkfifo(folder / "alive")
    os.open(folder / "alive", os.O_RDWR)  # stays open as long as this process lives
    os.environ[ROOM] = str(folder)


@functools.cache
def warm_programs() -> Path:
    """A folder with the programs `eventtag` and `python`; all processes of pytest share it, and the first to ask starts what runs there."""
    folder = Path(os.environ[ROOM])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "python").exists():
            start(folder)
    return folder


def start(folder: Path) -> None:
    with (folder / "alive").open("rb") as alive:
        server = subprocess.Popen([sys.executable, __file__, str(folder)], stdin=alive, stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server.stdout as said:
        ready = said.readline() == b"ready\n"
    if not ready:
        pytest.exit("tests/warm.py could not start its process; what it said stands above")
    for name, module in (("eventtag", "-m eventtag "), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {CLIENT} {folder / "socket"} {module}"$@"\n')
        program.chmod(0o755)


class WarmPopen(subprocess.Popen):  # type: ignore[type-arg]
    """A `Popen` of a program of `warm_programs()`; `program` is the id of the process that runs it, which gets the signals.

    When this one has ended, that one has. With `start_new_session`, `program` leads a session and a group, in which its workers are too:
    they are real programs then.
    """

    def __init__(self, command: Any, *, env: Any = None, **options: Any) -> None:
        reading, writing = os.pipe()
        try:
            tell = {"WARM_TELL_PID": str(writing)}
            super().__init__(command, env=(os.environ if env is None else env) | tell, pass_fds=(writing,), **options)
        finally:
            os.close(writing)
        with os.fdopen(reading, "rb") as told:
            self.program = int.from_bytes(told.read(4), "big")

    def send_signal(self, sig: int) -> None:
        """Send it to the program."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.program, sig)


def write_to_memory(descriptor: int) -> None:
    """`os.fsync` of the tests: a disk takes 10 ms, thousands of times, and what they write need not outlive the machine."""
    os.fstat(descriptor)


def serve(folder: Path) -> None:
    """Import what commands need, then fork for each request; ends when standard input does: when pytest has ended."""
    warm_up(folder)
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in others:  # those that loaded the weights are ending
        thread.join(60)
    assert threading.active_count() == 1, others  # a fork has none of the other threads, but keeps the locks that they hold
    gc.freeze()  # spares every fork a walk through all of it
    gc.enable()
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()
        print("ready", flush=True)  # noqa: T201
        while True:
            ready, _, _ = select.select([listening, woken, ALIVE], [], [])
            if ALIVE in ready:
                return
            if woken in ready:
                os.read(woken, 4096)
                tell_ended(running)
            if listening not in ready:
                continue
            connection, _ = listening.accept()
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs that a shell runs in the background ignore it
                for other in (listening, *running.values()):
                    other.close()
                os.close(woken)
                os.close(waking)
                sys.executable = str(folder / "python")  # for the commands that a command starts
                answer(connection, folder)
            running[pid] = connection
            with suppress(OSError):  # who asked has gone
                connection.sendall(pid.to_bytes(4, "big"))


def tell_ended(running: dict[int, socket.socket]) -> None:
    """Say to those who asked for processes that have ended how they did: an exit code, or minus a signal's number."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            break
        with running.pop(pid) as connection, suppress(OSError):
            connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def warm_up(folder: Path) -> None:
    """Import and cache what commands otherwise import and cache each for itself."""
    import seqeval.metrics  # noqa: F401
    from jinja2 import UndefinedError
    from transformers import AutoModelForTokenClassification

    import eventtag.api.evaluate
    import eventtag.api.predict
    import eventtag.api.train
    import eventtag.cli.commands.score
    import eventtag.cli.job_progress
    import eventtag.cli.main
    import eventtag.formats.registry
    import eventtag.reporting.console
    import eventtag.reporting.files  # noqa: F401
    from eventtag import read_articles
    from eventtag.cli.hydra_task import compose_training
    from eventtag.jobs.job import code_digest
    from eventtag.labels import LabelSet
    from eventtag.models.tiny import TINY_WIDTH, build_tiny_model, build_tiny_tokenizer
    from eventtag.reporting.page import render_template
    from eventtag.training.loop.precision import Arithmetic
    from eventtag.training.loop.speed import matmul_limit

    code_digest()
    compose_training(["data=corpus", "data.path=none", "model=tiny"])  # the parsers of Hydra and OmegaConf learn their grammars
    (folder / "a.jsonl").write_text('{"id": "a", "text": "Lima", "spans": []}\n')
    read_articles(folder / "a.jsonl")  # imports all formats, to see which it is
    with suppress(UndefinedError):  # the template is compiled before its values are asked for
        render_template("evaluation.html.j2")
    build_tiny_model(build_tiny_tokenizer(["Lima"]), LabelSet()).save_pretrained(folder / "model")
    AutoModelForTokenClassification.from_pretrained(folder / "model")
    matmul_limit(TINY_WIDTH, Arithmetic())  # which takes a fifth of a second


def answer(connection: socket.socket, folder: Path) -> None:
    """Run what is asked for, and end this process with its exit code."""
    size, received, _, _ = socket.recv_fds(connection, 8, 64)
    content = b""
    while len(content) < int.from_bytes(size, "big"):
        content += connection.recv(1 << 16)
    connection.close()
    request = json.loads(content)
    place(received, request["descriptors"])
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww"))  # noqa: SIM115
    assert isinstance(sys.stderr, io.TextIOWrapper)
    sys.stderr.reconfigure(line_buffering=True, errors="backslashreplace")
    if request["session"]:
        os.setsid()
    else:
        fork_spawned(lambda: folder / "socket")
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    added = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in sys.path[1:]]
    sys.path[1:1] = added
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
        os._exit(code & 0xFF)


def place(received: list[int], numbers: list[int]) -> None:
    """Give the descriptors that were received the numbers that they had."""
    above = max(*numbers, *received) + 1
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for descriptor in received]
    for descriptor in received:
        os.close(descriptor)
    for descriptor, number in zip(moved, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


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


def fork_spawned(server: Callable[[], Path]) -> None:
    """From here on, `multiprocessing` has the processes that it spawns forked by the process at `server()`, which says how they end."""
    spawn, poll = util.spawnv_passfds, popen_spawn_posix.Popen.poll
    asked: dict[int, socket.socket] = {}

    def forked(path: bytes, arguments: list[Any], descriptors: Any) -> int:
        if "--multiprocessing-fork" not in arguments:
            return spawn(path, arguments, descriptors)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(server()))
        passed = sorted({0, 1, 2, *map(int, descriptors)})
        request = json.dumps(
            {
                "arguments": arguments[arguments.index("-c") :],
                "folder": os.getcwd(),  # noqa: PTH109
                "environment": dict(os.environ),
                "descriptors": passed,
                "session": False,
            }
        ).encode()
        socket.send_fds(connection, [len(request).to_bytes(8, "big")], passed)
        connection.sendall(request)
        pid = int.from_bytes(connection.recv(4, socket.MSG_WAITALL), "big")
        asked[pid] = connection
        return pid

    def polled(self: popen_spawn_posix.Popen, flag: int = os.WNOHANG) -> int | None:
        if self.pid not in asked:
            return poll(self, flag)
        if self.returncode is None:
            ended, _, _ = select.select([asked[self.pid]], [], [], 0 if flag else None)
            if ended:
                self.returncode = int.from_bytes(asked[self.pid].recv(4, socket.MSG_WAITALL), "big", signed=True)
                asked[self.pid].close()
        return self.returncode

    util.spawnv_passfds, popen_spawn_posix.Popen.poll = forked, polled


if __name__ == "__main__":
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # as the command sets it before it imports anything
    os.fsync = write_to_memory
    gc.disable()  # while everything is imported, nothing of which is ever garbage
    serve(Path(sys.argv[1]))
