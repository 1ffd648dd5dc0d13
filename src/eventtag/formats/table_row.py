"""A row of a table (CSV, Parquet) as an article and back.

The spans stand in one column, as JSON or Python's way of writing it, or as a list of the table's own types (`formats.span_lists`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.formats.carried import FIELD, uncarry, unique_spans
from eventtag.formats.json_file import parse_json
from eventtag.formats.offsets import ForeignSpan, Unit, place_spans
from eventtag.formats.span_lists import SPAN_FIELDS, UnreadSpans, foreign_spans
from eventtag.ledger import LossLedger

TEXT_COLUMNS = ("text", "body", "content", "article", "sentence")
SPANS_COLUMNS = SPAN_FIELDS
MISSING = frozenset({"nan", "NaN", "NA", "N/A", "<NA>", "None", "null", "NULL"})
"""How pandas, R, Python and databases write that there is no value."""
MAX_LITERAL = 1_000_000
"""Characters of a Python literal that are parsed; longer ones are refused."""


def choose_column(columns: Sequence[str], wanted: str | None, usual: Sequence[str], what: str) -> str:
    """The column that the user names, or the first of the usual names that is there, in capitals or not.

    Raises DataError naming all columns.
    """
    if wanted is not None:
        if wanted in columns:
            return wanted
        raise DataError(f"there is no column {wanted!r}; there are: {', '.join(columns)}")
    for name in usual:
        found = name if name in columns else next((column for column in columns if column.strip().casefold() == name), None)
        if found is not None:
            return found
    raise DataError(f"which column holds the {what}? there are: {', '.join(columns)}; name it with {what}_column")


def article_from_row(
    row: Mapping[str, Any],
    *,
    name: str,
    text_column: str,
    spans_column: str,
    id_column: str | None,
    offsets: str,
    assumed: Unit = "codepoints",
    ledger: LossLedger,
) -> Article:
    """The article of one row; every other column that is not empty becomes metadata. Raises DataError.

    `assumed`: the unit of the file's offsets (`formats.offsets.file_unit`), except in a row that eventtag wrote.
    """
    text = row[text_column]
    if not isinstance(text, str):
        raise DataError(f"column {text_column!r} is {str(text)[:40]!r}; it must be a text")
    given = row.get(id_column) if id_column else None
    if given is not None and str(given) != "":
        name = str(given)
    foreign = _spans_of_cell(row[spans_column])
    if not foreign and _is_missing(row[spans_column]):
        ledger.note(
            name,
            "reading",
            "spans",
            "its spans are a missing value (nan), which is read as no span",
            detail=str(row[spans_column]),
        )
    unit: Unit = "codepoints" if is_as_written(row) else assumed
    spans = place_spans(name, text, foreign, ledger=ledger, unit=offsets, assumed=unit)
    own = {text_column, spans_column, id_column, FIELD}
    meta = {key: value for key, value in row.items() if key not in own and value is not None and value != ""}
    carried = row.get(FIELD)
    if isinstance(carried, str) and carried:
        carried = parse_value(carried)
    return uncarry(Article(id=name, text=text, spans=unique_spans(spans), meta=meta), carried)


def units_of_rows(
    rows: Iterable[Mapping[str, Any]], text_column: str, spans_column: str
) -> Iterator[tuple[str, Sequence[ForeignSpan]]]:
    """What `file_unit` looks at: the text and the spans of each row in which units could differ."""
    for row in rows:
        text = row[text_column]
        if isinstance(text, str) and not (text.isascii() and "\r\n" not in text) and not is_as_written(row):
            try:
                yield text, _spans_of_cell(row[spans_column])
            except DataError:
                continue  # reading the row names what is wrong with it


def look_for_spans(row: Mapping[str, Any], spans_column: str, unread: UnreadSpans) -> None:
    """Look into the other columns that usually hold spans, as long as none was read."""
    others: dict[str, object] = {}
    for key, value in row.items():
        if key == spans_column or key.strip().casefold() not in SPANS_COLUMNS:
            continue
        try:
            others[key] = [[span.start, span.end, span.label] for span in _spans_of_cell(value)]
        except DataError:
            continue
    unread.look(others)


def is_as_written(row: Mapping[str, Any]) -> bool:
    """Whether eventtag wrote the row, whose offsets then count code points."""
    return isinstance(row.get(FIELD), str) and row[FIELD].startswith("{")


def _is_missing(cell: object) -> bool:
    return cell != cell or (isinstance(cell, str) and cell.strip() in MISSING)


def _spans_of_cell(cell: Any) -> list[ForeignSpan]:
    if cell is None or _is_missing(cell) or (isinstance(cell, str) and not cell.strip()):
        return []
    return foreign_spans(parse_value(cell) if isinstance(cell, str) else cell)


def parse_value(text: str) -> Any:
    """The value of a cell: JSON, or a Python literal; raises DataError for neither."""
    try:
        return parse_json(text)
    except DataError:
        pass
    try:
        if len(text) > MAX_LITERAL:
            raise ValueError("it is too long")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise DataError(f"{text[:60]!r} is no list of spans; write [[START, END, LABEL], ...] as JSON") from error
