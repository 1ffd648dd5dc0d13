"""One process at a time works on a job, and none of its workers outlives it unseen."""

from __future__ import annotations

import fcntl
import os
import time
from multiprocessing import reduction
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from types import TracebackType
from typing import Any

from eventtag.errors import OutputError

PATIENCE = 30.0
"""Seconds that the workers of a killed process have for noticing that it is gone."""


class JobLock:
    """Holds a job's lock file for as long as the process that took it, or a worker that it was handed to, lives (flock).

    A worker receives it by being started with it as an argument. `instead` is what the error advises in place of waiting.
    """

    def __init__(self, path: Path, *, instead: str = "give another output=") -> None:
        self.path = path
        self.instead = instead
        self._descriptor: int | None = None

    def __enter__(self) -> JobLock:
        """Take the lock; raises OutputError when another process has it."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                owner = os.pread(self._descriptor, 32, 0).decode("ascii", errors="replace").strip()
                if _lives(owner) or time.monotonic() > ends:
                    os.close(self._descriptor)
                    self._descriptor = None
                    raise OutputError(
                        f"{self.path.parent}: process {owner or '?'} works on this job already; wait for it, or {self.instead}"
                    ) from None
                time.sleep(0.05)
            except OSError:
                break  # a file system without locks
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __reduce__(self) -> tuple[Any, ...]:
        """For a process that is being started: the open file travels with it, and with the file the lock."""
        if self._descriptor is None or get_spawning_popen() is None:
            return JobLock, (self.path,)
        return _inherit, (self.path, reduction.DupFd(self._descriptor))


def _inherit(path: Path, duplicate: Any) -> JobLock:
    lock = JobLock(path)
    lock._descriptor = duplicate.detach()
    return lock


def _lives(owner: str) -> bool:
    if not owner.isdigit() or int(owner) == os.getpid():
        return False
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
