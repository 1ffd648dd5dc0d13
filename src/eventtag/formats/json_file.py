"""JSON records, streamed from JSON Lines, from one array, or from objects that follow each other, with the line of each."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

from eventtag.errors import DataError, FormatError
from eventtag.formats.arrow_rows import plain_value
from eventtag.formats.text_file import BYTE_ORDER_MARK, at_line, decode, read_lines

MAX_LITERAL = 1_000_000
"""Characters of a Python literal that are parsed; longer ones are refused."""
CHUNK = 1 << 20
"""Bytes that are read at a time from an array."""
_CONSTANT = re.compile(r'"([^"\\]*)"\s*:\s*(?:NaN|-?Infinity)\b')


def refuse_constant(name: str) -> NoReturn:
    """For `parse_constant`: NaN and Infinity are Python's, not JSON's."""
    raise ValueError(f"{name} is not JSON")


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return record


_DECODER = json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=_distinct_keys)


def parse_json(line: str) -> Any:
    """The value of a line of JSON, which may end in a comma.

    Raises DataError for anything that is not JSON: also NaN, a key that stands twice in one object, and nesting that is too deep.
    """
    try:
        value, end = _DECODER.raw_decode(line, len(line) - len(line.lstrip()))
        if line[end:].strip() not in ("", ","):
            raise json.JSONDecodeError("Extra data", line, end)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({_problem(error, line)}); every line must be one JSON object") from error
    return value


def parse_value(text: str) -> Any:
    """The value of a table's cell: JSON, or a Python literal; raises DataError for neither."""
    with suppress(DataError):
        return parse_json(text)
    try:
        if len(text) > MAX_LITERAL:
            raise ValueError("it is too long")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise DataError(f"{text[:60]!r} is no list of spans; write [[START, END, LABEL], ...] as JSON") from error


def _problem(error: Exception, text: str) -> str:
    constant = _CONSTANT.search(text) if "is not JSON" in str(error) else None
    return f"{error}: the key {constant[1]!r} has it; write null" if constant else str(error)


def dump_json(record: object) -> str:
    """The record as JSON on one line; lone surrogates are escaped, so that it is valid UTF-8.

    What JSON cannot hold is written as text (`plain_value`): infinities, dates.
    """
    try:
        line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError):
        record = plain_value(record)
        line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(record)
    return line


def read_records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line on which it begins, record) for every object of a file: one a line, in one array, or one after another.

    Raises FormatError with file and line for anything else.
    """
    for line, value in read_values(path):
        if not isinstance(value, Mapping):
            raise FormatError(f"a JSON {type(value).__name__} where an object is needed", path=path, line=line)
        yield line, value


def read_values(path: Path) -> Iterator[tuple[int, Any]]:
    """(line on which it begins, value) for every value of a file, as `read_records`; a list that begins with a text is a value."""
    first = next((line for _, line in read_lines(path) if line.strip()), "").strip()
    if first.startswith("[") and not first[1:].lstrip().startswith('"'):
        return _array_items(path)
    return _following_values(path) if _goes_on(first) else _line_values(path)


def _goes_on(line: str) -> bool:
    """Whether the line is the beginning of a value that is written over several lines."""
    try:
        _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return line.startswith(("{", "[")) and error.pos >= len(line)
    except (ValueError, RecursionError):
        return False
    return False


def _line_values(path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in read_lines(path):
        if line.strip():
            with at_line(path, number):
                yield number, parse_json(line)


def _following_values(path: Path) -> Iterator[tuple[int, Any]]:
    buffer = _Buffer(path)
    while buffer.peek():
        yield buffer.next_value()
        if buffer.peek() == ",":
            buffer.skip(1)


def _array_items(path: Path) -> Iterator[tuple[int, Any]]:
    buffer = _Buffer(path)
    buffer.skip(1)  # the bracket
    while True:
        if buffer.peek() == "]":
            buffer.skip(1)
            if buffer.peek():
                raise FormatError("something follows the end of the array", path=path, line=buffer.line)
            return
        yield buffer.next_value()
        if buffer.peek() == ",":
            buffer.skip(1)
            if buffer.peek() == "]":
                raise FormatError("a comma before the end of the array; take it away", path=path, line=buffer.line)
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
        if self._file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            self._file.seek(0)
        self.skip(0)

    def next_value(self) -> tuple[int, Any]:
        """(line on which it begins, value) of the next value, which is left behind; raises FormatError."""
        line = self.line
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text)
            except (ValueError, RecursionError) as error:
                if not isinstance(error, json.JSONDecodeError) or not self.grow():
                    raise FormatError(f"not valid JSON ({_problem(error, self.text)})", path=self.path, line=line) from error
                continue
            if end < len(self.text) or not self.grow():
                break
        self.skip(end)
        return line, value

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


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number; a truth value is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(value: object, name: str) -> int:
    """The value as a whole number; raises DataError naming it when it is none."""
    if is_whole(value):
        return value
    raise DataError(f"{name} is {str(value)[:60]!r}; it must be a whole number")
