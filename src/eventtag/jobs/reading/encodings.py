"""Bytes of files and pages that are not UTF-8, where they say what they are."""

from __future__ import annotations

import codecs
import io
import re
from typing import BinaryIO, cast

from eventtag.errors import DataError
from eventtag.jobs.reading.rows import not_utf8
from eventtag.jobs.reading.streams import beginning

_CHUNK = 1 << 16
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD = 16_384
"""Bytes of a page in which its encoding is looked for."""
_DECLARED = re.compile(
    rb"""<meta\s[^>]*?charset\s*=\s*(?:["']\s*)?([\w.:-]+)|<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)""", re.IGNORECASE
)
_FOR_TEXT = re.compile("iso8859|iso2022|cp|koi8|mac|gb|big5|euc|shift|tis|hz|johab")
"""Python's encodings that pages use; others are not encodings of text, or slow."""
_AS_BROWSERS_READ = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""https://encoding.spec.whatwg.org/#names-and-labels"""
_WORD_OF_ANOTHER_SCRIPT = re.compile(rb"[\x80-\xff]{4}")


def in_utf8(stream: BinaryIO, encoding: str | None = None) -> BinaryIO:
    """The stream as UTF-8 if it begins with the mark of UTF-16 or UTF-32, or has no mark and is in `encoding`, else the stream itself.

    A lone surrogate of such a stream becomes bytes that are not UTF-8, so that it costs its row alone, and so do bytes that are not of
    `encoding`; a stream of UTF-16 that ends inside a character raises EOFError there. Raises DataError as `beginning` does.
    """
    head = beginning(stream)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked is None and (encoding is None or head.startswith(codecs.BOM_UTF8)):
        return stream
    return io.BufferedReader(_InUtf8(stream, marked or str(encoding), "surrogatepass" if marked else "surrogateescape"), _CHUNK)


class _InUtf8(io.RawIOBase):
    def __init__(self, stream: BinaryIO, encoding: str, errors: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._output:
            data = cast(io.BufferedReader, self._stream).read1(_CHUNK)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                raise EOFError(f"it is no {self._encoding.upper()}: {error.reason}") from error
            if not data and not text:
                return 0
            self._output = memoryview(text.encode("utf-8", "surrogatepass"))
        size = min(len(buffer), len(self._output))
        buffer[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


def decode_page(data: bytes) -> tuple[str, str | None]:
    """The page's text, and its encoding if that was guessed.

    A page is UTF-8, or what it declares in `meta` or its XML declaration. One that declares nothing and is not UTF-8 is windows-1252, as
    browsers assume, but only if its other characters stand one by one between ASCII, as in languages of western Europe. Raises
    DataError if it is neither.
    """
    declared = _declared_encoding(data[:_HEAD])
    if declared is not None and declared.startswith(("iso2022", "hz")):  # whose bytes are ASCII
        return _decode_declared(data, declared), None
    try:
        return data.decode("utf-8"), None
    except UnicodeDecodeError as error:
        if declared is not None:
            return _decode_declared(data, declared), None
        if _DECLARED.search(data[:_HEAD]) or _WORD_OF_ANOTHER_SCRIPT.search(data) or _is_mostly_utf8(data):
            raise DataError(f"{not_utf8(error)}, or let its meta element say its charset") from error
        try:
            return data.decode("cp1252"), "windows-1252"
        except UnicodeDecodeError:
            raise DataError(f"{not_utf8(error)}, or let its meta element say its charset") from error


def _declared_encoding(head: bytes) -> str | None:
    """Python's name of the encoding that a page declares; None for UTF-8, none, and what is unknown."""
    found = _DECLARED.search(head)
    if found is None:
        return None
    try:
        name = codecs.lookup((found[1] or found[2]).decode("ascii", "replace")).name
    except LookupError:
        return None
    return _AS_BROWSERS_READ.get(name, name) if name == "ascii" or _FOR_TEXT.match(name) else None


def _decode_declared(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte 0x{data[error.start]:02x} at offset {error.start} is neither UTF-8 nor {encoding}, which the page declares; "
            "save the page as UTF-8"
        ) from error


def _is_mostly_utf8(data: bytes) -> bool:
    """Whether more characters beyond ASCII are UTF-8 than are not."""
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return sum(1 for character in text if character > "\x7f") - wrong >= wrong
