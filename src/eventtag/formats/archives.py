"""Zip archives of annotated files, such as INCEpTION's project export, unpacked with bounds.

Nothing in an archive is trusted: names outside the folder, links, encrypted parts and archives that unpack to far more than they
hold are refused before or while they are unpacked. Archives inside the archive (INCEpTION packs each XMI document with its type
system) become folders; archives inside those are left alone.
"""

from __future__ import annotations

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from eventtag.errors import FormatError

MAX_SIZE = 2 << 30
"""Bytes that an archive may unpack to."""
MAX_MEMBERS = 200_000
MAX_RATIO = 200
"""Bytes that one packed byte may become in a part of more than `SMALL` bytes: XML of annotations gives 10 to 40, bombs 1,000."""
SMALL = 1 << 24
_CHUNK = 1 << 20


@dataclass
class _Budget:
    """What may still be unpacked, of an archive and those inside it together."""

    size: int = MAX_SIZE
    members: int = MAX_MEMBERS


def is_archive(path: Path) -> bool:
    """Whether the path is a file that ends in `.zip`."""
    return path.suffix.lower() == ".zip" and path.is_file()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the archive's files, which is removed after the block; errors of the block name the archive.

    Raises FormatError for a file that is no zip archive, and for one that is refused.
    """
    with tempfile.TemporaryDirectory(prefix="eventtag-") as name:
        folder = Path(name) / path.stem
        try:
            _unpack(path, path, folder, _Budget(MAX_SIZE, MAX_MEMBERS), nested=True)
            yield folder
        except FormatError as error:
            if str(folder) not in str(error):
                raise
            named = FormatError(str(error).replace(str(folder), str(path)))
            named.path, named.line = path, error.line
            raise named from error


def _unpack(source: Path | IO[bytes], name: Path, folder: Path, budget: _Budget, *, nested: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(source) as archive:
            inner: list[tuple[Path, PurePosixPath]] = []
            for member in archive.infolist():
                budget.members -= 1
                place = _checked(member, name, budget)
                if member.is_dir():
                    continue
                file = folder / place
                if file.exists():
                    raise _refusal(name, member, "is in it twice")
                file.parent.mkdir(parents=True, exist_ok=True)
                _copy(archive, member, file, name, budget)
                if file.suffix.lower() == ".zip" and nested:
                    inner.append((file, place))
            for file, place in inner:
                _unpack(file, name / place, file.with_suffix(""), budget, nested=False)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise FormatError(f"cannot be unpacked as a zip archive ({str(error)[:200]}); export it again", path=name) from error


def _refusal(name: Path, member: zipfile.ZipInfo, problem: str) -> FormatError:
    return FormatError(
        f"{member.filename[:120]!r} {problem}, so that it is not unpacked; unpack it yourself and give the folder", path=name
    )


def _checked(member: zipfile.ZipInfo, name: Path, budget: _Budget) -> PurePosixPath:
    """Where the part goes below the folder; raises FormatError for one that is refused."""
    place = PurePosixPath(member.filename)
    if budget.members < 0:
        raise _refusal(name, member, f"is beyond the {MAX_MEMBERS:,} parts that are read")
    if place.is_absolute() or ".." in place.parts or not place.parts or "\\" in member.filename or ":" in place.parts[0]:
        raise _refusal(name, member, "points outside the archive's folder")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise _refusal(name, member, "is a link")
    if member.flag_bits & 1:
        raise _refusal(name, member, "is encrypted")
    return place


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, name: Path, budget: _Budget) -> None:
    size = 0
    with archive.open(member) as packed, file.open("xb") as out:
        while data := packed.read(_CHUNK):
            size += len(data)
            budget.size -= len(data)
            if budget.size < 0:
                raise _refusal(name, member, f"takes it beyond the {MAX_SIZE:,} bytes that are unpacked")
            if size > SMALL and size > MAX_RATIO * member.compress_size:
                raise _refusal(name, member, f"unpacks to more than {MAX_RATIO} times its size")
            out.write(data)
