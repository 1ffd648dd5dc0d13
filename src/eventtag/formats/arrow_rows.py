"""Rows of Arrow tables (Parquet files, datasets) as values that JSON can hold.

Tables hold what JSON does not: dates, decimals, bytes, infinities. They travel as text. A value that Python cannot hold (a timestamp
beyond the year 9999, an unknown time zone, a struct with two fields of one name) is an error that names its column.
"""

from __future__ import annotations

import base64
import datetime
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from eventtag.errors import DataError


def rows_of(batch: Any) -> Iterator[dict[str, Any]]:
    """The rows of a table or record batch by column, in order; raises DataError, naming the column, at a row that cannot be read."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except Exception:  # libraries raise errors of many kinds; the row and the column are found one by one
        for position in range(batch.num_rows):
            yield {name: _cell(column[position], name) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        return
    for row in rows:
        yield {name: plain_value(value) for name, value in row.items()}


def numbered_rows(tables: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """("row N", row) of all the tables or batches; raises DataError, naming row and column, at a row that cannot be read.

    Damaged data raises ArrowException before a row of its table is given: Python crashes on it.
    """
    number = 0
    for table in tables:
        table.validate(full=True)
        rows = rows_of(table)
        for _ in range(table.num_rows):
            number += 1
            try:
                row = next(rows)
            except DataError as error:
                raise DataError(f"{prefix}row {number}: {error}") from error
            yield f"{prefix}row {number}", row


def _cell(scalar: Any, name: str) -> Any:
    try:
        return plain_value(scalar.as_py())
    except Exception as error:
        raise DataError(
            f"column {name!r} holds a {scalar.type} that cannot be read ({type(error).__name__}: {str(error)[:120]}); mend it, "
            "store it as text, or leave the column out"
        ) from error


def plain_value(value: Any) -> Any:
    """The value as JSON can hold it: dates and times as ISO 8601, bytes as UTF-8 text or else as base64, infinities by name."""
    if isinstance(value, str | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_value(item) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    return str(value)


def require_distinct_columns(names: Sequence[str]) -> None:
    """Raise DataError when two columns have one name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"has {names.count(twice[0])} columns called {twice[0]!r}; rename all but one, or leave them out")
