"""Outputs that are whole or absent: written under a staging name, flushed to disk, then renamed.

A reader never sees a half-written file or folder under its final name, and nothing that exists is overwritten.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from eventtag.errors import EventtagError, OutputError

PARTIAL = ".partial"
"""How names of things end that are being written."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a disk that is full, by quota or in fact, or that has become read-only."""


@contextmanager
def named_full_disk(place: Path | str, *, then: str = "give the same command again") -> Iterator[None]:
    """Within the block, an error that means that the disk takes nothing more becomes an OutputError, which says what to do `then`.

    It names the file that could not be written where the error knows it, else `place`. Libraries that are not Python raise errors of
    their own; those are recognised by their text.
    """
    try:
        yield
    except EventtagError:
        raise
    except Exception as error:
        number = next((n for n in NO_ROOM if getattr(error, "errno", None) == n or os.strerror(n) in str(error)), None)
        if number is None:
            raise
        raise OutputError(
            f"{getattr(error, 'filename', None) or place}: cannot be written ({os.strerror(number)}); what stands under a final name is "
            f"whole.\nMake room on the disk and {then}"
        ) from error


def require_absent(path: Path) -> None:
    """Raise OutputError if something stands at `path` already (an empty folder does not count)."""
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise OutputError(f"{path} exists already and is not overwritten; give another name, or move it away")


@contextmanager
def staged_file(path: Path, *, replace: bool = False) -> Iterator[TextIO]:
    """A UTF-8 text file, line ends kept as written, that gets its name when the block ends without an error.

    With `replace` it takes the place of a file of that name. Raises OutputError when `path` exists otherwise, or cannot be written.
    """
    if not replace:
        require_absent(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); {_remedy(error)}") from error
    staging = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        staging.chmod(0o666 & ~umask)
        staging.replace(path)
    except BaseException as error:
        staging.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # errors of a write do not know where
        raise
    sync_folder(path.parent)


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when the block ends without an error.

    Raises OutputError when `path` exists and is not an empty folder, or cannot be written.
    """
    require_absent(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); {_remedy(error)}") from error
    try:
        yield staging
        umask = os.umask(0)
        os.umask(umask)
        for file in staging.rglob("*"):
            if file.is_file():
                file.chmod(0o666 & ~umask)
        sync_tree(staging)
        staging.chmod(0o777 & ~umask)
        if path.is_dir():
            path.rmdir()
        staging.replace(path)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    sync_folder(path.parent)


def _remedy(error: OSError) -> str:
    return "make room on the disk" if error.errno in NO_ROOM else "choose a folder that you may write to"


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a crash."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Flush a file, or a folder with everything in it, to disk."""
    if not path.is_dir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return
    for inner in sorted(path.iterdir()):
        sync_tree(inner)
    sync_folder(path)


def remove_whole(path: Path) -> None:
    """Delete a folder or file, if there is one: it loses its name in one step first, so that no half of it ever stands under it.

    Raises OutputError when it cannot lose its name (the disk is full, say); it is whole then.
    """
    if not path.exists():
        return
    try:
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL))
        path.rename(aside / path.name)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be removed ({error.strerror}); make room on the disk and give the same command again"
        ) from error
    shutil.rmtree(aside, ignore_errors=True)


def remove_partial(folder: Path) -> None:
    """Delete what killed processes left half-written in a folder; nothing else may be writing there now."""
    for path in folder.glob(f".*{PARTIAL}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
