"""The folder of a run: used by one process at a time, and only where the command made it or it is empty.

While a process works in a folder, it holds a lock on the file `.eventtag` there (flock), which ends with the process however that ends.
The file stands for "this folder was made by us" until the command's record does (`run.json` of `train`, for example), and is removed
when the process leaves the folder with a record in it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from eventtag.errors import OutputError
from eventtag.stored_json import read_stored

log = logging.getLogger(__name__)

MARKER = ".eventtag"
RECORDS = {
    "train": "run.json",
    "pretrain": "pretraining.json",
    "sweep": "sweep.json",
    "learning-curve": "curve.json",
    "evaluate": "report.json",
    "serve": "serve.json",
}
"""By command, the file by which it knows a folder that it made."""
SCORE_FILES = ("predictions.jsonl", "errors.jsonl", "link_errors.jsonl", "report.md", "report.html", "report.json")
"""What an evaluation writes; the errors of links only where links are scored."""
RUN_FILES = (
    "run.json", "settings.yaml", "losses.jsonl", "intermediate", "trainer", "checkpoint", *SCORE_FILES, "metrics.json",
)  # fmt: skip
"""What `train` writes into its folder; nothing else there is ever removed."""
CHECKPOINT_FILE = "eventtag.json"
"""By which a folder is known as a checkpoint."""
PATIENCE = 10.0
"""Seconds that a process which is ending has for letting go of its lock."""
SHOWN = 4

_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())
_descriptors: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _descriptors:
        os.close(descriptor)  # else a worker that outlives a killed process would keep the lock
    _descriptors.clear()


os.register_at_fork(after_in_child=_close_in_child)


def written(run_dir: Path, names: Iterable[str]) -> list[str]:
    """Those of the names that are in a folder. An empty folder does not count: transformers makes one before a run has a record, and a
    process that is killed then leaves it.
    """
    return [name for name in names if os.path.lexists(path := run_dir / name) and not _is_empty(path)]


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


@contextmanager
def claimed_folder(path: Path, command: str) -> Iterator[None]:
    """Within the block, `path` is this process's folder for `command`, made if it is not there; a block within a block of the same folder
    adds nothing.

    Raises OutputError, with nothing changed, when the folder is not empty and was not made by `command`, when another process works in
    it, or when it cannot be made, read or written. A file system without locks is named in the log.
    """
    place = Path(os.path.realpath(path))
    if place in _held.get():
        yield
        return
    try:
        made = not place.exists()
        descriptor = _enter(path, place, command)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OutputError(
            f"{path}: cannot be used as run_dir ({os.strerror(error.errno or 0)}); give a folder that you may read and write"
        ) from error
    token = _held.set(_held.get() | {place})
    try:
        yield
    finally:
        _held.reset(token)
        with suppress(OSError):
            _tidy(place, command, made=made)
        _descriptors.discard(descriptor)
        os.close(descriptor)


def _enter(path: Path, place: Path, command: str) -> int:
    """Make the folder and its marker, and lock it; returns the descriptor that holds the lock."""
    if place.exists() and not place.is_dir():
        raise OutputError(f"{path}: is a file; run_dir= is the name of a folder")
    if inside := next((folder for folder in place.parents if (folder / CHECKPOINT_FILE).is_file()), None):
        raise OutputError(
            f"{path}: lies in the checkpoint {inside}, which cannot be loaded once other files are in it; give a run_dir outside it"
        )
    place.mkdir(parents=True, exist_ok=True)
    marker = place / MARKER
    ends = time.monotonic() + PATIENCE
    while True:
        _require_own(path, place, command)
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            locked = _lock(descriptor, path)
            if locked and _is(marker, descriptor):
                _require_own(path, place, command)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{json.dumps({'command': command, 'process': os.getpid()})}\n".encode(), 0)
                _descriptors.add(descriptor)
                return descriptor
            owner = _said(marker).get("process")
            if not locked and (_lives(owner) or time.monotonic() > ends):
                raise OutputError(
                    f"{path}: process {owner or '?'} is working in this folder already; wait until it is done, or give another run_dir"
                )
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the marker was removed in between, or its owner is ending
        time.sleep(0.02)


def _lock(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning(
            "%s: the file system has no locks (%s), so a second run in this folder would not be noticed; start none",
            path,
            error.strerror,
        )
    return True


def _is(marker: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(marker), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _require_own(path: Path, place: Path, command: str) -> None:
    record = RECORDS[command]
    if command == "evaluate" and (place / record).exists():
        raise OutputError(f"{path / record} exists already and is not overwritten; give another run_dir")
    others = sorted(entry.name for entry in place.iterdir() if entry.name != MARKER)
    if not others:
        return
    if (place / MARKER).is_file():
        maker = _said(place / MARKER).get("command")
        if maker == command:
            return
        if maker in RECORDS:
            raise OutputError(f"{path}: was made by eventtag {maker}; give eventtag {command} another run_dir")
    if _is_ours(place / record):
        return
    shown = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
    raise OutputError(
        f"{path}: is not empty (it holds {shown}) and was not made by eventtag {command}, which knows its folders by their {record}; "
        "nothing was changed there.\nGive another run_dir, or an empty folder"
    )


def _is_ours(record: Path) -> bool:
    if not record.is_file():
        return False
    try:
        content = read_stored(record)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{record}: cannot be read ({error}), so nothing says what made this folder; nothing was changed there; give another run_dir"
        ) from error
    versions = content.get("versions") if isinstance(content, dict) else None
    return isinstance(versions, dict) and "eventtag" in versions


def _said(marker: Path) -> dict[str, Any]:
    try:
        content = read_stored(marker)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _lives(process: object) -> bool:
    if not isinstance(process, int):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _tidy(place: Path, command: str, *, made: bool) -> None:
    """Remove the marker where the record stands for it, and a folder that was made for nothing."""
    entries = {entry.name for entry in place.iterdir()}
    if RECORDS[command] in entries or entries == {MARKER}:
        (place / MARKER).unlink()
    if made and entries == {MARKER}:
        place.rmdir()
