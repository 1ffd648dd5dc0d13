"""A row of a table (CSV, Parquet) as an article and back.

The spans stand in one column, as a JSON list of `{"start": 0, "end": 4, "label": "LOC"}` or of `[0, 4, "LOC"]`, or as such a
list of the table's own types. Label Studio's CSV (`labels` for `label`) and Python's way of writing lists are read as well.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from eventtag.articles import Article
from eventtag.errors import DataError
from eventtag.formats.carried import FIELD, uncarry, unique_spans
from eventtag.formats.json_file import refuse_constant, whole
from eventtag.formats.offsets import ForeignSpan, resolve_spans
from eventtag.ledger import LossLedger
from eventtag.spans import ScoredSpan

TEXT_COLUMNS = ("text", "body", "content", "article", "sentence")
SPANS_COLUMNS = ("spans", "entities", "labels", "label", "annotations", "ner")
MAX_LITERAL = 1_000_000
"""Characters of a Python literal that are parsed; longer ones are refused."""


def choose_column(columns: Sequence[str], wanted: str | None, usual: Sequence[str], what: str) -> str:
    """The column that the user names, or the first of the usual names that is there; raises DataError naming all columns."""
    if wanted is not None:
        if wanted in columns:
            return wanted
        raise DataError(f"there is no column {wanted!r}; there are: {', '.join(columns)}")
    for name in usual:
        if name in columns:
            return name
    raise DataError(f"which column holds the {what}? there are: {', '.join(columns)}; name it with {what}_column")


def article_from_row(
    row: Mapping[str, Any],
    *,
    name: str,
    text_column: str,
    spans_column: str,
    id_column: str | None,
    offsets: str,
    ledger: LossLedger,
) -> Article:
    """The article of one row; every other column that is not empty becomes metadata. Raises DataError."""
    text = row[text_column]
    if not isinstance(text, str):
        raise DataError(f"column {text_column!r} is {str(text)[:40]!r}; it must be a text")
    given = row.get(id_column) if id_column else None
    if given is not None and str(given) != "":
        name = str(given)
    foreign, scores = _foreign_spans(row[spans_column])
    ledger.seen += len(foreign)
    spans = []
    for position, span in resolve_spans(name, text, foreign, ledger=ledger, unit=offsets):
        score = scores[position]
        final = span if score is None else ScoredSpan(span.start, span.end, span.label, score)
        if final in spans:
            ledger.add_span(name, "reading", "merged", "is marked twice", span)
        spans.append(final)
    own = {text_column, spans_column, id_column, FIELD}
    meta = {key: value for key, value in row.items() if key not in own and value is not None and value != ""}
    carried = row.get(FIELD)
    if isinstance(carried, str) and carried:
        carried = parse_value(carried)
    return uncarry(Article(id=name, text=text, spans=unique_spans(spans), meta=meta), carried)


def parse_value(text: str) -> Any:
    """The value of a cell: JSON, or a Python literal; raises DataError for neither."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        pass
    try:
        if len(text) > MAX_LITERAL:
            raise ValueError("it is too long")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise DataError(f"{text[:60]!r} is no list of spans; write [[START, END, LABEL], ...] as JSON") from error


def _foreign_spans(cell: Any) -> tuple[list[ForeignSpan], list[float | None]]:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return [], []
    items = parse_value(cell) if isinstance(cell, str) else cell
    if not isinstance(items, list | tuple):
        raise DataError(f"the spans are {str(items)[:60]!r}; they must be a list")
    found: list[ForeignSpan] = []
    scores: list[float | None] = []
    for item in items:
        if isinstance(item, Mapping):
            labels = item.get("label", item.get("labels", item.get("type")))
            start = item.get("start", item.get("start_offset", item.get("begin")))
            end = item.get("end", item.get("end_offset"))
            surface, score = item.get("text"), item.get("score")
        elif isinstance(item, list | tuple) and len(item) >= 3:
            (start, end, labels), surface, score = item[:3], None, None
        else:
            raise DataError(f"the span {str(item)[:60]!r} is neither an object nor [START, END, LABEL]")
        for label in labels if isinstance(labels, list | tuple) else [labels]:
            if not isinstance(label, str) or not label:
                raise DataError(f"a span has the label {label!r}; it must be a text")
            surface = surface if isinstance(surface, str) and surface else None
            found.append(ForeignSpan(whole(start, "a span's start"), whole(end, "a span's end"), label, surface))
            scores.append(score_of(score))
    return found, scores


def score_of(value: object) -> float | None:
    """The value as a score from 0 to 1; None where it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    return None
