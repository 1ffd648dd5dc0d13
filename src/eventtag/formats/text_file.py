"""Reading UTF-8 text without changing a character of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eventtag.errors import DataError, FormatError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_text(path: Path) -> str:
    """The file's text with its line ends as stored; a byte order mark is dropped.

    Raises FormatError, with the line, when the file cannot be opened or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error
    return decode(data.removeprefix(BYTE_ORDER_MARK), path)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""(line number from 1, line without its `\n` or `\r\n`), streamed; only `\n` ends a line.

    A byte order mark at the beginning of the file is dropped; anywhere else U+FEFF is a character like any other.

    Raises FormatError, with the line, when the file cannot be opened or is not UTF-8.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error
    with file:
        for number, data in enumerate(file, start=1):
            if number == 1:
                data = data.removeprefix(BYTE_ORDER_MARK)
            yield number, decode(data, path, line=number).removesuffix("\n").removesuffix("\r")


def decode(data: bytes, path: Path, *, line: int = 1) -> str:
    """`data` as strict UTF-8; `line` is the number of its first line, for the error."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise not_utf8(error, path, line) from error


def not_utf8(error: UnicodeDecodeError, path: Path, line: int) -> FormatError:
    """The error of bytes that begin on `line` and are not UTF-8."""
    data, at = error.object, error.start
    line += data.count(b"\n", 0, at)
    utf16 = line == 1 and data.startswith((b"\xff\xfe", b"\xfe\xff"))
    problem = "is UTF-16, not UTF-8" if utf16 else f"byte 0x{data[at]:02x} at offset {at} is not UTF-8"
    return FormatError(f"{problem}; save the file as UTF-8", path=path, line=line)


class at_line:  # noqa: N801 - it is used like a function
    """Within the block, a DataError becomes a FormatError that names the file and the line, or the place by another name; `line` may be
    set anew within it.
    """

    __slots__ = ("line", "path")

    def __init__(self, path: Path, line: int | str | None) -> None:
        self.path = path
        self.line = line

    def __enter__(self) -> at_line:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, DataError) and not isinstance(error, FormatError):
            problem = f"{self.line}: {error}" if isinstance(self.line, str) else str(error)
            raise FormatError(problem, path=self.path, line=self.line if isinstance(self.line, int) else None) from error


def write_text(path: Path, text: str) -> None:
    """Write the text so that `read_text` gives it back."""
    if text.startswith("\ufeff"):
        text = "\ufeff" + text  # the reader takes the first for a byte order mark
    path.write_bytes(text.encode("utf-8"))
