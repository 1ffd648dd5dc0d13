"""Tagged articles as a table with one row per span, and one for each article without spans.

    article_id,start,end,label,text,score,article_spans,date,country
    a1,0,4,LOCATION,Kyiv,0.93,1,2014-02-20,Ukraine
    a2,,,,,,0,2014-02-21,Ukraine

`article_spans` is how many spans the article has, so that articles can be counted and a filtered table is recognised. The
metadata fields follow as text; lists and objects are JSON. A field with the name of another column is called `meta.NAME`.
"""

from __future__ import annotations

import csv
import itertools
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.arrow_rows import plain_value
from eventtag.formats.csv_cells import csv_rows, guarded, unguarded
from eventtag.formats.records import SPANS_COLUMNS, TEXT_COLUMNS
from eventtag.formats.text_file import at_line
from eventtag.formats.tokenised import note_parts
from eventtag.ledger import LossLedger
from eventtag.text.sentences import shown_sentences

SPAN_COLUMNS = ("article_id", "start", "end", "label", "text", "score")
SENTENCE_COLUMNS = ("sentence_start", "sentence_end", "sentence")
COUNT_COLUMN = "article_spans"
_TAKEN = {*SPAN_COLUMNS, *SENTENCE_COLUMNS, COUNT_COLUMN, *SPANS_COLUMNS, *TEXT_COLUMNS, "id", "eventtag"}
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


def cell_text(value: object) -> str | None:
    """A value of metadata as text: None if it is empty, `2014` for 2014.0, JSON for lists and objects. Half a surrogate pair, from
    damaged JSON, becomes U+FFFD.
    """
    if isinstance(value, str):
        return (value if value.isascii() else _SURROGATE.sub("\ufffd", value)) or None
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    plain = plain_value(value)
    return _SURROGATE.sub("\ufffd", plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))


def refuse_span_tables(path: Path) -> None:
    """Raise DataError for a table of spans, or a folder of them, which holds no texts to annotate."""
    if any(is_span_table(file) for file in (sorted(path.glob("*.csv")) if path.is_dir() else [path]) if file.suffix == ".csv"):
        raise DataError(
            f"{path}: its rows are spans, as `eventtag predict` writes CSV, and it holds no texts to annotate; give JSONL or Parquet that "
            "predict wrote, or the articles themselves"
        )


def meta_columns(names: Iterable[str], taken: Iterable[str] = _TAKEN) -> dict[str, str]:
    """The column of each metadata field: its name, with `meta.` before it if a column of the table has this name in any case."""
    used = {name.casefold() for name in taken}
    columns: dict[str, str] = {}
    for name in names:
        column = _SURROGATE.sub("\ufffd", name.strip())
        while not column or column.casefold() in used:
            column = f"meta.{column}"
        used.add(column.casefold())
        columns[name] = column
    return columns


def write_span_table(
    articles: Iterable[Article], file: TextIO, *, folder: Path, ledger: LossLedger, sentences: bool = False
) -> None:
    """Write the table. Its header names the metadata of all articles, so the rows wait in a nameless file in `folder` until the last one.

    `sentences`: every span has its sentence. The articles' texts go to the ledger.
    """
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    names: dict[str, Any] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as waiting:
        for article in articles:
            note_parts(article, "writing csv", ledger=ledger, kept=("meta",))
            ledger.note(article.id, "writing csv", "text", "a row is a span: the article's text is not kept")
            names.update(article.meta)
            meta = {name: _meta_cell(value) for name, value in article.meta.items()}
            waiting.write(json.dumps([list(_span_cells(article, sentences=ledger if sentences else None)), meta]) + "\n")
        header = (*SPAN_COLUMNS, *(SENTENCE_COLUMNS if sentences else ()), COUNT_COLUMN)
        writer.writerow((*header, *map(guarded, meta_columns(names).values())))
        waiting.seek(0)
        for line in waiting:
            rows, meta = json.loads(line)
            cells = [meta.get(name, "") for name in names]
            writer.writerows([*row, *cells] for row in rows)


