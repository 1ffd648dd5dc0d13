"""CSV with a column of texts and a column of spans (RFC 4180; other separators and UTF-16, as Excel writes them, are recognised).

    id,text,spans
    a1,Kyiv fell,"[[0, 4, ""LOCATION""]]"

What a cell of spans may hold: `formats.span_lists`. All further columns become metadata.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.formats.csv_cells import SEPARATOR, csv_rows, guarded, unguarded
from eventtag.formats.csv_spans import write_span_table
from eventtag.formats.json_file import dump_json
from eventtag.formats.links import status_record
from eventtag.formats.offsets import Offsets
from eventtag.formats.records import FIELD, SPANS_COLUMNS, TEXT_COLUMNS, Columns, carry, is_as_written, read_placed
from eventtag.formats.text_file import at_line
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_file

Rows = Literal["articles", "spans"]
WORD_COLUMNS = {"word", "words", "token", "tokens"}
TAG_COLUMNS = {"tag", "tags", "ner", "ner_tag", "ner_tags", "label", "labels"}


def read_csv(
    path: Path,
    *,
    ledger: LossLedger,
    text_column: str | None = None,
    spans_column: str | None = None,
    id_column: str = "id",
    delimiter: str | None = None,
    encoding: str | None = None,
    offsets: Offsets = "auto",
) -> Iterator[Article]:
    """Stream the rows as articles; without an id column the id is made of the file's name and the row.

    `delimiter`: by default what a first line `sep=;` says, else whichever of comma, semicolon, tab and `|` the header has most of.
    `encoding`: by default UTF-8, or UTF-16 where the file begins with its mark. `offsets`: see `formats.offsets`; the file is read
    twice where their unit is to be found. Raises FormatError with file and line.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise SettingsError(f"delimiter: {delimiter!r} is not one character")
    header, _ = next(csv_rows(path, delimiter, encoding))
    with at_line(path, 1):
        if text_column is None:
            _require_articles({name.strip().casefold() for name in header})
        columns = Columns.choose(header, text_column, spans_column, id_column)
        if spans_column is None and columns.spans != "spans" and {"start", "end"} <= {name.casefold() for name in header}:
            raise DataError(
                "its rows are spans, with the columns start and end; articles need one row each, with all spans in one cell: "
                '[{"start": 0, "end": 4, "label": "LOC"}, ...]'
            )

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        for cells, line in islice(csv_rows(path, delimiter, encoding), 1, None):
            row = dict(zip(header, cells, strict=True))
            yield line, {name: unguarded(cell) for name, cell in row.items()} if is_as_written(row) else row

    yield from read_placed(path, rows, columns.record, offsets=offsets, ledger=ledger)


def sniff_csv(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    lines = re.split(r"\r\n|\r|\n", head.lstrip("\ufeff"), maxsplit=2)
    separator = SEPARATOR.fullmatch(lines[0])
    first = lines[1] if separator and len(lines) > 1 else lines[0]
    for delimiter in separator[1] if separator else ",;\t|":
        names = [name.strip().strip('"').strip() for name in first.split(delimiter)]
        known = {name.casefold() for name in names}
        if len(names) > 1 and known & set(TEXT_COLUMNS) and known & set(SPANS_COLUMNS) and "{" not in first:
            return f"has a header with the columns {', '.join(names)}"
    return None


def _require_articles(columns: set[str]) -> None:
    """Raise DataError for a table of words, which other formats hold."""
    if columns.isdisjoint(TEXT_COLUMNS) and columns & WORD_COLUMNS and columns & TAG_COLUMNS:
        word, tag = min(columns & WORD_COLUMNS), min(columns & TAG_COLUMNS)
        raise DataError(
            f"it holds words and tags (the columns {word} and {tag}), not texts and spans.\nWith a word in a row: save these two columns "
            "with tabs between them and an empty line after each article (--from conll). With all words of an article in one cell: save "
            'each row as a JSON line, {"id": ..., "tokens": [...], "ner_tags": [...]} (--from jsonl)'
        )


def write_csv(
    articles: Iterable[Article], path: Path, *, ledger: LossLedger, rows: Rows = "articles", sentences: bool = False
) -> None:
    """Write a row an article: id, text, spans (JSON) and eventtag (annotated regions, annotated labels and metadata, as JSON).

    With `rows="spans"` it is the table of `formats.csv_spans`: one row per span, one for an article without spans; with `sentences` each
    span has its sentence. The articles' texts then go to the ledger. A text that a spreadsheet could take for a formula gets `'` before it
    (`guarded`).
    """
    with staged_file(path) as file:
        if rows == "spans":
            write_span_table(articles, file, folder=path.parent, ledger=ledger, sentences=sentences)
            return
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(("id", "text", "spans", FIELD))
        for article in articles:
            spans = dump_json([span_record(span) for span in article.spans])
            writer.writerow((guarded(article.id), guarded(article.text), spans, dump_json(carry(article, status=False))))


def span_record(span: Span) -> dict[str, object]:
    """The span as a JSON object, with its score and status if it has them."""
    record: dict[str, object] = {"start": span.start, "end": span.end, "label": span.label}
    return record | ({} if span.score is None else {"score": span.score}) | status_record(span)
