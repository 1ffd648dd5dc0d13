"""Byte streams of plain and compressed files, and their lines, in bounded memory.

gzip (RFC 1952), zstd (RFC 8878), bzip2 and xz are recognised by suffix; a file may hold several members or frames one after the
other. If an archive is cut or damaged, everything before that place is read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from eventtag.errors import DataError
from eventtag.formats.extras import load_extra
from eventtag.jobs.reading.rows import RAW_BYTES, too_long

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
BUFFER = 1 << 18
"""Bytes that are decompressed or read at a time."""
_ZSTD_INPUT = 1 << 10
"""Compressed bytes that are given to zstd at a time: one such piece becomes 32 MB at worst."""
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What a stream raises if its file is cut or damaged."""

BoundedLine = tuple[int, int, bytes, str | None]
"""Number from 1, offset of its first byte, its bytes with the line end, and what is wrong with it."""


def plain_suffix(path: Path) -> str:
    """The suffix in lower case, without that of a compression: `.jsonl` of `a.JSONL.gz`."""
    name = path.name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return Path(name).suffix


def open_stream(path: Path) -> BinaryIO:
    """The file's bytes, decompressed; raises OSError if it cannot be opened, SettingsError if zstd is not installed."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    if suffix == ".bz2":
        return cast(BinaryIO, bz2.open(path))
    if suffix == ".xz":
        return cast(BinaryIO, lzma.open(path))
    if suffix == ".zst":
        return io.BufferedReader(_ZstdFrames(path), BUFFER)
    return path.open("rb", buffering=BUFFER)


class _ZstdFrames(io.RawIOBase):
    """The content of a file of zstd frames; EOFError if it ends inside one, which zstandard's own readers pass over."""

    def __init__(self, path: Path) -> None:
        self._zstandard: Any = load_extra("zstandard", "zstd")
        self._file = path.open("rb")
        self._frame: Any = None
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._output:
            data = self._input or self._file.read(_ZSTD_INPUT)
            if not data:
                if self._frame is not None:
                    raise EOFError("the compressed file ends in the middle of a frame")
                return 0
            if self._frame is None:
                self._frame = self._zstandard.ZstdDecompressor().decompressobj()
            try:
                self._output = memoryview(self._frame.decompress(data))
            except self._zstandard.ZstdError as error:
                raise OSError(str(error)) from error
            self._input = b""
            if self._frame.eof:
                self._input = self._frame.unused_data
                self._frame = None
        size = min(len(buffer), len(self._output))
        buffer[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def read_bounded_lines(stream: BinaryIO, *, max_bytes: int) -> Iterator[BoundedLine]:
    r"""The stream's lines; only `\n` ends one. A byte order mark before the first is dropped. Blank lines that follow each other may come
    together, as one line of several line ends, so that a small archive of blank lines is skipped fast.

    A line of more than `max_bytes` comes with its first RAW_BYTES and a problem. If the stream breaks off, that place comes as a line
    without bytes, and with a problem.
    """
    number = offset = 0
    while True:
        number += 1
        problem = None
        try:
            data = stream.readline(max_bytes + 2)
            size = len(data)
            if size > max_bytes and len(data.rstrip(b"\r\n")) > max_bytes:
                while data[-1:] != b"\n" and (more := stream.readline(BUFFER)):
                    size += len(more)
                    data = data[:RAW_BYTES] + more[-1:]
                data, problem = data[:RAW_BYTES], too_long(max_bytes)
            elif data in (b"\n", b"\r\n"):
                ahead = cast(io.BufferedReader, stream).peek(1)[:max_bytes]
                data += stream.read(ahead.rfind(b"\n", 0, len(ahead) - len(ahead.lstrip(b"\r\n"))) + 1)
                size = len(data)
        except DAMAGED as error:
            yield number, offset, b"", damage(error)
            return
        if not data:
            return
        yield number, offset, data.removeprefix(b"\xef\xbb\xbf") if number == 1 else data, problem
        offset += size
        number += data.count(b"\n") - 1 if data.isspace() else 0


def read_bounded(stream: BinaryIO, *, max_bytes: int) -> tuple[bytes, str | None]:
    """All bytes of the stream without a byte order mark; if there are more than `max_bytes`, the first RAW_BYTES and a problem."""
    try:
        data = stream.read(max_bytes + 1)
    except DAMAGED as error:
        return b"", damage(error)
    if len(data) > max_bytes:
        return data[:RAW_BYTES], too_long(max_bytes)
    return data.removeprefix(b"\xef\xbb\xbf"), None


def begins_with(stream: BinaryIO, sign: bytes) -> bool:
    """Whether what follows white space at the beginning is `sign`, in capitals or not; the stream stays where it is."""
    return beginning(stream).removeprefix(b"\xef\xbb\xbf").lstrip()[: len(sign)].lower() == sign.lower()


def beginning(stream: BinaryIO) -> bytes:
    """Some of the stream's first bytes; the stream stays where it is. Raises DataError if none can be read."""
    try:
        return cast(io.BufferedReader, stream).peek(1)
    except DAMAGED as error:
        raise DataError(damage(error)) from error


def damage(error: BaseException) -> str:
    """What is wrong with a file that cannot be read any further."""
    return f"the file ends early or is damaged from here on ({str(error)[:200] or type(error).__name__})"
