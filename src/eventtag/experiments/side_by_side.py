"""Processes that train side by side, each with its share of the threads.

They end when the process that started them does, however it ends, and hold its lock until then. Otherwise they would write into the
folders of the process that continues the work.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import torch

from eventtag.errors import TrainingError
from eventtag.jobs.lock import JobLock


class CandidateWorkers:
    """`count` processes for calls of `work`; with one, calls are made in this process."""

    def __init__(self, count: int, work: Callable[[Any], int], *, lock: JobLock) -> None:
        self.count = count
        self.work = work
        self.done: list[int] = []
        self.running: set[Future[int]] = set()
        self.pool: ProcessPoolExecutor | None = None
        if count > 1:
            context = multiprocessing.get_context("spawn")
            reader, self.lifeline = context.Pipe(duplex=False)
            threads = max(1, torch.get_num_threads() // count)
            self.pool = ProcessPoolExecutor(count, mp_context=context, initializer=_prepare, initargs=(reader, lock, threads))

    def __enter__(self) -> CandidateWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.pool is not None:
            if error is not None:
                self.lifeline.close()  # ends calls that are being worked on
            self.pool.shutdown(wait=True, cancel_futures=True)
            self.lifeline.close()

    @property
    def busy(self) -> bool:
        """Whether there is a call whose result was not taken."""
        return bool(self.done or self.running)

    @property
    def full(self) -> bool:
        """Whether a result must be taken before another call can begin."""
        return len(self.done) + len(self.running) >= self.count

    def start(self, task: Any) -> None:
        """Begin a call; in this process, make it."""
        if self.pool is None:
            self.done.append(self.work(task))
        else:
            self.running.add(self.pool.submit(self.work, task))

    def next_done(self) -> int:
        """Wait for a call to end and return its result or raise its error; raises TrainingError if its process was killed."""
        if not self.done:
            ended, self.running = wait(self.running, return_when=FIRST_COMPLETED)
            try:
                self.done += sorted(future.result() for future in ended)
            except BrokenProcessPool as error:
                raise TrainingError(
                    "a worker process was killed, perhaps because memory was short; the same command continues, also with fewer workers"
                ) from error
        return self.done.pop(0)


def _prepare(lifeline: Connection, lock: JobLock, threads: int) -> None:
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, args=(lifeline, lock), daemon=True).start()


def _end_with_parent(lifeline: Connection, _lock: JobLock) -> None:
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os._exit(1)
