"""Shards: the pieces of an input that are tagged, stored and, after a crash, skipped as a whole.

Where an input is cut depends on its rows alone: neither on the workers nor on what was done before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from eventtag.formats.jsonl import json_line
from eventtag.jobs.reading.rows import RAW_BYTES, InputRow

VALUE_BYTES = 64
"""What a value costs beside its content."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows of the input, in order; `first_row` is the number of the first, from 0.

    `only`: positions in the shard (from 0) that are to be tagged again, while the others keep what is stored; None tags all.
    """

    index: int
    first_row: int
    rows: tuple[InputRow, ...]
    only: frozenset[int] | None = None

    @property
    def to_tag(self) -> list[int]:
        """Positions of the articles that are to be tagged."""
        return [
            position
            for position, row in enumerate(self.rows)
            if row.article is not None and (self.only is None or position in self.only)
        ]


def cut_shards(rows: Iterable[InputRow], *, max_rows: int, max_bytes: int) -> Iterator[Shard]:
    """Cut the input into shards of `max_rows` rows; a shard ends earlier once its rows have `max_bytes` (`row_bytes`).

    Only the beginning of a bad row is kept, because its dead letter needs no more.
    """
    part: list[InputRow] = []
    index = first = size = 0
    for row in rows:
        if row.raw is not None and len(row.raw) > RAW_BYTES:
            row = replace(row, raw=row.raw[:RAW_BYTES])
        part.append(row)
        size += row_bytes(row)
        if len(part) >= max_rows or size >= max_bytes:
            yield Shard(index, first, tuple(part))
            index, first, size = index + 1, first + len(part), 0
            part = []
    if part:
        yield Shard(index, first, tuple(part))


def row_bytes(row: InputRow) -> int:
    """About how much memory a row takes: text, id and metadata in UTF-8, VALUE_BYTES for each value; alike on all machines."""
    article = row.article
    waiting: list[Any] = [row.raw, row.problem] if article is None else [article.text, article.id, article.meta]
    size = 0
    while waiting:
        value = waiting.pop()
        size += VALUE_BYTES
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, bytes):
            size += len(value)
        elif isinstance(value, int):
            size += value.bit_length() // 8
        elif isinstance(value, Mapping):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    return size


def input_digest(rows: Iterable[InputRow], *, without: Collection[int]) -> str:
    """BLAKE2b of the articles (id, text, meta) of all rows but those at the positions `without`, as hexadecimal.

    Raises ValueError if one of these rows holds no article.
    """
    digest = hashlib.blake2b(digest_size=16)
    for position, row in enumerate(rows):
        if position not in without:
            if row.article is None:
                raise ValueError(f"the row at position {position} holds no article")
            digest.update(json_line(row.article).encode("utf-8") + b"\n")
    return digest.hexdigest()
