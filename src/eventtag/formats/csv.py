"""CSV with a column of texts and a column of spans (RFC 4180; other separators and UTF-16, as Excel writes them, are recognised).

    id,text,spans
    a1,Kyiv fell,"[[0, 4, ""LOCATION""]]"

What a cell of spans may hold: `formats.span_lists`. All further columns become metadata.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from eventtag.article import Article
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.formats.carried import FIELD, carry
from eventtag.formats.json_file import at_line, dump_json
from eventtag.formats.offsets import check_unit, file_unit
from eventtag.formats.span_lists import UnreadSpans
from eventtag.formats.table_row import (
    SPANS_COLUMNS,
    TEXT_COLUMNS,
    article_from_row,
    choose_column,
    is_as_written,
    look_for_spans,
    units_of_rows,
)
from eventtag.formats.tokenised import note_parts
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_file
from eventtag.text.sentences import sentences_of_spans

Rows = Literal["articles", "spans"]
WORD_COLUMNS = {"word", "words", "token", "tokens"}
TAG_COLUMNS = {"tag", "tags", "ner", "ner_tag", "ner_tags", "label", "labels"}
SPAN_COLUMNS = ("article_id", "start", "end", "label", "text", "score")
SENTENCE_COLUMNS = ("sentence_start", "sentence_end", "sentence")
MAX_CELL = 1 << 27
"""Characters of one cell; Python's own limit of 131,072 is less than a long article."""
SEPARATOR = re.compile(r'"?sep=([,;\t|])"?')
"""The first line by which Excel is told the separator."""
_LINE_END = re.compile(rb"\r\n|\r|\n")
_FORMULA = re.compile("'*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]")
"""How a cell begins that a spreadsheet would run (https://owasp.org/www-community/attacks/CSV_Injection), or that `guarded` made."""


def read_csv(
    path: Path,
    *,
    ledger: LossLedger,
    text_column: str | None = None,
    spans_column: str | None = None,
    id_column: str = "id",
    delimiter: str | None = None,
    encoding: str | None = None,
    offsets: str = "auto",
) -> Iterator[Article]:
    """Stream the rows as articles; without an id column the id is made of the file's name and the row.

    `delimiter`: by default what a first line `sep=;` says, else whichever of comma, semicolon, tab and `|` the header has most of.
    `encoding`: by default UTF-8, or UTF-16 where the file begins with its mark. `offsets`: see `formats.offsets`; the file is read
    twice where their unit is to be found. Raises FormatError with file and line.
    """
    check_unit(offsets)
    if delimiter is not None and len(delimiter) != 1:
        raise SettingsError(f"delimiter: {delimiter!r} is not one character")
    header, _ = next(_rows(path, delimiter, encoding))
    with at_line(path, 1):
        if text_column is None:
            _require_articles({name.strip().casefold() for name in header})
        text = choose_column(header, text_column, TEXT_COLUMNS, "text")
        spans = choose_column(header, spans_column, SPANS_COLUMNS, "spans")
        if spans_column is None and spans != "spans" and {"start", "end"} <= {name.casefold() for name in header}:
            raise DataError(
                "its rows are spans, with the columns start and end; articles need one row each, with all spans in one cell: "
                '[{"start": 0, "end": 4, "label": "LOC"}, ...]'
            )
    given = next((name for name in header if name == id_column), None)
    given = given or next((name for name in header if name.casefold() == id_column.casefold()), None)
    rows = (dict(zip(header, cells, strict=True)) for cells, _ in islice(_rows(path, delimiter, encoding), 1, None))
    unit = file_unit(units_of_rows(rows, text, spans), offsets=offsets, ledger=ledger, path=path)
    unread = UnreadSpans(ledger)
    for number, (cells, line) in enumerate(islice(_rows(path, delimiter, encoding), 1, None), start=1):
        row = dict(zip(header, cells, strict=True))
        if is_as_written(row):
            row = {name: unguarded(cell) for name, cell in row.items()}
        with at_line(path, line):
            article = article_from_row(
                row,
                name=f"{path.stem}-{number}",
                text_column=text,
                spans_column=spans,
                id_column=given,
                offsets=offsets,
                assumed=unit,
                ledger=ledger,
            )
        look_for_spans(row, spans, unread)
        yield article
    unread.require_none(path)


