"""JSON records, streamed from JSON Lines or from one array, with the line of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from eventtag.errors import DataError, FormatError
from eventtag.formats.text_file import decode, read_lines

CHUNK = 1 << 20
"""Bytes that are read at a time from an array."""


def refuse_constant(name: str) -> NoReturn:
    """For `parse_constant`: NaN and Infinity are Python's, not JSON's."""
    raise ValueError(f"{name} is not JSON")


def dump_json(record: object) -> str:
    """The record as JSON on one line; lone surrogates are escaped, so that it is valid UTF-8."""
    line = json.dumps(record, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(record)
    return line


def read_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line on which it begins, record) for every object of a JSON Lines file or of a file that is one array of objects.

    Raises FormatError with file and line for anything else.
    """
    values = _array_items(path) if _is_array(path) else _line_values(path)
    for line, value in values:
        if not isinstance(value, Mapping):
            raise FormatError(f"a JSON {type(value).__name__} where an object is needed", path=path, line=line)
        yield line, value


def _is_array(path: Path) -> bool:
    return next((line.lstrip()[0] for _, line in read_lines(path) if line.strip()), "") == "["


def _line_values(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in read_lines(path):
        if line.strip():
            try:
                yield number, json.loads(line, parse_constant=refuse_constant)
            except (ValueError, RecursionError) as error:
                problem = f"not valid JSON ({error}); every line must be one JSON object"
                raise FormatError(problem, path=path, line=number) from error


def _array_items(path: Path) -> Iterator[tuple[int, Any]]:
    decoder = json.JSONDecoder(parse_constant=refuse_constant)
    buffer = _Buffer(path)
    buffer.skip(1)  # the bracket
    while True:
        if buffer.peek() == "]":
            buffer.skip(1)
            if buffer.peek():
                raise FormatError("something follows the end of the array", path=path, line=buffer.line)
            return
        line = buffer.line
        while True:
            try:
                value, end = decoder.raw_decode(buffer.text)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not buffer.grow():
                    raise FormatError(f"not valid JSON ({error})", path=path, line=line) from error
                continue
            if end < len(buffer.text) or not buffer.grow():
                break
        buffer.skip(end)
        yield line, value
        if buffer.peek() == ",":
            buffer.skip(1)
            if buffer.peek() == "]":
                raise FormatError("a comma before the end of the array", path=path, line=buffer.line)
        elif buffer.peek() != "]":
            raise FormatError("neither a comma nor the end of the array after a record", path=path, line=buffer.line)


class _Buffer:
    """The unread part of a file, as text that begins after white space."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 1
        self.text = ""
        self._rest = b""
        self._chunk = CHUNK
        self._file = path.open("rb")
        self.skip(0)

    def grow(self) -> bool:
        """Read more, each time twice as much as before within one record; False at the end of the file."""
        if self._file.closed:
            return False
        data = self._file.read(self._chunk)
        self._chunk *= 2
        if not data:
            self._file.close()
            if self._rest:
                decode(self._rest, self.path, line=self.line + self.text.count("\n"))
            return False
        data = self._rest + data
        cut = len(data)
        while cut > max(len(data) - 4, 0) and data[cut - 1] & 0xC0 == 0x80:
            cut -= 1
        if cut and data[cut - 1] >= 0xC0:
            cut -= 1  # a character whose bytes may not be complete
        else:
            cut = len(data)
        self.text += decode(data[:cut], self.path, line=self.line + self.text.count("\n"))
        self._rest = data[cut:]
        return True

    def skip(self, size: int) -> None:
        """Go past `size` characters and the white space after them."""
        self._chunk = CHUNK
        self.line += self.text.count("\n", 0, size)
        self.text = self.text[size:]
        while True:
            stripped = self.text.lstrip()
            self.line += self.text.count("\n", 0, len(self.text) - len(stripped))
            self.text = stripped
            if stripped or self._file.closed or not self.grow():
                return

    def peek(self) -> str:
        """The next character; empty at the end of the file."""
        return self.text[:1]


def text_of(record: Mapping[str, Any], key: str) -> str:
    """The text under a key; raises DataError naming it when it is missing or no text."""
    value = record.get(key)
    if not isinstance(value, str):
        raise DataError(f"`{key}` is {'missing' if value is None else f'a {type(value).__name__}'}; it must be a text")
    return value


def list_of(record: Mapping[str, Any], key: str) -> list[Any]:
    """The list under a key, empty where there is none; raises DataError for anything else."""
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"`{key}` is a {type(value).__name__}; it must be a list")
    return value


def mapping_of(value: object, name: str) -> Mapping[str, Any]:
    """The value as an object; raises DataError naming it when it is none."""
    if not isinstance(value, Mapping):
        raise DataError(f"{name} is {str(value)[:60]!r}; it must be an object")
    return value


def whole(value: object, name: str) -> int:
    """The value as a whole number; raises DataError naming it when it is none (texts and truth values are none)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{name} is {str(value)[:60]!r}; it must be a whole number")
    return value
