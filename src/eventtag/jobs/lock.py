"""Locks: one process at a time works on a job or on one of its tasks, and the lock is held until its workers have ended too."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import time
from multiprocessing import reduction
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from types import TracebackType
from typing import Any

from eventtag.errors import OutputError

log = logging.getLogger(__name__)

PATIENCE = 30.0
"""Seconds in which the workers of a killed process must notice that it has ended."""


class BusyError(OutputError):
    """Another process has the lock."""


class JobLock:
    """Holds a lock file for as long as the process that took it, or a worker that it was handed to, lives (flock).

    A worker receives it by being started with it as an argument. `what` is locked, and `instead` is what the error advises in place of
    waiting. A `shared` lock may be held by many processes, but not beside one that is not shared, which it waits for. `patience`: seconds
    to wait where the owner is not known to live. `held` is False on a file system without locks, of which the log tells.
    """

    def __init__(
        self,
        path: Path,
        *,
        what: str = "this job",
        instead: str = "give another output=",
        shared: bool = False,
        patience: float | None = None,
    ) -> None:
        self.path = path
        self.held = False
        self._what = what
        self._instead = instead
        self._shared = shared
        self._patience = patience
        self._descriptor: int | None = None

    def __enter__(self) -> JobLock:
        """Take the lock; raises BusyError if another process has it."""
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self.held = self._wait(self._descriptor)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self, descriptor: int) -> bool:
        ends = time.monotonic() + (PATIENCE if self._patience is None else self._patience)
        told = False
        while True:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                process, _, host = os.pread(descriptor, 100, 0).decode("ascii", errors="replace").strip().partition(" ")
                owner = f"process {process or '?'}" + (f" on {host}" if host else "")
                if not self._shared and (_lives(process, host) or time.monotonic() >= ends):
                    raise BusyError(
                        f"{self.path.parent}: {owner} works on {self._what} already; wait for it, or {self._instead}"
                    ) from None
                if self._shared and not told:
                    log.info("%s: waiting for %s, which has %s for itself", self.path.parent, owner, self._what)
                    told = True
                time.sleep(0.05)
            except OSError as error:
                log.warning(
                    "%s: the file system has no locks (%s), so a second process that works on %s would not be noticed; start none",
                    self.path.parent, error.strerror, self._what,
                )  # fmt: skip
                return False

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


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock, not shared; False if the file system cannot tell."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _lives(process: str, host: str) -> bool:
    if not process.isdigit() or int(process) == os.getpid() or host not in ("", socket.gethostname()):
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