def _meta_cell(value: object) -> str:
    text = cell_text(value) or ""
    return text if isinstance(value, int | float) else guarded(text)


def _span_cells(article: Article, *, sentences: LossLedger | None) -> Iterator[list[object]]:
    name, count = guarded(article.id), len(article.spans)
    if not count:
        yield [name, *[""] * (len(SPAN_COLUMNS) - 1 + (0 if sentences is None else len(SENTENCE_COLUMNS))), 0]
    places = {} if sentences is None else shown_sentences(article, "writing csv", sentences)
    for span in article.spans:
        score = round(span.score, 6) if span.score is not None else ""
        cells: list[object] = [name, span.start, span.end, guarded(span.label), guarded(article.mention(span)), score]
        if sentences is not None:
            start, end = places[span]
            cells += [start, end, guarded(article.text[start:end])]
        yield [*cells, count]


@dataclass(frozen=True, slots=True)
class SpanTableArticle:
    """An article of the table: its metadata as text and numbers, and its spans in columns."""

    id: str
    meta: Mapping[str, str | int | float]
    starts: list[int]
    ends: list[int]
    labels: list[str]
    scores: list[float | None]
    surfaces: list[str]


def is_span_table(path: Path) -> bool:
    """Whether a file begins with the header of such a table."""
    try:
        header, _ = next(csv_rows(path, None, None))
    except FormatError:
        return False
    return tuple(header[: len(SPAN_COLUMNS)]) == SPAN_COLUMNS


def read_span_table(path: Path) -> Iterator[SpanTableArticle]:
    """Stream the articles. Raises FormatError with the line for a cell that is not a number, for a table without `article_spans`, in which
    articles without spans are missing, and for an article that does not have as many rows as it has spans.
    """
    rows = csv_rows(path, None, None)
    header = [unguarded(name) for name in next(rows)[0]]
    if COUNT_COLUMN not in header:
        raise FormatError(
            f"has no column {COUNT_COLUMN}, so that articles without spans are missing and no share or mean can be right\n"
            "write the predictions again with eventtag predict (the finished job in NAME.job does not tag anew), or as .jsonl",
            path=path,
            line=1,
        )
    counts = header.index(COUNT_COLUMN)
    fields = {at: name for at, name in enumerate(header) if at > counts}
    for _, group in itertools.groupby(rows, key=lambda row: row[0][0]):
        yield _article(list(group), counts, fields, path)


def _article(rows: list[tuple[list[str], int]], counts: int, fields: Mapping[int, str], path: Path) -> SpanTableArticle:
    cells, line = rows[0]
    name = unguarded(cells[0])
    meta = {field: _meta_value(cells[at]) for at, field in fields.items() if cells[at]}
    found = SpanTableArticle(name, meta, [], [], [], [], [])
    with at_line(path, line):
        expected = _number(cells[counts], COUNT_COLUMN, int)
    filled = [row for row in rows if any(row[0][1:6])]
    if len(filled) != expected or len(rows) != max(expected or 0, 1):
        raise FormatError(
            f"article {name!r} has {expected} spans by {COUNT_COLUMN}, but {len(filled)} rows are here; give the table as it was "
            "written (select spans with --threshold or --quantity)",
            path=path,
            line=line,
        )
    for cells, line in filled:
        with at_line(path, line):
            found.starts.append(_number(cells[1], "start", int) or 0)
            found.ends.append(_number(cells[2], "end", int) or 0)
            found.scores.append(_number(cells[5], "score", float) if cells[5] else None)
        found.labels.append(unguarded(cells[3]))
        found.surfaces.append(unguarded(cells[4]))
    return found


def _meta_value(cell: str) -> str | int | float:
    """A number where the cell is written as `cell_text` writes one, else its text: `007` and `1.10` are texts."""
    if _NUMBER.fullmatch(cell):
        number = float(cell) if "." in cell else int(cell)
        if cell_text(number) == cell:
            return number
    return unguarded(cell)


def _number(cell: str, column: str, kind: Any) -> Any:
    try:
        return kind(cell)
    except ValueError as error:
        raise DataError(f"column {column} is {cell[:40]!r}; it must be a number") from error
