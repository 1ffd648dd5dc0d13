"""A time limit for each article, by the process's alarm (setitimer).

Where a worker may die, the kernel ends it (SIGALRM), whatever code it is in, and the process that hands out shards reads from its
marks which articles it was at. In a process that must go on, the alarm raises OutOfTime, which code in C notices only when it returns. An
actor of Ray does so too, and ends after twice the time, whatever code it is in (by faulthandler's thread, which needs no turn of Python's).
"""

from __future__ import annotations

import faulthandler
import os
import signal
import struct
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import reduction
from typing import Any

from eventtag.article import Article

ARTICLE_SECONDS = 600.0
"""More than the longest book needs on a slow processor."""


class OutOfTime(BaseException):
    """An article has taken longer than it may."""


class Marks:
    """Where a clock is, for another process to read, also when this one has been killed. It travels to a process that is being started.

    Two numbers: the position of the first article that is taken and not given back, and of the last that is taken.
    """

    _LAYOUT = struct.Struct("qq")

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            with tempfile.TemporaryFile() as file:
                descriptor = os.memfd_create("marks") if hasattr(os, "memfd_create") else os.dup(file.fileno())
            os.pwrite(descriptor, self._LAYOUT.pack(0, 0), 0)
        self._descriptor = descriptor

    def read(self) -> tuple[int, int]:
        """The two numbers."""
        first, last = self._LAYOUT.unpack(os.pread(self._descriptor, self._LAYOUT.size, 0))
        return first, last

    def write(self, first: int, last: int) -> None:
        """Change them."""
        os.pwrite(self._descriptor, self._LAYOUT.pack(first, last), 0)

    def close(self) -> None:
        """Give the memory back."""
        os.close(self._descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        return _inherit_marks, (reduction.DupFd(self._descriptor),)


def _inherit_marks(duplicate: Any) -> Marks:
    return Marks(duplicate.detach())


class ArticleClock:
    """Starts anew with every article that a tagger takes or gives back, so that what takes too long is one article, or few together.

    With `shared`, its marks, the alarm ends the process, else it raises OutOfTime. There is no such limit outside of the main thread, or
    while somebody else has set the alarm. With `ends`, the process ends with exit code 1 after twice the time, in any thread.
    """

    def __init__(self, seconds: float, *, shared: Marks | None = None, ends: bool = False) -> None:
        self.seconds = seconds
        self.marks = (0, 0)
        self._shared = shared
        self._report = os.open(os.devnull, os.O_WRONLY) if ends else None
        self._running = False
        self._before: Any = None

    @property
    def reason(self) -> str:
        """Why an article is given up."""
        return late_reason(self.seconds)

    def watch(self, positions: Sequence[int], articles: Iterable[Article]) -> Iterator[Article]:
        """The articles, with their positions in their shard (rising) marked as they are taken."""
        for position, article in zip(positions, articles, strict=True):
            self._restart(self.marks[0], position)
            yield article

    def start(self, position: int) -> None:
        """Begin, before the article at `position` is taken."""
        if threading.current_thread() is threading.main_thread() and not signal.getitimer(signal.ITIMER_REAL)[0]:
            self._before = signal.signal(signal.SIGALRM, signal.SIG_DFL if self._shared else self._ring)
            self._running = True
        self._restart(position, position)

    def given_back(self, position: int) -> None:
        """The article at this position is tagged."""
        self._restart(position + 1, self.marks[1])

    def stop(self) -> None:
        """No article is at work."""
        if self._report is not None:
            faulthandler.cancel_dump_traceback_later()
        if self._running:
            self._running = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before or signal.SIG_DFL)

    def _restart(self, first: int, last: int) -> None:
        self.marks = first, last
        if self._shared is not None:
            self._shared.write(first, last)
        if self._running:
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        if self._report is not None:
            faulthandler.dump_traceback_later(2 * self.seconds, exit=True, file=self._report)

    def _ring(self, *_: object) -> None:
        if self._running:
            raise OutOfTime


def late_reason(seconds: float) -> str:
    """Why an article is given up that took longer."""
    return f"took longer than {seconds:g} seconds; article_seconds= allows more"


def late_positions(positions: Sequence[int], marks: Sequence[int]) -> list[int]:
    """Those of the `positions` being tagged that can be the late ones, according to the marks."""
    return [position for position in positions if marks[0] <= position <= marks[1]] or list(positions)
