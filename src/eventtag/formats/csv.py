"""CSV with a column of texts and a column of spans (RFC 4180; separators other than the comma are recognised).

    id,text,spans
    a1,Kyiv fell,"[[0, 4, ""LOCATION""]]"

What a cell of spans may hold: `formats.table_row`. All further columns become metadata.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

from eventtag.articles import Article
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.formats.carried import FIELD, carry
from eventtag.formats.json_file import dump_json
from eventtag.formats.offsets import check_unit
from eventtag.formats.sentences import sentences_of_spans
from eventtag.formats.table_row import SPANS_COLUMNS, TEXT_COLUMNS, article_from_row, choose_column
from eventtag.formats.tokenised import note_parts
from eventtag.ledger import LossLedger
from eventtag.spans import ScoredSpan, Span
from eventtag.staging import staged_file

Rows = Literal["articles", "spans"]
SPAN_COLUMNS = ("article_id", "start", "end", "label", "text", "score")
SENTENCE_COLUMNS = ("sentence_start", "sentence_end", "sentence")
MAX_CELL = 1 << 27
"""Characters of one cell; Python's own limit of 131,072 is less than a long article."""


def read_csv(
    path: Path,
    *,
    ledger: LossLedger,
    text_column: str | None = None,
    spans_column: str | None = None,
    id_column: str = "id",
    delimiter: str | None = None,
    offsets: str = "auto",
) -> Iterator[Article]:
    """Stream the rows as articles; without an id column the id is made of the file's name and the row.

    `delimiter`: by default whichever of comma, semicolon, tab and `|` the header has most of. `offsets`: see `formats.offsets`.
    Raises FormatError with file and line.
    """
    check_unit(offsets)
    if delimiter is not None and len(delimiter) != 1:
        raise SettingsError(f"delimiter: {delimiter!r} is not one character")
    csv.field_size_limit(MAX_CELL)
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter=delimiter or max(",;\t|", key=first.count), strict=True)
            header = next(rows, [])
            text = choose_column(header, text_column, TEXT_COLUMNS, "text")
            spans = choose_column(header, spans_column, SPANS_COLUMNS, "spans")
            if len(set(header)) < len(header):
                raise DataError(f"a column's name stands twice in {header}")
            number = 0
            while True:
                line = rows.line_num + 1
                row = next(rows, None)
                if row is None:
                    return
                if not row:
                    continue
                number += 1
                if len(row) != len(header):
                    raise DataError(f"{len(row)} cells where the header has {len(header)}")
                yield article_from_row(
                    dict(zip(header, row, strict=True)),
                    name=f"{path.stem}-{number}",
                    text_column=text,
                    spans_column=spans,
                    id_column=id_column if id_column in header else None,
                    offsets=offsets,
                    ledger=ledger,
                )
    except UnicodeDecodeError as error:
        raise FormatError(f"is not UTF-8 ({error.reason}); save the file as UTF-8", path=path, line=line) from error
    except (DataError, csv.Error) as error:
        raise FormatError(str(error), path=path, line=line) from error
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error


def sniff_csv(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    first = head.split("\n", 1)[0].rstrip("\r")
    for delimiter in ",;\t|":
        names = [name.strip().strip('"') for name in first.split(delimiter)]
        if len(names) > 1 and set(names) & set(TEXT_COLUMNS) and set(names) & set(SPANS_COLUMNS) and "{" not in first:
            return f"has a header with the columns {', '.join(names)}"
    return None


def write_csv(
    articles: Iterable[Article], path: Path, *, ledger: LossLedger, rows: Rows = "articles", sentences: bool = False
) -> None:
    """Write a row an article: id, text, spans (JSON) and eventtag (annotated regions, annotated labels and metadata, as JSON).

    With `rows="spans"` a row is a span: article id, start, end, label, text, score and, with `sentences`, its sentence. The articles'
    texts and metadata then go to the ledger.
    """
    if rows not in get_args(Rows):
        raise SettingsError(f"rows: {rows!r} is unknown; allowed: {', '.join(get_args(Rows))}")
    with staged_file(path) as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        if rows == "spans":
            writer.writerow((*SPAN_COLUMNS, *(SENTENCE_COLUMNS if sentences else ())))
            for article in articles:
                writer.writerows(_span_rows(article, ledger, sentences=sentences))
            return
        writer.writerow(("id", "text", "spans", FIELD))
        for article in articles:
            spans = dump_json([span_record(span) for span in article.spans])
            writer.writerow((article.id, article.text, spans, dump_json(carry(article))))


def _span_rows(article: Article, ledger: LossLedger, *, sentences: bool) -> Iterator[tuple[object, ...]]:
    note_parts(article, "writing csv", ledger=ledger)
    ledger.note(article.id, "writing csv", "text", "a row is a span: the article's text is not kept")
    places = sentences_of_spans(article) if sentences else {}
    for span in article.spans:
        score = round(span.score, 6) if isinstance(span, ScoredSpan) else ""
        row: tuple[object, ...] = (article.id, span.start, span.end, span.label, article.mention(span), score)
        if sentences:
            start, end = places[span]
            row += (start, end, article.text[start:end])
        yield row


def span_record(span: Span) -> dict[str, object]:
    """The span as a JSON object, with its score if it has one."""
    record: dict[str, object] = {"start": span.start, "end": span.end, "label": span.label}
    return record | {"score": span.score} if isinstance(span, ScoredSpan) else record