def _rows(path: Path, delimiter: str | None, encoding: str | None) -> Iterator[tuple[list[str], int]]:
    """(cells, line on which the row begins) of the header, its names without white space at their edges, and of every row."""
    csv.field_size_limit(MAX_CELL)
    encoding = _encoding(path, encoding)
    line, skipped = 1, 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            first = file.readline()
            if separator := SEPARATOR.fullmatch(first.rstrip("\r\n")):
                skipped = 1
                delimiter = delimiter or separator[1]
                first = file.readline()
            file.seek(0)
            for _ in range(skipped):
                file.readline()
            rows = csv.reader(file, delimiter=delimiter or max(",;\t|", key=first.count), strict=True)
            header = [name.strip() for name in next(rows, [])]
            if len(set(header)) < len(header):
                raise DataError(f"a column's name stands twice in {header}; rename one")
            yield header, 1 + skipped
            while True:
                line = rows.line_num + 1 + skipped
                row = next(rows, None)
                if row is None:
                    return
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(f"{len(row)} cells where the header has {len(header)}")
                yield row, line
    except UnicodeError as error:
        reason = getattr(error, "reason", str(error))
        raise FormatError(
            f"is not {encoding.removesuffix('-sig').upper()} ({reason}); save the file as UTF-8, or say what it is, as in "
            "encoding=cp1252 (--read-option encoding=..., data.options.encoding=...)",
            path=path,
            line=_undecodable_line(path, encoding) or line,
        ) from error
    except (DataError, csv.Error) as error:
        raise FormatError(str(error), path=path, line=line) from error
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error


def _encoding(path: Path, wanted: str | None) -> str:
    if wanted is not None:
        try:
            name = codecs.lookup(wanted).name
        except LookupError:
            raise SettingsError(
                f"encoding: {wanted!r} is unknown; allowed are Python's names: utf-8, utf-16, cp1252, ..."
            ) from None
        return "utf-8-sig" if name == "utf-8" else name
    try:
        with path.open("rb") as file:
            return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error


def _undecodable_line(path: Path, encoding: str) -> int | None:
    """The first line of which the bytes cannot be decoded: readers decode ahead of the row that they are at."""
    if encoding.startswith("utf-16"):
        return None
    line = 1
    with path.open("rb") as file:
        for data in file:
            try:
                data.decode(encoding)
            except UnicodeError as error:
                before = data[: error.start] if isinstance(error, UnicodeDecodeError) else b""
                return line + len(_LINE_END.findall(before))
            line += len(_LINE_END.findall(data))
    return None


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

    With `rows="spans"` a row is a span: article id, start, end, label, text, score and, with `sentences`, its sentence. The articles'
    texts and metadata then go to the ledger. A text that a spreadsheet could take for a formula gets `'` before it (`guarded`).
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
            writer.writerow((guarded(article.id), guarded(article.text), spans, dump_json(carry(article))))


def guarded(cell: str) -> str:
    """The cell with `'` before it if a spreadsheet could take it for a formula; `unguarded` gives the cell back."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell that `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _span_rows(article: Article, ledger: LossLedger, *, sentences: bool) -> Iterator[tuple[object, ...]]:
    note_parts(article, "writing csv", ledger=ledger)
    ledger.note(article.id, "writing csv", "text", "a row is a span: the article's text is not kept")
    places = sentences_of_spans(article) if sentences else {}
    for span in article.spans:
        score = round(span.score, 6) if span.score is not None else ""
        row: tuple[object, ...] = (
            guarded(article.id),
            span.start,
            span.end,
            guarded(span.label),
            guarded(article.mention(span)),
            score,
        )
        if sentences:
            start, end = places[span]
            row += (start, end, guarded(article.text[start:end]))
        yield row


def span_record(span: Span) -> dict[str, object]:
    """The span as a JSON object, with its score if it has one."""
    record: dict[str, object] = {"start": span.start, "end": span.end, "label": span.label}
    return record | {"score": span.score} if span.score is not None else record
