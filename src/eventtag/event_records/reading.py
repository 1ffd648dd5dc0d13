"""Tables of event records, as `eventtag records` wrote them, in columns: some thousands of rows at a time.

Columns are Arrow arrays of texts, or of lists of texts. In CSV a list is one cell: an empty one may be unknown or without an item, so it is
read as unknown, and so is a list that cannot be taken apart, since a mention of it holds the sign that joins mentions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

from eventtag.errors import FormatError
from eventtag.estimates.count_tables import texts_array
from eventtag.event_records.table import JOIN, LIST_COLUMNS, TABLE_SUFFIXES
from eventtag.formats.csv_cells import csv_rows, unguarded
from eventtag.formats.csv_spans import cell_text

MARKS = frozenset({"article_id", "event", "status", "linking", "agents"})
"""Columns by which a table of event records is known."""
ROWS = 16384
"""Rows of a batch."""
_LISTS = pa.list_(pa.string())
_OFFSETS = {"agents": "agent_offsets", "targets": "target_offsets", "places": "place_offsets"}
_OFFSETS |= {"agent_names": "agent_offsets", "target_names": "target_offsets", "place_names": "place_offsets"}
"""The column of CSV that says how many items a list has."""

Columns = Mapping[str, Any]


def is_record_table(path: Path) -> bool:
    """Whether a file is a table of event records."""
    if not path.is_file() or path.suffix.lower() not in TABLE_SUFFIXES:
        return False
    try:
        return set(columns_of(path)) >= MARKS
    except FormatError:
        return False  # the reader of articles says what is wrong


def columns_of(path: Path) -> list[str]:
    """The columns of a table; raises FormatError for a file that is none. Of JSONL those of the first row, which all rows have."""
    kind = TABLE_SUFFIXES[path.suffix.lower()]
    if kind == "parquet":
        with _arrow_errors(path):
            return list(pq.read_schema(path).names)
    if kind == "csv":
        return [unguarded(name) for name in next(csv_rows(path, None, None))[0]]
    return list(next(_objects(path), {}))


def read_columns(path: Path, names: Sequence[str]) -> Iterator[tuple[Columns, int]]:
    """The columns of these names, and the number of rows, batch by batch; raises FormatError, naming the line where there is one."""
    kind = TABLE_SUFFIXES[path.suffix.lower()]
    if kind == "parquet":
        yield from _parquet(path, names)
        return
    rows = _csv(path, names) if kind == "csv" else _jsonl(path, names)
    while batch := list(itertools.islice(rows, ROWS)):
        columns = zip(*batch, strict=True) if names else ()
        yield {name: _array(name, column) for name, column in zip(names, columns, strict=True)}, len(batch)


def _parquet(path: Path, names: Sequence[str]) -> Iterator[tuple[Columns, int]]:
    with _arrow_errors(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS, columns=list(names)):
            found = {}
            for name in names:
                column = batch.column(name)
                lists = pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type)
                found[name] = column if lists or pa.types.is_string(column.type) else _array(name, column.to_pylist())
            yield found, batch.num_rows


def _csv(path: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    rows = csv_rows(path, None, None)
    header = [unguarded(name) for name in next(rows)[0]]
    places = [(header.index(name), header.index(_OFFSETS[name]) if _OFFSETS.get(name) in header else None) for name in names]
    for cells, _ in rows:
        yield tuple(
            _split(cells[at], None if beside is None else cells[beside]) if name in LIST_COLUMNS else unguarded(cells[at]) or None
            for name, (at, beside) in zip(names, places, strict=True)
        )


def _split(cell: str, offsets: str | None) -> list[str] | None:
    """The items of a list; None where there is none, or where there are more than its offsets."""
    items = unguarded(cell).split(JOIN) if cell else None
    return items if items is None or offsets is None or len(items) == len(offsets.split(JOIN)) else None


def _jsonl(path: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for row in _objects(path):
        yield tuple(map(row.get, names))


def _objects(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            for line, data in enumerate(file, start=1):
                if not data.strip():
                    continue
                row = orjson.loads(data)
                if not isinstance(row, dict):
                    raise FormatError("is no object; a table of event records has one in every line", path=path, line=line)
                yield row
    except orjson.JSONDecodeError as error:
        raise FormatError(f"is not JSON ({error}); write the table again", path=path, line=line) from error
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error


def _array(name: str, values: Sequence[Any]) -> Any:
    """Texts, or lists of texts where the column has lists."""
    if name in LIST_COLUMNS:
        lists = [None if value is None else [cell_text(item) for item in value] for value in values]
        return pa.array(lists, type=_LISTS)
    return texts_array([_text(value) for value in values])


def _text(value: Any) -> str | None:
    return JOIN.join(cell_text(item) or "" for item in value) if isinstance(value, list) else cell_text(value)


class _arrow_errors:  # noqa: N801 - a context
    """Turns errors of Arrow into FormatError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, pa.ArrowException | OSError):
            raise FormatError(f"is damaged or no Parquet ({str(error)[:200]}); write the table again", path=self._path) from error
