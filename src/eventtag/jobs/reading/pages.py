"""The main text of HTML pages, extracted by trafilatura in a separate process.

Some pages take hours (80,000 attributes, nesting without end) in code that nothing but the end of its process stops. So each page has
a time limit, at which the kernel ends that process (SIGALRM); the next page gets another.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from eventtag.errors import DataError

PAGE_SECONDS = 30.0
"""A hundred times what a long newspaper page needs."""
_HEAD = struct.Struct("<dQ")
"""Seconds, and bytes of the page that follows; of an answer, 1 or 0 for an error, and its bytes."""


class _Extractor:
    """The process that extracts, started with the first page."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def extract(self, page: str, seconds: float) -> str:
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            data = page.encode("utf-8", "surrogatepass")
            try:
                process.stdin.write(_HEAD.pack(seconds, len(data)) + data)
                process.stdin.flush()
                head = process.stdout.read(_HEAD.size)
                good, size = _HEAD.unpack(head)
                answer = process.stdout.read(size).decode("utf-8", "surrogatepass")
            except (BrokenPipeError, struct.error) as error:
                raise DataError(self._cause(seconds)) from error
            except BaseException:
                self.close()  # its answer would be taken for that of the next page
                raise
        if not good:
            raise DataError(answer)
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self.close()
            program = f"import sys; sys.path[:] = {sys.path!r}; from eventtag.jobs.reading.pages import serve; serve()"
            self._process = subprocess.Popen(  # noqa: S603 - the program is our own
                [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._owner = os.getpid()
        return self._process

    def _cause(self, seconds: float) -> str:
        assert self._process is not None
        code = self._process.wait()
        if code == -signal.SIGALRM:
            return (
                f"reading the page took longer than {seconds:g} seconds; give `eventtag predict` a larger page_seconds=, or save its "
                "text as .txt"
            )
        return f"the process that read the page died (exit code {code}); save its text as .txt"

    def close(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None and not pipe.closed:
                    with suppress(BrokenPipeError):
                        pipe.close()
        self._process = None


_EXTRACTOR = _Extractor()
atexit.register(_EXTRACTOR.close)


def extract_page(page: str, *, seconds: float = PAGE_SECONDS) -> dict[str, Any]:
    """What trafilatura finds in a page: `text` and, where the page has them, `title`, `author`, `date`, `source` and others.

    Raises DataError if there is no main text, the page takes longer than `seconds`, or the extraction fails.
    """
    found: dict[str, Any] | None = json.loads(_EXTRACTOR.extract(page, seconds) or "null")
    if not found:
        raise DataError("no main text was found in this page; save its text as .txt")
    return found


def serve() -> None:
    """Answer pages from standard input until it ends; the process ends itself when one takes too long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that asks decides
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    import trafilatura

    source, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while head := source.read(_HEAD.size):
        seconds, size = _HEAD.unpack(head)
        page = source.read(size).decode("utf-8", "surrogatepass")
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            answer = trafilatura.extract(page, output_format="json", with_metadata=True, include_comments=False) or ""
            good = 1.0
        except Exception as error:
            answer, good = f"the page cannot be read ({type(error).__name__}: {str(error)[:200]}); save its text as .txt", 0.0
        signal.setitimer(signal.ITIMER_REAL, 0)
        data = answer.encode("utf-8", "surrogatepass")
        answers.write(_HEAD.pack(good, len(data)) + data)
        answers.flush()
