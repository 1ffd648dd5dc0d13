"""The values of a JSON array, or of JSON values that follow each other over several lines, in bounded memory.

Only brackets, quotes and commas are looked at, so that a value that is not JSON does not affect the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from eventtag.errors import DataError
from eventtag.jobs.reading.rows import RAW_BYTES, record_from_json, too_long
from eventtag.jobs.reading.streams import BUFFER, DAMAGED, BoundedLine, beginning, damage

_OUTSIDE = re.compile(rb'["\[\]{},]')
_INSIDE = re.compile(rb'["\\]')
_MARK = b"\xef\xbb\xbf"
_LIST = re.compile(rb"\s*\[\s*(?:\{|\]|\Z)")


def begins_a_list(stream: BinaryIO) -> bool:
    """Whether the stream begins with a list of objects; it stays where it is."""
    return _LIST.match(beginning(stream).removeprefix(_MARK)) is not None


def goes_over_lines(stream: BinaryIO) -> bool:
    """Whether the stream begins with a list, or with an object that its first line does not end; it stays where it is."""
    head = beginning(stream).removeprefix(_MARK).lstrip()
    first, end, rest = head.partition(b"\n")
    if first.startswith(b"["):
        return True
    if not first.startswith(b"{") or not end or rest.lstrip().startswith(b"{"):
        return False
    try:
        record_from_json(first)
    except DataError:
        return True
    return False


def read_bounded_values(stream: BinaryIO, *, max_bytes: int) -> Iterator[BoundedLine]:
    """The values as `read_bounded_lines` gives lines, with the line on which each begins; lists at the outermost level give their items.

    A value of more than `max_bytes` comes with its first RAW_BYTES and a problem. So do a value that is not closed before the end of the
    file, which may have swallowed those after it, a list that is not closed, and the place where the stream breaks off.
    """
    values = _Values(max_bytes)
    first = True
    while True:
        try:
            data = stream.read(BUFFER)
        except DAMAGED as error:
            yield values.end(damage(error))
            return
        if not data:
            break
        offset = 0
        if first and data.startswith(_MARK):
            offset = len(_MARK)
            values.offset = offset
        first = False
        yield from values.feed(data[offset:])
    yield from values.rest()


class _Values:
    """Where the values of JSON end, told from one piece of it after the other."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.line = 1
        """The line on which the next value begins, or what stands before it."""
        self.offset = 0
        self._base = 0
        """1 in a list, 0 outside."""
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._value = bytearray()
        self._size = 0
        self._lines = 0

    def feed(self, data: bytes) -> Iterator[BoundedLine]:
        position = begin = 0
        if self._escaped:
            position, self._escaped = 1, False
        while True:
            found = (_INSIDE if self._in_string else _OUTSIDE).search(data, position)
            if found is None:
                break
            position = found.end()
            sign = found[0]
            if sign == b"\\":
                if position == len(data):
                    self._escaped = True
                position += 1
            elif sign == b'"':
                self._in_string = not self._in_string
            elif sign in b"{[":
                if self._depth == 0:
                    self._take(data[begin : position - 1])
                    begin = position - 1
                    yield from self._whole()
                self._depth += 1
                if sign == b"[" and self._depth == 1:
                    self._base = 1
                    self.offset += 1
                    begin = position
            elif sign in b"}]" and self._depth > self._base:
                self._depth -= 1
                if self._depth == 0:
                    self._take(data[begin:position])
                    begin = position
                    yield from self._whole()
            elif self._depth == self._base and (sign == b"," or (sign == b"]" and self._base)):
                self._take(data[begin : position - 1])
                yield from self._whole()
                self.offset += 1
                begin = position
                if sign == b"]":
                    self._base = self._depth = 0
        self._take(data[begin:])

    def _take(self, data: bytes) -> None:
        """Add to the value; white space before it is passed over."""
        if not self._size:
            stripped = data.lstrip()
            self.line += data.count(b"\n", 0, len(data) - len(stripped))
            self.offset += len(data) - len(stripped)
            data = stripped
        self._size += len(data)
        self._lines += data.count(b"\n")
        if self._size <= self._max_bytes:
            self._value += data
        else:
            self._value = (self._value[:RAW_BYTES] + data[:RAW_BYTES])[:RAW_BYTES]

    def _whole(self) -> Iterator[BoundedLine]:
        """The value that ends here, if there is one."""
        if self._size:
            yield self.end(too_long(self._max_bytes) if self._size > self._max_bytes else None)

    def end(self, problem: str | None) -> BoundedLine:
        """What was taken so far, as a value."""
        found = (self.line, self.offset, bytes(self._value), problem)
        self.line += self._lines
        self.offset += self._size
        self._value, self._size, self._lines = bytearray(), 0, 0
        return found

    def rest(self) -> Iterator[BoundedLine]:
        """What stands at the end of the file."""
        if self._in_string or self._depth > self._base:
            yield self.end(
                "not valid JSON (a quote or bracket that is opened here is not closed); what follows up to the end of the file is not read"
            )
            return
        yield from self._whole()
        if self._base:
            yield self.end("the list is not closed: the file may have been cut short here")
