"""Shards: the pieces of an input that are tagged, stored and, after a crash, skipped as a whole.

Where an input is cut depends on its rows alone: neither on the workers nor on what was done before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from eventtag.formats.jsonl import json_line
from eventtag.tagging.rows import InputRow


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


def cut_shards(rows: Iterable[InputRow], *, max_rows: int, max_characters: int) -> Iterator[Shard]:
    """Cut the input into shards of `max_rows` rows; a shard ends earlier once its texts have `max_characters` characters."""
    part: list[InputRow] = []
    index = first = size = 0
    for row in rows:
        part.append(row)
        size += 0 if row.article is None else len(row.article.text)
        if len(part) >= max_rows or size >= max_characters:
            yield Shard(index, first, tuple(part))
            index, first, size = index + 1, first + len(part), 0
            part = []
    if part:
        yield Shard(index, first, tuple(part))


def input_digest(rows: Iterable[InputRow], *, without: Collection[int]) -> str:
    """BLAKE2b of the articles (id, text, meta) of all rows but those at the positions `without`, as hexadecimal.

    Raises ValueError when one of these rows holds no article.
    """
    digest = hashlib.blake2b(digest_size=16)
    for position, row in enumerate(rows):
        if position not in without:
            if row.article is None:
                raise ValueError(f"the row at position {position} holds no article")
            digest.update(json_line(row.article).encode("utf-8") + b"\n")
    return digest.hexdigest()
