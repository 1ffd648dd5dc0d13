"""Outputs that are whole or absent: written under a staging name, flushed to disk, then renamed.

A reader never sees a half-written file or folder under its final name, and nothing that exists is overwritten: not what was there at the
start, nor what appeared under the name while the output was written. Where a file system has neither a rename that refuses to replace
nor hard links, the last check and the rename are two steps, and what appears between them is replaced.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TextIO

from eventtag.errors import EventtagError, OutputError
from eventtag.printable import printable

PARTIAL = ".partial"
"""How names of things end that are being written."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""Errors of a disk that is full, by quota or in fact, that has become read-only, or that takes no file as large (`ulimit -f`)."""
OF_THE_PLACE = (
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ESTALE, errno.EEXIST,
)  # fmt: skip
"""Errors that lie in a file's place or in the disk; the user can do something about them."""
NO_FOLDER = (errno.EEXIST, errno.ENOTDIR)
FILE_BEFORE = "a file stands where a folder of this path would be; give another path"
AT_FDCWD = -100
RENAME_NOREPLACE = 1


@contextmanager
def named_full_disk(place: Path | str, *, then: str = "give the same command again") -> Iterator[None]:
    """Within the block, an error of a full disk becomes an OutputError that says what to do `then`. So does an error of a file that may not
    be read or written, or whose path or disk is faulty.

    The error names the file that could not be written if that is known, else `place`. Libraries not written in Python raise their own
    errors, which are recognised by their text.
    """
    try:
        yield
    except EventtagError:
        raise
    except Exception as error:
        number = next((n for n in NO_ROOM if getattr(error, "errno", None) == n or os.strerror(n) in str(error)), None)
        if number is None:
            if isinstance(error, OSError) and error.errno in OF_THE_PLACE and error.filename is not None:
                raise OutputError(
                    f"{error.filename}: cannot be read or written ({os.strerror(error.errno)}); "
                    + (FILE_BEFORE if error.errno in NO_FOLDER else "give another path, or change its permissions")
                ) from error
            raise
        raise OutputError(
            f"{getattr(error, 'filename', None) or place}: cannot be written ({os.strerror(number)}); what stands under a final name is "
            f"whole.\n{remedy(number)[0].upper()}{remedy(number)[1:]} and {then}"
        ) from error


def require_absent(path: Path) -> None:
    """Raise OutputError if something stands at `path` already, or cannot be looked at (an empty folder does not count)."""
    try:
        if path.is_dir() and not any(path.iterdir()):
            return
        there = os.path.lexists(path)  # also a link that leads nowhere
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be looked at ({error.strerror}); choose a folder that you may read and write"
        ) from error
    if there:
        raise OutputError(f"{path} exists already and is not overwritten; give another name, or move it away")


@contextmanager
def staged_file(path: Path, *, replace: bool = False, make_folder: bool = True) -> Iterator[TextIO]:
    """A UTF-8 text file, line ends kept as written, that gets its name when the block ends without an error.

    With `replace` it takes the place of a file of that name, but not of a link. `make_folder`: the folder is made where there is none;
    without, a folder that was moved away meanwhile does not come back empty. Raises OutputError when `path` is a folder, when it exists
    otherwise or comes to exist before the block ends, or when it cannot be written.
    """
    if not replace:
        require_absent(path)
    elif path.is_symlink():
        raise OutputError(f"{path}: is a link, which is not replaced; move it away, or give the path that it leads to")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file, in it for example")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); {remedy(error.errno)}") from error
    staging = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        staging.chmod(0o666 & ~umask)
        if replace:
            staging.replace(path)
        else:
            rename_to_absent(staging, path)
    except BaseException as error:
        staging.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # errors of a write do not know where
        raise
    sync_folder(path.parent)


def json_text(value: Any) -> str:
    """The content of a JSON file: indented, and safe to show in a terminal; with escapes where UTF-8 has no character."""
    return printable(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"


def write_json(path: Path, value: Any, *, replace: bool = False, make_folder: bool = True) -> None:
    """Write a JSON file, whole or not at all; arguments and errors as for `staged_file`."""
    with staged_file(path, replace=replace, make_folder=make_folder) as file:
        file.write(json_text(value))


@contextmanager
def staged_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when the block ends without an error.

    Raises OutputError when `path` exists and is not an empty folder, or comes to be such before the block ends, or cannot be written.
    """
    require_absent(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=PARTIAL))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); {remedy(error.errno)}") from error
    try:
        yield staging
        umask = os.umask(0)
        os.umask(umask)
        for file in staging.rglob("*"):
            if file.is_file():
                file.chmod(0o666 & ~umask)
        sync_tree(staging)
        staging.chmod(0o777 & ~umask)
        try:
            staging.replace(path)  # takes the place of an empty folder, and of nothing else
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise _appeared(path) from error
            raise
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    sync_folder(path.parent)


def rename_to_absent(staging: Path, path: Path) -> None:
    """Give a file its final name, unless that name has come to exist: OutputError then, and what has it stays as it is."""
    try:
        _rename_no_replace(staging, path)
    except FileExistsError as error:
        raise _appeared(path) from error


def _rename_no_replace(staging: Path, path: Path) -> None:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux, and there not on every file system
    if renameat2 is not None:
        if renameat2(AT_FDCWD, os.fsencode(staging), AT_FDCWD, os.fsencode(path), RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(path))
    try:
        os.link(staging, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        staging.replace(path)
        return
    staging.unlink()


def _appeared(path: Path) -> OutputError:
    return OutputError(
        f"{path} has appeared while it was being written by this command, and is not overwritten; give another name, or move it away"
    )


def remedy(number: int | None) -> str:
    """What to do about an output that cannot be written, by the number of the error."""
    other = {errno.EROFS: "see to it that the disk can be written", errno.EFBIG: "raise the limit of a file's size (ulimit -f)"}
    if number in NO_ROOM:
        return other.get(number, "make room on the disk")
    if number in NO_FOLDER:
        return FILE_BEFORE
    return "choose a folder that you may write to"


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


def remove_partial(folder: Path, names: Collection[str]) -> None:
    """Delete what killed processes left half-written in a folder under one of these final names (or patterns such as `checkpoint-*`);
    nothing else may be writing there now. What has another name stays.
    """
    for path in folder.glob(f".*{PARTIAL}"):
        staged = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}" + re.escape(PARTIAL), path.name)  # as `tempfile` makes them
        if staged is None or not any(fnmatchcase(staged[1], name) for name in names):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_known(folder: Path, names: Collection[str]) -> tuple[str, ...]:
    """Delete of a folder what has one of these names (or patterns), whole or half-written, and then the folder itself where it is empty.

    Returns the names of what is left, which nobody here has written. Raises OutputError as `remove_whole` does.
    """
    if not folder.is_dir() or folder.is_symlink():
        return ()
    # The latest state first, since it may need an earlier one: what is left after a full disk is sound.
    for path in sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name), reverse=True):
        if any(fnmatchcase(path.name, name) for name in names):
            remove_whole(path)
    remove_partial(folder, names)
    left = tuple(sorted(path.name for path in folder.iterdir()))
    if not left:
        with suppress(OSError):
            folder.rmdir()
    return left
