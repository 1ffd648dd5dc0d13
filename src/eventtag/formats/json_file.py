"""JSON records, streamed from JSON Lines, from one array, or from objects that follow each other, with the line of each."""

from __future__ import annotations

import ast
import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeGuard

from eventtag.errors import DataError, FormatError
from eventtag.formats.arrow_rows import plain_value
from eventtag.formats.text_file import at_line, not_utf8, read_lines

MAX_LITERAL = 1_000_000
"""Characters of a Python literal that are parsed; longer ones are refused."""
CHUNK = 1 << 20
"""Bytes that are read at a time from an array."""
_CONSTANT = re.compile(r'"([^"\\]*)"\s*:\s*(?:NaN|-?Infinity)\b')


def refuse_constant(name: str) -> NoReturn:
    """For `parse_constant`: NaN and Infinity are Python's, not JSON's."""
    raise ValueError(f"{name} is not JSON")


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `object_pairs_hook`: Python would keep the last of the values that one key has."""
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} occurs twice in one object")
    return record


_DECODER = json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=distinct_keys)


def parse_json(line: str) -> Any:
    """The value of a line of JSON, which may end in a comma.

    Raises DataError for anything that is not JSON: also NaN, a key that occurs twice in one object, and nesting that is too deep.
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
    """(line on which it begins, record) for every object of a file: one on each line, in one array, or one after another.

    Raises FormatError with file and line for anything else.
    """
    for line, value in read_values(path):
        if not isinstance(value, Mapping):
            raise FormatError(f"a JSON {type(value).__name__} where an object is needed", path=path, line=line)
        yield line, value


def read_values(path: Path) -> Iterator[tuple[int, Any]]:
    """(line on which it begins, value) for every value of a file, as `read_records`; a list that begins with a text is a value."""
    first = next((line for _, line in read_lines(path) if line.strip()), "").strip()
    in_array = first.startswith("[") and not first[1:].lstrip().startswith('"')
    return _following_values(path, in_array=in_array) if in_array or _goes_on(first) else _line_values(path)


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


def _following_values(path: Path, *, in_array: bool) -> Iterator[tuple[int, Any]]:
    """Values one after another, or those of an array, in bounded memory."""
    with path.open("rb") as file:
        unread = _Unread(file, path)
        if in_array:
            unread.skip(1)
        while unread.text[:1] != "]" if in_array else unread.text:
            yield unread.next_value()
            comma = unread.text[:1] == ","
            if comma:
                unread.skip(1)
            if in_array and comma and unread.text[:1] == "]":
                raise FormatError("a comma before the end of the array; remove it", path=path, line=unread.line)
            if in_array and not comma and unread.text[:1] != "]":
                raise FormatError("neither a comma nor the end of the array after a record", path=path, line=unread.line)
        if in_array:
            unread.skip(1)
            if unread.text:
                raise FormatError("something follows the end of the array", path=path, line=unread.line)


class _Unread:
    """The unread part of a file: `text` begins after white space, on `line`, and is empty at the end of the file."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self.line = 1
        self.text = ""
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._size = CHUNK
        self.skip(0)

    def next_value(self) -> tuple[int, Any]:
        """(line on which it begins, value) of the next value, which is left behind; raises FormatError."""
        line = self.line
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text)
            except (ValueError, RecursionError) as error:
                if not isinstance(error, json.JSONDecodeError) or not self._grow():
                    raise FormatError(f"not valid JSON ({_problem(error, self.text)})", path=self.path, line=line) from error
                continue
            if end < len(self.text) or not self._grow():
                break
        self.skip(end)
        return line, value

    def _grow(self) -> bool:
        """Read more, each time twice as much as before within one value; False at the end of the file."""
        data = self._file.read(self._size)
        self._size *= 2
        try:
            self.text += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise not_utf8(error, self.path, self.line + self.text.count("\n")) from error
        return bool(data)

    def skip(self, size: int) -> None:
        """Go past `size` characters and the white space after them."""
        self._size = CHUNK
        while True:
            rest = self.text[size:].lstrip()
            self.line += self.text.count("\n", 0, len(self.text) - len(rest))
            self.text, size = rest, 0
            if rest or not self._grow():
                return


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
