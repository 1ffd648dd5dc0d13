"""The journal of a sweep: Optuna's log of its trials, which stays usable when processes are killed.

Optuna's own lock of a journal is a second file. A killed process leaves it behind, and every other process then waits half a minute. The
system's lock on an open file ends with the process.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import JournalStorage


class SystemLock:
    """A lock between processes with the interface of Optuna's journal; `acquire` waits for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self.file = self.path.open("ab")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give it back."""
        if self.file is not None:
            self.file.close()
            self.file = None


def open_journal(path: Path) -> JournalStorage:
    """Optuna's storage in the file at `path`, new or not."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path), lock_obj=SystemLock(path.with_name(f"{path.name}.lock"))))  # type: ignore[arg-type]


def mend_journal(path: Path) -> None:
    """Cut off a last line that a killed process has not completed; its content is determined again."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
