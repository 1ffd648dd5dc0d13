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
from pathlib import Path, PurePosixPath

from eventtag.errors import FormatError

MAX_SIZE = 2 << 30
"""Bytes that an archive may unpack to."""
MAX_MEMBERS = 200_000
MAX_RATIO = 200
"""Bytes that one packed byte may become in a part of more than `SMALL` bytes: XML of annotations gives 10 to 40, bombs 1,000."""
SMALL = 1 << 24
_CHUNK = 1 << 20


def is_archive(path: Path) -> bool:
    """Whether the path is a file that ends in `.zip`."""
    return path.suffix.lower() == ".zip" and path.is_file()


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A temporary folder with the archive's files, which is removed after the block; errors of the block name the archive.

    Raises FormatError for a file that is not a zip archive, and for one that is refused.
    """
    with tempfile.TemporaryDirectory(prefix="eventtag-") as name:
        folder = Path(name) / path.stem
        try:
            _Archives().unpack(path, path, folder, nested=True)
            yield folder
        except FormatError as error:
            if str(folder) not in str(error):
                raise
            named = FormatError(str(error).replace(str(folder), str(path)))
            named.path, named.line = path, error.line
            raise named from error


class _Archives:
    """An archive and those inside it; what may still be unpacked holds for all together."""

    def __init__(self) -> None:
        self.size, self.members = MAX_SIZE, MAX_MEMBERS

    def unpack(self, source: Path, name: Path, folder: Path, *, nested: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(source) as archive:
                for member in archive.infolist():
                    self.members -= 1
                    if problem := self._problem(member):
                        raise _refusal(name, member, problem)
                    file = folder / member.filename
                    if member.is_dir():
                        continue
                    if file.exists():
                        raise _refusal(name, member, "is in it twice")
                    file.parent.mkdir(parents=True, exist_ok=True)
                    self._copy(archive, member, file, name)
                inner = [member.filename for member in archive.infolist() if member.filename.lower().endswith(".zip") and nested]
            for place in inner:
                self.unpack(folder / place, name / place, (folder / place).with_suffix(""), nested=False)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            raise FormatError(f"cannot be unpacked as a zip archive ({str(error)[:200]}); export it again", path=name) from error

    def _problem(self, member: zipfile.ZipInfo) -> str:
        """Why a part is refused; empty where it is not."""
        place = PurePosixPath(member.filename)
        if self.members < 0:
            return f"is beyond the {MAX_MEMBERS:,} parts that are read"
        if place.is_absolute() or ".." in place.parts or not place.parts or "\\" in member.filename or ":" in place.parts[0]:
            return "points outside the archive's folder"
        if stat.S_ISLNK(member.external_attr >> 16):
            return "is a link"
        return "is encrypted" if member.flag_bits & 1 else ""

    def _copy(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, name: Path) -> None:
        size = 0
        with archive.open(member) as packed, file.open("xb") as out:
            while data := packed.read(_CHUNK):
                size += len(data)
                self.size -= len(data)
                if self.size < 0:
                    raise _refusal(name, member, f"takes it beyond the {MAX_SIZE:,} bytes that are unpacked")
                if size > SMALL and size > MAX_RATIO * member.compress_size:
                    raise _refusal(name, member, f"unpacks to more than {MAX_RATIO} times its size")
                out.write(data)


def _refusal(name: Path, member: zipfile.ZipInfo, problem: str) -> FormatError:
    return FormatError(
        f"{member.filename[:120]!r} {problem}, so that it is not unpacked; unpack it yourself and give the folder", path=name
    )
