"""A row of a table (CSV, Parquet, a dataset) as an article.

The spans stand in one column, as JSON or Python's way of writing it, or as a list of the table's own types (`formats.span_lists`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from eventtag.errors import DataError
from eventtag.formats.carried import FIELD
from eventtag.formats.json_file import parse_value
from eventtag.formats.records import Record
from eventtag.formats.span_lists import SPAN_FIELDS, foreign_spans
from eventtag.ledger import LossLedger

TEXT_COLUMNS = ("text", "body", "content", "article", "sentence")
SPANS_COLUMNS = SPAN_FIELDS
MISSING = frozenset({"nan", "NaN", "NA", "N/A", "<NA>", "None", "null", "NULL"})
"""How pandas, R, Python and databases write that there is no value."""


def find_column(columns: Sequence[str], usual: Sequence[str]) -> str | None:
    """The first of the usual names that is there, in capitals or not."""
    for name in usual:
        for column in (name, *columns):
            if column in columns and (column == name or column.strip().casefold() == name.casefold()):
                return column
    return None


def choose_column(columns: Sequence[str], wanted: str | None, usual: Sequence[str], what: str) -> str:
    """The column that the user names, or the first of the usual names; raises DataError naming all columns."""
    found = find_column(columns, usual) if wanted is None else wanted if wanted in columns else None
    if found is not None:
        return found
    there = f"there are: {', '.join(columns)}"
    if wanted is not None:
        raise DataError(f"there is no column {wanted!r}; {there}")
    raise DataError(f"which column holds the {what}? {there}; name it with {what}_column")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold the text, the spans and the id."""

    text: str
    spans: str
    id: str | None

    @classmethod
    def choose(
        cls, columns: Sequence[str], text_column: str | None = None, spans_column: str | None = None, id_column: str = "id"
    ) -> Columns:
        """The columns that the user names or the usual ones; raises DataError naming all columns."""
        text = choose_column(columns, text_column, TEXT_COLUMNS, "text")
        spans = choose_column(columns, spans_column, SPANS_COLUMNS, "spans")
        return cls(text, spans, find_column(columns, [id_column]))

    def record(self, row: Mapping[str, Any], default: str, ledger: LossLedger) -> Record:
        """The row as a record; every other column that is not empty becomes metadata. Raises DataError."""
        text, cell, given = row[self.text], row[self.spans], None if self.id is None else row[self.id]
        if not isinstance(text, str):
            raise DataError(f"column {self.text!r} is {str(text)[:40]!r}; it must be a text")
        name = default if given is None or str(given) == "" else str(given)
        missing = cell != cell or (isinstance(cell, str) and cell.strip() in MISSING)
        if missing:
            ledger.note(
                name, "reading", "spans", "its spans are a missing value (nan), which is read as no span", detail=str(cell)
            )
        empty = missing or cell is None or (isinstance(cell, str) and not cell.strip())
        carried = row.get(FIELD)
        return Record(
            name,
            text,
            [] if empty else foreign_spans(parse_value(cell) if isinstance(cell, str) else cell),
            {
                key: value
                for key, value in row.items()
                if key not in (self.text, self.spans, self.id, FIELD) and value is not None and value != ""
            },
            parse_value(carried) if isinstance(carried, str) and carried else carried,
            unit="codepoints" if is_as_written(row) else None,
            others={key: _value(row[key]) for key in row if key != self.spans and key.strip().casefold() in SPANS_COLUMNS},
        )


def _value(cell: object) -> object:
    """What a cell holds that is not read; itself where it is no list."""
    if isinstance(cell, str) and cell.lstrip().startswith(("[", "{")):
        with suppress(DataError):
            return parse_value(cell)
    return cell


def is_as_written(row: Mapping[str, Any]) -> bool:
    """Whether eventtag wrote the row, whose offsets then count code points."""
    return isinstance(row.get(FIELD), str) and row[FIELD].startswith("{")
